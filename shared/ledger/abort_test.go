package ledger_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
	"tidemark/shared/postgres"
)

const abortedByAda = "FINISHED ERROR aborted by ada: wrong file"

func (b *bundle) abort(p uuid.UUID) ledger.Aborted {
	b.t.Helper()
	a, err := b.Abort(b.ctx, b.pool, p, aborter)
	b.must(err)
	return a
}

// wantAbort aborts, and compares what became of the jobs.
func (b *bundle) wantAbort(p uuid.UUID, want map[int64]ledger.JobAbort) ledger.Aborted {
	b.t.Helper()
	a := b.abort(p)
	if got := outcomes(a.Jobs); a.Outcome != ledger.AbortDone || !maps.Equal(got, want) {
		b.t.Errorf("abort: %s, %v, want %v", a.Outcome, got, want)
	}
	return a
}

// jobID is the job of a scope that waits or runs.
func (b *bundle) jobID(s job.Scope) int64 {
	b.t.Helper()
	return value[int64](b, `SELECT id FROM data_ingestion_jobs WHERE job_type = $1 AND module_type_id = $2 AND coalesce(data_entry_type_id, 0) = $3 AND state <> 'FINISHED'`,
		s.Type, s.ModuleType, s.DataEntryType)
}

func TestAbortEndsWhatWaitsAndWhatRuns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.open(job.EmissionRecalc)
	tickets := b.request(p, planes, trains)
	runs, waits := tickets[0].JobID, tickets[1].JobID
	c := b.claim(planes)
	a := b.wantAbort(p, map[int64]ledger.JobAbort{runs: ledger.AbortEnded, waits: ledger.AbortEnded})
	if len(a.Tickets) != 0 || a.Status != ledger.StatusFailed || a.Actor != "ada" || a.Reason != "wrong file" {
		t.Errorf("%+v", a)
	}
	b.wantJob(runs, abortedByAda)
	b.wantJob(waits, abortedByAda)
	b.wantStatus(p, ledger.StatusFailed)
	if j := b.job(runs); !j.Aborted || j.LockedBy == nil || *j.LockedBy != c.Token || j.FinishedAt == nil || !b.current(runs) {
		t.Errorf("%+v, current: %t", j, b.current(runs))
	}
	if !value[bool](b, `SELECT aborted_at = finished_at AND error_count = 2 AND last_error = 'aborted by ada: wrong file' FROM pipelines WHERE id = $1`, p) {
		t.Error("the pipeline does not say how it ended")
	}
	// The run has lost its claim, and nothing follows from it.
	if _, err := b.Finish(b.ctx, b.begin(), c, job.Outcome{Result: job.Success}); !errors.Is(err, ledger.ErrLost) {
		t.Errorf("finish: %v", err)
	}
	if err := b.Renew(b.ctx, b.pool, c, 1, 2); !errors.Is(err, ledger.ErrLost) {
		t.Errorf("renew: %v", err)
	}
	if _, _, err := b.Release(b.ctx, b.pool, c, "released"); !errors.Is(err, ledger.ErrLost) {
		t.Errorf("release: %v", err)
	}
	if message, err := b.AbortOf(b.ctx, b.pool, c); err != nil || message != "aborted by ada: wrong file" {
		t.Errorf("abort of the claim: %q, %v", message, err)
	}
	if n := value[int](b, `SELECT count(*) FROM data_ingestion_jobs WHERE job_type = 'aggregation'`); n != 0 {
		t.Errorf("%d aggregations", n)
	}
	// It blocks nobody.
	b.request(b.open(job.EmissionRecalc), planes)
	b.claim(planes)
}

