package scheduler

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/signal"
)

// metrics are what a scheduler counts of its own work. Every labelled one shows all its
// values from the start, at zero: a series that begins with its first event loses that event
// to rate(). Where several schedulers run, each counts what it did itself.
type metrics struct {
	relayed        *prometheus.CounterVec
	reaped         *prometheus.CounterVec
	signalFailures *prometheus.CounterVec
	// evictionWarnings counts for [signal.WatchEviction].
	evictionWarnings prometheus.Counter
	ticks            *prometheus.HistogramVec
	tickFailures     *prometheus.CounterVec
	lastSuccess      *prometheus.GaugeVec
}

// The loops.
const (
	relayLoop     = "relay"
	reaperLoop    = "reaper"
	compactorLoop = "compactor"
)

// renumbered is the kind of a relayed signal that got a new task id; the others are
// the [signal.Presence] after which it was sent.
const renumbered = "renumbered"

// tickBuckets are upper bounds in seconds.
var tickBuckets = []float64{.005, .01, .05, .1, .5, 1, 5, 15, 60}

func newMetrics(registry prometheus.Registerer) *metrics {
	with := promauto.With(registry)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return with.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		relayed: counter("tidemark_scheduler_relayed_signals_total",
			"Signals that the relay sent for waiting jobs that had no live one.", "job_type", "kind"),
		reaped: counter("tidemark_scheduler_reaped_jobs_total",
			"Jobs taken from workers that gave no sign of life for a lease, by what became of them.", "job_type", "fate"),
		signalFailures: counter("tidemark_scheduler_signal_failures_total",
			"Times that Redis did not take, or not tell of, a signal.", "loop"),
		evictionWarnings: with.NewCounter(prometheus.CounterOpts{
			Name: "tidemark_scheduler_eviction_warnings_total",
			Help: "Looks, one a minute, that found a Redis which throws signals away when its memory is full."}),
		ticks: with.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tidemark_scheduler_tick_duration_seconds",
			Help:    "Time that a look over the record took; its count is the number of looks.",
			Buckets: tickBuckets}, []string{"loop"}),
		tickFailures: counter("tidemark_scheduler_tick_failures_total",
			"Looks over the record that ended early, or left something undone.", "loop"),
		lastSuccess: with.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tidemark_scheduler_last_success_timestamp_seconds",
			Help: "When a look over the record last ended well, by the clock of this process; 0 before the first one that did."}, []string{"loop"}),
	}
	for _, c := range job.Configs() {
		for _, kind := range []string{string(signal.Sent), string(signal.Rerun), renumbered} {
			m.relayed.WithLabelValues(string(c.JobType), kind)
		}
		for _, fate := range []ledger.Fate{ledger.Requeued, ledger.Superseded, ledger.Abandoned} {
			m.reaped.WithLabelValues(string(c.JobType), string(fate))
		}
	}
	for _, loop := range []string{relayLoop, reaperLoop} {
		m.signalFailures.WithLabelValues(loop)
	}
	for _, loop := range []string{relayLoop, reaperLoop, compactorLoop} {
		m.ticks.WithLabelValues(loop)
		m.tickFailures.WithLabelValues(loop)
		m.lastSuccess.WithLabelValues(loop)
	}
	return m
}

// watched measures the ticks of a loop. One that the end of ctx cut short counts for nothing.
func (m *metrics) watched(loop string, tick func(context.Context) error) func(context.Context) {
	return func(ctx context.Context) {
		start := time.Now()
		err := tick(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			m.tickFailures.WithLabelValues(loop).Inc()
		default:
			m.lastSuccess.WithLabelValues(loop).SetToCurrentTime()
		}
		m.ticks.WithLabelValues(loop).Observe(time.Since(start).Seconds())
	}
}
