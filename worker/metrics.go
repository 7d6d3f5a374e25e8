package worker

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

// metrics are what a worker counts of its own work. Every labelled one shows all its values
// from the start, at zero: a series that begins with its first event loses that event to rate().
type metrics struct {
	tasks         *prometheus.CounterVec
	taskFailures  *prometheus.CounterVec
	requests      *prometheus.CounterVec
	claims        *prometheus.CounterVec
	wait          *prometheus.HistogramVec
	running       prometheus.Gauge
	runs          *prometheus.HistogramVec
	processed     *prometheus.CounterVec
	leaseMargin   prometheus.Histogram
	fenced        *prometheus.CounterVec
	unsentSignals prometheus.Counter
	// evictionWarnings counts for [signal.WatchEviction].
	evictionWarnings prometheus.Counter
}

// Sources of a request that a worker makes.
const (
	// fromFollowUp: a recalculation ended, its aggregation has to follow.
	fromFollowUp = "follow_up"
	// fromTask: an operator or another program put a task into the queue.
	fromTask = "task"
)

// Why a task could not be served.
const (
	unreadable = "unreadable"
	unserved   = "unserved"
)

// Ends of a run, where they are not those of an [end] that left a result in the record.
const (
	endLost      = "lost"
	endReleased  = "released"
	endForfeited = "forfeited"
	// endAborted: its pipeline was aborted.
	endAborted = "aborted"
	// endUnrecorded: the record does not say how the run ended, for the database stayed away or
	// the job was no longer ours; after a commit whose answer was lost it may say SUCCESS.
	endUnrecorded = "unrecorded"
)

// endResult is the end of a run whose result is in the record.
func endResult(r job.Result) string { return strings.ToLower(string(r)) }

// Writes that the fence refused.
const (
	fencedRenewal  = "renew"
	fencedFinish   = "finish"
	fencedGiveBack = "give_back"
)

// sightFailed is the sight of a look that failed.
const sightFailed = "failed"

// Upper bounds in seconds.
var (
	runBuckets    = []float64{.1, .5, 1, 5, 15, 60, 300, 900, 1800}
	waitBuckets   = []float64{.05, .1, .5, 1, 5, 15, 60, 300, 900, 3600}
	marginBuckets = []float64{0, 1, 2, 3, 5, 7.5, 10, 12.5, 15, 30}
)

func newMetrics(registry prometheus.Registerer, concurrency int) *metrics {
	with := promauto.With(registry)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return with.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		tasks: counter("tidemark_worker_tasks_total",
			"Tasks that were delivered, by what they turned out to ask for.", "action"),
		taskFailures: counter("tidemark_worker_task_failures_total",
			"Tasks that could not be understood, or not served because PostgreSQL or Redis did not answer.", "reason"),
		requests: counter("tidemark_worker_requests_total",
			"Requests that this worker made, by whether they created a job or joined one that waited.", "job_type", "source", "outcome"),
		claims: counter("tidemark_worker_claims_total",
			"Looks at a scope for a job to run, by what was seen.", "job_type", "sight"),
		wait: with.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tidemark_worker_request_wait_seconds",
			Help:    "Time from the request that created a job to the start of its first run.",
			Buckets: waitBuckets}, []string{"job_type"}),
		running: with.NewGauge(prometheus.GaugeOpts{
			Name: "tidemark_worker_jobs_running", Help: "Jobs that this worker runs now."}),
		runs: with.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tidemark_worker_run_duration_seconds",
			Help:    "Time that runs took, from the claim on, by how they ended; its count is the number of runs.",
			Buckets: runBuckets}, []string{"job_type", "end"}),
		processed: counter("tidemark_worker_items_processed_total",
			"Entries recalculated (emission_recalc) or report modules rolled up (aggregation), also by runs of which nothing was kept.", "job_type"),
		leaseMargin: with.NewHistogram(prometheus.HistogramOpts{
			Name:    "tidemark_worker_lease_margin_seconds",
			Help:    "What was left of a job's lease when it was renewed.",
			Buckets: marginBuckets}),
		fenced: counter("tidemark_worker_fenced_writes_total",
			"Writes to the record that were refused because the job was no longer this worker's.", "job_type", "write"),
		unsentSignals: with.NewCounter(prometheus.CounterOpts{
			Name: "tidemark_worker_signal_failures_total",
			Help: "Times that signals could not be sent; the relay sends them."}),
		evictionWarnings: with.NewCounter(prometheus.CounterOpts{
			Name: "tidemark_worker_eviction_warnings_total",
			Help: "Looks, one a minute, that found a Redis which throws signals away when its memory is full."}),
	}
	with.NewGauge(prometheus.GaugeOpts{
		Name: "tidemark_worker_concurrency", Help: "Jobs that this worker runs at once, at most."}).Set(float64(concurrency))
	m.showZeros()
	return m
}

func (m *metrics) showZeros() {
	for _, a := range []action{look, request, report, ignore} {
		m.tasks.WithLabelValues(string(a))
	}
	for _, reason := range []string{unreadable, unserved} {
		m.taskFailures.WithLabelValues(reason)
	}
	for _, c := range job.Configs() {
		t := string(c.JobType)
		for _, source := range []string{fromFollowUp, fromTask} {
			for _, created := range []bool{true, false} {
				m.requests.WithLabelValues(t, source, ledger.Ticket{Created: created}.Outcome())
			}
		}
		for _, s := range []ledger.Sight{ledger.Claimed, ledger.Nothing, ledger.Busy, ledger.Held, ledger.Postponed, ledger.Contended, sightFailed} {
			m.claims.WithLabelValues(t, string(s))
		}
		m.wait.WithLabelValues(t)
		for _, e := range []string{endResult(job.Success), endResult(job.Warning), endResult(job.Error), endLost, endAborted, endReleased, endForfeited, endUnrecorded} {
			m.runs.WithLabelValues(t, e)
		}
		m.processed.WithLabelValues(t)
		for _, write := range []string{fencedRenewal, fencedFinish, fencedGiveBack} {
			m.fenced.WithLabelValues(t, write)
		}
	}
}

// requested counts what was requested and committed.
func (m *metrics) requested(source string, tickets ...ledger.Ticket) {
	for _, t := range tickets {
		m.requests.WithLabelValues(string(t.Scope.Type), source, t.Outcome()).Inc()
	}
}

// claimed counts a look at a scope.
func (m *metrics) claimed(s job.Scope, sight ledger.Sight, c *ledger.Claim) {
	m.claims.WithLabelValues(string(s.Type), string(sight)).Inc()
	if c != nil && c.Attempt == 1 && c.Waited > 0 {
		m.wait.WithLabelValues(string(s.Type)).Observe(c.Waited.Seconds())
	}
}

// refused counts a write that the fence refused.
func (m *metrics) refused(s job.Scope, write string) {
	m.fenced.WithLabelValues(string(s.Type), write).Inc()
}