func TestAbortLeavesToOthersWhatTheyWant(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ joinerAborts, runs bool }{
		"the creator aborts, it waits": {false, false}, "the creator aborts, it runs": {false, true},
		"the joiner aborts, it waits": {true, false}, "the joiner aborts, it runs": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			goes, stays := b.open(job.EmissionRecalc), b.open(job.EmissionRecalc)
			order := []uuid.UUID{goes, stays}
			if c.joinerAborts {
				order = []uuid.UUID{stays, goes}
			}
			id := b.request(order[0], planes)[0].JobID
			b.request(order[1], planes)
			var claim *ledger.Claim
			if c.runs {
				claim = b.claim(planes)
			}
			b.wantAbort(goes, map[int64]ledger.JobAbort{id: ledger.AbortShared})
			b.wantStatus(goes, ledger.StatusFailed)
			b.wantStatus(stays, ledger.StatusRunning)
			if !c.runs {
				claim = b.claim(planes)
			}
			b.finish(claim, job.Success)
			b.finish(b.claim(travel), job.Success)
			// No silent green.
			b.wantStatus(goes, ledger.StatusFailed)
			b.wantStatus(stays, ledger.StatusSuccess)
			b.wantMember(goes, id, true)
			if creators := value[int](b, `SELECT count(*) FROM data_ingestion_jobs WHERE pipeline_id = $1`, stays); creators != 2 {
				t.Errorf("%d jobs are of the pipeline that wants them", creators)
			}
		})
	}
}

func TestJobEndsWithTheLastWhoWantsIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := [3]uuid.UUID{b.open(job.Aggregation), b.open(job.Aggregation), b.open(job.Aggregation)}
	id := b.request(p[0], travel)[0].JobID
	b.request(p[1], travel)
	b.request(p[2], travel)
	b.claim(travel)
	b.wantAbort(p[1], map[int64]ledger.JobAbort{id: ledger.AbortShared})
	b.wantAbort(p[0], map[int64]ledger.JobAbort{id: ledger.AbortShared})
	b.wantAbort(p[2], map[int64]ledger.JobAbort{id: ledger.AbortEnded})
	b.wantJob(id, abortedByAda)
	for _, p := range p {
		b.wantStatus(p, ledger.StatusFailed)
	}
}

// Who asks without a pipeline is no member, and must not lose its request all the same.
func TestAbortLeavesWhatSomebodyWithoutAPipelineWants(t *testing.T) {
	t.Parallel()
	for name, arrange := range map[string]func(b *bundle, p uuid.UUID) job.Scope{
		"joined": func(b *bundle, p uuid.UUID) job.Scope {
			b.request(p, planes)
			b.request(uuid.Nil, planes)
			return planes
		},
		"created": func(b *bundle, p uuid.UUID) job.Scope {
			b.request(uuid.Nil, planes)
			b.request(p, planes)
			return planes
		},
		"created by another program": func(b *bundle, p uuid.UUID) job.Scope {
			b.request(p, planes)
			b.exec(`UPDATE data_ingestion_jobs SET pipeline_id = NULL`)
			b.exec(`DELETE FROM job_requests`)
			b.request(p, planes)
			return planes
		},
		"was superseded": func(b *bundle, p uuid.UUID) job.Scope {
			lost := b.request(uuid.Nil, planes)[0].JobID
			b.claim(planes)
			b.request(p, planes)
			b.expire(lost)
			b.reap()
			return planes
		},
		"followed": func(b *bundle, p uuid.UUID) job.Scope {
			b.request(p, travel)
			b.request(uuid.Nil, planes)
			b.finish(b.claim(planes), job.Success)
			return travel
		},
		"followed from another program's": func(b *bundle, p uuid.UUID) job.Scope {
			b.request(p, travel)
			b.request(uuid.Nil, planes)
			b.exec(`DELETE FROM job_requests WHERE pipeline_id IS NULL`)
			b.finish(b.claim(planes), job.Success)
			return travel
		},
		"followed from what superseded it": func(b *bundle, p uuid.UUID) job.Scope {
			lost := b.request(uuid.Nil, planes)[0].JobID
			b.claim(planes)
			b.request(p, planes)
			b.expire(lost)
			b.reap()
			b.finish(b.claim(planes), job.Warning)
			return travel
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			p := b.open(job.EmissionRecalc)
			s := arrange(b, p)
			id := b.jobID(s)
			b.wantAbort(p, map[int64]ledger.JobAbort{id: ledger.AbortShared})
			b.wantStatus(p, map[bool]ledger.Status{true: ledger.StatusFailed, false: ledger.StatusPartial}[s == planes])
			b.finish(b.claim(s), job.Success)
		})
	}
}

