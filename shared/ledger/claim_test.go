package ledger_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

// A-M3: everything about the start is stamped by the claim itself.
func TestClaimStartsTheRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ticket := b.request(uuid.Nil, planes)[0]
	c := b.claim(planes)
	if c.JobID != ticket.JobID || c.Attempt != 1 || c.Filter != nil || c.Scope != planes {
		t.Errorf("claim %+v of ticket %+v", c, ticket)
	}
	j := b.job(c.JobID)
	if j.State != "RUNNING" || j.LockedBy == nil || *j.LockedBy != c.Token || j.StartedAt == nil || j.Attempts != 1 {
		t.Errorf("claimed job is %+v", j)
	}
	if !value[bool](b, `SELECT locked_at >= started_at AND lease_expires_at > clock_timestamp() + interval '59 minutes' FROM data_ingestion_jobs`) {
		t.Error("the lease does not run from the claim")
	}
}

// A claim tells how long the request had waited, where the record knows.
func TestClaimTellsTheWait(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.request(uuid.Nil, planes, trains)
	b.exec(`UPDATE data_ingestion_jobs SET requested_at = CASE data_entry_type_id WHEN 20 THEN requested_at - interval '50 hours' END`)
	c := b.claim(planes)
	if since := value[time.Duration](b, `SELECT started_at - requested_at FROM data_ingestion_jobs WHERE id = $1`, c.JobID); c.Waited != since || since < 50*time.Hour {
		t.Errorf("waited %s, the record says %s", c.Waited, since)
	}
	if c := b.claim(trains); c.Waited != 0 {
		t.Errorf("waited %s since nobody knows when", c.Waited)
	}
}

func TestSightsOfAScope(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.wantSight(planes, ledger.Nothing)
	b.request(uuid.Nil, planes)
	b.exec(`UPDATE data_ingestion_jobs SET run_after = clock_timestamp() + interval '1 hour'`)
	b.wantSight(planes, ledger.Postponed)
	b.exec(`UPDATE data_ingestion_jobs SET run_after = clock_timestamp() - interval '1 second'`)
	c := b.claim(planes)
	b.wantSight(planes, ledger.Nothing)
	b.request(uuid.Nil, planes)
	b.wantSight(planes, ledger.Busy)
	b.wantSight(trains, ledger.Nothing)
	b.finish(c, job.Error)
	b.claim(planes)
}

func TestClaimOfWhatIsNoScopeIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, _, err := b.Claim(b.ctx, b.pool, job.RecalcOf(2, 0, 2025), lease)
	if err == nil || !strings.Contains(err.Error(), "scope keys must be set") {
		t.Errorf("got %v", err)
	}
}

// claim leaks, O-14: of many claimers one wins, before any of them has a connection to compute with.
func TestOneOfManyClaimersWins(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.request(uuid.Nil, planes)
	var looks []<-chan outcome[ledger.Sight]
	for range 12 {
		looks = append(looks, inBackground(func() (ledger.Sight, error) {
			_, sight, err := b.Claim(b.ctx, b.pool, planes, lease)
			return sight, err
		}))
	}
	count := map[ledger.Sight]int{}
	for _, look := range looks {
		count[receive(b, look)]++
	}
	if count[ledger.Claimed] != 1 || count[ledger.Claimed]+count[ledger.Nothing]+count[ledger.Contended] != len(looks) {
		t.Errorf("12 claimers saw %v", count)
	}
	if n := value[int](b, `SELECT attempts FROM data_ingestion_jobs`); n != 1 {
		t.Errorf("%d attempts", n)
	}
}

// #1236 race, O-9: until the requester has committed its data nobody starts the job it joined,
// and the run begins after that commit.
func TestJoinHoldsOffTheClaimUntilTheJoinerCommits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.request(uuid.Nil, planes)
	joiner := b.begin()
	b.requestIn(joiner, uuid.Nil, planes)

	// A short wait is waited out ...
	claimed := inBackground(func() (*ledger.Claim, error) {
		for {
			c, sight, err := b.Claim(b.ctx, b.pool, planes, lease)
			if sight != ledger.Contended {
				return c, err
			}
		}
	})
	b.awaitBlocked(1)
	select {
	case <-claimed:
		t.Fatal("claimed before the joiner has committed")
	default:
	}
	before := value[time.Time](b, `SELECT clock_timestamp()`)
	b.commit(joiner)
	c := receive(b, claimed)
	if c == nil {
		t.Fatal("nothing was claimed")
	}
	if started := *b.job(c.JobID).StartedAt; !started.After(before) {
		t.Errorf("started at %s, the joiner committed after %s", started, before)
	}
}

