package ledger_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
)

// The model test plays random steps on the ledger and, beside it, on a model of a page: after
// every step the record must say what the model says. It is about the rules, one step at a
// time; what happens when steps overlap is the concurrency test's.

// modelJob is a job as the model knows it.
type modelJob struct {
	id         int64
	scope      job.Scope
	state      job.State
	result     job.Result
	filter     job.Filter
	attempts   int
	seq        int
	superseded int64
	members    map[uuid.UUID]bool
	// unnamed: somebody without a pipeline wants it too.
	unnamed bool
	// heldTooLong: its request is longer ago than max_hold.
	heldTooLong bool
}

func (j *modelJob) String() string {
	filter := "all"
	if j.filter != nil {
		filter = fmt.Sprint([]int32(j.filter))
	}
	var members []string
	for p := range j.members {
		members = append(members, p.String()[:8])
	}
	slices.Sort(members)
	return fmt.Sprintf("%d %s %s %s filter=%s attempts=%d seq=%d superseded=%d members=%v",
		j.id, j.scope, j.state, j.result, filter, j.attempts, j.seq, j.superseded, members)
}

// model is the machine: the ledger, its database and what should be in it.
type model struct {
	ctx       context.Context
	db        *bundle
	year      int
	scopes    []job.Scope
	pipelines []uuid.UUID
	jobs      []*modelJob
	// claims are all that were ever given, the lost ones too.
	claims []*ledger.Claim
	holder map[int64]*ledger.Claim
	// aborted are what the aborts of pipelines came to, as long as they stand.
	aborted map[uuid.UUID]ledger.Aborted
}

const maxAttempts = 3

func (m *model) find(id int64) *modelJob {
	for _, j := range m.jobs {
		if j.id == id {
			return j
		}
	}
	return nil
}

// in returns the job of a scope that waits, or the one that runs; nil for none.
func (m *model) in(s job.Scope, running bool) *modelJob {
	for _, j := range m.jobs {
		if j.scope == s && j.state != job.Finished && (j.state == job.Running) == running {
			return j
		}
	}
	return nil
}

func (m *model) inTx(do func(tx pgx.Tx) error) error { return pgx.BeginFunc(m.ctx, m.db.pool, do) }

// request is the expected answer to a request: which ticket, given the id of a new job.
func (m *model) request(t *rapid.T, s job.Scope, f job.Filter, got ledger.Ticket, members map[uuid.UUID]bool, unnamed bool) {
	j := m.in(s, false)
	if created := j == nil; got.Created != created || got.Scope != s {
		t.Fatalf("request %s: %+v, want created %t", s, got, created)
	}
	if j == nil {
		if m.find(got.JobID) != nil {
			t.Fatalf("request %s: job %d is not new", s, got.JobID)
		}
		j = &modelJob{id: got.JobID, scope: s, state: job.NotStarted, filter: f, members: map[uuid.UUID]bool{}}
		m.jobs = append(m.jobs, j)
	}
	if got.JobID != j.id || got.SignalSeq != j.seq {
		t.Fatalf("request %s: %+v, want job %d under %d", s, got, j.id, j.seq)
	}
	j.filter = j.filter.Union(f)
	maps.Copy(j.members, members)
	j.unnamed = j.unnamed || unnamed
}

