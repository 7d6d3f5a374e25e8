package ledger_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/postgres"
)

// O-15: a lost worker costs a lease. A-M4: nothing of it stays behind.
func TestLostJobIsRequeuedUntilItsAttemptsAreUsedUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.open(job.EmissionRecalc)
	id := b.request(p, planes)[0].JobID
	var c *ledger.Claim
	for n := 1; n <= 2; n++ {
		c = b.claim(planes)
		b.expire(id)
		fate, tickets := b.reap()
		if fate != ledger.Requeued || len(tickets) != 1 || tickets[0].SignalSeq != n {
			t.Fatalf("%s, %v", fate, tickets)
		}
		if j := b.job(id); j.State != "NOT_STARTED" || j.LockedBy != nil || j.Attempts != n {
			t.Fatalf("requeued as %+v", j)
		}
		b.wantJob(id, "NOT_STARTED worker lost ("+c.Token+"); waiting again")
		b.wantStatus(p, ledger.StatusRunning)
	}
	c = b.claim(planes)
	if c.Attempt != 3 {
		t.Errorf("attempt %d", c.Attempt)
	}
	b.expire(id)
	if fate, tickets := b.reap(); fate != ledger.Abandoned || len(tickets) != 0 {
		t.Fatalf("%s, %v", fate, tickets)
	}
	b.wantJob(id, "FINISHED ERROR worker lost ("+c.Token+"); given up after 3 of 3 attempts")
	b.wantStatus(p, ledger.StatusFailed)
	if !b.current(id) {
		t.Error("the abandoned job is not the current one of its combination")
	}
	// #1219: it blocks nobody.
	b.request(uuid.Nil, planes)
	b.claim(planes)
}

func TestLostJobIsSupersededByOneThatWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.open(job.EmissionRecalc)
	old := b.request(p, planes)[0].JobID
	b.claim(planes)
	next := b.request(uuid.Nil, planes)[0].JobID
	b.expire(old)
	if fate, tickets := b.reap(); fate != ledger.Superseded || len(tickets) != 1 || tickets[0].JobID != next {
		t.Errorf("%s, %v", fate, tickets)
	}
	b.wantMember(p, next, true)
	b.finish(b.claim(planes), job.Success)
	b.finish(b.claim(travel), job.Success)
	b.wantStatus(p, ledger.StatusSuccess)
}

// F-M1: leases are compared with the clock that granted them, the database's.
func TestOnlyAnExpiredLeaseIsReaped(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.request(uuid.Nil, planes)
	c := b.claim(planes)
	if lost, err := b.Expired(b.ctx, b.pool); err != nil || len(lost) != 0 {
		t.Fatalf("%v, %v", lost, err)
	}
	b.expire(c.JobID)
	lost, err := b.Expired(b.ctx, b.pool)
	b.must(err)
	if len(lost) != 1 || lost[0] != (ledger.Lost{JobID: c.JobID, Scope: planes, Token: c.Token}) {
		t.Fatalf("expired: %v", lost)
	}
	// The worker was only slow: it renews between the reaper's look and its act.
	b.must(b.Renew(b.ctx, b.pool, c, 0, 0))
	session := b.begin()
	b.must(b.Begin(b.ctx, session, c))
	fate, tickets, err := b.Reap(b.ctx, b.pool, lost[0])
	if fate != "" || tickets != nil || err != nil {
		t.Errorf("%s, %v, %v", fate, tickets, err)
	}
	_, err = b.Finish(b.ctx, session, c, job.Outcome{Result: job.Success})
	b.must(err)
	b.commit(session)
	if fate, _, err := b.Reap(b.ctx, b.pool, lost[0]); fate != "" || err != nil {
		t.Errorf("finished: %s, %v", fate, err)
	}
}

// two code versions: the original renews its claims rarely, and knows no leases.
func TestForeignClaimIsReapedAfterAnHour(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.request(uuid.Nil, planes)[0].JobID
	b.exec(`UPDATE data_ingestion_jobs SET state = 'RUNNING', locked_by = 'pod-1', attempts = 1, locked_at = clock_timestamp() - interval '59 minutes'`)
	if lost, err := b.Expired(b.ctx, b.pool); err != nil || len(lost) != 0 {
		t.Fatalf("%v, %v", lost, err)
	}
	b.wantSight(planes, ledger.Nothing)
	b.exec(`UPDATE data_ingestion_jobs SET locked_at = clock_timestamp() - interval '61 minutes'`)
	if fate, _ := b.reap(); fate != ledger.Requeued {
		t.Errorf("fate %s", fate)
	}
	b.wantJob(id, "NOT_STARTED worker lost (pod-1); waiting again")
	b.exec(`UPDATE data_ingestion_jobs SET state = 'RUNNING', locked_by = NULL, locked_at = NULL`)
	if fate, _ := b.reap(); fate != ledger.Requeued {
		t.Errorf("without any sign of life: %s", fate)
	}
}

// Another program's locked_by is a host name: a session that happens to be called so is not
// the claim's.
func TestForeignSessionIsNotEnded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.request(uuid.Nil, planes)
	b.exec(`UPDATE data_ingestion_jobs SET state = 'RUNNING', locked_by = 'pod-1', locked_at = NULL`)
	bystander := b.begin()
	_, err := bystander.Exec(b.ctx, `SET LOCAL application_name = 'pod-1'`)
	b.must(err)
	b.reap()
	if _, err := bystander.Exec(b.ctx, `SELECT 1`); err != nil {
		t.Errorf("the bystander's session: %v", err)
	}
}

func TestTwoReapersGiveAJobBackOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.request(uuid.Nil, planes)[0].JobID
	b.claim(planes)
	b.expire(id)
	lost, err := b.Expired(b.ctx, b.pool)
	b.must(err)
	var reapers []<-chan outcome[ledger.Fate]
	for range 6 {
		reapers = append(reapers, inBackground(func() (ledger.Fate, error) {
			fate, _, err := b.Reap(b.ctx, b.pool, lost[0])
			return fate, err
		}))
	}
	fates := map[ledger.Fate]int{}
	for _, r := range reapers {
		fates[receive(b, r)]++
	}
	if fates[ledger.Requeued] != 1 || fates[""] != len(reapers)-1 {
		t.Errorf("fates %v", fates)
	}
	if seq := value[int](b, `SELECT signal_seq FROM data_ingestion_jobs`); seq != 1 {
		t.Errorf("signal_seq %d", seq)
	}
}

// A worker that stopped in the middle of its transaction would block the next run on its row
// locks: its session is ended.
func TestSessionOfALostClaimIsEnded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`CREATE TABLE data (v integer); INSERT INTO data VALUES (0)`)
	b.request(uuid.Nil, planes)
	c := b.claim(planes)
	tx := b.begin()
	b.must(b.Begin(b.ctx, tx, c))
	_, err := tx.Exec(b.ctx, `UPDATE data SET v = 1`)
	b.must(err)
	b.expire(c.JobID)
	b.reap()
	b.must(pgx.BeginFunc(b.ctx, b.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(b.ctx, `SET LOCAL lock_timeout = '5s'; UPDATE data SET v = v + 10`)
		return err
	}))
	if v := value[int](b, `SELECT v FROM data`); v != 10 {
		t.Errorf("data is %d", v)
	}
	if _, err := tx.Exec(b.ctx, `SELECT 1`); !postgres.Unavailable(err) {
		t.Errorf("the lost run's session: %v", err)
	}
}
