package cost

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// processorTime returns how long the processors of this machine have been busy and idle, in ticks.
func processorTime(b *testing.B) (busy, idle uint64) {
	b.Helper()
	text, err := os.ReadFile("/proc/stat")
	must(b, err)
	var user, nice, system, wait uint64
	_, err = fmt.Sscanf(string(text), "cpu %d %d %d %d %d", &user, &nice, &system, &idle, &wait)
	must(b, err)
	return user + nice + system, idle + wait
}

// memory returns what a process has in memory, and the most that it ever had, in MiB.
func memory(b *testing.B, pid int) (now, most float64) {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(b, err)
	for line := range strings.Lines(string(text)) {
		var kib float64
		if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &kib); err == nil {
			now = kib / 1024
		}
		if _, err := fmt.Sscanf(line, "VmHWM: %f kB", &kib); err == nil {
			most = kib / 1024
		}
	}
	return now, most
}
