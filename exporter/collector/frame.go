package collector

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	collectorSuccess = prometheus.NewDesc("tidemark_collector_success",
		"Whether the collector could read its source at this scrape (1) or not (0); its gauges are absent when not.",
		[]string{"collector"}, nil)
	collectorDuration = prometheus.NewDesc("tidemark_collector_duration_seconds",
		"How long the collector took at this scrape.", []string{"collector"}, nil)
	snapshotTimestamp = prometheus.NewDesc("tidemark_snapshot_timestamp_seconds",
		"Moment that the collector's gauges describe, by the clock of the database or Redis that they were read from.", []string{"collector"}, nil)
)

// source is where collectors read. What happens to one source is nothing to the others.
type source interface {
	// collectors names those that read here: values of the label collector.
	collectors() []string
	// collect runs each of them once, within the deadline of ctx, and returns an outcome for each.
	collect(ctx context.Context) []outcome
}

// outcome is what became of one collector at one scrape.
type outcome struct {
	collector string
	took      time.Duration
	// err is why nothing is known; the fields below do not count then.
	err error
	// at is the moment that the gauges describe, by the source's clock.
	at time.Time
	// gauges is everything the collector sent.
	gauges []prometheus.Metric
}

// frame runs the collectors of all sources and keeps the failure of one from the others.
type frame struct {
	log     *slog.Logger
	sources []source
}

// collect reads every source once, side by side, within the deadline of ctx. It
// always returns success and duration of each collector.
func (f *frame) collect(ctx context.Context) collection {
	found := make([][]outcome, len(f.sources))
	var wg sync.WaitGroup
	for i, s := range f.sources {
		wg.Go(func() { found[i] = s.collect(ctx) })
	}
	wg.Wait()
	all := collection{whole: true}
	for _, outcomes := range found {
		f.report(outcomes)
		for _, o := range outcomes {
			all.metrics = append(all.metrics, o.metrics()...)
			all.whole = all.whole && o.err == nil
		}
	}
	return all
}

// metrics is what the scrape shows of the outcome.
func (o outcome) metrics() []prometheus.Metric {
	took := gauge(collectorDuration, o.took.Seconds(), o.collector)
	if o.err != nil {
		return []prometheus.Metric{gauge(collectorSuccess, 0, o.collector), took}
	}
	return append(o.gauges, gauge(collectorSuccess, 1, o.collector), took, gauge(snapshotTimestamp, unixSeconds(o.at), o.collector))
}

// report says why collectors of one source failed, a cause that they share once.
func (f *frame) report(outcomes []outcome) {
	var causes []string
	failed := map[string][]string{}
	for _, o := range outcomes {
		if o.err == nil {
			continue
		}
		cause := o.err.Error()
		if failed[cause] == nil {
			causes = append(causes, cause)
		}
		failed[cause] = append(failed[cause], o.collector)
	}
	for _, cause := range causes {
		f.log.Warn("collectors failed, their gauges are absent", "collectors", failed[cause], "err", cause)
	}
}

// allFailed is what a scrape answers that could not even wait for a collection.
func (f *frame) allFailed(took time.Duration) collection {
	f.log.Warn("scrape gave up waiting for the collection of another one", "after", took)
	var all collection
	for _, s := range f.sources {
		for _, name := range s.collectors() {
			all.metrics = append(all.metrics, outcome{collector: name, took: took, err: context.DeadlineExceeded}.metrics()...)
		}
	}
	return all
}

// halfTheTime is half of what is left until the deadline of ctx: whoever is stuck leaves
// as much to those that come after, or to the answer. False without a deadline.
func halfTheTime(ctx context.Context) (time.Duration, bool) {
	left, ok := timeLeft(ctx)
	return left / 2, ok
}

// timeLeft is what is left until the deadline of ctx, false without one.
func timeLeft(ctx context.Context) (time.Duration, bool) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0, false
	}
	return max(time.Until(deadline), 2*time.Millisecond), true
}

// guarded runs fn and makes a panic an error.
func guarded(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return fn()
}

// gauge makes a sample; a label that is not UTF-8 panics, which costs the collector its scrape.
func gauge(desc *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

// unixSeconds is a time as Prometheus has it, to the microsecond that the sources keep.
func unixSeconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
