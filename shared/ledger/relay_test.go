package ledger_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tidemark/shared/job"
)

func (b *bundle) wantClaimable(when string, t job.Type, want ...int64) {
	b.t.Helper()
	tickets, err := b.Claimable(b.ctx, b.pool, t, time.Minute, 0, 100)
	b.must(err)
	if len(tickets) != len(want) {
		b.t.Errorf("%s: claimable %v, want jobs %v", when, tickets, want)
		return
	}
	for i, ticket := range tickets {
		if ticket.JobID != want[i] {
			b.t.Errorf("%s: claimable %v, want jobs %v", when, tickets, want)
		}
	}
}

func (b *bundle) age(interval string) {
	b.t.Helper()
	b.exec(`UPDATE data_ingestion_jobs SET requested_at = requested_at - $1::text::interval`, interval)
}

func TestClaimableIsWhatAClaimWouldGet(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.request(uuid.Nil, planes)[0].JobID
	b.wantClaimable("within the grace", job.EmissionRecalc)
	b.age("2 minutes")
	b.wantClaimable("after the grace", job.EmissionRecalc, p)
	b.exec(`UPDATE data_ingestion_jobs SET run_after = clock_timestamp() + interval '1 hour'`)
	b.wantClaimable("postponed", job.EmissionRecalc)
	b.exec(`UPDATE data_ingestion_jobs SET run_after = clock_timestamp(), requested_at = NULL`)
	b.wantClaimable("due, from another program", job.EmissionRecalc, p)
	c := b.claim(planes)
	b.wantClaimable("running", job.EmissionRecalc)
	next := b.request(uuid.Nil, planes)[0].JobID
	b.age("2 minutes")
	b.wantClaimable("behind a running one", job.EmissionRecalc)
	up := b.finish(c, job.Success)[0].JobID
	b.age("2 minutes")
	b.wantClaimable("the running one is done", job.EmissionRecalc, next)
	b.wantClaimable("held", job.Aggregation)
	b.age("10 minutes")
	b.wantClaimable("held for too long", job.Aggregation, up)
	b.finish(b.claim(planes), job.Error)
	b.wantClaimable("no longer held", job.Aggregation, up)
}

func TestClaimableIsPagedById(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var scopes []job.Scope
	for i := range 7 {
		scopes = append(scopes, job.RecalcOf(2, 7-i, 2025))
	}
	b.request(uuid.Nil, scopes...)
	var pages []int
	seen := map[job.Scope]bool{}
	for after := int64(0); ; {
		page, err := b.Claimable(b.ctx, b.pool, job.EmissionRecalc, 0, after, 3)
		b.must(err)
		pages = append(pages, len(page))
		for _, ticket := range page {
			if ticket.JobID <= after {
				t.Errorf("job %d after %d", ticket.JobID, after)
			}
			after = ticket.JobID
			seen[ticket.Scope] = true
		}
		if len(page) < 3 {
			break
		}
	}
	if len(seen) != 7 || len(pages) != 3 {
		t.Errorf("pages of %v, scopes %v", pages, seen)
	}
	if _, err := b.Claimable(b.ctx, b.pool, job.CSVIngest, 0, 0, 3); err == nil || !strings.Contains(err.Error(), "no dedup configuration") {
		t.Errorf("loads: %v", err)
	}
}

func TestRenumberGivesAWaitingJobANewSignal(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.request(uuid.Nil, planes)[0]
	fresh, waits, err := b.Renumber(b.ctx, b.pool, old)
	b.must(err)
	if !waits || fresh.SignalSeq != 1 || fresh.JobID != old.JobID || fresh.Scope != planes {
		t.Errorf("%+v, %t", fresh, waits)
	}
	// Two relays saw the same stuck signal: one number is enough.
	if _, waits, err := b.Renumber(b.ctx, b.pool, old); waits || err != nil {
		t.Errorf("again: %t, %v", waits, err)
	}
	if ticket := b.request(uuid.Nil, planes)[0]; ticket.SignalSeq != 1 {
		t.Errorf("a joiner signals under %d", ticket.SignalSeq)
	}
	b.claim(planes)
	if _, waits, err := b.Renumber(b.ctx, b.pool, fresh); waits || err != nil {
		t.Errorf("running: %t, %v", waits, err)
	}
}
