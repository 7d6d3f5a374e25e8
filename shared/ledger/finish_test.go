package ledger_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/uuid"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

// early FINISHED, "Success" lie: result and message come with the end, and only then.
func TestFinishRecordsTheOutcome(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.request(uuid.Nil, planes)
	b.exec(`UPDATE data_ingestion_jobs SET meta = '{"config": {"kept": true}}'`)
	c := b.claim(planes)
	tx := b.begin()
	_, err := b.Finish(b.ctx, tx, c, job.Outcome{Result: job.Warning, Message: "one entry has no factor", Detail: json.RawMessage(`{"rows": [7]}`)})
	b.must(err)
	b.wantJob(c.JobID, "RUNNING started")
	b.commit(tx)
	b.wantJob(c.JobID, "FINISHED WARNING one entry has no factor")
	if j := b.job(c.JobID); j.FinishedAt == nil || !j.FinishedAt.After(*j.StartedAt) || *j.LockedBy != c.Token {
		t.Errorf("finished job is %+v", j)
	}
	if got := value[string](b, `SELECT meta::jsonb::text FROM data_ingestion_jobs WHERE id = $1`, c.JobID); got != `{"config": {"kept": true}, "recalculation": {"rows": [7]}}` {
		t.Errorf("meta is %s", got)
	}
}

// B-C1, two code versions: a claim that lost its job cannot finish it, and what its
// transaction wrote is undone.
func TestFinishWithoutTheClaimIsErrLostAndUndone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`CREATE TABLE data (v integer)`)
	b.request(uuid.Nil, planes)
	stale := b.claim(planes)
	b.expire(stale.JobID)
	b.reap()
	for _, when := range []string{"waiting again", "claimed by another", "finished by another"} {
		switch when {
		case "claimed by another":
			b.claim(planes)
		case "finished by another":
			b.exec(`UPDATE data_ingestion_jobs SET state = 'FINISHED', result = 'SUCCESS'`)
		}
		tx := b.begin()
		_, err := tx.Exec(b.ctx, `INSERT INTO data VALUES (1)`)
		b.must(err)
		if _, err := b.Finish(b.ctx, tx, stale, job.Outcome{Result: job.Success}); !errors.Is(err, ledger.ErrLost) {
			t.Errorf("%s: %v", when, err)
		}
		b.must(tx.Rollback(b.ctx))
	}
	if n := value[int](b, `SELECT (SELECT count(*) FROM data) + (SELECT count(*) FROM data_ingestion_jobs WHERE job_type = 'aggregation')`); n != 0 {
		t.Errorf("%d rows of a lost run were kept", n)
	}
}

// B-C2, O-4: whatever was written is aggregated, also after a WARNING.
func TestRecalculationRequestsTheAggregationUnlessItFailed(t *testing.T) {
	t.Parallel()
	for result, want := range map[job.Result]int{job.Success: 1, job.Warning: 1, job.Error: 0} {
		t.Run(string(result), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.request(uuid.Nil, planes)
			tickets := b.finish(b.claim(planes), result)
			if n := value[int](b, `SELECT count(*) FROM data_ingestion_jobs WHERE job_type = 'aggregation'`); n != want || len(tickets) != want {
				t.Errorf("%d aggregations, tickets %v", n, tickets)
			}
			for _, ticket := range tickets {
				if ticket.Scope != travel || !ticket.Created {
					t.Errorf("ticket %+v", ticket)
				}
			}
		})
	}
}

func TestAggregationRequestsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.request(uuid.Nil, travel)
	if tickets := b.finish(b.claim(travel), job.Success); len(tickets) != 0 {
		t.Errorf("tickets %v", tickets)
	}
	if n := value[int](b, `SELECT count(*) FROM data_ingestion_jobs`); n != 1 {
		t.Errorf("%d jobs", n)
	}
}

// stall, O-3: a recalculation that failed last wakes the aggregation that its siblings wait for.
func TestFailedRecalculationWakesAHeldAggregation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.request(uuid.Nil, planes, trains)
	p, r := b.claim(planes), b.claim(trains)
	up := b.finish(p, job.Success)[0]
	b.wantSight(travel, ledger.Held)
	tickets := b.finish(r, job.Error)
	if len(tickets) != 1 || tickets[0].JobID != up.JobID || tickets[0].Scope != travel || tickets[0].Created {
		t.Errorf("tickets %v, want the held aggregation %d", tickets, up.JobID)
	}
	b.claim(travel)
}

// O-8: every module of a fan-out gets its aggregation.
func TestEveryModuleIsAggregated(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.open(job.EmissionRecalc)
	b.request(p, planes, heating)
	first, second := b.finish(b.claim(planes), job.Success)[0], b.finish(b.claim(heating), job.Success)[0]
	if first.Scope != travel || second.Scope != heating.Aggregation() {
		t.Errorf("aggregations %v and %v", first, second)
	}
	b.wantMember(p, first.JobID, true)
	b.wantMember(p, second.JobID, true)
}

// task GC: the follow-up is a row of the same transaction, so nothing can lose it.
func TestFollowUpIsCommittedWithTheResultOrNotAtAll(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.request(uuid.Nil, planes)
	c := b.claim(planes)
	tx := b.begin()
	_, err := b.Finish(b.ctx, tx, c, job.Outcome{Result: job.Success})
	b.must(err)
	b.must(tx.Rollback(b.ctx))
	b.wantJob(c.JobID, "RUNNING started")
	b.wantSight(travel, ledger.Nothing)
	b.finish(c, job.Success)
	b.claim(travel)
}

// "no automatic retry of a failed calculation" hangs on its ERROR being recorded, whatever
// bytes the message is made of: PostgreSQL takes neither NUL nor broken UTF-8.
func TestAnyMessageCanBeRecorded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.request(uuid.Nil, planes)
	c := b.claim(planes)
	tx := b.begin()
	_, err := b.Finish(b.ctx, tx, c, job.Outcome{Result: job.Error, Message: "bad \x00 and \xff"})
	b.must(err)
	b.commit(tx)
	b.wantJob(c.JobID, "FINISHED ERROR bad \uFFFD and \uFFFD")
}

// The original writes JSON null into meta where it has nothing to say.
func TestMetaThatIsNoObjectIsReplaced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, meta := range []any{nil, `null`, `[1]`} {
		b.request(uuid.Nil, planes)
		b.exec(`UPDATE data_ingestion_jobs SET meta = $1 WHERE state = 'NOT_STARTED'`, meta)
		c := b.claim(planes)
		tx := b.begin()
		_, err := b.Finish(b.ctx, tx, c, job.Outcome{Result: job.Success, Detail: json.RawMessage(`{"n": 1}`)})
		b.must(err)
		b.commit(tx)
		if got := value[string](b, `SELECT meta::jsonb::text FROM data_ingestion_jobs WHERE id = $1`, c.JobID); got != `{"recalculation": {"n": 1}}` {
			t.Errorf("meta %v became %s", meta, got)
		}
	}
}
