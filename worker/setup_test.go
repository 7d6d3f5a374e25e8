package worker_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"tidemark/scheduler"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
	"tidemark/shared/signal"
	"tidemark/worker"
)

var (
	planes = job.RecalcOf(2, 20, 2025)
	travel = job.AggregationOf(2, 2025)
)

// field is a record and a Redis of the test's own, and the workers on them.
type field struct {
	t         *testing.T
	ctx       context.Context
	database  string
	redis     string
	pool      *pgxpool.Pool
	ledger    *ledger.Ledger
	sender    *signal.Sender
	client    *asynq.Client
	inspector *asynq.Inspector
	// registries are those of the workers, in the order of their start.
	registries prometheus.Gatherers
}

func setup(t *testing.T) *field {
	t.Helper()
	return setupOn(t, localtest.Database(t), localtest.Redis(t))
}

func setupOn(t *testing.T, database, redisURL string) *field {
	t.Helper()
	f := &field{t: t, ctx: context.Background(), database: database, redis: redisURL, ledger: ledger.New(ledger.DefaultMaxHold)}
	f.pool = localtest.Connect(t, f.database)
	rdb, err := signal.Connect(f.redis)
	f.must(err)
	t.Cleanup(func() { rdb.Close() })
	f.sender, f.client, f.inspector = signal.NewSender(rdb), asynq.NewClientFromRedisClient(rdb), asynq.NewInspectorFromRedisClient(rdb)
	f.exec(`CREATE TABLE data (scope text, attempt integer)`)
	return f
}

func (f *field) exec(sql string, args ...any) {
	f.t.Helper()
	_, err := f.pool.Exec(f.ctx, sql, args...)
	f.must(err)
}

// expireLeases makes every run look as if its worker had given no sign of life for a lease.
func (f *field) expireLeases() {
	f.t.Helper()
	f.exec(`UPDATE data_ingestion_jobs SET lease_expires_at = clock_timestamp() WHERE state = 'RUNNING'`)
}

func (f *field) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// toy writes a row for each run that is kept, then does what the test wants.
type toy struct {
	runs atomic.Int32
	then func(ctx context.Context, tx pgx.Tx, c *ledger.Claim) error
}

func (y *toy) calculate(ctx context.Context, tx pgx.Tx, c *ledger.Claim, progress job.Progress) (job.Outcome, error) {
	y.runs.Add(1)
	progress(1, 2)
	if _, err := tx.Exec(ctx, `INSERT INTO data VALUES ($1, $2)`, c.Scope.String(), c.Attempt); err != nil {
		return job.Outcome{}, err
	}
	if y.then != nil {
		if err := y.then(ctx, tx, c); err != nil {
			return job.Outcome{}, err
		}
	}
	return job.Outcome{Result: job.Success, Message: "computed"}, nil
}

// work starts a worker with these calculations. stop asks it to end and waits; the end of the test does so too.
func (f *field) work(recalc, aggregation *toy, adjust ...func(*worker.Options)) (stop func()) {
	f.t.Helper()
	o := worker.DefaultOptions()
	o.DatabaseURL, o.RedisURL, o.Ledger = f.database, f.redis, f.ledger
	o.Lease, o.Heartbeat, o.Drain, o.PollInterval = 5*time.Second, 50*time.Millisecond, 5*time.Second, 2*time.Millisecond
	o.Calculations = map[job.Type]worker.Calculation{}
	for t, y := range map[job.Type]*toy{job.EmissionRecalc: recalc, job.Aggregation: aggregation} {
		if y != nil {
			o.Calculations[t] = y.calculate
		}
	}
	for _, a := range adjust {
		a(&o)
	}
	w, err := worker.New(o)
	f.must(err)
	f.registries = append(f.registries, o.Registry)
	return localtest.Start(f.t, w.Run)
}