// What was covered before, or failed, is no wish for the aggregation that waits.
func TestAbortEndsAnAggregationThatNobodyElseFollowedInto(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.request(uuid.Nil, planes)
	b.finish(b.claim(planes), job.Success)
	b.claim(travel)
	p := b.open(job.Aggregation)
	id := b.request(p, travel)[0].JobID
	b.request(uuid.Nil, trains)
	b.finish(b.claim(trains), job.Error)
	b.wantAbort(p, map[int64]ledger.JobAbort{id: ledger.AbortEnded})
}

func TestAbortWakesWhatWaitedForTheAborted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p, q := b.open(job.EmissionRecalc), b.open(job.Aggregation)
	runs := b.request(p, planes)[0].JobID
	b.claim(planes)
	held := b.request(q, travel)[0].JobID
	behind := b.request(q, planes)[0].JobID
	a := b.wantAbort(p, map[int64]ledger.JobAbort{runs: ledger.AbortEnded})
	if len(a.Tickets) != 2 || a.Tickets[0].JobID != behind || a.Tickets[1].JobID != held {
		t.Errorf("tickets %v, want jobs %d and %d", a.Tickets, behind, held)
	}
	b.finish(b.claim(planes), job.Success)
	b.finish(b.claim(travel), job.Success)
	b.wantStatus(q, ledger.StatusSuccess)
}

func TestAbortOfWhatIsDoneChangesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	state := func() string {
		return value[string](b, `SELECT string_agg(to_jsonb(j)::text, ' ' ORDER BY id) || (SELECT string_agg(to_jsonb(p)::text, ' ') FROM pipelines p) FROM data_ingestion_jobs j`)
	}
	done, aborted := b.open(job.Aggregation), b.open(job.Aggregation)
	b.request(done, travel)
	b.finish(b.claim(travel), job.Success)
	id := b.request(aborted, travel)[0].JobID
	first := b.abort(aborted)
	before := state()
	if a := b.abort(done); a.Outcome != ledger.AbortTooLate || a.Status != ledger.StatusSuccess || a.Jobs == nil || len(a.Jobs) != 0 {
		t.Errorf("finished: %+v", a)
	}
	other := aborter
	other.Actor, other.Reason = "bob", "me too"
	a, err := b.Abort(b.ctx, b.pool, aborted, other)
	b.must(err)
	if a.Outcome != ledger.AbortedBefore || a.Actor != "ada" || a.Reason != "wrong file" || !a.At.Equal(*first.At) || outcomes(a.Jobs)[id] != ledger.AbortEnded {
		t.Errorf("aborted again: %+v", a)
	}
	if after := state(); after != before {
		t.Errorf("was %s\nis %s", before, after)
	}
	if lines := value[string](b, `SELECT string_agg(concat_ws(' ', actor, via, reason, request_id, job_id, job_type, module_type_id, year, outcome), '; ') FROM pipeline_aborts`); lines !=
		"ada cli wrong file test 2 aggregation 2 2025 ended" {
		t.Errorf("recorded: %s", lines)
	}
}

func TestAbortIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if _, err := b.Abort(b.ctx, b.pool, uuid.New(), aborter); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("an unknown pipeline: %v", err)
	}
	p := b.open(job.Aggregation)
	b.request(p, travel)
	for _, change := range []func(*ledger.Origin){
		func(o *ledger.Origin) { o.Actor = "" }, func(o *ledger.Origin) { o.Via = "" },
		func(o *ledger.Origin) { o.RequestID = "" }, func(o *ledger.Origin) { o.Reason = " \t" },
	} {
		by := aborter
		change(&by)
		if _, err := b.Abort(b.ctx, b.pool, p, by); err == nil || !strings.Contains(err.Error(), "must be given") {
			t.Errorf("%+v: %v", by, err)
		}
	}
	b.wantStatus(p, ledger.StatusRunning)
}

