package worker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
	"tidemark/shared/signal"
	"tidemark/worker"
)

func TestRequestIsComputedAndAggregated(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.work(&toy{}, &toy{})
	ticket := f.request(planes)
	f.send(ticket)
	f.awaitJobs(2)
	if got := f.job(ticket.JobID); got != "FINISHED SUCCESS computed" {
		t.Errorf("job is %s", got)
	}
	f.wantCount(2, `SELECT count(*) FROM data`)
	f.wantCount(1, `SELECT count(*) FROM pipelines WHERE status = 'SUCCESS'`)
	f.awaitNoTasks()
}

// #1219, B-C2: a failure is in the record and in the archive, is not tried again, and blocks nobody.
func TestFailureIsVisibleNotRetriedAndBlocksNobody(t *testing.T) {
	t.Parallel()
	f := setup(t)
	boom := &toy{then: func(context.Context, pgx.Tx, *ledger.Claim) error { return errors.New("boom") }}
	stop := f.work(boom, &toy{})
	failed := f.request(planes)
	f.send(failed)
	task := f.awaitArchived("emission_recalc", 1)[0]
	if got := f.job(failed.JobID); got != "FINISHED ERROR boom" {
		t.Errorf("job is %s", got)
	}
	if want := fmt.Sprintf("job %d failed: boom", failed.JobID); !strings.Contains(task.LastErr, want) || task.Retried != 0 {
		t.Errorf("archived with %q after %d retries, want %q", task.LastErr, task.Retried, want)
	}
	f.wantCount(0, `SELECT count(*) FROM data`)
	if n := boom.runs.Load(); n != 1 {
		t.Errorf("%d runs", n)
	}
	stop()
	f.work(&toy{}, &toy{})
	next := f.request(planes)
	if !next.Created {
		t.Errorf("%+v joined the failed job", next)
	}
	f.send(next)
	f.awaitJobs(3)
	f.wantCount(2, `SELECT count(*) FROM data`)
}

// An operator presses "Run" on a failed job's task: that is a request, each time.
func TestRunOfAnArchivedTaskIsARequest(t *testing.T) {
	t.Parallel()
	f := setup(t)
	flaky := &toy{}
	flaky.then = func(context.Context, pgx.Tx, *ledger.Claim) error {
		if n := flaky.runs.Load(); n < 3 {
			return fmt.Errorf("boom %d", n)
		}
		return nil
	}
	f.work(flaky, &toy{})
	f.send(f.request(planes))
	for n := 1; n < 3; n++ {
		task := f.awaitArchived("emission_recalc", 1)[0]
		if want := fmt.Sprintf("job %d failed: boom %d", n, n); !strings.Contains(task.LastErr, want) {
			t.Errorf("archived with %q, want %q", task.LastErr, want)
		}
		f.wantCount(n, `SELECT count(*) FROM data_ingestion_jobs`)
		f.must(f.inspector.RunTask("emission_recalc", task.ID))
		f.await("the new job is finished", func() bool {
			return value[int](f, `SELECT count(*) FROM data_ingestion_jobs WHERE state = 'FINISHED' AND job_type = 'emission_recalc'`) == n+1
		})
	}
	f.awaitJobs(4)
	f.awaitNoTasks()
	if n := flaky.runs.Load(); n != 3 {
		t.Errorf("%d runs", n)
	}
}

// Any asynq client can ask: a task without our mark is one request.
func TestForeignTaskIsOneRequest(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.work(&toy{}, &toy{})
	_, err := f.client.Enqueue(asynq.NewTask("aggregation", []byte(`{"year": 2025, "module_type_id": 2}`)), asynq.Queue("aggregation"))
	f.must(err)
	f.awaitJobs(1)
	f.awaitNoTasks()
	f.wantCount(1, `SELECT count(*) FROM pipelines WHERE status = 'SUCCESS' AND kind = 'aggregation' AND module_type_id = 2 AND year = 2025`)
}

