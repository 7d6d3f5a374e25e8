package collector

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tidemark/shared/local/localtest"
	"tidemark/shared/postgres"
)

// fake is a collector made of a function.
type fake struct {
	label string
	do    func(ctx context.Context, q postgres.Querier, send func(prometheus.Metric)) error
}

func (f fake) name() string { return f.label }

func (f fake) update(ctx context.Context, q postgres.Querier, send func(prometheus.Metric)) error {
	return f.do(ctx, q, send)
}

var probe = prometheus.NewDesc("tidemark_probe_scopes", "A gauge of the test.", []string{"sent_by"}, nil)

// sends makes a collector that sends its gauge and then ends like this.
func sends(label string, end func(ctx context.Context, q postgres.Querier) error) fake {
	return fake{label, func(ctx context.Context, q postgres.Querier, send func(prometheus.Metric)) error {
		send(gauge(probe, 1, label))
		return end(ctx, q)
	}}
}

// frameOf reads the record by these collectors, with a silent log.
func frameOf(pool *pgxpool.Pool, parts []collector) *frame {
	return &frame{log: slog.New(slog.DiscardHandler), sources: []source{&record{pool: pool, parts: parts}}}
}

// fakeSource is a source made of a function.
type fakeSource struct {
	label string
	do    func(ctx context.Context) error
}

func (f fakeSource) collectors() []string { return []string{f.label} }

func (f fakeSource) collect(ctx context.Context) []outcome {
	start := time.Now()
	err := f.do(ctx)
	return []outcome{{collector: f.label, took: time.Since(start), err: err, at: time.Now(), gauges: []prometheus.Metric{gauge(probe, 1, f.label)}}}
}

// TestSourcesDoNotWaitForEachOther: one is stuck until the deadline, the others are as quick as
// ever, and what they said counts.
func TestSourcesDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stuck := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		works := func(context.Context) error { return nil }
		f := &frame{log: slog.New(slog.DiscardHandler), sources: []source{fakeSource{"stuck", stuck}, fakeSource{"works", works}, fakeSource{"works too", works}}}
		ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
		defer cancel()
		start := time.Now()
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(samples(f.collect(ctx).metrics))
		if took := time.Since(start); took != 9*time.Second {
			t.Errorf("it took %s, one after the other?", took)
		}
		const want = `# HELP tidemark_collector_duration_seconds How long the collector took at this scrape.
# TYPE tidemark_collector_duration_seconds gauge
tidemark_collector_duration_seconds{collector="stuck"} 9
tidemark_collector_duration_seconds{collector="works"} 0
tidemark_collector_duration_seconds{collector="works too"} 0
# HELP tidemark_collector_success Whether the collector could read its source at this scrape (1) or not (0); its gauges are absent when not.
# TYPE tidemark_collector_success gauge
tidemark_collector_success{collector="stuck"} 0
tidemark_collector_success{collector="works"} 1
tidemark_collector_success{collector="works too"} 1
# HELP tidemark_probe_scopes A gauge of the test.
# TYPE tidemark_probe_scopes gauge
tidemark_probe_scopes{sent_by="works"} 1
tidemark_probe_scopes{sent_by="works too"} 1
`
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want),
			"tidemark_collector_duration_seconds", "tidemark_collector_success", "tidemark_probe_scopes"); err != nil {
			t.Error(err)
		}
	})
}

// TestFrameIsolatesFailures runs collectors that fail in every way between two that do not.
func TestFrameIsolatesFailures(t *testing.T) {
	t.Parallel()
	works := func(ctx context.Context, q postgres.Querier) error {
		var one int
		return q.QueryRow(ctx, "SELECT 1").Scan(&one)
	}
	frame := frameOf(localtest.Pool(t), []collector{
		sends("first", works),
		sends("fails", func(context.Context, postgres.Querier) error { return errors.New("no") }),
		sends("breaks the transaction", func(ctx context.Context, q postgres.Querier) error {
			return q.QueryRow(ctx, "SELECT 1/0").Scan(new(int))
		}),
		sends("writes", func(ctx context.Context, q postgres.Querier) error {
			return q.QueryRow(ctx, "INSERT INTO pipelines (id) VALUES (gen_random_uuid()) RETURNING 1").Scan(new(int))
		}),
		sends("takes too long", func(ctx context.Context, q postgres.Querier) error {
			return q.QueryRow(ctx, "SELECT 1 FROM pg_sleep(60)").Scan(new(int))
		}),
		sends("panics", func(context.Context, postgres.Querier) error { panic("no") }),
		sends("sends what is not UTF-8", func(context.Context, postgres.Querier) error { gauge(probe, 1, "\xff"); return nil }),
		sends("last", works),
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(samples(frame.collect(ctx).metrics))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			label, value := m.GetLabel()[0].GetValue(), m.GetGauge().GetValue()
			good := label == "first" || label == "last"
			switch family.GetName() {
			case "tidemark_collector_success":
				if good != (value == 1) {
					t.Errorf("success of %q is %v", label, value)
				}
			case "tidemark_probe_scopes", "tidemark_snapshot_timestamp_seconds":
				if !good {
					t.Errorf("%q failed, and yet %s is there", label, family.GetName())
				}
			}
		}
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v %v", problems, err)
	}
	for name, want := range map[string]int{"tidemark_collector_success": 8, "tidemark_collector_duration_seconds": 8, "tidemark_probe_scopes": 2} {
		if got, err := testutil.GatherAndCount(registry, name); err != nil || got != want {
			t.Errorf("%s: %d series (%v), want %d", name, got, err, want)
		}
	}
}

