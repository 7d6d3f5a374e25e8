package console

import (
	"strings"
	"testing"
	"time"
)

// TestBrief: what a cell shows is a part of what it is called.
func TestBrief(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 26, 23, 59, 0, 0, time.UTC)
	for want, then := range map[string]time.Time{
		"00:03": time.Date(2026, 11, 26, 0, 3, 0, 0, time.UTC),
		"11-25": time.Date(2026, 11, 25, 23, 59, 59, 0, time.UTC),
		"2025":  time.Date(2025, 12, 31, 23, 0, 0, 0, time.UTC),
	} {
		if got := brief(&then, at); got != want || !strings.Contains(exact(&then), got) {
			t.Errorf("%s: %q, want %q", exact(&then), got, want)
		}
	}
}
