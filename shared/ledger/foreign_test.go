package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

// foreign inserts a row as another program on the same table does: without the columns it
// does not know.
func (b *bundle) foreign(columns string) int64 {
	b.t.Helper()
	return value[int64](b, `
INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, provider, is_current, target_type, module_type_id, data_entry_type_id, year, job_type, state)
SELECT 'MODULE_PER_YEAR', 'computed', 'DEFAULT', f.is_current, 'DATA_ENTRIES', f.module_type_id, f.data_entry_type_id, f.year, f.job_type, f.state
  FROM json_populate_record(NULL::data_ingestion_jobs, $1::json) AS f RETURNING id`, columns)
}

// A-M1/M-H2, O-13, card blanking: the is_current index does not know job types. A row of another
// program that runs keeps its place, and the job ends all the same.
func TestFinishNeverBreaksTheCurrentIndex(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`ALTER TABLE data_ingestion_jobs ALTER max_attempts SET DEFAULT 1`)
	year := 2000
	for state, wantCurrent := range map[string]bool{"FINISHED": true, "NOT_STARTED": true, "RUNNING": false} {
		for _, end := range []string{"finish", "abandon"} {
			year++
			for s, dataEntryType := range map[job.Scope]string{job.RecalcOf(2, 20, year): "20", job.AggregationOf(2, year): "null"} {
				other := b.foreign(fmt.Sprintf(`{"module_type_id": 2, "data_entry_type_id": %s, "year": %d, "is_current": true,
					"job_type": "module_emission_recalc", "state": "%s"}`, dataEntryType, year, state))
				own := b.request(uuid.Nil, s)[0].JobID
				c := b.claim(s)
				if end == "finish" {
					b.finish(c, job.Error)
				} else if fate, _, err := b.Forfeit(b.ctx, b.pool, c, "cut off"); err != nil || fate != ledger.Abandoned {
					t.Fatal(fate, err)
				}
				if b.current(own) != wantCurrent || b.current(other) == wantCurrent {
					t.Errorf("%s of %s beside a row that is %s: current own %t, other %t", end, s, state, b.current(own), b.current(other))
				}
			}
		}
	}
}

func TestFinishedJobTakesOverFromTheOneBefore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var ids []int64
	for range 3 {
		ids = append(ids, b.request(uuid.Nil, travel)[0].JobID)
		b.finish(b.claim(travel), job.Success)
	}
	for i, id := range ids {
		if b.current(id) != (i == len(ids)-1) {
			t.Errorf("run %d is current: %t", i, b.current(id))
		}
	}
}

// scope NULLs: rows that other programs left without scope keys, which no index sees, are no
// scope's, and nothing trips over them.
func TestRowsWithoutScopeAreLeftAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, state := range []string{`"NOT_STARTED"`, `"QUEUED"`, `"RUNNING"`, `"FINISHED"`, `null`} {
		for _, scope := range []string{``, `, "module_type_id": 2`, `, "year": 2025`, `, "data_entry_type_id": 20`, `, "module_type_id": 2, "data_entry_type_id": 20`} {
			for _, kind := range []string{`"aggregation"`, `"emission_recalc"`, `"unit_sync"`, `null`} {
				b.foreign(`{"is_current": false, "job_type": ` + kind + `, "state": ` + state + scope + `}`)
			}
		}
	}
	// These are complete, and yet no scope of ours.
	b.foreign(`{"is_current": false, "job_type": "emission_recalc", "state": "NOT_STARTED", "module_type_id": 2, "year": 2025}`)
	b.foreign(`{"is_current": false, "job_type": "module_emission_recalc", "state": "RUNNING", "module_type_id": 2, "data_entry_type_id": 20, "year": 2025}`)
	before := value[string](b, `SELECT md5(string_agg(j::text, '' ORDER BY id)) FROM data_ingestion_jobs j`)
	last := value[int64](b, `SELECT max(id) FROM data_ingestion_jobs`)

	if lost, err := b.Expired(b.ctx, b.pool); err != nil || len(lost) != 0 {
		t.Errorf("expired: %v, %v", lost, err)
	}
	for _, c := range job.Configs() {
		if tickets, err := b.Claimable(b.ctx, b.pool, c.JobType, 0, 0, 1000); err != nil || len(tickets) != 0 {
			t.Errorf("claimable: %v, %v", tickets, err)
		}
	}
	b.wantSight(travel, ledger.Nothing)
	if ticket := b.request(uuid.Nil, planes)[0]; !ticket.Created {
		t.Errorf("%+v joined a row without scope", ticket)
	}
	c := b.claim(planes)
	b.expire(c.JobID)
	b.reap()
	b.finish(b.claim(planes), job.Success)
	after := value[string](b, `SELECT md5(string_agg(j::text, '' ORDER BY id)) FROM data_ingestion_jobs j WHERE id <= $1`, last)
	if before != after {
		t.Error("rows of another program were changed")
	}
	if _, err := b.Jobs(b.ctx, b.pool, ledger.JobFilter{Limit: 1000}); err != nil {
		t.Error(err)
	}
}

// A foreign recalculation without a data entry type holds the aggregation of its module, but
// not for ever.
func TestForeignRecalculationHoldsForMaxHoldOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.foreign(`{"is_current": false, "job_type": "emission_recalc", "state": "NOT_STARTED", "module_type_id": 2, "year": 2025}`)
	b.request(uuid.Nil, travel)
	b.wantSight(travel, ledger.Held)
	b.exec(`UPDATE data_ingestion_jobs SET requested_at = requested_at - $1::interval WHERE job_type = 'aggregation'`, ledger.DefaultMaxHold)
	b.claim(travel)
}

// A job that another program made, with a dedup of its own, is joined, claimed and ended like ours.
func TestForeignJobIsJoinedAndRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.foreign(`{"is_current": false, "job_type": "emission_recalc", "state": "NOT_STARTED", "module_type_id": 2, "data_entry_type_id": 20, "year": 2025}`)
	p := b.open(job.EmissionRecalc)
	if ticket := b.request(p, planes)[0]; ticket.Created || ticket.JobID != id {
		t.Errorf("%+v, want it to join job %d", ticket, id)
	}
	b.finish(b.claim(planes), job.Success)
	b.finish(b.claim(travel), job.Success)
	b.wantStatus(p, ledger.StatusSuccess)
	if j := b.job(id); j.FinishedAt.Before(*j.StartedAt) || time.Since(*j.StartedAt) > time.Hour {
		t.Errorf("%+v", j)
	}
}
