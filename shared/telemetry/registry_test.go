package telemetry_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tidemark/shared/build"
	"tidemark/shared/telemetry"
)

// TestRegistry: two processes' worth of registries live side by side, and each says who it is.
func TestRegistry(t *testing.T) {
	t.Parallel()
	b := build.Read()
	labels := fmt.Sprintf("goversion=%q,revision=%q,version=%q", b.Go, b.Revision(), b.Version)
	for range 2 {
		registry := telemetry.NewRegistry()
		body := ask(telemetry.Handler(registry, quiet), http.MethodGet, "/metrics").Body.String()
		if !strings.Contains(body, "\ntidemark_build_info{"+labels+"} 1\n") {
			t.Errorf("no build info of %s:\n%s", labels, body)
		}
		for _, family := range []string{"go_goroutines", "process_start_time_seconds", "process_open_fds"} {
			if !strings.Contains(body, "\n"+family+" ") {
				t.Errorf("%s is missing", family)
			}
		}
		if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
			t.Errorf("promlint: %v %v", problems, err)
		}
	}
}

// TestOpenMetrics: counters say since when they count, for whom it matters.
func TestOpenMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "tidemark_probes_total", Help: "A counter of the test."})
	registry.MustRegister(counter)
	h := telemetry.Handler(registry, quiet)
	answer := ask(h, http.MethodGet, "/metrics", "Accept", "application/openmetrics-text;version=1.0.0")
	if kind := answer.Header().Get("Content-Type"); !strings.HasPrefix(kind, "application/openmetrics-text") {
		t.Errorf("answered in %s", kind)
	}
	body := answer.Body.String()
	if !regexp.MustCompile(`(?m)^tidemark_probes_created \d`).MatchString(body) || !strings.HasSuffix(body, "# EOF\n") {
		t.Errorf("no time of creation:\n%s", body)
	}
	if plain := ask(h, http.MethodGet, "/metrics").Body.String(); strings.Contains(plain, "_created") {
		t.Errorf("the text format has series of its own for it:\n%s", plain)
	}
}
