package signal_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/signal"
)

// What waits for a worker is where it belongs; anything else is to be looked at.
func TestUnqueued(t *testing.T) {
	t.Parallel()
	b := setup(t)
	archived, missing := travel, travel
	archived.JobID, missing.JobID = 1, 2
	b.must(b.sender.Send(b.ctx, archived))
	b.process(archived, errors.New("no database"), asynq.TaskStateArchived)
	b.must(b.sender.Send(b.ctx, travel))
	got, err := b.sender.Unqueued(b.ctx, job.Aggregation, []ledger.Ticket{missing, travel, archived})
	b.must(err)
	if !slices.Equal(got, []ledger.Ticket{missing, archived}) {
		t.Errorf("got %v", got)
	}
}

func (b *bundle) leftovers(offset, limit int) ([]signal.Leftover, int) {
	b.t.Helper()
	left, archived, err := b.sender.Leftovers(b.ctx, job.Aggregation, offset, limit)
	b.must(err)
	return left, archived
}

func (b *bundle) discard(l signal.Leftover, want bool) {
	b.t.Helper()
	gone, err := b.sender.Discard(b.ctx, l)
	b.must(err)
	if gone != want {
		b.t.Errorf("discarded %s: %t", l.TaskID, gone)
	}
}

func TestLeftoversOfTheArchive(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.must(b.sender.Send(b.ctx, travel))
	b.process(travel, errors.New("job 1234 failed"), asynq.TaskStateArchived)
	answer := signal.Answer{Pipeline: uuid.New()}
	_, err := asynq.NewClientFromRedisClient(b.rdb).Enqueue(asynq.NewTask("aggregation", nil), asynq.TaskID("theirs"), asynq.Queue("aggregation"), asynq.MaxRetry(0))
	b.must(err)
	_, stop := b.server(func(_ context.Context, task *asynq.Task) error {
		b.must(answer.Record(task))
		return errors.New("job 5 failed")
	})
	b.await("both are archived", func() bool {
		queue, err := b.inspector.GetQueueInfo("aggregation")
		return err == nil && queue.Archived == 2
	})
	stop()

	left, archived := b.leftovers(0, 10)
	if archived != 2 || len(left) != 2 || left[0].JobID != 1234 || left[0].TaskID != "aggregation:2:2025:1234" || left[0].Pipeline != uuid.Nil ||
		left[1].JobID != 0 || left[1].TaskID != "theirs" || left[1].Pipeline != answer.Pipeline || !left[1].Owned() {
		t.Fatalf("%d archived: %+v", archived, left)
	}
	if second, n := b.leftovers(1, 1); n != 1 || second[0].TaskID != "theirs" {
		t.Errorf("the second page is %+v", second)
	}
	// Somebody runs one: it is a wish, not a leftover.
	b.must(b.inspector.RunTask("aggregation", "theirs"))
	b.discard(left[1], false)
	b.discard(left[0], true)
	b.discard(left[0], false)
	queue, err := b.inspector.GetQueueInfo("aggregation")
	b.must(err)
	if queue.Archived != 0 || queue.Pending != 1 {
		t.Errorf("%d archived, %d pending", queue.Archived, queue.Pending)
	}
	b.ensure(travel, signal.Sent) // Its id is free.
}

// A failover can lose the lease of a task, and asynq takes it for active for ever.
func TestLeftoversAmongTheActive(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.must(b.sender.Send(b.ctx, travel))
	release := make(chan struct{})
	started, stop := b.server(func(context.Context, *asynq.Task) error {
		<-release
		return nil
	})
	defer stop()
	defer close(release)
	<-started
	if left, _ := b.leftovers(0, 10); len(left) != 0 {
		t.Fatalf("a task in good hands is left over: %+v", left)
	}
	b.must(b.rdb.Del(b.ctx, "asynq:{aggregation}:lease").Err())
	left, _ := b.leftovers(0, 10)
	if len(left) != 1 || left[0].JobID != 1234 {
		t.Fatalf("left over: %+v", left)
	}
	b.discard(left[0], true)
	b.ensure(travel, signal.Sent)
}
