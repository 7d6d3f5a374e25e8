package scheduler

import (
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tidemark/shared/telemetry"
	"tidemark/shared/web"
)

var update = flag.Bool("update", false, "write the golden file anew")

// page is what a scrape of a registry answers.
func page(g prometheus.Gatherer) string {
	w := httptest.NewRecorder()
	telemetry.Handler(g, slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

// wantCount compares a count with what a test expects.
func (f *field) wantCount(want float64, c prometheus.Collector) {
	f.t.Helper()
	if got := testutil.ToFloat64(c); got != want {
		f.t.Errorf("counted %v, want %v", got, want)
	}
}

// TestMetricsPage: everything is there before anything happened.
func TestMetricsPage(t *testing.T) {
	t.Parallel()
	o := DefaultOptions()
	if _, err := New(o); err != nil {
		t.Fatal(err)
	}
	got := page(o.Registry)
	const path = "testdata/metrics.txt"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("differs from %s (go test ./scheduler -update):\n%s", path, got)
	}
	if problems, err := testutil.GatherAndLint(o.Registry); err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v %v", problems, err)
	}
}

// TestWatchedTicks: the time of the last success stands still when a loop fails.
func TestWatchedTicks(t *testing.T) {
	t.Parallel()
	m := newMetrics(prometheus.NewRegistry())
	var result error
	tick := m.watched(relayLoop, func(context.Context) error { return result })
	last := m.lastSuccess.WithLabelValues(relayLoop)

	result = errors.New("no database")
	tick(t.Context())
	if at := testutil.ToFloat64(last); at != 0 {
		t.Errorf("the first tick failed, and yet the last success was at %v", at)
	}
	result = nil
	before := time.Now()
	tick(t.Context())
	at := testutil.ToFloat64(last)
	if at < float64(before.Unix()) {
		t.Errorf("the last success was at %v, it was just now", at)
	}
	result = errors.New("no database")
	tick(t.Context())
	if now := testutil.ToFloat64(last); now != at {
		t.Errorf("a failure moved the last success from %v to %v", at, now)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	tick(stopped)
	if n := testutil.ToFloat64(m.tickFailures.WithLabelValues(relayLoop)); n != 2 {
		t.Errorf("%v failures, want the two before the stop", n)
	}
	if want := `tidemark_scheduler_tick_duration_seconds_count{loop="relay"} 3`; !strings.Contains(page(gatherer(t, m.ticks)), want) {
		t.Errorf("no %s", want)
	}
}

func gatherer(t *testing.T, c prometheus.Collector) prometheus.Gatherer {
	t.Helper()
	registry := prometheus.NewRegistry()
	if err := registry.Register(c); err != nil {
		t.Fatal(err)
	}
	return registry
}

// TestSchedulerServesItsMetrics while it runs, and no longer.
func TestSchedulerServesItsMetrics(t *testing.T) {
	t.Parallel()
	f := setup(t)
	bound := make(chan net.Addr, 1)
	stop := f.run(func(o *Options) {
		o.Web = web.Options{Addresses: []string{"127.0.0.1:0"}, OnListen: func(a []net.Addr) { bound <- a[0] }}
	})
	address := (<-bound).String()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(path string) string {
		answer, err := client.Get("http://" + address + path)
		if err != nil {
			return ""
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		return string(body)
	}
	if got := get("/-/ready"); got != "ready\n" {
		t.Errorf("ready: %s", got)
	}
	f.await("relay and reaper have had a success", func() bool {
		body := get("/metrics")
		return strings.Contains(body, "tidemark_scheduler_last_success_timestamp_seconds{") &&
			!strings.Contains(body, `tidemark_scheduler_last_success_timestamp_seconds{loop="relay"} 0`) &&
			!strings.Contains(body, `tidemark_scheduler_last_success_timestamp_seconds{loop="reaper"} 0`)
	})
	stop()
	if got := get("/metrics"); got != "" {
		t.Error("still served after the scheduler stopped")
	}
}

// An address that was asked for and cannot be had is an error.
func TestTakenAddressIsRefused(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	f := setup(t)
	f.opts.Web.Addresses = []string{taken.Addr().String()}
	s, err := New(f.opts)
	f.must(err)
	if err := s.Run(f.ctx); err == nil || !strings.Contains(err.Error(), taken.Addr().String()) || !strings.Contains(err.Error(), "--web.listen-address") {
		t.Errorf("got %v", err)
	}
}