// schedule starts a scheduler that is in a hurry, until the end of the test.
func (f *field) schedule(adjust ...func(*scheduler.Options)) {
	f.t.Helper()
	o := scheduler.DefaultOptions()
	o.DatabaseURL, o.RedisURL, o.Ledger = f.database, f.redis, f.ledger
	o.RelayInterval, o.RelayGrace, o.StuckAfter, o.ReapInterval = 20*time.Millisecond, 0, 200*time.Millisecond, 20*time.Millisecond
	for _, a := range adjust {
		a(&o)
	}
	s, err := scheduler.New(o)
	f.must(err)
	localtest.Start(f.t, s.Run)
}

// request records a request without a signal.
func (f *field) request(s job.Scope) ledger.Ticket {
	f.t.Helper()
	var tickets []ledger.Ticket
	f.must(pgx.BeginFunc(f.ctx, f.pool, func(tx pgx.Tx) error {
		p, _, err := f.ledger.OpenPipeline(f.ctx, tx, ledger.NewPipeline{ID: uuid.New(), Kind: s.Type})
		if err != nil {
			return err
		}
		tickets, err = f.ledger.Request(f.ctx, tx, ledger.Batch{Pipeline: p, By: ledger.Origin{Actor: "tester", Via: ledger.ViaCLI, RequestID: "test"}, Requests: []ledger.Request{{Scope: s}}})
		return err
	}))
	return tickets[0]
}

func (f *field) send(tickets ...ledger.Ticket) {
	f.t.Helper()
	f.must(f.sender.Send(f.ctx, tickets...))
}

// abort aborts the pipeline that made a job.
func (f *field) abort(t ledger.Ticket) {
	f.t.Helper()
	_, err := f.ledger.Abort(f.ctx, f.pool, value[uuid.UUID](f, `SELECT pipeline_id FROM data_ingestion_jobs WHERE id = $1`, t.JobID),
		ledger.Origin{Actor: "ada", Via: ledger.ViaCLI, Reason: "wrong file", RequestID: "test"})
	f.must(err)
}

const patience = 30 * time.Second

func (f *field) await(what string, holds func() bool) {
	f.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			f.t.Fatalf("waited in vain until %s; the jobs are\n%s", what, value[string](f, `
				SELECT string_agg(concat_ws(' ', id, job_type, state, result, attempts, status_message), E'\n' ORDER BY id) FROM data_ingestion_jobs`))
		case <-tick.C:
		}
	}
}

func value[T any](f *field, sql string, args ...any) (v T) {
	f.t.Helper()
	f.must(f.pool.QueryRow(f.ctx, sql, args...).Scan(&v))
	return v
}

func (f *field) job(id int64) string {
	f.t.Helper()
	return value[string](f, `SELECT concat_ws(' ', state, result, status_message) FROM data_ingestion_jobs WHERE id = $1`, id)
}

func (f *field) awaitJob(id int64, want string) {
	f.t.Helper()
	f.await("a job is "+want, func() bool { return f.job(id) == want })
}

func (f *field) awaitJobs(n int) {
	f.t.Helper()
	f.await("every job is finished", func() bool {
		return value[bool](f, `SELECT count(*) >= $1 AND bool_and(state = 'FINISHED') FROM data_ingestion_jobs`, n)
	})
	f.wantCount(n, `SELECT count(*) FROM data_ingestion_jobs`)
}

func (f *field) wantCount(want int, sql string) {
	f.t.Helper()
	if got := value[int](f, sql); got != want {
		f.t.Errorf("%s: %d, want %d", sql, got, want)
	}
}

// tasks counts what asynq holds in a queue, in any state.
func (f *field) tasks(queue string) int {
	f.t.Helper()
	info, err := f.inspector.GetQueueInfo(queue)
	if err != nil {
		return 0
	}
	return info.Size
}

// awaitArchived waits until the archive is all that is left of a queue, and returns it.
func (f *field) awaitArchived(queue string, n int) []*asynq.TaskInfo {
	f.t.Helper()
	var archived []*asynq.TaskInfo
	f.await("tasks are archived", func() bool {
		archived, _ = f.inspector.ListArchivedTasks(queue)
		return len(archived) == n && f.tasks(queue) == n
	})
	return archived
}

func (f *field) awaitNoTasks() {
	f.t.Helper()
	f.await("no task is left", func() bool { return f.tasks("aggregation")+f.tasks("emission_recalc") == 0 })
}