// A foreign client may have left asynq's 25 retries on: a failed calculation has none all the same.
func TestForeignTaskIsNotRetriedAfterAFailure(t *testing.T) {
	t.Parallel()
	f := setup(t)
	boom := &toy{then: func(context.Context, pgx.Tx, *ledger.Claim) error { return errors.New("boom") }}
	f.work(nil, boom)
	_, err := f.client.Enqueue(asynq.NewTask("aggregation", []byte(`{"year": 2025, "module_type_id": 2}`)), asynq.Queue("aggregation"))
	f.must(err)
	if task := f.awaitArchived("aggregation", 1)[0]; !strings.Contains(task.LastErr, "job 1 failed: boom") {
		t.Errorf("archived with %q", task.LastErr)
	}
	if n := boom.runs.Load(); n != 1 {
		t.Errorf("%d runs", n)
	}
}

func TestTaskThatIsNoScopeIsArchivedWithTheReason(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.work(&toy{}, &toy{})
	_, err := f.client.Enqueue(asynq.NewTask("aggregation", []byte(`{"module_type_id": 2}`)), asynq.Queue("aggregation"))
	f.must(err)
	task := f.awaitArchived("aggregation", 1)[0]
	if !strings.Contains(task.LastErr, "year must be set") || task.Retried != 0 {
		t.Errorf("archived with %q after %d retries", task.LastErr, task.Retried)
	}
	f.wantCount(0, `SELECT count(*) FROM data_ingestion_jobs`)
}

func TestPanicIsAnErrorOfItsJobOnly(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.work(&toy{then: func(context.Context, pgx.Tx, *ledger.Claim) error { panic("no such factor \xff\x00") }}, &toy{})
	ticket := f.request(planes)
	f.send(ticket)
	f.awaitJob(ticket.JobID, "FINISHED ERROR the calculation panicked: no such factor \uFFFD\uFFFD")
	up := f.request(travel)
	f.send(up)
	f.awaitJob(up.JobID, "FINISHED SUCCESS computed")
}

