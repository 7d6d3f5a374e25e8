package collector

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/singleflight"

	"tidemark/shared/telemetry"
)

// Options say what a scrape reads.
type Options struct {
	// Pool reaches the record. Required; one connection serves all scrapes.
	Pool *pgxpool.Pool
	// Redis reaches the queues, by a client of signal.Connect, which keeps to deadlines. Without
	// one there is no collector of queues, and nothing that looks like its success.
	Redis redis.UniversalClient
	// OlderThan is the age from which tidemark_stale_scopes counts a finished aggregation as too old.
	OlderThan time.Duration
	// MaxScopeSeries is how many scopes have series of their own, stale ones first, two series
	// each at most; tidemark_scope_series_omitted counts the others. 0 means none.
	MaxScopeSeries int
	// Logger receives failures of collectors.
	Logger *slog.Logger
}

// Metrics answers scrapes. Make it with [New].
type Metrics struct {
	opts Options
	// process holds the metrics of this process; those of the sources are made for each scrape.
	process *prometheus.Registry
	scrapes *scrapes
	// ahead is nil unless the pages of regular scrapers are made before they come.
	ahead *ahead
}

// sources lists every source with its collectors, in the order in which they run.
func sources(o Options) []source {
	all := []source{&record{pool: o.Pool, parts: []collector{
		staleCollector{olderThan: o.OlderThan, maxScopeSeries: o.MaxScopeSeries},
		pipelinesCollector{},
		jobsCollector{},
	}}}
	if o.Redis != nil {
		all = append(all, queues{rdb: o.Redis})
	}
	return all
}

// New returns the handler of /metrics. It opens nothing.
func New(o Options) *Metrics {
	m := &Metrics{opts: o, process: telemetry.NewRegistry()}
	frame := &frame{log: o.Logger, sources: sources(o)}
	m.scrapes = &scrapes{collect: frame.collect, giveUp: frame.allFailed}
	return m
}

// Process takes what the process counts of its own work; every scrape shows it, with or
// without a database.
func (m *Metrics) Process() prometheus.Registerer { return m.process }

// WorkAhead lets the page of whoever scrapes at regular times be made a second before it is
// asked for, until ctx ends or the returned function is called. Call it before the first scrape.
func (m *Metrics) WorkAhead(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	m.ahead = newAhead(ctx, m.render)
	return func() { cancel(); m.ahead.close() }
}

// ServeHTTP answers a scrape.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var answer *page
	if m.ahead != nil {
		answer = m.ahead.take(r)
	}
	if answer == nil {
		answer = m.render(r)
	}
	answer.send(w)
}

// render collects, and makes the page that a request wants. The gauges of the sources get a
// registry for this page alone, since a registry of the process cannot tell its collectors
// which scrape they work for and how long that waits.
func (m *Metrics) render(r *http.Request) *page {
	answer := &page{begun: time.Now(), header: http.Header{}, status: http.StatusOK}
	found := m.scrapes.take(r.Context(), scrapeTimeout(r))
	answer.whole = found.whole
	read := prometheus.NewRegistry()
	read.MustRegister(samples(found.metrics))
	telemetry.Handler(prometheus.Gatherers{m.process, read}, m.opts.Logger).ServeHTTP(answer, r)
	return answer
}

// samples hands a finished collection to a registry.
type samples []prometheus.Metric

// Describe announces nothing: which kinds and job types there are, only the record knows.
func (samples) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (s samples) Collect(ch chan<- prometheus.Metric) {
	for _, m := range s {
		ch <- m
	}
}

const (
	// defaultScrapeTimeout is Prometheus's own, for scrapers that do not say theirs.
	defaultScrapeTimeout = 10 * time.Second
	// minScrapeTimeout is enough for a collection to succeed: one that was begun by a scraper
	// without patience would fail for all who share it.
	minScrapeTimeout = 100 * time.Millisecond
	// MaxScrapeTimeout keeps a caller from holding a snapshot open for as long as it likes.
	MaxScrapeTimeout = time.Minute
)

// scrapeTimeout is how long the scraper waits. Anything but a positive number of
// seconds counts as not said.
func scrapeTimeout(r *http.Request) time.Duration {
	seconds, err := strconv.ParseFloat(r.Header.Get("X-Prometheus-Scrape-Timeout-Seconds"), 64)
	if err != nil || !(seconds > 0) { // also NaN
		return defaultScrapeTimeout
	}
	return max(minScrapeTimeout, time.Duration(min(seconds, MaxScrapeTimeout.Seconds())*float64(time.Second)))
}

// collection is what all sources gave.
type collection struct {
	metrics []prometheus.Metric
	// whole says that every collector could read its source.
	whole bool
}

// scrapes lets concurrent scrapes share one collection.
type scrapes struct {
	// collect reads the sources until the deadline of its context.
	collect func(context.Context) collection
	// giveUp is the answer of a scrape that waited this long in vain.
	giveUp func(time.Duration) collection

	// group has one flight at most; its key is always "".
	group singleflight.Group
}

// take returns a collection that ended during this scrape: its own, or that of a
// scrape which was under way. Collecting ends at nine tenths of the timeout of the
// scrape that began it and waiting at nineteen twentieths of one's own; the rest
// is for the answer to arrive. A collection goes on when its scraper hangs up,
// because others may wait for it.
func (s *scrapes) take(ctx context.Context, timeout time.Duration) collection {
	shared := s.group.DoChan("", func() (any, error) {
		collecting, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout*18/20)
		defer cancel()
		return s.collect(collecting), nil
	})
	waiting, cancel := context.WithTimeout(ctx, timeout*19/20)
	defer cancel()
	select {
	case result := <-shared:
		return result.Val.(collection)
	case <-waiting.Done():
		return s.giveUp(timeout)
	}
}