// TestCollectorsShareASnapshot changes the record between two collectors of one scrape.
func TestCollectorsShareASnapshot(t *testing.T) {
	t.Parallel()
	pool := localtest.Pool(t)
	var seen []int
	count := func(ctx context.Context, q postgres.Querier) error {
		var n int
		err := q.QueryRow(ctx, "SELECT count(*) FROM pipelines").Scan(&n)
		seen = append(seen, n)
		return err
	}
	frame := frameOf(pool, []collector{
		sends("first", func(ctx context.Context, q postgres.Querier) error {
			if _, err := pool.Exec(ctx, "INSERT INTO pipelines (id) VALUES (gen_random_uuid())"); err != nil {
				return err
			}
			return count(ctx, q)
		}),
		sends("second", count),
	})
	frame.collect(t.Context())
	if len(seen) != 2 || seen[0] != 0 || seen[1] != 0 {
		t.Errorf("saw %v pipelines, want what was there when the scrape began: none", seen)
	}
}

func TestConcurrentScrapesShareOneCollection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var collections atomic.Int32
		release := make(chan struct{})
		s := &scrapes{collect: func(context.Context) collection {
			n := collections.Add(1)
			<-release
			return collection{metrics: []prometheus.Metric{gauge(collectorSuccess, float64(n), "x")}}
		}}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if got := testutil.ToFloat64(samples(s.take(t.Context(), time.Second).metrics)); got != 1 {
					t.Errorf("got collection %v, want the first", got)
				}
			})
		}
		synctest.Wait()
		close(release)
		wg.Wait()
		if s.take(t.Context(), time.Second); collections.Load() != 2 {
			t.Errorf("%d collections, want one for the ten and a new one for the next", collections.Load())
		}
	})
}

// TestScrapeEndsInTime pins what a scrape waits for: its own deadline, whoever collects.
func TestScrapeEndsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		done := gauge(collectorSuccess, 1, "x")
		s := &scrapes{
			collect: func(ctx context.Context) collection {
				<-ctx.Done()
				return collection{metrics: []prometheus.Metric{done}}
			},
			giveUp: func(time.Duration) collection { return collection{} },
		}
		start := time.Now()
		hangsUp, hangUp := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { // begins the collection, then goes away
			if got := s.take(hangsUp, 10*time.Second); got.metrics != nil || time.Since(start) != 0 {
				t.Errorf("a scraper that hung up was kept for %s", time.Since(start))
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if got := s.take(t.Context(), 2*time.Second); got.metrics != nil || time.Since(start) != 1900*time.Millisecond {
				t.Errorf("the impatient one got %v after %s", got, time.Since(start))
			}
		})
		wg.Go(func() {
			if got := s.take(t.Context(), 10*time.Second); len(got.metrics) != 1 || time.Since(start) != 9*time.Second {
				t.Errorf("the patient one got %v after %s", got, time.Since(start))
			}
		})
		hangUp()
		wg.Wait()
	})
}

func TestScrapeTimeout(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{
		"": 10 * time.Second, "x": 10 * time.Second, "0": 10 * time.Second, "-1": 10 * time.Second, "NaN": 10 * time.Second,
		"5": 5 * time.Second, "0.5": 500 * time.Millisecond, "1e-9": 100 * time.Millisecond, "1e300": time.Minute, "Inf": time.Minute,
	} {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", header)
		if got := scrapeTimeout(r); got != want {
			t.Errorf("%q: got %s, want %s", header, got, want)
		}
	}
}
