package signal_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"tidemark/shared/ledger"
	"tidemark/shared/signal"
)

// A thousand joins of one waiting job are one task.
func TestConflictIsNoError(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 5 {
		b.must(b.sender.Send(b.ctx, travel, travel))
	}
	queue, err := b.inspector.GetQueueInfo("aggregation")
	b.must(err)
	if queue.Size != 1 {
		t.Errorf("%d tasks", queue.Size)
	}
}

func TestEnsureSendsWhatIsMissingAndLeavesWhatWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ensure(travel, signal.Sent)
	b.ensure(travel, signal.Queued)
	b.process(travel, nil, 0)
	b.ensure(travel, signal.Sent)
}

// A task that was archived while its job waits (PostgreSQL was away) is run again.
func TestEnsureRunsAnArchivedTaskAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.must(b.sender.Send(b.ctx, travel))
	b.process(travel, errors.New("no database"), asynq.TaskStateArchived)
	b.ensure(travel, signal.Rerun)
	b.ensure(travel, signal.Queued)
}

// An operator postponed it in asynqmon, or another client made it with the id.
func TestEnsureRunsAScheduledTaskNow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	client := asynq.NewClientFromRedisClient(b.rdb)
	_, err := client.Enqueue(asynq.NewTask("aggregation", nil), asynq.TaskID("aggregation:2:2025:1234"), asynq.Queue("aggregation"), asynq.ProcessIn(time.Hour))
	b.must(err)
	b.ensure(travel, signal.Rerun)
}

func TestEnsureTellsATaskInFlight(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.must(b.sender.Send(b.ctx, travel))
	release := make(chan struct{})
	started, stop := b.server(func(context.Context, *asynq.Task) error { <-release; return nil })
	<-started
	b.ensure(travel, signal.InFlight)
	// Under another number the job has another task.
	b.ensure(ledger.Ticket{Scope: travel.Scope, JobID: travel.JobID, SignalSeq: 1}, signal.Sent)
	close(release)
	stop()
}

// A task that somebody keeps as a result of the past blocks the id for good.
func TestEnsureTellsABlockedID(t *testing.T) {
	t.Parallel()
	b := setup(t)
	client := asynq.NewClientFromRedisClient(b.rdb)
	_, err := client.Enqueue(asynq.NewTask("aggregation", nil), asynq.TaskID("aggregation:2:2025:1234"), asynq.Queue("aggregation"), asynq.Retention(time.Hour))
	b.must(err)
	started, stop := b.server(func(context.Context, *asynq.Task) error { return nil })
	<-started
	stop()
	b.ensure(travel, signal.Blocked)
}

// Redis may be flushed at any time. asynq's client announces a queue once in its life, so
// without Publish no tool would find what is sent afterwards.
func TestPublishMakesTheQueuesKnownAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.must(b.sender.Send(b.ctx, travel))
	b.must(b.rdb.FlushDB(b.ctx).Err())
	b.must(b.sender.Send(b.ctx, travel))
	if _, err := b.inspector.GetQueueInfo("aggregation"); err == nil {
		t.Error("asynq has learned to announce its queues again: Publish is not needed any more")
	}
	b.must(b.sender.Publish(b.ctx))
	queue, err := b.inspector.GetQueueInfo("aggregation")
	b.must(err)
	if queue.Pending != 1 {
		t.Errorf("%d tasks are pending", queue.Pending)
	}
	queues, err := b.inspector.Queues()
	b.must(err)
	if len(queues) != 2 {
		t.Errorf("queues %v", queues)
	}
}

// A signal that cannot be sent costs its sender no more than a moment.
func TestSendGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	rdb, err := signal.Connect("redis-socket:///nowhere.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := signal.NewSender(rdb).Send(ctx, travel); err == nil {
		t.Error("sent to nowhere")
	}
	if err := ctx.Err(); err == nil {
		t.Error("gave up before the context did: a short cut of the link would lose signals")
	}
}