// 310-e: a run that takes too long ends, on the server as well.
func TestTimeLimitEndsTheRun(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.work(&toy{then: func(ctx context.Context, tx pgx.Tx, _ *ledger.Claim) error {
		_, err := tx.Exec(ctx, `SELECT pg_sleep(60)`)
		return err
	}}, nil, func(o *worker.Options) { o.TimeLimit = 200 * time.Millisecond })
	ticket := f.request(planes)
	f.send(ticket)
	f.awaitJob(ticket.JobID, "FINISHED ERROR time limit exceeded (200ms): see what held it up (locks, a slow database), or raise --time-limit of the workers, and request the scope again")
	f.await("the statement has ended", func() bool {
		return value[int](f, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()`) == 0
	})
	f.wantCount(0, `SELECT count(*) FROM data`)
}

// 4A.2, 4B: a transaction that the server sacrifices to another says nothing about the calculation.
func TestDeadlockIsTriedAgainInsideTheRun(t *testing.T) {
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
	f.work(calculation, &toy{})
	ticket := f.request(planes)
	f.send(ticket)
	f.awaitJob(ticket.JobID, "FINISHED SUCCESS computed")
	f.wantCount(1, `SELECT attempts FROM data_ingestion_jobs WHERE job_type = 'emission_recalc'`)
	f.wantCount(1, `SELECT count(*) FROM data WHERE scope LIKE 'emission%'`)
}

// The calculation's own trouble with some reader is a failure, not a lost database: only the
// latter is tried again by itself.
func TestEndOfFileInACalculationIsAFailure(t *testing.T) {
	t.Parallel()
	f := setup(t)
	calculation := &toy{then: func(ctx context.Context, _ pgx.Tx, _ *ledger.Claim) error {
		ctx, cancel := context.WithTimeout(ctx, 0)
		defer cancel()
		<-ctx.Done()
		return fmt.Errorf("read the factors: %w", ctx.Err())
	}}
	f.work(calculation, nil)
	ticket := f.request(planes)
	f.send(ticket)
	f.awaitJob(ticket.JobID, "FINISHED ERROR read the factors: context deadline exceeded")
	if n := calculation.runs.Load(); n != 1 {
		t.Errorf("%d runs", n)
	}
}

// gate is a calculation that tells when it has begun and goes on when told to.
type gate struct {
	toy
	begun, open chan struct{}
}

func newGate() *gate {
	g := &gate{begun: make(chan struct{}, 8), open: make(chan struct{})}
	g.then = func(ctx context.Context, _ pgx.Tx, _ *ledger.Claim) error {
		g.begun <- struct{}{}
		select {
		case <-g.open:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return g
}

// A deploy costs no attempt and no waiting for a lease.
func TestShutdownReleasesAndAnotherWorkerFinishes(t *testing.T) {
	t.Parallel()
	f := setup(t)
	g := newGate()
	stop := f.work(&g.toy, nil, func(o *worker.Options) { o.Drain = 0 })
	ticket := f.request(planes)
	f.send(ticket)
	<-g.begun
	stop()
	if got := f.job(ticket.JobID); got != "NOT_STARTED released at shutdown; waiting again" {
		t.Fatalf("job is %s", got)
	}
	f.awaitRuns(1, "released")
	f.wantCount(0, `SELECT attempts FROM data_ingestion_jobs`)
	f.work(&toy{}, &toy{})
	f.awaitJobs(2)
	f.wantCount(2, `SELECT count(*) FROM data WHERE attempt = 1`)
	f.awaitNoTasks()
}

func TestShutdownWaitsForWhatIsDoneInTime(t *testing.T) {
	t.Parallel()
	f := setup(t)
	g := newGate()
	stop := f.work(&g.toy, nil)
	ticket := f.request(planes)
	f.send(ticket)
	<-g.begun
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	close(g.open)
	<-stopped
	if got := f.job(ticket.JobID); got != "FINISHED SUCCESS computed" {
		t.Errorf("job is %s", got)
	}
}

// asynq loses acknowledgements: the signal of a job that is done does nothing.
func TestRedeliveredSignalOfADoneJobDoesNothing(t *testing.T) {
	t.Parallel()
	f := setup(t)
	recalc := &toy{}
	f.work(recalc, &toy{})
	ticket := f.request(planes)
	f.send(ticket)
	f.awaitJobs(2)
	f.awaitNoTasks()
	f.send(ticket)
	f.awaitNoTasks()
	f.awaitJobs(2)
	if n := recalc.runs.Load(); n != 1 {
		t.Errorf("%d runs", n)
	}
}

// Whoever runs the job, its failure is found in the archive, once.
func TestFailureOfAnotherTasksJobIsArchived(t *testing.T) {
	t.Parallel()
	for _, seq := range []int{0, 1} {
		f := setup(t)
		calculation := &toy{}
		calculation.then = func(context.Context, pgx.Tx, *ledger.Claim) error {
			if calculation.runs.Load() == 2 {
				return errors.New("boom")
			}
			return nil
		}
		f.work(nil, calculation)
		first := f.request(travel)
		f.send(first)
		f.awaitJobs(1)
		f.awaitNoTasks()
		next := f.request(travel)
		for next.SignalSeq < seq {
			var err error
			next, _, err = f.ledger.Renumber(f.ctx, f.pool, next)
			f.must(err)
		}
		f.send(first)
		f.awaitJob(next.JobID, "FINISHED ERROR boom")
		f.awaitArchived("aggregation", 1)
		// The requester's own signal comes late, after the failure.
		f.send(next)
		task := f.awaitArchived("aggregation", 1)[0]
		if !strings.Contains(task.LastErr, fmt.Sprintf("job %d failed: boom", next.JobID)) {
			t.Errorf("archived with %q", task.LastErr)
		}
		if n := calculation.runs.Load(); n != 2 {
			t.Errorf("%d runs", n)
		}
	}
}

// As many scopes as there are slots, requested again during each of their runs, must not keep the
// worker from all others.
func TestScopeThatIsRequestedAgainTakesItsTurn(t *testing.T) {
	t.Parallel()
	f := setup(t)
	g := newGate()
	f.work(nil, &g.toy, func(o *worker.Options) { o.Concurrency = 1 })
	f.send(f.request(travel))
	<-g.begun
	f.request(travel) // Its signal was lost, or found the scope busy.
	f.send(f.request(job.AggregationOf(3, 2025)))
	close(g.open)
	f.awaitJobs(3)
	f.awaitNoTasks()
	if got := value[string](f, `SELECT string_agg(module_type_id::text, ' ' ORDER BY started_at) FROM data_ingestion_jobs`); got != "2 3 2" {
		t.Errorf("modules were run in the order %s, want 2 3 2", got)
	}
}

// A signal that is being delivered elsewhere when the run ends may have found the scope busy.
func TestScopeIsNotLeftToASignalInFlight(t *testing.T) {
	t.Parallel()
	f := setup(t)
	g := newGate()
	f.work(nil, &g.toy, func(o *worker.Options) { o.Concurrency = 1 })
	f.send(f.request(travel))
	<-g.begun
	rdb, err := signal.Connect(f.redis)
	f.must(err)
	defer rdb.Close()
	taken, done := make(chan struct{}), make(chan struct{})
	other := asynq.NewServerFromRedisClient(rdb, asynq.Config{Concurrency: 1, Queues: map[string]int{"aggregation": 1}, LogLevel: asynq.FatalLevel})
	f.must(other.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		close(taken)
		<-done
		return nil
	})))
	defer other.Shutdown()
	defer close(done)
	f.send(f.request(travel))
	<-taken
	close(g.open)
	f.awaitJobs(2)
}

// B-H3, B-C1, O-10: a worker whose job was taken away stops, and nothing it wrote is kept.
func TestLostLeaseRollsTheDataBack(t *testing.T) {
	t.Parallel()
	f := setup(t)
	g := newGate()
	f.work(&g.toy, &toy{})
	ticket := f.request(planes)
	f.send(ticket)
	<-g.begun
	_, err := f.pool.Exec(f.ctx, `UPDATE data_ingestion_jobs SET state = 'NOT_STARTED', locked_by = NULL, signal_seq = 1, started_at = NULL WHERE id = $1`, ticket.JobID)
	f.must(err)
	// The worker notices at its next heartbeat, then finds the job waiting.
	<-g.begun
	close(g.open)
	f.awaitJobs(2)
	f.wantCount(1, `SELECT count(*) FROM data WHERE scope LIKE 'emission%'`)
	f.wantCount(1, `SELECT count(*) FROM data WHERE scope LIKE 'emission%' AND attempt = 2`)
	f.awaitRuns(1, "lost")
	f.awaitRuns(1, "success")
	f.awaitCounted(1, `tidemark_worker_fenced_writes_total{job_type="emission_recalc",write="renew"}`)
}

// An abort by another program ends the run too.
func TestAbortedJobStaysAborted(t *testing.T) {
	t.Parallel()
	f := setup(t)
	g := newGate()
	stop := f.work(&g.toy, nil)
	ticket := f.request(planes)
	f.send(ticket)
	<-g.begun
	_, err := f.pool.Exec(f.ctx, `UPDATE data_ingestion_jobs SET state = 'FINISHED', result = 'ERROR', locked_by = NULL, status_message = 'Aborted' WHERE id = $1`, ticket.JobID)
	f.must(err)
	f.await("the run has ended", func() bool {
		return value[int](f, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()`) == 0
	})
	stop()
	if got := f.job(ticket.JobID); got != "FINISHED ERROR Aborted" {
		t.Errorf("job is %s", got)
	}
	f.wantCount(0, `SELECT count(*) FROM data`)
}

