package cli_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidemark/shared/local/localtest"
)

// TestListPeriodicEntries: one that was requested, and one that no leader has seen yet.
func TestListPeriodicEntries(t *testing.T) {
	t.Parallel()
	url := localtest.Database(t)
	if _, err := localtest.Connect(t, url).Exec(t.Context(), `
INSERT INTO periodic_entries (name, schedule, handled_until, last_due_at, last_requested_at, missed)
VALUES ('flights', '15 2 * * * Europe/Zurich', '2025-03-01 01:15Z', '2025-03-01 01:15Z', '2025-03-01 01:15:01Z', 3)`); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "periodic.yml")
	if err := os.WriteFile(path, []byte(`
entries:
  - {name: flights, schedule: "15 2 * * *", time_zone: Europe/Zurich, request: recalculation, module: professional_travel, year: current}
  - {name: heating, schedule: "@weekly", request: aggregation, module: buildings, year: 2024}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	list := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := tidemark(context.Background(), append([]string{"scheduler", "--database-url=" + url, "--list"}, args...)...)
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		return stdout
	}
	table := strings.Split(list("--periodic-file="+path), "\n")
	for i, want := range []string{"ENTRY SCHEDULE REQUESTS LAST NEXT MISSED",
		"flights 15 2 * * * Europe/Zurich recalculation professional_travel plane current 2025-03-01 01:15:01Z 2025-03-02 01:15:00Z 3",
		"heating @weekly UTC aggregation buildings 2024 - "} {
		if got := strings.Join(strings.Fields(table[i]), " "); !strings.HasPrefix(got+" ", want) {
			t.Errorf("line %d: %q, want %q", i, got, want)
		}
	}
	var entries []struct {
		Name string  `json:"name"`
		Last *string `json:"last_requested_at"`
		Next *string `json:"next_due_at"`
	}
	if err := json.Unmarshal([]byte(list("--periodic-file="+path, "-o", "json")), &entries); err != nil || len(entries) != 2 ||
		*entries[0].Last != "2025-03-01T01:15:01Z" || *entries[0].Next != "2025-03-02T01:15:00Z" || entries[1].Last != nil || entries[1].Next == nil {
		t.Errorf("%+v, %v", entries, err)
	}
	if got := list(); !strings.Contains(got, "no periodic entries; --periodic-file") {
		t.Errorf("%q", got)
	}
}
