package exporter

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/singleflight"
)

// metrics answers GET /metrics. The gauges of the record get a registry for this
// request alone, since a registry of the process cannot tell its collectors which
// scrape they work for and how long that waits.
func (e *Exporter) metrics(w http.ResponseWriter, r *http.Request) {
	record := prometheus.NewRegistry()
	record.MustRegister(samples(e.scrapes.take(r.Context(), scrapeTimeout(r))))
	promhttp.HandlerFor(prometheus.Gatherers{e.process, record}, promhttp.HandlerOpts{
		ErrorLog:          slog.NewLogLogger(e.opts.Logger.Handler(), slog.LevelError),
		EnableOpenMetrics: true,
	}).ServeHTTP(w, r)
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
	// maxScrapeTimeout keeps a caller from holding a snapshot open for as long as it likes.
	maxScrapeTimeout = time.Minute
)

// scrapeTimeout is how long the scraper waits. Anything but a positive number of
// seconds counts as not said.
func scrapeTimeout(r *http.Request) time.Duration {
	seconds, err := strconv.ParseFloat(r.Header.Get("X-Prometheus-Scrape-Timeout-Seconds"), 64)
	if err != nil || !(seconds > 0) { // also NaN
		return defaultScrapeTimeout
	}
	return max(minScrapeTimeout, time.Duration(min(seconds, maxScrapeTimeout.Seconds())*float64(time.Second)))
}

// scrapes lets concurrent scrapes share one collection.
type scrapes struct {
	// collect reads the record until the deadline of its context.
	collect func(context.Context) []prometheus.Metric
	// giveUp is the answer of a scrape that waited this long in vain.
	giveUp func(time.Duration) []prometheus.Metric

	// group has one flight at most; its key is always "".
	group singleflight.Group
}

// take returns a collection that ended during this scrape: its own, or that of a
// scrape which was under way. Collecting ends at nine tenths of the timeout of the
// scrape that began it and waiting at nineteen twentieths of one's own; the rest
// is for the answer to arrive. A collection goes on when its scraper hangs up,
// because others may wait for it.
func (s *scrapes) take(ctx context.Context, timeout time.Duration) []prometheus.Metric {
	shared := s.group.DoChan("", func() (any, error) {
		collecting, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout*18/20)
		defer cancel()
		return s.collect(collecting), nil
	})
	waiting, cancel := context.WithTimeout(ctx, timeout*19/20)
	defer cancel()
	select {
	case result := <-shared:
		return result.Val.([]prometheus.Metric)
	case <-waiting.Done():
		return s.giveUp(timeout)
	}
}
