package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/postgres"
)

var (
	// ErrBusy means that others kept the doors or rows of a pipeline's jobs locked, for as long as
	// an abort tries. Nothing was aborted; try again.
	ErrBusy = errors.New("its scopes are kept locked by requests that are not committed, or by a run that is about to finish; nothing was aborted, try again")
	// errMoved means that the pipeline has a job in a scope whose door the abort has not passed.
	errMoved = errors.New("the pipeline went on")
)

// An abort starts over so often: where a lock is not to be had, which takes [doorTimeout] each time,
// and where the pipeline went on meanwhile, which it does once for each aggregation that follows.
const (
	abortTries = 5
	abortMoves = 50
)

// Abort withdraws what a pipeline wants. A job that nobody else wants ends at once, in
// [job.Error]: waiting or running. A job that another pipeline wants too goes on for that one.
// The pipeline is done, and failed, in the same transaction; what its jobs come to later no longer
// changes that. A pipeline that is done, or was aborted before, is left as it is.
//
// The run of an ended job is fenced, like one whose lease is over, and its session is ended, so
// that nobody waits for its locks. Its worker learns it by that, or with the next renewal
// ([Ledger.AbortOf]).
//
// An aborted recalculation requests no aggregation. What may be run now is in the tickets, to be
// signalled after the commit. [ErrNotFound] is a pipeline that the record does not have.
func (l *Ledger) Abort(ctx context.Context, db postgres.Beginner, pipeline uuid.UUID, by Origin) (Aborted, error) {
	fail := func(err error) (Aborted, error) {
		return Aborted{}, fmt.Errorf("abort pipeline %s: %w", pipeline, err)
	}
	if err := by.check(); err != nil {
		return fail(err)
	}
	if strings.TrimSpace(by.Reason) == "" {
		return fail(errors.New("a reason must be given: it is what people read at the jobs that ended"))
	}
	for tries, moves := 0, 0; tries < abortTries && moves < abortMoves && ctx.Err() == nil; {
		var a Aborted
		err := postgres.InTx(ctx, db, txAttempts, func(tx pgx.Tx) (err error) {
			a, err = l.abort(ctx, tx, pipeline, by)
			return err
		})
		switch {
		case err == nil:
			return a, nil
		case errors.Is(err, errMoved):
			moves++
		case postgres.LockTimeout(err):
			tries++
		default:
			return fail(err)
		}
	}
	return fail(ErrBusy)
}

// lockAborted is of the pipeline what [lockPipelines] is of all those of a job: who finishes one of
// its jobs has committed, or has to wait and will find that one ended.
const lockAborted = `SELECT status, aborted_at FROM pipelines WHERE id = @pipeline FOR NO KEY UPDATE`

// now is the moment of an abort: behind all locks, so that whatever is requested later is later.
const now = `SELECT clock_timestamp()`

func (l *Ledger) abort(ctx context.Context, tx pgx.Tx, pipeline uuid.UUID, by Origin) (Aborted, error) {
	passed, err := l.enterAll(ctx, tx, pipeline)
	if err != nil {
		return Aborted{}, err
	}
	a := Aborted{Pipeline: pipeline, Jobs: []AbortedJob{}}
	var before *time.Time
	err = tx.QueryRow(ctx, lockAborted, pgx.StrictNamedArgs{"pipeline": pipeline}).Scan(&a.Status, &before)
	if errors.Is(err, pgx.ErrNoRows) {
		return Aborted{}, ErrNotFound
	}
	if err != nil {
		return Aborted{}, err
	}
	if before != nil {
		a.Outcome = AbortedBefore
		err := readAbort(ctx, tx, *before, &a)
		return a, err
	}
	jobs, err := wantedBy(ctx, tx, pipeline)
	if err != nil {
		return Aborted{}, err
	}
	if len(jobs) == 0 {
		a.Outcome = AbortTooLate
		return a, nil
	}
	for _, j := range jobs {
		if scope, ours := j.scope(); ours && !slices.Contains(passed, door(scope)) {
			return Aborted{}, errMoved
		}
	}
	a.Outcome, a.Actor, a.Reason = AbortDone, by.Actor, by.Reason
	if err := tx.QueryRow(ctx, now).Scan(&a.At); err != nil {
		return Aborted{}, err
	}
	err = l.withdraw(ctx, tx, jobs, by, &a)
	return a, err
}

// withdraw carries the abort out. Doors, waiting rows and the pipeline are locked.
func (l *Ledger) withdraw(ctx context.Context, tx pgx.Tx, jobs []wantedJob, by Origin, a *Aborted) error {
	message := storable(fmt.Sprintf("%s%s: %s", abortedPrefix, by.Actor, by.Reason))
	var tokens []string
	var freed []job.Scope
	for _, j := range jobs {
		switch j.Outcome {
		case AbortEnded:
			scope, _ := j.scope()
			freed = append(freed, scope) // for what waited behind a run
			if scope.Type == job.EmissionRecalc {
				freed = append(freed, scope.Aggregation()) // for what was held
			}
			if err := l.end(ctx, tx, j.ID, scope, message); err != nil {
				return err
			}
			if strings.HasPrefix(j.Token, tokenPrefix) && j.State == string(job.Running) {
				tokens = append(tokens, j.Token)
			}
		case AbortShared:
			if _, err := tx.Exec(ctx, passOn, pgx.StrictNamedArgs{"id": j.ID, "pipeline": a.Pipeline}); err != nil {
				return err
			}
		}
		a.Jobs = append(a.Jobs, j.aborted())
	}
	for _, s := range freed {
		tickets, err := l.waiting(ctx, tx, s)
		if err != nil {
			return err
		}
		a.noteTickets(tickets)
	}
	if _, err := tx.Exec(ctx, recordAbort, abortArgs(by, a)); err != nil {
		return err
	}
	if err := settleAborted(ctx, tx, message, a); err != nil {
		return err
	}
	return endSessions(ctx, tx, tokens)
}

