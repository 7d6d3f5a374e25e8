package worker_test

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
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
	"tidemark/shared/telemetry"
	"tidemark/shared/web"
	"tidemark/worker"
)

var update = flag.Bool("update", false, "write the golden file anew")

// page is what a scrape of a registry answers.
func page(g prometheus.Gatherer) string {
	w := httptest.NewRecorder()
	telemetry.Handler(g, slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

// counted adds a series up over all workers of the test.
func (f *field) counted(series string) (sum float64) {
	f.t.Helper()
	for _, r := range f.registries {
		found := false
		for line := range strings.Lines(page(r)) {
			if value, ok := strings.CutPrefix(line, series+" "); ok {
				v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
				f.must(err)
				sum, found = sum+v, true
			}
		}
		if !found {
			f.t.Fatalf("there is no series %s", series)
		}
	}
	return sum
}

// awaitCounted waits for a count: it comes after the commit that the test has seen.
func (f *field) awaitCounted(want float64, series string) {
	f.t.Helper()
	f.await(series+" is "+strconv.FormatFloat(want, 'g', -1, 64), func() bool { return f.counted(series) == want })
}

// awaitRuns waits until this many recalculations ended so.
func (f *field) awaitRuns(want float64, end string) {
	f.t.Helper()
	f.awaitCounted(want, `tidemark_worker_run_duration_seconds_count{end="`+end+`",job_type="emission_recalc"}`)
}

// TestMetricsPage: everything is there before anything happened.
func TestMetricsPage(t *testing.T) {
	t.Parallel()
	o := worker.DefaultOptions()
	o.Calculations = map[job.Type]worker.Calculation{job.Aggregation: (&toy{}).calculate}
	if _, err := worker.New(o); err != nil {
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
		t.Errorf("differs from %s (go test ./worker -update):\n%s", path, got)
	}
	if problems, err := testutil.GatherAndLint(o.Registry); err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v %v", problems, err)
	}
}

func TestMetricsOfAnOrdinaryDay(t *testing.T) {
	t.Parallel()
	f := setup(t)
	recalc := &toy{}
	recalc.then = func(context.Context, pgx.Tx, *ledger.Claim) error {
		if recalc.runs.Load() == 2 {
			return errors.New("boom")
		}
		return nil
	}
	f.work(recalc, &toy{})
	f.send(f.request(planes)) // well, and aggregated
	f.awaitJobs(2)
	f.send(f.request(planes)) // in vain
	f.awaitJobs(3)
	_, err := f.client.Enqueue(asynq.NewTask("aggregation", []byte(`{"year": 2025, "module_type_id": 2}`)), asynq.Queue("aggregation"))
	f.must(err)
	f.awaitJobs(4)
	_, err = f.client.Enqueue(asynq.NewTask("aggregation", []byte(`{"module_type_id": 2}`)), asynq.Queue("aggregation"))
	f.must(err)
	for series, want := range map[string]float64{
		`tidemark_worker_run_duration_seconds_count{end="success",job_type="emission_recalc"}`: 1,
		`tidemark_worker_run_duration_seconds_count{end="error",job_type="emission_recalc"}`:   1,
		`tidemark_worker_run_duration_seconds_count{end="success",job_type="aggregation"}`:     2,
		// Of a run that failed too.
		`tidemark_worker_items_processed_total{job_type="emission_recalc"}`: 2,
		`tidemark_worker_items_processed_total{job_type="aggregation"}`:     2,
		// A recalculation that failed requests nothing.
		`tidemark_worker_requests_total{job_type="aggregation",outcome="created",source="follow_up"}`: 1,
		`tidemark_worker_requests_total{job_type="aggregation",outcome="joined",source="follow_up"}`:  0,
		`tidemark_worker_requests_total{job_type="aggregation",outcome="created",source="task"}`:      1,
		`tidemark_worker_request_wait_seconds_count{job_type="emission_recalc"}`:                      2,
		`tidemark_worker_claims_total{job_type="emission_recalc",sight="claimed"}`:                    2,
		`tidemark_worker_claims_total{job_type="aggregation",sight="claimed"}`:                        2,
		`tidemark_worker_tasks_total{action="request"}`:                                               1,
		`tidemark_worker_task_failures_total{reason="unreadable"}`:                                    1,
		`tidemark_worker_task_failures_total{reason="unserved"}`:                                      0,
		`tidemark_worker_jobs_running`:                                                                0,
		`tidemark_worker_concurrency`:                                                                 4,
		`tidemark_worker_signal_failures_total`:                                                       0,
	} {
		f.awaitCounted(want, series)
	}
	if wait := f.counted(`tidemark_worker_request_wait_seconds_sum{job_type="emission_recalc"}`); wait <= 0 || wait > 2*patience.Seconds() {
		t.Errorf("two jobs waited %f s", wait)
	}
}

// What joins is told from what is created, and what a scope looked like is seen.
func TestMetricsOfAHeldAggregation(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.work(&toy{}, &toy{})
	up := f.request(travel)
	held := f.request(planes)
	f.send(up)
	f.awaitCounted(1, `tidemark_worker_claims_total{job_type="aggregation",sight="held"}`)
	f.send(held)
	f.awaitJobs(2)
	f.awaitCounted(1, `tidemark_worker_requests_total{job_type="aggregation",outcome="joined",source="follow_up"}`)
	f.awaitCounted(0, `tidemark_worker_requests_total{job_type="aggregation",outcome="created",source="follow_up"}`)
}

// Each renewal tells how near the job was to being lost.
func TestLeaseMargin(t *testing.T) {
	t.Parallel()
	f := setup(t)
	g := newGate()
	f.work(&g.toy, &toy{})
	f.send(f.request(planes))
	<-g.begun
	f.await("the lease was renewed", func() bool { return f.counted(`tidemark_worker_lease_margin_seconds_count`) > 1 })
	if running := f.counted(`tidemark_worker_jobs_running`); running != 1 {
		t.Errorf("%v jobs run, want 1", running)
	}
	close(g.open)
	f.awaitJobs(2)
	count, sum := f.counted(`tidemark_worker_lease_margin_seconds_count`), f.counted(`tidemark_worker_lease_margin_seconds_sum`)
	if late := f.counted(`tidemark_worker_lease_margin_seconds_bucket{le="0"}`); late != 0 || sum > 5*count {
		t.Errorf("%v of %v renewals came too late; %v s were left, of 5 s each", late, count, sum)
	}
	f.awaitCounted(0, `tidemark_worker_jobs_running`)
}

const abort = `UPDATE data_ingestion_jobs SET state = 'FINISHED', result = 'ERROR', locked_by = NULL, status_message = 'Aborted' WHERE id = $1`

// A worker that did not notice is stopped by the fence, and says so.
func TestFencedFinishIsCounted(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.work(&toy{then: func(ctx context.Context, _ pgx.Tx, c *ledger.Claim) error {
		_, err := f.pool.Exec(ctx, abort, c.JobID)
		return err
	}}, nil, func(o *worker.Options) { o.Heartbeat = o.Lease / 3 })
	ticket := f.request(planes)
	f.send(ticket)
	f.awaitRuns(1, "lost")
	f.awaitCounted(1, `tidemark_worker_fenced_writes_total{job_type="emission_recalc",write="finish"}`)
	if got := f.job(ticket.JobID); got != "FINISHED ERROR Aborted" {
		t.Errorf("job is %s", got)
	}
	f.wantCount(0, `SELECT count(*) FROM data`)
}

func TestFencedGiveBackIsCounted(t *testing.T) {
	t.Parallel()
	f := setup(t)
	g := newGate()
	stop := f.work(&g.toy, nil, func(o *worker.Options) { o.Lease, o.Heartbeat, o.Drain = time.Minute, 20*time.Second, 0 })
	ticket := f.request(planes)
	f.send(ticket)
	<-g.begun
	_, err := f.pool.Exec(f.ctx, abort, ticket.JobID)
	f.must(err)
	stop()
	f.awaitRuns(1, "unrecorded")
	f.awaitCounted(1, `tidemark_worker_fenced_writes_total{job_type="emission_recalc",write="give_back"}`)
}

// A deadlock makes a run begin anew: what it processes again counts again.
func TestItemsOfARepeatedAttemptCount(t *testing.T) {
	t.Parallel()
	f := setup(t)
	calculation := &toy{}
	calculation.then = func(ctx context.Context, tx pgx.Tx, _ *ledger.Claim) error {
		if calculation.runs.Load() < 3 {
			_, err := tx.Exec(ctx, `DO $$ BEGIN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END $$`)
			return err
		}
		return nil
	}
	f.work(calculation, nil)
	f.send(f.request(planes))
	f.awaitRuns(1, "success")
	f.awaitCounted(3, `tidemark_worker_items_processed_total{job_type="emission_recalc"}`)
}

// get asks a worker's own server; "" where nobody listens.
func get(t *testing.T, address net.Addr, path string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + address.String() + path)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestWorkerServesItsMetrics: until its last run has ended, and not ready as soon as it is to stop.
func TestWorkerServesItsMetrics(t *testing.T) {
	t.Parallel()
	f := setup(t)
	g := newGate()
	bound := make(chan net.Addr, 1)
	stop := f.work(&g.toy, nil, func(o *worker.Options) {
		o.Web = web.Options{Addresses: []string{"127.0.0.1:0"}, OnListen: func(a []net.Addr) { bound <- a[0] }}
	})
	address := <-bound
	if got := get(t, address, "/-/ready"); got != "ready\n" {
		t.Errorf("ready: %s", got)
	}
	f.send(f.request(planes))
	<-g.begun
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	f.await("it is not ready any more", func() bool { return get(t, address, "/-/ready") == "not ready: the worker is stopping\n" })
	if got := get(t, address, "/metrics"); !slices.Contains(strings.Split(got, "\n"), "tidemark_worker_jobs_running 1") {
		t.Errorf("the drain cannot be watched:\n%s", got)
	}
	close(g.open)
	<-stopped
	if got := get(t, address, "/metrics"); got != "" {
		t.Error("still served after the worker stopped")
	}
}

// An address that was asked for and cannot be had is an error, before any work is taken.
func TestTakenAddressIsRefused(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	o := worker.DefaultOptions()
	o.DatabaseURL, o.RedisURL = localtest.Database(t), localtest.Redis(t)
	o.Calculations = map[job.Type]worker.Calculation{job.Aggregation: (&toy{}).calculate}
	o.Web.Addresses = []string{taken.Addr().String()}
	w, err := worker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Run(context.Background()); err == nil || !strings.Contains(err.Error(), taken.Addr().String()) || !strings.Contains(err.Error(), "--web.listen-address") {
		t.Errorf("got %v", err)
	}
}
