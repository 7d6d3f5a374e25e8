package scheduler

import (
	"context"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
	"tidemark/shared/signal"
)

var (
	planes = job.RecalcOf(2, 20, 2025)
	travel = job.AggregationOf(2, 2025)
)

// field is a record and a Redis of the test's own, without any worker.
type field struct {
	t         *testing.T
	ctx       context.Context
	database  string
	pool      *pgxpool.Pool
	rdb       redis.UniversalClient
	opts      Options
	metrics   *metrics
	sender    *signal.Sender
	inspector *asynq.Inspector
}

func setup(t *testing.T) *field {
	t.Helper()
	f := &field{t: t, ctx: context.Background(), database: localtest.Database(t), opts: DefaultOptions(), metrics: newMetrics(prometheus.NewRegistry())}
	f.opts.DatabaseURL, f.opts.RedisURL, f.opts.RelayGrace = f.database, localtest.Redis(t), 0
	f.pool = localtest.Connect(t, f.database)
	var err error
	f.rdb, err = signal.Connect(f.opts.RedisURL)
	f.must(err)
	t.Cleanup(func() { f.rdb.Close() })
	f.sender, f.inspector = signal.NewSender(f.rdb), asynq.NewInspectorFromRedisClient(f.rdb)
	return f
}

func (f *field) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *field) relay() *relay {
	return &relay{opts: f.opts, db: f.pool, signals: f.sender, metrics: f.metrics, seen: map[flight]time.Time{}}
}

func (f *field) reaper() *reaper {
	return &reaper{opts: f.opts, db: f.pool, signals: f.sender, metrics: f.metrics}
}

// request records requests without a signal.
func (f *field) request(scopes ...job.Scope) []ledger.Ticket {
	f.t.Helper()
	var tickets []ledger.Ticket
	f.must(pgx.BeginFunc(f.ctx, f.pool, func(tx pgx.Tx) (err error) {
		b := ledger.Batch{By: ledger.Origin{Actor: "tester", Via: ledger.ViaCLI, RequestID: "test"}}
		for _, s := range scopes {
			b.Requests = append(b.Requests, ledger.Request{Scope: s})
		}
		tickets, err = f.opts.Ledger.Request(f.ctx, tx, b)
		return err
	}))
	return tickets
}

func (f *field) claim(s job.Scope) *ledger.Claim {
	f.t.Helper()
	c, sight, err := f.opts.Ledger.Claim(f.ctx, f.pool, s, time.Hour)
	f.must(err)
	if sight != ledger.Claimed {
		f.t.Fatalf("claim %s: %s", s, sight)
	}
	return c
}

func (f *field) exec(sql string, args ...any) {
	f.t.Helper()
	_, err := f.pool.Exec(f.ctx, sql, args...)
	f.must(err)
}

// tasks lists the ids of a queue's tasks with their states.
func (f *field) tasks(queue string) map[string]string {
	f.t.Helper()
	found := map[string]string{}
	for _, list := range []func(string, ...asynq.ListOption) ([]*asynq.TaskInfo, error){
		f.inspector.ListPendingTasks, f.inspector.ListActiveTasks, f.inspector.ListArchivedTasks} {
		infos, err := list(queue)
		if err != nil {
			continue // The queue is not known yet.
		}
		for _, info := range infos {
			found[info.ID] = info.State.String()
		}
	}
	return found
}

// wantTasks compares a queue with "id" and "state" pairs.
func (f *field) wantTasks(when, queue string, want ...string) {
	f.t.Helper()
	got := f.tasks(queue)
	ok := len(got) == len(want)/2
	for i := 0; i < len(want); i += 2 {
		ok = ok && got[want[i]] == want[i+1]
	}
	if !ok {
		f.t.Errorf("%s: tasks %v, want %v", when, got, want)
	}
}

const patience = 20 * time.Second

func (f *field) await(what string, holds func() bool) {
	f.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			f.t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

// serve lets asynq work on the recalculations' queue until stop.
func (f *field) serve(handle func(context.Context, *asynq.Task) error) (stop func()) {
	f.t.Helper()
	server := asynq.NewServerFromRedisClient(f.rdb, asynq.Config{Concurrency: 1, Queues: map[string]int{"emission_recalc": 1},
		TaskCheckInterval: time.Millisecond, ShutdownTimeout: time.Second, LogLevel: asynq.FatalLevel})
	f.must(server.Start(asynq.HandlerFunc(handle)))
	return server.Shutdown
}
