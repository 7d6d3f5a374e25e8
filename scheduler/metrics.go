package scheduler

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"tidemark/scheduler/periodic"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/signal"
)

// metrics are what a scheduler counts of its own work. Every labelled one shows all its
// values from the start, at zero: a series that begins with its first event loses that event
// to rate(). Where several schedulers run, each counts what it did itself.
type metrics struct {
	leader         prometheus.Gauge
	transitions    *prometheus.CounterVec
	relayed        *prometheus.CounterVec
	reaped         *prometheus.CounterVec
	swept          *prometheus.CounterVec
	entryRequests  *prometheus.CounterVec
	entryMissed    *prometheus.CounterVec
	entryLast      *prometheus.GaugeVec
	entryNext      *prometheus.GaugeVec
	removed        *prometheus.CounterVec
	backlogJobs    *prometheus.GaugeVec
	backlogOldest  *prometheus.GaugeVec
	backlogOver    *prometheus.GaugeVec
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
	sweeperLoop   = "sweeper"
	calendarLoop  = "calendar"
	retentionLoop = "retention"
	healthLoop    = "health"
	compactorLoop = "compactor"
)

// What retention removes.
const (
	removedJobs      = "jobs"
	removedPipelines = "pipelines"
)

// What becomes of a leader's place.
const (
	termGained     = "gained"
	termLost       = "lost"
	termHandedOver = "handed_over"
)

// renumbered is the kind of a relayed signal that got a new task id; the others are
// the [signal.Presence] after which it was sent.
const renumbered = "renumbered"

// tickBuckets are upper bounds in seconds.
var tickBuckets = []float64{.005, .01, .05, .1, .5, 1, 5, 15, 60}

func newMetrics(registry prometheus.Registerer, entries ...periodic.Entry) *metrics {
	with := promauto.With(registry)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return with.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return with.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		leader: with.NewGauge(prometheus.GaugeOpts{Name: "tidemark_scheduler_leader",
			Help: "1 while this scheduler is the one that works, 0 while it stands by."}),
		transitions: counter("tidemark_scheduler_leader_transitions_total",
			"Times that this scheduler became the leader, or was one no longer.", "transition"),
		relayed: counter("tidemark_scheduler_relayed_signals_total",
			"Signals that the relay sent for waiting jobs that had no live one.", "job_type", "kind"),
		reaped: counter("tidemark_scheduler_reaped_jobs_total",
			"Jobs taken from workers that gave no sign of life for a lease, by what became of them.", "job_type", "fate"),
		swept: counter("tidemark_scheduler_swept_tasks_total",
			"Tasks removed from Redis because what they stood for is settled.", "job_type"),
		entryRequests: counter("tidemark_scheduler_periodic_requests_total",
			"Requests made because a periodic entry was due.", "entry"),
		entryMissed: counter("tidemark_scheduler_periodic_missed_total",
			"Due times of a periodic entry that were not requested.", "entry"),
		entryLast: gauge("tidemark_scheduler_periodic_last_request_timestamp_seconds",
			"When the periodic entry was last requested. Absent before the first time, and while this scheduler does not lead.", "entry"),
		entryNext: gauge("tidemark_scheduler_periodic_next_due_timestamp_seconds",
			"When the periodic entry is due next. Absent while this scheduler does not lead.", "entry"),
		removed: counter("tidemark_scheduler_removed_rows_total",
			"Jobs and pipelines removed from the history.", "table"),
		backlogJobs: gauge("tidemark_scheduler_backlog_jobs",
			"Jobs that nothing but the want of a worker keeps from being run. Absent while this scheduler does not lead.", "job_type"),
		backlogOldest: gauge("tidemark_scheduler_backlog_oldest_timestamp_seconds",
			"When the oldest of them was requested. Absent when there is none, and while this scheduler does not lead.", "job_type"),
		backlogOver: gauge("tidemark_scheduler_backlog_over_limit",
			"1 when more jobs wait, or one waits longer, than the limit says. Absent while this scheduler does not lead.", "job_type"),
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
		lastSuccess: gauge("tidemark_scheduler_last_success_timestamp_seconds",
			"When a look over the record last ended well, by the clock of this process; 0 before the first one that did.", "loop"),
	}
	for _, e := range entries {
		m.entryRequests.WithLabelValues(e.Name)
		m.entryMissed.WithLabelValues(e.Name)
	}
	for _, table := range []string{removedJobs, removedPipelines} {
		m.removed.WithLabelValues(table)
	}
	for _, transition := range []string{termGained, termLost, termHandedOver} {
		m.transitions.WithLabelValues(transition)
	}
	for _, c := range job.Configs() {
		m.swept.WithLabelValues(string(c.JobType))
		for _, kind := range []string{string(signal.Sent), string(signal.Rerun), renumbered} {
			m.relayed.WithLabelValues(string(c.JobType), kind)
		}
		for _, fate := range []ledger.Fate{ledger.Requeued, ledger.Superseded, ledger.Abandoned} {
			m.reaped.WithLabelValues(string(c.JobType), string(fate))
		}
	}
	for _, loop := range []string{relayLoop, reaperLoop, calendarLoop} {
		m.signalFailures.WithLabelValues(loop)
	}
	for _, loop := range []string{relayLoop, reaperLoop, sweeperLoop, calendarLoop, retentionLoop, healthLoop, compactorLoop} {
		m.ticks.WithLabelValues(loop)
		m.tickFailures.WithLabelValues(loop)
		m.lastSuccess.WithLabelValues(loop)
	}
	return m
}

// showEntry shows how far a periodic entry is.
func (m *metrics) showEntry(e periodic.Entry, s periodic.State, now time.Time) {
	if s.LastRequestedAt != nil {
		m.entryLast.WithLabelValues(e.Name).Set(float64(s.LastRequestedAt.Unix()))
	}
	if next := e.Next(s, true, now); !next.IsZero() {
		m.entryNext.WithLabelValues(e.Name).Set(float64(next.Unix()))
	}
}

// showBacklog shows what waits for a worker.
func (m *metrics) showBacklog(t job.Type, b ledger.Backlog, over bool) {
	m.backlogJobs.WithLabelValues(string(t)).Set(float64(b.Jobs))
	m.backlogOldest.DeleteLabelValues(string(t))
	if !b.Oldest.IsZero() {
		m.backlogOldest.WithLabelValues(string(t)).Set(float64(b.Oldest.Unix()))
	}
	value := 0.0
	if over {
		value = 1
	}
	m.backlogOver.WithLabelValues(string(t)).Set(value)
}

// forget takes back what only a leader can know.
func (m *metrics) forget() {
	for _, g := range []*prometheus.GaugeVec{m.entryLast, m.entryNext, m.backlogJobs, m.backlogOldest, m.backlogOver} {
		g.Reset()
	}
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