// enterAll passes, alone, the doors of every scope in which the pipeline has a job, and locks those
// that wait. It returns the doors.
func (l *Ledger) enterAll(ctx context.Context, tx pgx.Tx, pipeline uuid.UUID) (doors []int32, err error) {
	if _, err := tx.Exec(ctx, limitWaits, waits); err != nil {
		return nil, err
	}
	jobs, err := wantedBy(ctx, tx, pipeline)
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, j := range jobs {
		if scope, ours := j.scope(); ours {
			ids, doors = append(ids, j.ID), append(doors, door(scope))
		}
	}
	slices.Sort(doors)
	doors = slices.Compact(doors)
	batch := &pgx.Batch{}
	batch.Queue(doorsExclusive, pgx.StrictNamedArgs{"space": doorSpace, "doors": doors})
	batch.Queue(lockWaiting, pgx.StrictNamedArgs{"jobs": ids})
	return doors, tx.SendBatch(ctx, batch).Close()
}

// doorsExclusive is doorExclusive for several; unnest keeps their order.
const doorsExclusive = `SELECT pg_advisory_xact_lock(@space::integer, d) FROM unnest(@doors::integer[]) AS d`

// lockWaiting is against other programs.
const lockWaiting = `
SELECT id FROM data_ingestion_jobs
 WHERE id = ANY (@jobs::bigint[]) AND state IN ('NOT_STARTED', 'QUEUED')
 ORDER BY job_type, module_type_id, data_entry_type_id, year
   FOR UPDATE`

// endAborted is the fence: whatever claim the job had is good for nothing from here on. The
// original's runner looks whether the job still bears its name.
const endAborted = `
UPDATE data_ingestion_jobs
   SET state = 'FINISHED', result = 'ERROR', finished_at = clock_timestamp(), lease_expires_at = NULL, status_message = @message,
       locked_by = CASE WHEN starts_with(locked_by, @prefix) THEN locked_by END
 WHERE id = @id`

// end ends a job that nobody else wants.
func (l *Ledger) end(ctx context.Context, tx pgx.Tx, id int64, s job.Scope, message string) error {
	current := currentArgs(s, id)
	batch := &pgx.Batch{}
	batch.Queue(l.sql[s.Type].demote, current)
	batch.Queue(endAborted, pgx.StrictNamedArgs{"id": id, "message": message, "prefix": tokenPrefix})
	batch.Queue(l.sql[s.Type].promote, current)
	return tx.SendBatch(ctx, batch).Close()
}

// passOn makes the pipeline that joined a job first its creator, for whom the job and what follows
// from it go on; nobody's, where it is wanted by somebody without a pipeline. The aborted one stays a member.
const passOn = `
WITH heir AS (
    SELECT x.pipeline_id AS id FROM pipeline_joins x JOIN pipelines p ON p.id = x.pipeline_id
     WHERE x.job_id = @id AND x.pipeline_id <> @pipeline AND p.aborted_at IS NULL
     ORDER BY x.joined_at, x.pipeline_id LIMIT 1
), passed AS (
    UPDATE data_ingestion_jobs SET pipeline_id = (SELECT id FROM heir)
     WHERE id = @id AND pipeline_id = @pipeline
    RETURNING id
), creator AS (
    DELETE FROM pipeline_joins WHERE job_id = (SELECT id FROM passed) AND pipeline_id = (SELECT id FROM heir))
INSERT INTO pipeline_joins (pipeline_id, job_id) SELECT @pipeline, id FROM passed`

// settleAborted makes the pipeline done. What it leaves to others counts as failed: for all it knows, it is.
func settleAborted(ctx context.Context, tx pgx.Tx, message string, a *Aborted) error {
	rows, err := tx.Query(ctx, tallyPipelines, pgx.StrictNamedArgs{"pipelines": []uuid.UUID{a.Pipeline}})
	if err != nil {
		return err
	}
	t, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[tally])
	if err != nil {
		return err
	}
	t = t.aborted()
	t.FinishedAt, t.LastError, a.Status = a.At, &message, statusOf(t)
	batch := &pgx.Batch{}
	batch.Queue(settlePipeline, settleArgs(t))
	batch.Queue(`UPDATE pipelines SET aborted_at = @at WHERE id = @id`, pgx.StrictNamedArgs{"id": a.Pipeline, "at": a.At})
	return tx.SendBatch(ctx, batch).Close()
}

const endSessionsOf = `
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = ANY (@tokens) AND pid <> pg_backend_pid()`

// endSessions ends the sessions of fenced runs. It comes last: should the abort not be committed after
// all, the worker gives its job back as one does whose session was ended from outside. Without
// the right to end them they last until their worker notices.
func endSessions(ctx context.Context, tx pgx.Tx, tokens []string) error {
	if len(tokens) == 0 {
		return nil
	}
	err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, endSessionsOf, pgx.StrictNamedArgs{"tokens": tokens})
		return err
	})
	if postgres.Code(err) == insufficientPrivilege {
		return nil
	}
	return err
}