func (m *model) Request(t *rapid.T) {
	b := ledger.Batch{By: tester}
	members := map[uuid.UUID]bool{}
	if rapid.IntRange(0, 3).Draw(t, "with pipeline") > 0 {
		b.Pipeline = rapid.SampledFrom(m.pipelines).Draw(t, "pipeline")
		members[b.Pipeline] = true
		delete(m.aborted, b.Pipeline)
	}
	folded := map[job.Scope]job.Filter{}
	for range rapid.IntRange(1, 3).Draw(t, "requests") {
		r := ledger.Request{Scope: rapid.SampledFrom(m.scopes).Draw(t, "scope")}
		if r.Scope.Type == job.EmissionRecalc && rapid.Bool().Draw(t, "narrow") {
			r.Filter = job.NewFilter(rapid.SliceOfN(rapid.Int32Range(1, 4), 0, 2).Draw(t, "filter")...)
		}
		if seen, ok := folded[r.Scope]; ok {
			folded[r.Scope] = seen.Union(r.Filter)
		} else {
			folded[r.Scope] = r.Filter
		}
		b.Requests = append(b.Requests, r)
	}
	var tickets []ledger.Ticket
	err := m.inTx(func(tx pgx.Tx) (err error) {
		tickets, err = m.db.Request(m.ctx, tx, b)
		return err
	})
	if err != nil || len(tickets) != len(folded) {
		t.Fatalf("request: %v, %v", tickets, err)
	}
	for _, ticket := range tickets {
		m.request(t, ticket.Scope, folded[ticket.Scope], ticket, members, len(members) == 0)
	}
}

// sight is what a claim should see.
func (m *model) sight(s job.Scope) ledger.Sight {
	j := m.in(s, false)
	switch {
	case j == nil:
		return ledger.Nothing
	case m.in(s, true) != nil:
		return ledger.Busy
	case s.Type == job.Aggregation && !j.heldTooLong && slices.ContainsFunc(m.jobs, func(up *modelJob) bool {
		return up.scope.Type == job.EmissionRecalc && up.scope.Aggregation() == s && up.state != job.Finished
	}):
		return ledger.Held
	default:
		return ledger.Claimed
	}
}

func (m *model) Claim(t *rapid.T) {
	s := rapid.SampledFrom(m.scopes).Draw(t, "scope")
	want := m.sight(s)
	c, sight, err := m.db.Claim(m.ctx, m.db.pool, s, lease)
	if err != nil || sight != want {
		t.Fatalf("claim %s: %s, %v, want %s", s, sight, err, want)
	}
	if sight != ledger.Claimed {
		return
	}
	j := m.in(s, false)
	j.state, j.result = job.Running, ""
	j.attempts++
	if c.JobID != j.id || c.Attempt != j.attempts || (c.Filter == nil) != (j.filter == nil) || !slices.Equal(c.Filter, j.filter) {
		t.Fatalf("claim %+v of %s", c, j)
	}
	m.claims = append(m.claims, c)
	m.holder[j.id] = c
}

// drawClaim picks a claim, one that holds its job or a lost one.
func (m *model) drawClaim(t *rapid.T) (*ledger.Claim, *modelJob, bool) {
	if len(m.claims) == 0 {
		t.Skip("nothing was claimed yet")
	}
	pick := m.claims
	if rapid.IntRange(0, 3).Draw(t, "one that holds") > 0 {
		var holding []*ledger.Claim
		for _, c := range m.claims {
			if m.holder[c.JobID] == c {
				holding = append(holding, c)
			}
		}
		if len(holding) > 0 {
			pick = holding
		}
	}
	c := rapid.SampledFrom(pick).Draw(t, "claim")
	return c, m.find(c.JobID), m.holder[c.JobID] == c
}

// wantHeld checks that a step was refused if, and only if, the claim is lost.
func wantHeld(t *rapid.T, what string, held bool, err error) {
	if held && err != nil || !held && !errors.Is(err, ledger.ErrLost) {
		t.Fatalf("%s by a claim that holds its job (%t): %v", what, held, err)
	}
}

func (m *model) Renew(t *rapid.T) {
	c, _, held := m.drawClaim(t)
	wantHeld(t, "renew", held, m.db.Renew(m.ctx, m.db.pool, c, 1, 2))
}

func (m *model) Finish(t *rapid.T) {
	c, j, held := m.drawClaim(t)
	result := rapid.SampledFrom([]job.Result{job.Success, job.Warning, job.Error}).Draw(t, "result")
	var tickets []ledger.Ticket
	err := m.inTx(func(tx pgx.Tx) (err error) {
		tickets, err = m.db.Finish(m.ctx, tx, c, job.Outcome{Result: result})
		return err
	})
	wantHeld(t, "finish", held, err)
	if !held {
		return
	}
	j.state, j.result = job.Finished, result
	delete(m.holder, j.id)
	switch {
	case j.scope.Type != job.EmissionRecalc:
		m.wantTickets(t, tickets)
	case result == job.Error:
		m.wantTickets(t, tickets, m.in(j.scope.Aggregation(), false))
	default:
		if len(tickets) != 1 {
			t.Fatalf("finish of %s: tickets %v", j, tickets)
		}
		m.request(t, j.scope.Aggregation(), nil, tickets[0], j.members, j.unnamed)
	}
}