// A pipeline that requests again wants something again.
func TestRequestAfterAnAbortIsKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p, q := b.open(job.Aggregation), b.open(job.Aggregation)
	b.request(p, travel)
	b.abort(p)
	id := b.request(p, travel)[0].JobID
	b.wantStatus(p, ledger.StatusRunning)
	b.request(q, travel)
	b.wantAbort(q, map[int64]ledger.JobAbort{id: ledger.AbortShared})
	b.finish(b.claim(travel), job.Success)
	b.wantStatus(p, ledger.StatusPartial) // with the one that was aborted
}

func TestAbortLeavesOtherProgramsJobsAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.open(job.CSVIngest)
	recalc := b.request(p, planes)[0].JobID
	const insert = `INSERT INTO data_ingestion_jobs (entity_type, target_type, ingestion_method, provider, is_current, job_type, module_type_id, year, state, pipeline_id, locked_by)
VALUES ('MODULE_PER_YEAR', 'DATA_ENTRIES', 'csv', 'DEFAULT', false, $1, 2, $2, 'RUNNING', $3, 'pod-1') RETURNING id`
	upload := value[int64](b, insert, job.CSVIngest, 2025, p)
	incomplete := value[int64](b, insert, job.Aggregation, nil, p)
	theirs := value[int64](b, insert, job.Aggregation, 2025, p)
	b.wantAbort(p, map[int64]ledger.JobAbort{recalc: ledger.AbortEnded, upload: ledger.AbortForeign, incomplete: ledger.AbortForeign, theirs: ledger.AbortEnded})
	b.wantJob(upload, "RUNNING")
	b.wantStatus(p, ledger.StatusFailed)
	// The original's runner looks whether the job still bears its name.
	if j := b.job(theirs); j.LockedBy != nil {
		t.Errorf("%+v", j)
	}
}

func TestAbortWaitsForAJoiner(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p, q := b.open(job.Aggregation), b.open(job.Aggregation)
	id := b.request(p, travel)[0].JobID
	tx := b.begin()
	b.requestIn(tx, q, travel)
	aborting := inBackground(func() (ledger.Aborted, error) { return b.Abort(b.ctx, b.pool, p, aborter) })
	b.awaitBlocked(1)
	b.commit(tx)
	if a := receive(b, aborting); outcomes(a.Jobs)[id] != ledger.AbortShared {
		t.Errorf("%+v", a)
	}
	b.finish(b.claim(travel), job.Success)
	b.wantStatus(q, ledger.StatusSuccess)
}

// A joiner that comes while the abort is under way makes a job of its own.
func TestAbortDoesNotSwallowAJoiner(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p, q := b.open(job.Aggregation), b.open(job.Aggregation)
	id := b.request(p, travel)[0].JobID
	hold := b.begin()
	_, err := hold.Exec(b.ctx, `SELECT FROM pipelines WHERE id = $1 FOR UPDATE`, p)
	b.must(err)
	aborting := inBackground(func() (ledger.Aborted, error) { return b.Abort(b.ctx, b.pool, p, aborter) })
	b.awaitBlocked(1) // behind the door, at the pipeline
	joining := b.requestInBackground(ledger.Batch{By: tester, Pipeline: q, Requests: whole(travel)})
	b.awaitBlocked(2)
	b.commit(hold)
	a, tickets := receive(b, aborting), receive(b, joining)
	// Where the machine was too slow the abort has let the joiner in between.
	if outcome := outcomes(a.Jobs)[id]; tickets[0].Created != (outcome == ledger.AbortEnded) {
		t.Errorf("%+v, the joiner got %+v", a, tickets)
	}
	b.finish(b.claim(travel), job.Success)
	b.wantStatus(q, ledger.StatusSuccess)
	b.wantStatus(p, ledger.StatusFailed)
}

// A run that is about to finish does so first; then its follow-up is what ends.
func TestAbortMeetsAFinish(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.open(job.EmissionRecalc)
	id := b.request(p, planes)[0].JobID
	c := b.claim(planes)
	tx := b.begin()
	tickets, err := b.Finish(b.ctx, tx, c, job.Outcome{Result: job.Success, Message: "done"})
	b.must(err)
	aborting := inBackground(func() (ledger.Aborted, error) { return b.Abort(b.ctx, b.pool, p, aborter) })
	b.awaitBlocked(1)
	b.commit(tx)
	if a := receive(b, aborting); !maps.Equal(outcomes(a.Jobs), map[int64]ledger.JobAbort{tickets[0].JobID: ledger.AbortEnded}) {
		t.Errorf("%+v", a)
	}
	b.wantJob(id, "FINISHED SUCCESS done")
	b.wantJob(tickets[0].JobID, abortedByAda)
	b.wantStatus(p, ledger.StatusPartial)
}

