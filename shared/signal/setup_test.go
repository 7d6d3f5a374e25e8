package signal_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
	"tidemark/shared/signal"
)

var travel = ledger.Ticket{Scope: job.AggregationOf(2, 2025), JobID: 1234}

// bundle is a sender on a Redis database of the test's own.
type bundle struct {
	t         *testing.T
	ctx       context.Context
	rdb       redis.UniversalClient
	sender    *signal.Sender
	inspector *asynq.Inspector
}

func setup(t *testing.T) *bundle {
	t.Helper()
	rdb, err := signal.Connect(localtest.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rdb.Close() })
	return &bundle{t: t, ctx: context.Background(), rdb: rdb, sender: signal.NewSender(rdb), inspector: asynq.NewInspectorFromRedisClient(rdb)}
}

func (b *bundle) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bundle) info(t ledger.Ticket) *asynq.TaskInfo {
	b.t.Helper()
	c, err := job.ConfigOf(t.Scope.Type)
	b.must(err)
	info, err := b.inspector.GetTaskInfo(c.Queue(), c.TaskID(t.Scope, t.JobID, t.SignalSeq))
	b.must(err)
	return info
}

func (b *bundle) ensure(t ledger.Ticket, want signal.Presence) {
	b.t.Helper()
	got, err := b.sender.Ensure(b.ctx, t)
	b.must(err)
	if got != want {
		b.t.Fatalf("signal of job %d: %s, want %s", t.JobID, got, want)
	}
}

// server works on the aggregation queue until stop, which waits for it. What it starts is
// received from started.
func (b *bundle) server(handle func(context.Context, *asynq.Task) error) (started <-chan *asynq.Task, stop func()) {
	b.t.Helper()
	tasks := make(chan *asynq.Task, 16)
	server := asynq.NewServerFromRedisClient(b.rdb, asynq.Config{Concurrency: 1, Queues: map[string]int{"aggregation": 1},
		TaskCheckInterval: time.Millisecond, ShutdownTimeout: time.Second, LogLevel: asynq.FatalLevel})
	b.must(server.Start(asynq.HandlerFunc(func(ctx context.Context, task *asynq.Task) error {
		tasks <- task
		return handle(ctx, task)
	})))
	return tasks, server.Shutdown
}

// process lets a server work on one task and returns when it has reached the state, or is gone.
func (b *bundle) process(t ledger.Ticket, fail error, want asynq.TaskState) {
	b.t.Helper()
	_, stop := b.server(func(context.Context, *asynq.Task) error { return fail })
	defer stop()
	deadline := time.After(10 * time.Second)
	c, _ := job.ConfigOf(t.Scope.Type)
	for {
		info, err := b.inspector.GetTaskInfo(c.Queue(), c.TaskID(t.Scope, t.JobID, t.SignalSeq))
		if errors.Is(err, asynq.ErrTaskNotFound) && fail == nil || err == nil && fail != nil && info.State == want {
			return
		}
		select {
		case <-deadline:
			b.t.Fatalf("the task is not %s: %v, %v", want, info, err)
		case <-time.After(time.Millisecond):
		}
	}
}