// wantTickets checks the signals for jobs that waited before the step; nil jobs are left out.
func (m *model) wantTickets(t *rapid.T, got []ledger.Ticket, jobs ...*modelJob) {
	jobs = slices.DeleteFunc(jobs, func(j *modelJob) bool { return j == nil })
	if len(got) != len(jobs) {
		t.Fatalf("tickets %v, want %v", got, jobs)
	}
	for i, j := range jobs {
		if got[i] != (ledger.Ticket{Scope: j.scope, JobID: j.id, SignalSeq: j.seq}) {
			t.Fatalf("tickets %v, want %v", got, jobs)
		}
	}
}

// gaveBack is what becomes of a running job whose run had no outcome.
func (m *model) gaveBack(t *rapid.T, j *modelJob, counts bool, fate ledger.Fate, tickets []ledger.Ticket) {
	delete(m.holder, j.id)
	other := m.in(j.scope, false)
	attempts := j.attempts
	if !counts {
		attempts--
	}
	want := ledger.Requeued
	switch {
	case other != nil:
		want = ledger.Superseded
		j.state, j.result, j.superseded = job.Finished, job.Error, other.id
		other.filter = other.filter.Union(j.filter)
		maps.Copy(other.members, j.members)
		other.unnamed = other.unnamed || j.unnamed
		m.wantTickets(t, tickets, other)
	case attempts >= maxAttempts:
		want = ledger.Abandoned
		j.state, j.result = job.Finished, job.Error
		var up *modelJob
		if j.scope.Type == job.EmissionRecalc {
			up = m.in(j.scope.Aggregation(), false)
		}
		m.wantTickets(t, tickets, up)
	default:
		j.state, j.attempts, j.seq = job.NotStarted, attempts, j.seq+1
		m.wantTickets(t, tickets, j)
	}
	if fate != want {
		t.Fatalf("fate of %s: %s, want %s", j, fate, want)
	}
}

func (m *model) Release(t *rapid.T) {
	c, j, held := m.drawClaim(t)
	fate, tickets, err := m.db.Release(m.ctx, m.db.pool, c, "released at shutdown")
	wantHeld(t, "release", held, err)
	if held {
		m.gaveBack(t, j, false, fate, tickets)
	}
}

func (m *model) Forfeit(t *rapid.T) {
	c, j, held := m.drawClaim(t)
	fate, tickets, err := m.db.Forfeit(m.ctx, m.db.pool, c, "cut off")
	wantHeld(t, "forfeit", held, err)
	if held {
		m.gaveBack(t, j, true, fate, tickets)
	}
}

func (m *model) ExpireAndReap(t *rapid.T) {
	c, j, held := m.drawClaim(t)
	if !held {
		t.Skip("not running")
	}
	m.db.expire(j.id)
	lost, err := m.db.Expired(m.ctx, m.db.pool)
	if err != nil || len(lost) != 1 || lost[0] != (ledger.Lost{JobID: j.id, Scope: j.scope, Token: c.Token}) {
		t.Fatalf("expired: %v, %v", lost, err)
	}
	fate, tickets, err := m.db.Reap(m.ctx, m.db.pool, lost[0])
	if err != nil {
		t.Fatal(err)
	}
	m.gaveBack(t, j, true, fate, tickets)
	if fate, _, err := m.db.Reap(m.ctx, m.db.pool, lost[0]); fate != "" || err != nil {
		t.Fatalf("reaped twice: %s, %v", fate, err)
	}
}