// A finish that waits for a requester of the follow-up does not keep the abort waiting.
func TestAbortFencesAFinishThatWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.open(job.EmissionRecalc)
	id := b.request(p, planes)[0].JobID
	c := b.claim(planes)
	requester := b.begin()
	b.requestIn(requester, b.open(job.Aggregation), travel)
	finishing := inBackground(func() (error, error) {
		return pgx.BeginFunc(b.ctx, b.pool, func(tx pgx.Tx) error {
			_, err := b.Finish(b.ctx, tx, c, job.Outcome{Result: job.Success})
			return err
		}), nil
	})
	b.awaitBlocked(1)
	b.wantAbort(p, map[int64]ledger.JobAbort{id: ledger.AbortEnded})
	b.commit(requester)
	if err := receive(b, finishing); !errors.Is(err, ledger.ErrLost) {
		t.Errorf("finish: %v", err)
	}
	b.wantJob(id, abortedByAda)
}

// A worker that stands still in the middle of its run holds nothing up.
func TestAbortEndsTheSessionOfTheRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`CREATE TABLE datum (v integer); INSERT INTO datum VALUES (1)`)
	p := b.open(job.Aggregation)
	b.request(p, travel)
	c := b.claim(travel)
	run := b.begin()
	b.must(b.Begin(b.ctx, run, c))
	_, err := run.Exec(b.ctx, `UPDATE datum SET v = 2`)
	b.must(err)
	b.abort(p)
	b.exec(`UPDATE datum SET v = 3`)
	if _, err := run.Exec(b.ctx, `SELECT 1`); !postgres.Unavailable(err) {
		t.Errorf("the run's session goes on: %v", err)
	}
}

// Who cannot end the session aborts all the same.
func TestAbortWithoutTheRightToEndSessions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.open(job.Aggregation)
	b.request(p, travel)
	c := b.claim(travel)
	run := b.begin()
	b.must(b.Begin(b.ctx, run, c))
	role := "weak_" + value[string](b, `SELECT current_database()`)
	b.exec(`CREATE ROLE ` + role + ` LOGIN IN ROLE pg_read_all_data, pg_write_all_data`)
	weak := localtest.Connect(t, strings.Replace(b.pool.Config().ConnString(), "user=tidemark", "user="+role, 1))
	_, err := b.Abort(b.ctx, weak, p, aborter)
	b.must(err)
	if _, err := b.Finish(b.ctx, run, c, job.Outcome{Result: job.Success}); !errors.Is(err, ledger.ErrLost) {
		t.Errorf("finish: %v", err)
	}
}

func TestAbortGivesUpAtAClosedDoor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p, q := b.open(job.Aggregation), b.open(job.Aggregation)
	b.request(p, travel)
	b.requestIn(b.begin(), q, travel)
	if _, err := b.Abort(b.ctx, b.pool, p, aborter); !errors.Is(err, ledger.ErrBusy) {
		t.Errorf("%v, want %v", err, ledger.ErrBusy)
	}
	b.wantStatus(p, ledger.StatusRunning)
}

// Notices of an aborted job, asynq's tasks, are of no use to anybody.
func TestAbortedJobIsNoNews(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.open(job.Aggregation)
	id := b.request(p, travel)[0].JobID
	notices := []ledger.Notice{{JobID: id}, {Pipeline: p}}
	if settled, err := b.Settled(b.ctx, b.pool, notices); err != nil || settled[0] || settled[1] {
		t.Errorf("%v, %v", settled, err)
	}
	b.abort(p)
	if settled, err := b.Settled(b.ctx, b.pool, notices); err != nil || !settled[0] || !settled[1] {
		t.Errorf("%v, %v", settled, err)
	}
}
