package ledger_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

// no heartbeat, B-H3: the lease is renewed while the run goes on, and a run that lost it is told.
func TestRenewExtendsTheLeaseAndPublishesProgress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.request(uuid.Nil, planes)
	c := b.claim(planes)
	b.expire(c.JobID)
	b.must(b.Renew(b.ctx, b.pool, c, 3, 10))
	if !value[bool](b, `SELECT lease_expires_at > clock_timestamp() + interval '59 minutes' FROM data_ingestion_jobs`) {
		t.Error("the lease was not extended by its full length")
	}
	b.wantJob(c.JobID, "RUNNING 3 of 10")
	b.must(b.Renew(b.ctx, b.pool, c, 0, 0))
	b.wantJob(c.JobID, "RUNNING 3 of 10")
	if j := b.job(c.JobID); *j.Done != 3 || *j.Total != 10 {
		t.Errorf("progress of %+v", j)
	}
}

// O-10: no write brings a job back that was taken away.
func TestRenewOfALostJobIsErrLost(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.request(uuid.Nil, planes)
	stale := b.claim(planes)
	lost := func(when string) {
		t.Helper()
		if err := b.Renew(b.ctx, b.pool, stale, 1, 2); !errors.Is(err, ledger.ErrLost) {
			t.Errorf("%s: %v", when, err)
		}
	}
	b.expire(stale.JobID)
	b.reap()
	lost("waiting again")
	fresh := b.claim(planes)
	lost("claimed by another")
	b.must(b.Renew(b.ctx, b.pool, fresh, 1, 2))
	b.finish(fresh, job.Success)
	lost("finished by another")
	if err := b.Renew(b.ctx, b.pool, fresh, 1, 2); !errors.Is(err, ledger.ErrLost) {
		t.Errorf("finished: %v", err)
	}
	b.wantJob(fresh.JobID, "FINISHED SUCCESS said SUCCESS")
}

func TestMarkNamesTheSessionForTheTransactionOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.request(uuid.Nil, planes)
	c := b.claim(planes)
	conn, err := b.pool.Acquire(b.ctx)
	b.must(err)
	defer conn.Release()
	name := func() (name string) {
		b.must(conn.QueryRow(b.ctx, `SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()`).Scan(&name))
		return name
	}
	tx, err := conn.Begin(b.ctx)
	b.must(err)
	b.must(b.Begin(b.ctx, tx, c))
	if name() != c.Token {
		t.Errorf("the session is called %s", name())
	}
	b.must(tx.Commit(b.ctx))
	if name() == c.Token {
		t.Error("the session keeps the name of a claim that is over: the reaper might end another run")
	}
}
