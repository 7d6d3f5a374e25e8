package scheduler

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/signal"
)

func TestNeedsNewID(t *testing.T) {
	t.Parallel()
	const stuckAfter = 10 * time.Second
	for _, tc := range []struct {
		presence signal.Presence
		inFlight time.Duration
		want     bool
	}{
		{signal.Sent, time.Hour, false},
		{signal.Queued, time.Hour, false},
		{signal.Rerun, time.Hour, false},
		{signal.InFlight, 0, false},
		{signal.InFlight, stuckAfter - 1, false},
		{signal.InFlight, stuckAfter, true},
		{signal.Blocked, 0, true},
	} {
		if got := needsNewID(tc.presence, tc.inFlight, stuckAfter); got != tc.want {
			t.Errorf("%s for %s: %t", tc.presence, tc.inFlight, got)
		}
	}
}

// task GC, stall: the requester died between its commit and its signal.
func TestRelaySignalsWhatWasNeverSignalled(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.request(planes, job.AggregationOf(3, 2025))
	r := f.relay()
	f.must(r.tick(f.ctx))
	f.wantTasks("after a tick", "emission_recalc", "emission_recalc:2:20:2025:2", "pending")
	f.wantTasks("after a tick", "aggregation", "aggregation:3:2025:1", "pending")
	// Redis is flushed, and the tools' list of queues with it.
	f.must(f.rdb.FlushDB(f.ctx).Err())
	f.must(r.tick(f.ctx))
	f.must(r.tick(f.ctx))
	f.wantTasks("after a flush", "emission_recalc", "emission_recalc:2:20:2025:2", "pending")
	f.wantTasks("after a flush", "aggregation", "aggregation:3:2025:1", "pending")
	f.wantCount(2, f.metrics.relayed.WithLabelValues("aggregation", "sent"))
	f.wantCount(2, f.metrics.relayed.WithLabelValues("emission_recalc", "sent"))
}

func TestRelayGivesTheRequesterItsGrace(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.opts.RelayGrace = time.Minute
	f.request(planes)
	f.must(f.relay().tick(f.ctx))
	f.wantTasks("within the grace", "emission_recalc")
	f.exec(`UPDATE data_ingestion_jobs SET requested_at = requested_at - interval '1 minute'`)
	f.must(f.relay().tick(f.ctx))
	f.wantTasks("after it", "emission_recalc", "emission_recalc:2:20:2025:1", "pending")
}

// A backlog of more than one page is signalled in one tick.
func TestRelayTurnsThePage(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var scopes []job.Scope
	for i := range relayPage + 1 {
		scopes = append(scopes, job.RecalcOf(2, 1+i, 2025))
	}
	f.request(scopes...)
	f.must(f.relay().tick(f.ctx))
	queue, err := f.inspector.GetQueueInfo("emission_recalc")
	f.must(err)
	if queue.Pending != relayPage+1 {
		t.Errorf("%d signals for %d jobs", queue.Pending, relayPage+1)
	}
}

// What cannot be claimed yet is signalled when its time has come, by whoever brings it about.
func TestRelayLeavesAloneWhatCannotBeClaimed(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.request(planes, travel)
	f.claim(planes)
	f.request(planes)
	f.must(f.relay().tick(f.ctx))
	f.wantTasks("behind a running job", "emission_recalc")
	f.wantTasks("held", "aggregation")
	f.exec(`UPDATE data_ingestion_jobs SET requested_at = requested_at - $1::interval`, ledger.DefaultMaxHold)
	f.must(f.relay().tick(f.ctx))
	f.wantTasks("held for too long", "aggregation", "aggregation:2:2025:1", "pending")
}

// PostgreSQL was away when the signal was delivered: asynq archived it, the job waits on.
func TestRelayRunsAnArchivedTaskWhoseJobWaits(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.must(f.sender.Send(f.ctx, f.request(planes)...))
	stop := f.serve(func(context.Context, *asynq.Task) error { return errors.New("no database") })
	f.await("the task is archived", func() bool { return f.tasks("emission_recalc")["emission_recalc:2:20:2025:1"] == "archived" })
	stop()
	f.must(f.relay().tick(f.ctx))
	f.wantTasks("after a tick", "emission_recalc", "emission_recalc:2:20:2025:1", "pending")
	f.wantCount(1, f.metrics.relayed.WithLabelValues("emission_recalc", "rerun"))
}

// The archive shows failures to people: nobody but they run them again.
func TestRelayLeavesAFailedJobsTaskInTheArchive(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.must(f.sender.Send(f.ctx, f.request(planes)...))
	stop := f.serve(func(context.Context, *asynq.Task) error { return errors.New("job 1 failed") })
	f.await("the task is archived", func() bool { return f.tasks("emission_recalc")["emission_recalc:2:20:2025:1"] == "archived" })
	stop()
	f.exec(`UPDATE data_ingestion_jobs SET state = 'FINISHED', result = 'ERROR'`)
	f.must(f.relay().tick(f.ctx))
	f.wantTasks("after a tick", "emission_recalc", "emission_recalc:2:20:2025:1", "archived")
}

// A worker died with the task in its hands: asynq takes it for active for minutes.
func TestRelayRenumbersAStuckSignal(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.must(f.sender.Send(f.ctx, f.request(planes)...))
	begun, release := make(chan struct{}), make(chan struct{})
	stop := f.serve(func(_ context.Context, task *asynq.Task) error {
		if task.ResultWriter().TaskID() == "emission_recalc:2:20:2025:1" {
			close(begun)
		}
		<-release
		return nil
	})
	defer stop()
	defer close(release)
	<-begun
	r := f.relay()
	r.opts.StuckAfter = time.Hour
	f.must(r.tick(f.ctx))
	f.must(r.tick(f.ctx))
	f.wantTasks("in flight", "emission_recalc", "emission_recalc:2:20:2025:1", "active")
	// It has been so for longer than a look can take.
	for key := range r.seen {
		r.seen[key] = time.Now().Add(-2 * time.Hour)
	}
	f.must(r.tick(f.ctx))
	f.wantTasks("stuck", "emission_recalc", "emission_recalc:2:20:2025:1", "active", "emission_recalc:2:20:2025:1.2", "pending")
	f.must(r.tick(f.ctx))
	f.wantTasks("a tick later", "emission_recalc", "emission_recalc:2:20:2025:1", "active", "emission_recalc:2:20:2025:1.2", "pending")
	f.wantCount(1, f.metrics.relayed.WithLabelValues("emission_recalc", renumbered))
}

// The relay's memory is of what is in flight now: a signal that came to its end is forgotten.
func TestRelayForgetsWhatIsNoLongerInFlight(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.must(f.sender.Send(f.ctx, f.request(planes)...))
	r := f.relay()
	r.seen[flight{1, 0}] = time.Now().Add(-time.Hour)
	f.must(r.tick(f.ctx))
	if len(r.seen) != 0 {
		t.Errorf("remembers %v", r.seen)
	}
	f.wantTasks("queued", "emission_recalc", "emission_recalc:2:20:2025:1", "pending")
}
