package ledger_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

func TestReleasedJobWaitsAgainAndTheRunDoesNotCount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.request(uuid.Nil, planes)[0]
	for n := 1; n <= 5; n++ {
		c := b.claim(planes)
		b.must(b.Renew(b.ctx, b.pool, c, 1, 2))
		fate, tickets, err := b.Release(b.ctx, b.pool, c, "released at shutdown")
		b.must(err)
		if fate != ledger.Requeued || len(tickets) != 1 || tickets[0].JobID != first.JobID || tickets[0].SignalSeq != n {
			t.Fatalf("release %d: %s, %v", n, fate, tickets)
		}
		j := b.job(first.JobID)
		if j.State != "NOT_STARTED" || j.Attempts != 0 || j.LockedBy != nil || j.StartedAt != nil || j.Done != nil {
			t.Fatalf("release %d left %+v", n, j)
		}
	}
	b.wantJob(first.JobID, "NOT_STARTED released at shutdown; waiting again")
}

func TestForfeitedJobCountsTheRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.request(uuid.Nil, planes)[0].JobID
	for _, want := range []ledger.Fate{ledger.Requeued, ledger.Requeued, ledger.Abandoned} {
		fate, _, err := b.Forfeit(b.ctx, b.pool, b.claim(planes), "cut off")
		b.must(err)
		if fate != want {
			t.Errorf("fate %s, want %s", fate, want)
		}
	}
	b.wantJob(id, "FINISHED ERROR cut off; given up after 3 of 3 attempts")
}

func TestGivingBackWhatIsNotOursIsErrLost(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.request(uuid.Nil, planes)
	stale := b.claim(planes)
	b.expire(stale.JobID)
	b.reap()
	fresh := b.claim(planes)
	if _, _, err := b.Release(b.ctx, b.pool, stale, "released at shutdown"); !errors.Is(err, ledger.ErrLost) {
		t.Errorf("release: %v", err)
	}
	if _, _, err := b.Forfeit(b.ctx, b.pool, stale, "cut off"); !errors.Is(err, ledger.ErrLost) {
		t.Errorf("forfeit: %v", err)
	}
	b.must(b.Renew(b.ctx, b.pool, fresh, 0, 0))
}

// The job that waits will start later, so it covers what the released one was to cover:
// its filter is widened, the pipelines move over and are not failed by the old one.
func TestReleasedJobIsSupersededByOneThatWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	creator, joiner, late := b.open(job.EmissionRecalc), b.open(job.EmissionRecalc), b.open(job.EmissionRecalc)
	narrow := func(p uuid.UUID, ids ...int32) ledger.Ticket {
		return b.requestAll(ledger.Batch{By: tester, Pipeline: p, Requests: []ledger.Request{{Scope: planes, Filter: job.NewFilter(ids...)}}})[0]
	}
	old := narrow(creator, 1)
	narrow(joiner, 2)
	c := b.claim(planes)
	next := narrow(late, 3)
	fate, tickets, err := b.Release(b.ctx, b.pool, c, "released at shutdown")
	b.must(err)
	if fate != ledger.Superseded || len(tickets) != 1 || tickets[0].JobID != next.JobID || tickets[0].SignalSeq != 0 {
		t.Fatalf("%s, %v", fate, tickets)
	}
	if j := b.job(old.JobID); j.SupersededBy == nil || *j.SupersededBy != next.JobID || !j.Failed() {
		t.Errorf("superseded job is %+v", j)
	}
	for _, p := range []uuid.UUID{creator, joiner, late} {
		b.wantMember(p, next.JobID, true)
		b.wantStatus(p, ledger.StatusRunning)
	}
	c = b.claim(planes)
	if !slices.Equal(c.Filter, job.Filter{1, 2, 3}) {
		t.Errorf("the job that covers both is narrowed to %v", c.Filter)
	}
	b.finish(c, job.Success)
	b.finish(b.claim(travel), job.Success)
	for _, p := range []uuid.UUID{creator, joiner, late} {
		b.wantStatus(p, ledger.StatusSuccess)
	}
}

func TestSupersededJobOfTheWholeScopeWidensToAll(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.request(uuid.Nil, planes)
	c := b.claim(planes)
	b.requestAll(b.narrowed(job.Filter{1}))
	_, _, err := b.Release(b.ctx, b.pool, c, "released at shutdown")
	b.must(err)
	if c := b.claim(planes); c.Filter != nil {
		t.Errorf("narrowed to %v", c.Filter)
	}
}

// stall: an aggregation that is held by a recalculation which is given up is woken.
func TestAbandonedRecalculationWakesAHeldAggregation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.open(job.EmissionRecalc)
	b.request(p, travel, planes)
	b.exec(`UPDATE data_ingestion_jobs SET max_attempts = 1`)
	b.wantSight(travel, ledger.Held)
	fate, tickets, err := b.Forfeit(b.ctx, b.pool, b.claim(planes), "cut off")
	b.must(err)
	if fate != ledger.Abandoned || len(tickets) != 1 || tickets[0].Scope != travel {
		t.Errorf("%s, %v", fate, tickets)
	}
	b.finish(b.claim(travel), job.Success)
	b.wantStatus(p, ledger.StatusFailed)
}