// ... a long one is not: a worker has other scopes to look at.
func TestClaimDoesNotWaitForeverForARequester(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.request(uuid.Nil, planes)
	joiner := b.begin()
	b.requestIn(joiner, uuid.Nil, planes)
	b.wantSight(planes, ledger.Contended)
	b.commit(joiner)
	b.claim(planes)
}

// The job itself is invisible until its requester has committed: O-9.
// A worker that is stopped behind the door keeps requesters out: not for as long as any other
// silent transaction may last, and only that one transaction is hurried.
func TestWhoHasTheDoorAloneMustNotFallSilent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn, err := b.pool.Acquire(b.ctx)
	b.must(err)
	defer conn.Release()
	limit := func() (text string) {
		b.must(conn.QueryRow(b.ctx, `SHOW idle_in_transaction_session_timeout`).Scan(&text))
		return text
	}
	tx, err := conn.Begin(b.ctx)
	b.must(err)
	b.must(ledger.Enter(b.ctx, tx, planes))
	behind := limit()
	b.must(tx.Rollback(b.ctx))
	if after := limit(); behind != "5s" || after != "1min" {
		t.Errorf("a silent session ends after %s behind the door, %s elsewhere", behind, after)
	}
}

func TestUncommittedRequestCannotBeClaimed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	creator := b.begin()
	b.requestIn(creator, uuid.Nil, planes)
	b.wantSight(planes, ledger.Contended)
	b.must(creator.Rollback(b.ctx))
	b.wantSight(planes, ledger.Nothing)
}

func TestRolledBackJoinerLeavesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.request(b.open(job.EmissionRecalc), planes)[0]
	p := b.open(job.EmissionRecalc)
	joiner := b.begin()
	b.requestIn(joiner, p, planes)
	b.must(joiner.Rollback(b.ctx))
	b.wantMember(p, first.JobID, false)
	if c := b.claim(planes); c.JobID != first.JobID {
		t.Errorf("claimed job %d", c.JobID)
	}
}

// While a claim queues, new joiners queue behind it: a steady stream of requesters cannot
// keep a scope from being claimed.
func TestJoinersDoNotPassAWaitingClaim(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.request(uuid.Nil, planes)[0]
	joiner := b.begin()
	b.requestIn(joiner, uuid.Nil, planes)
	claimed := inBackground(func() (ledger.Sight, error) {
		_, sight, err := b.Claim(b.ctx, b.pool, planes, lease)
		return sight, err
	})
	b.awaitBlocked(1)
	late := b.requestInBackground(ledger.Batch{By: tester, Requests: whole(planes)})
	b.awaitBlocked(2)
	b.commit(joiner)
	if sight := receive(b, claimed); sight != ledger.Claimed {
		t.Fatalf("the claim that queued first saw %s", sight)
	}
	if ticket := receive(b, late)[0]; ticket.JobID == first.JobID {
		t.Error("a request that came after the claim joined the claimed job")
	}
}

// 4A.1, 4A.3/4A.4, O-6, O-7, O-8: the aggregation does not count siblings of a pipeline. It
// waits for whatever recalculation of its module and year waits or runs.
func TestAggregationIsHeldWhileRecalculationsWaitOrRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.request(uuid.Nil, travel, planes, trains, heating, job.RecalcOf(2, 20, 2024))
	b.wantSight(travel, ledger.Held)
	p := b.claim(planes)
	b.wantSight(travel, ledger.Held)
	b.finish(p, job.Success)
	b.wantSight(travel, ledger.Held)
	r := b.claim(trains)
	b.wantSight(travel, ledger.Held)
	b.finish(r, job.Error)
	// What waits of another module, and of another year, does not hold it.
	b.claim(travel)
	b.claim(heating)
}

func TestHoldEndsAfterMaxHold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.request(uuid.Nil, travel, planes)
	b.claim(planes)
	b.exec(`UPDATE data_ingestion_jobs SET requested_at = clock_timestamp() - interval '9 minutes 50 seconds'`)
	b.wantSight(travel, ledger.Held)
	// A later request does not lengthen the hold.
	b.request(uuid.Nil, travel)
	b.exec(`UPDATE data_ingestion_jobs SET requested_at = clock_timestamp() - interval '10 minutes'`)
	b.claim(travel)
}

// A row of another program that does not say when it was requested: nothing would end its hold.
func TestJobWithoutRequestTimeIsNotHeld(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.request(uuid.Nil, travel, planes)
	b.exec(`UPDATE data_ingestion_jobs SET requested_at = NULL`)
	b.claim(travel)
}

// O-18: ownership is a matter of the claim, not of the host.
func TestTokensAreUniqueAndFitASessionName(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		token := ledger.NewToken()
		if seen[token] {
			t.Fatalf("%s came twice", token)
		}
		seen[token] = true
		if len(token) > 63 || !strings.HasPrefix(token, "tidemark-") {
			t.Fatalf("%s is no session name of ours", token)
		}
	}
}