func (m *model) Abort(t *rapid.T) {
	p := rapid.SampledFrom(m.pipelines).Draw(t, "pipeline")
	foreseen, err := m.db.ForeseeAbort(m.ctx, m.db.pool, p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.db.Abort(m.ctx, m.db.pool, p, aborter)
	if err != nil {
		t.Fatal(err)
	}
	if before, ok := m.aborted[p]; ok {
		if len(foreseen) > 0 || got.Outcome != ledger.AbortedBefore || got.Status != before.Status || fmt.Sprint(outcomes(got.Jobs)) != fmt.Sprint(outcomes(before.Jobs)) {
			t.Fatalf("aborted again: %+v, want %+v", got, before)
		}
		return
	}
	want := map[int64]ledger.JobAbort{}
	var freed []job.Scope
	status := m.abortedStatus(p)
	for _, j := range m.jobs {
		if !j.members[p] || j.state == job.Finished {
			continue
		}
		want[j.id] = ledger.AbortEnded
		for o := range j.members {
			if _, aborted := m.aborted[o]; o != p && !aborted || j.unnamed {
				want[j.id] = ledger.AbortShared
			}
		}
		if want[j.id] == ledger.AbortEnded {
			j.state, j.result = job.Finished, job.Error
			delete(m.holder, j.id)
			freed = append(freed, j.scope)
			if j.scope.Type == job.EmissionRecalc {
				freed = append(freed, j.scope.Aggregation())
			}
		}
	}
	if len(want) == 0 {
		if got.Outcome != ledger.AbortTooLate {
			t.Fatalf("abort of what is done: %+v", got)
		}
		return
	}
	if got.Outcome != ledger.AbortDone || got.Status != status || !maps.Equal(outcomes(got.Jobs), want) || !maps.Equal(outcomes(foreseen), want) {
		t.Fatalf("abort of %s: %+v, foreseen %v, want %s and %v", p, got, foreseen, status, want)
	}
	var next []*modelJob
	for _, s := range freed {
		if j := m.in(s, false); j != nil && !slices.Contains(next, j) {
			next = append(next, j)
		}
	}
	m.wantTickets(t, got.Tickets, next...)
	m.aborted[p] = got
}

// AdvanceHold lets the time pass that an aggregation is held at most.
func (m *model) AdvanceHold(*rapid.T) {
	m.db.exec(`UPDATE data_ingestion_jobs SET requested_at = requested_at - $1::interval, started_at = started_at - $1::interval,
		finished_at = finished_at - $1::interval WHERE year = $2`, ledger.DefaultMaxHold, m.year)
	for _, j := range m.jobs {
		j.heldTooLong = true
	}
}

// status is what a pipeline should say.
func (m *model) status(p uuid.UUID) ledger.Status {
	if a, ok := m.aborted[p]; ok {
		return a.Status
	}
	return m.tallied(p, false)
}

// abortedStatus is what it should say if it were aborted now: what is active counts as failed.
func (m *model) abortedStatus(p uuid.UUID) ledger.Status { return m.tallied(p, true) }

func (m *model) tallied(p uuid.UUID, activeFailed bool) ledger.Status {
	var jobs, active, errs, roots, rootErrs int
	for _, j := range m.jobs {
		if !j.members[p] || j.superseded != 0 {
			continue
		}
		jobs++
		failed := j.state == job.Finished && j.result == job.Error || j.state != job.Finished && activeFailed
		if failed {
			errs++
		} else if j.state != job.Finished {
			active++
		}
		if j.scope.Type == job.EmissionRecalc {
			roots++
			if failed {
				rootErrs++
			}
		}
	}
	switch {
	case jobs == 0 || active > 0:
		return ledger.StatusRunning
	case errs == 0:
		return ledger.StatusSuccess
	case roots > 0 && roots == rootErrs:
		return ledger.StatusFailed
	default:
		return ledger.StatusPartial
	}
}

const (
	recordOfYear = `
SELECT format('%s %s:%s%s:%s %s %s filter=%s attempts=%s seq=%s superseded=%s members=%s', j.id, job_type, module_type_id,
              ':' || data_entry_type_id, year, state, coalesce(result::text, ''),
              coalesce('[' || array_to_string(carbon_report_module_ids, ' ') || ']', 'all'), attempts, signal_seq, coalesce(superseded_by, 0),
              '[' || coalesce((SELECT string_agg(left(pipeline_id::text, 8), ' ' ORDER BY left(pipeline_id::text, 8) COLLATE "C")
                                 FROM pipeline_jobs WHERE job_id = j.id), '') || ']')
  FROM data_ingestion_jobs j WHERE year = $1 ORDER BY j.id`
	invariants = `
SELECT format('%s jobs of %s:%s:%s run: %s', count(*), job_type, module_type_id, data_entry_type_id, state = 'RUNNING')
  FROM data_ingestion_jobs WHERE year = $1 AND state <> 'FINISHED'
 GROUP BY job_type, module_type_id, data_entry_type_id, state = 'RUNNING' HAVING count(*) > 1
 UNION ALL
SELECT format('job %s runs without a lease', id) FROM data_ingestion_jobs
 WHERE year = $1 AND state = 'RUNNING' AND (lease_expires_at IS NULL OR locked_by IS NULL OR started_at IS NULL)
 UNION ALL
SELECT format('job %s waits with a lock', id) FROM data_ingestion_jobs
 WHERE year = $1 AND state = 'NOT_STARTED' AND coalesce(locked_by, lease_expires_at::text, started_at::text, finished_at::text) IS NOT NULL`
)

func (m *model) lines(t *rapid.T, query string, args ...any) []string {
	rows, err := m.db.pool.Query(m.ctx, query, args...)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// check compares the record with the model.
func (m *model) check(t *rapid.T) {
	if broken := m.lines(t, invariants, m.year); len(broken) > 0 {
		t.Fatal(strings.Join(broken, "\n"))
	}
	var want, wantStatus []string
	for _, j := range m.jobs {
		want = append(want, j.String())
	}
	if got := m.lines(t, recordOfYear, m.year); !slices.Equal(got, want) {
		t.Fatalf("the record says\n%s\nthe model says\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, p := range m.pipelines {
		wantStatus = append(wantStatus, fmt.Sprintf("%s %s", p, m.status(p)))
	}
	got := m.lines(t, `SELECT p.id || ' ' || p.status FROM unnest($1::uuid[]) WITH ORDINALITY AS w (id, n) JOIN pipelines p USING (id) ORDER BY n`, m.pipelines)
	if !slices.Equal(got, wantStatus) {
		t.Fatalf("pipelines are\n%s\nthe model says\n%s", strings.Join(got, "\n"), strings.Join(wantStatus, "\n"))
	}
}

func TestLedgerFollowsItsModel(t *testing.T) {
	t.Parallel()
	// A few seconds' worth, unless more is asked for.
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		if err := flag.Set("rapid.checks", "60"); err != nil {
			t.Fatal(err)
		}
	}
	db := &bundle{t: t, ctx: context.Background(), pool: localtest.Pool(t), Ledger: ledger.New(ledger.DefaultMaxHold)}
	year := 2000
	rapid.Check(t, func(t *rapid.T) {
		year++ // The jobs of one play are those of a year.
		m := &model{ctx: db.ctx, db: db, year: year, holder: map[int64]*ledger.Claim{}, aborted: map[uuid.UUID]ledger.Aborted{},
			scopes: []job.Scope{job.RecalcOf(2, 20, year), job.RecalcOf(2, 21, year), job.AggregationOf(2, year), job.RecalcOf(3, 30, year)}}
		for range 3 {
			m.pipelines = append(m.pipelines, db.open(job.EmissionRecalc))
		}
		t.Repeat(map[string]func(*rapid.T){
			"request": m.Request, "claim": m.Claim, "claim more": m.Claim, "renew": m.Renew, "finish": m.Finish,
			"release": m.Release, "forfeit": m.Forfeit, "expire and reap": m.ExpireAndReap, "advance hold": m.AdvanceHold, "abort": m.Abort, "": m.check,
		})
	})
}