// An abort of its pipeline ends the run at once: it is no failure, and no worker is lost.
func TestAbortEndsTheRun(t *testing.T) {
	t.Parallel()
	f := setup(t)
	g := newGate()
	f.work(&g.toy, &toy{}, func(o *worker.Options) { o.Lease, o.Heartbeat = time.Minute, 20*time.Second })
	f.schedule()
	ticket := f.request(planes)
	f.send(ticket)
	<-g.begun
	f.abort(ticket)
	f.awaitRuns(1, "aborted")
	f.awaitNoTasks()
	if got := f.job(ticket.JobID); got != "FINISHED ERROR aborted by ada: wrong file" {
		t.Errorf("job is %s", got)
	}
	f.wantCount(0, `SELECT count(*) FROM data`)
	f.wantCount(1, `SELECT count(*) FROM data_ingestion_jobs`)
	// The scope is free.
	f.send(f.request(planes))
	<-g.begun
	close(g.open)
	f.await("the job and its aggregation are done", func() bool {
		return value[int](f, `SELECT count(*) FROM data_ingestion_jobs WHERE result = 'SUCCESS'`) == 2
	})
}

// Where the worker does not lose its session it learns it with its next renewal.
func TestAbortIsLearntByTheHeartbeat(t *testing.T) {
	t.Parallel()
	f := setup(t)
	g := newGate()
	g.then = func(ctx context.Context, tx pgx.Tx, _ *ledger.Claim) error {
		if _, err := tx.Exec(ctx, `SET LOCAL application_name = 'other'`); err != nil {
			return err
		}
		g.begun <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	f.work(&g.toy, nil)
	ticket := f.request(planes)
	f.send(ticket)
	<-g.begun
	f.abort(ticket)
	f.awaitRuns(1, "aborted")
	f.awaitCounted(1, `tidemark_worker_fenced_writes_total{job_type="emission_recalc",write="renew"}`)
	f.awaitNoTasks()
}

// The task of a job that waited when it was aborted goes, as soon as it is delivered.
func TestTaskOfAnAbortedJobGoes(t *testing.T) {
	t.Parallel()
	f := setup(t)
	ticket := f.request(planes)
	f.send(ticket)
	f.abort(ticket)
	recalc := &toy{}
	f.work(recalc, nil)
	f.awaitNoTasks()
	f.awaitCounted(1, `tidemark_worker_tasks_total{action="ignore"}`)
	if n := recalc.runs.Load(); n != 0 {
		t.Errorf("%d runs", n)
	}
}

// O-15: a run that loses its connection gives the job back at once, not after the lease.
func TestCutConnectionForfeitsAndRunsAgain(t *testing.T) {
	t.Parallel()
	f := setup(t)
	proxy := localtest.NewProxy(t, f.database)
	g := newGate()
	g.then = func(ctx context.Context, tx pgx.Tx, _ *ledger.Claim) error {
		if g.runs.Load() > 1 {
			return nil
		}
		g.begun <- struct{}{}
		_, err := tx.Exec(ctx, `SELECT pg_sleep(60)`)
		return err
	}
	f.work(&g.toy, &toy{}, func(o *worker.Options) { o.DatabaseURL, o.Lease, o.Heartbeat = proxy.URL, time.Minute, time.Second })
	ticket := f.request(planes)
	f.send(ticket)
	<-g.begun
	proxy.Cut()
	proxy.Restore()
	f.awaitJobs(2)
	f.wantCount(1, `SELECT count(*) FROM data WHERE scope LIKE 'emission%'`)
	f.wantCount(2, `SELECT attempts FROM data_ingestion_jobs WHERE job_type = 'emission_recalc'`)
	f.wantCount(1, `SELECT signal_seq FROM data_ingestion_jobs WHERE job_type = 'emission_recalc'`)
	f.awaitRuns(1, "forfeited")
}

// A run that is as good as finished may have to wait for somebody who has fallen silent. Its lease goes
// on, or it would be given back and calculated again, in the end given up, for no fault of its own.
func TestLeaseIsRenewedWhileTheFinishWaits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		then error
		want string
		// silent is what the other transaction has done.
		silent func(f *field, tx pgx.Tx) error
	}{
		"for its follow-up": {nil, "FINISHED SUCCESS computed", func(f *field, tx pgx.Tx) error {
			_, err := f.ledger.Request(f.ctx, tx, ledger.Batch{By: ledger.Origin{Actor: "tester", Via: ledger.ViaCLI, RequestID: "test"}, Requests: []ledger.Request{{Scope: travel}}})
			return err
		}},
		"for its pipeline": {nil, "FINISHED SUCCESS computed", func(f *field, tx pgx.Tx) error {
			_, err := tx.Exec(f.ctx, `UPDATE pipelines SET status = 'RUNNING'`)
			return err
		}},
		"to record a failure": {errors.New("boom"), "FINISHED ERROR boom", func(f *field, tx pgx.Tx) error {
			_, err := tx.Exec(f.ctx, `UPDATE pipelines SET status = 'RUNNING'`)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			f.work(&toy{then: func(context.Context, pgx.Tx, *ledger.Claim) error { return c.then }}, &toy{})
			ticket := f.request(planes)
			tx, err := f.pool.Begin(f.ctx)
			f.must(err)
			defer func() { _ = tx.Rollback(f.ctx) }()
			f.must(c.silent(f, tx))
			f.send(ticket)
			f.await("the finish waits", func() bool {
				return value[bool](f, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`)
			})
			const lease = `SELECT lease_expires_at FROM data_ingestion_jobs WHERE job_type = 'emission_recalc'`
			for range 3 {
				before := value[time.Time](f, lease)
				f.await("the lease is renewed", func() bool { return value[time.Time](f, lease).After(before) })
			}
			f.must(tx.Commit(f.ctx))
			f.awaitJob(ticket.JobID, c.want)
			f.wantCount(1, `SELECT attempts FROM data_ingestion_jobs WHERE job_type = 'emission_recalc'`)
		})
	}
}

// The server ends all sessions while the worker is between two jobs, as it does when it restarts:
// the next job must not spend its attempts on one dead connection after the other.
func TestDeadConnectionsCostNoAttempts(t *testing.T) {
	t.Parallel()
	f := setup(t)
	pids, all := make(chan int32), make(chan struct{})
	y := &toy{then: func(ctx context.Context, tx pgx.Tx, _ *ledger.Claim) error {
		select {
		case pids <- int32(tx.Conn().PgConn().PID()):
			<-all
		case <-all:
		}
		return nil
	}}
	f.work(y, nil)
	const concurrency = 4
	for year := range concurrency {
		f.send(f.request(job.RecalcOf(2, 20, 2021+year)))
	}
	var sessions []int32
	for range concurrency {
		sessions = append(sessions, <-pids)
	}
	close(all)
	f.await("the jobs are done", func() bool {
		return value[int](f, `SELECT count(*) FROM data_ingestion_jobs WHERE job_type = 'emission_recalc' AND state = 'FINISHED'`) == concurrency
	})
	value[int](f, `SELECT count(pg_terminate_backend(pid)) FROM unnest($1::integer[]) AS pid`, sessions)
	f.await("the sessions have ended", func() bool {
		return value[bool](f, `SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = ANY ($1))`, sessions)
	})
	next := f.request(planes)
	f.send(next)
	f.awaitJob(next.JobID, "FINISHED SUCCESS computed")
	if n := value[int](f, `SELECT attempts FROM data_ingestion_jobs WHERE id = $1`, next.JobID); n != 1 {
		t.Errorf("it took %d attempts", n)
	}
}

// two code versions: a schema that is too old is refused, and the message says what to do.
func TestOldSchemaIsRefused(t *testing.T) {
	t.Parallel()
	o := worker.DefaultOptions()
	o.DatabaseURL, o.RedisURL = localtest.EmptyDatabase(t), localtest.Redis(t)
	o.Calculations = map[job.Type]worker.Calculation{job.Aggregation: (&toy{}).calculate}
	w, err := worker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "tidemark migrate up") {
		t.Errorf("got %v", err)
	}
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(*worker.Options){
		"Calculations":  func(o *worker.Options) { o.Calculations = nil },
		"csv_ingest":    func(o *worker.Options) { o.Calculations[job.CSVIngest] = (&toy{}).calculate },
		"Concurrency":   func(o *worker.Options) { o.Concurrency = 0 },
		"Heartbeat":     func(o *worker.Options) { o.Heartbeat = o.Lease / 2 },
		"TimeLimit":     func(o *worker.Options) { o.TimeLimit = 0 },
		"Drain":         func(o *worker.Options) { o.Drain = -1 },
		"PollInterval":  func(o *worker.Options) { o.PollInterval = 0 },
		"Registry":      func(o *worker.Options) { o.Registry = nil },
		"not host:port": func(o *worker.Options) { o.Web.Addresses = []string{"9878"} },
	} {
		o := worker.DefaultOptions()
		o.Calculations = map[job.Type]worker.Calculation{job.Aggregation: (&toy{}).calculate}
		if _, err := worker.New(o); err != nil {
			t.Fatal(err)
		}
		spoil(&o)
		if _, err := worker.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
