package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/postgres"
)

// AbortOutcome is what [Ledger.Abort] came to.
type AbortOutcome string

const (
	// AbortDone: the pipeline wants nothing any more.
	AbortDone AbortOutcome = "aborted"
	// AbortedBefore: it was aborted before, and nothing was changed.
	AbortedBefore AbortOutcome = "aborted_before"
	// AbortTooLate: nothing of it waited or ran any more, and nothing was changed.
	AbortTooLate AbortOutcome = "finished"
)

// JobAbort is what an abort means for a job.
type JobAbort string

const (
	// AbortEnded: nobody else wants it, so it ends.
	AbortEnded JobAbort = "ended"
	// AbortShared: somebody else wants it too, so it goes on for them.
	AbortShared JobAbort = "shared"
	// AbortForeign: it is of a kind that only another program runs, and left to that.
	AbortForeign JobAbort = "foreign"
)

// Aborted is the answer to [Ledger.Abort]. Its JSON is a contract: fields are added, never changed.
type Aborted struct {
	Pipeline uuid.UUID    `json:"pipeline_id"`
	Outcome  AbortOutcome `json:"outcome"`
	// Status is that of the pipeline now.
	Status Status `json:"status"`
	// At, Actor and Reason are those of the abort that took effect; nil and "" for [AbortTooLate].
	At     *time.Time `json:"aborted_at"`
	Actor  string     `json:"actor"`
	Reason string     `json:"reason"`
	// Jobs are those that waited or ran for it then, by id. Never nil.
	Jobs []AbortedJob `json:"jobs"`
	// Tickets are of jobs that may be run now.
	Tickets []Ticket `json:"-"`
}

// AbortedJob is a job that an aborted pipeline wanted. What the row lacks is nil.
type AbortedJob struct {
	JobID         int64    `json:"job_id"`
	Type          *string  `json:"job_type"`
	ModuleType    *int     `json:"module_type_id"`
	DataEntryType *int     `json:"data_entry_type_id"`
	Year          *int     `json:"year"`
	Outcome       JobAbort `json:"outcome"`
}

// noteTickets adds tickets, each once.
func (a *Aborted) noteTickets(tickets []Ticket) {
	for _, t := range tickets {
		if !slices.ContainsFunc(a.Tickets, func(o Ticket) bool { return o.JobID == t.JobID }) {
			a.Tickets = append(a.Tickets, t)
		}
	}
}

// abortedPrefix begins the message of a job that an abort ended.
const abortedPrefix = "aborted by "

// jobsWantedBy lists what waits or runs for a pipeline, and whether somebody else wants it:
// a pipeline that was not aborted, or whoever asks without one. Such a request leaves no member, but
// what it made, joined, was superseded by or followed into can be told: a recalculation that
// ended well while an aggregation waited has requested that one.
const jobsWantedBy = `
SELECT j.id, j.job_type AS type, j.module_type_id AS module_type, j.data_entry_type_id AS data_entry_type, j.year,
       coalesce(j.state::text, '') AS state, coalesce(j.locked_by, '') AS token,
       (j.pipeline_id IS DISTINCT FROM @pipeline
            AND coalesce((SELECT p.aborted_at < j.requested_at FROM pipelines p WHERE p.id = j.pipeline_id), true)
        OR EXISTS (SELECT FROM pipeline_joins x JOIN pipelines p ON p.id = x.pipeline_id
                    WHERE x.job_id = j.id AND x.pipeline_id <> @pipeline AND p.aborted_at IS NULL)
        OR EXISTS (
            WITH RECURSIVE covered AS (
                SELECT j.id, j.pipeline_id, j.job_type, j.module_type_id, j.year, j.requested_at, j.started_at
                 UNION
                SELECT e.id, e.pipeline_id, e.job_type, e.module_type_id, e.year, e.requested_at, e.started_at
                  FROM covered c CROSS JOIN LATERAL (
                       SELECT * FROM data_ingestion_jobs lost WHERE lost.superseded_by = c.id
                        UNION ALL
                       SELECT * FROM data_ingestion_jobs up
                        WHERE c.job_type = 'aggregation'
                          AND up.target_type = 'DATA_ENTRIES' AND up.ingestion_method = 'computed' AND up.job_type = 'emission_recalc'
                          AND up.module_type_id = c.module_type_id AND up.data_entry_type_id IS NOT NULL AND up.year = c.year
                          AND up.state = 'FINISHED' AND up.result IN ('SUCCESS', 'WARNING')
                          AND up.finished_at >= c.requested_at AND coalesce(up.finished_at < c.started_at, true)) e)
            SELECT FROM covered c
             WHERE c.pipeline_id IS NULL
                OR EXISTS (SELECT FROM job_requests r WHERE r.job_id = c.id AND r.pipeline_id IS NULL))) AS wanted
  FROM data_ingestion_jobs j
 WHERE j.id = ANY (ARRAY(SELECT job_id FROM pipeline_jobs WHERE pipeline_id = @pipeline))
   AND j.state IS DISTINCT FROM 'FINISHED'
 ORDER BY j.id`

// wantedJob is a row of jobsWantedBy.
type wantedJob struct {
	ID            int64
	Type          *string
	ModuleType    *int
	DataEntryType *int
	Year          *int
	State, Token  string
	Wanted        bool
	Outcome       JobAbort `db:"-"`
}

// scope is what the job covers; not ours is one that the ledger does not know how to end.
func (j wantedJob) scope() (s job.Scope, ours bool) {
	for to, from := range map[*int]*int{&s.ModuleType: j.ModuleType, &s.DataEntryType: j.DataEntryType, &s.Year: j.Year} {
		if from != nil {
			*to = *from
		}
	}
	if j.Type != nil {
		s.Type = job.Type(*j.Type)
	}
	if s.Type == job.Aggregation {
		s.DataEntryType = 0
	}
	return s, s.Check() == nil && j.State != ""
}

// outcome decides what an abort means for the job.
func (j wantedJob) outcome() JobAbort {
	if _, ours := j.scope(); !ours {
		return AbortForeign
	}
	if j.Wanted {
		return AbortShared
	}
	return AbortEnded
}

func (j wantedJob) aborted() AbortedJob {
	return AbortedJob{j.ID, j.Type, j.ModuleType, j.DataEntryType, j.Year, j.Outcome}
}

func wantedBy(ctx context.Context, db postgres.Querier, pipeline uuid.UUID) ([]wantedJob, error) {
	rows, err := db.Query(ctx, jobsWantedBy, pgx.StrictNamedArgs{"pipeline": pipeline})
	if err != nil {
		return nil, err
	}
	jobs, err := pgx.CollectRows(rows, pgx.RowToStructByName[wantedJob])
	for i := range jobs {
		jobs[i].Outcome = jobs[i].outcome()
	}
	return jobs, err
}

const wasAborted = `SELECT EXISTS (SELECT FROM pipelines WHERE id = @pipeline AND aborted_at IS NOT NULL)`

// ForeseeAbort says what [Ledger.Abort] would do to which jobs, if it came now; none where it would change nothing.
func (l *Ledger) ForeseeAbort(ctx context.Context, db postgres.Querier, pipeline uuid.UUID) ([]AbortedJob, error) {
	var before bool
	err := db.QueryRow(ctx, wasAborted, pgx.StrictNamedArgs{"pipeline": pipeline}).Scan(&before)
	if before {
		return nil, nil
	}
	var jobs []wantedJob
	if err == nil {
		jobs, err = wantedBy(ctx, db, pipeline)
	}
	if err != nil {
		return nil, fmt.Errorf("what an abort of pipeline %s would do: %w", pipeline, err)
	}
	foreseen := make([]AbortedJob, len(jobs))
	for i, j := range jobs {
		foreseen[i] = j.aborted()
	}
	return foreseen, nil
}

const recordAbort = `
INSERT INTO pipeline_aborts (aborted_at, actor, via, reason, request_id, pipeline_id, job_id, job_type, module_type_id, data_entry_type_id, year, outcome)
SELECT @at, @actor, @via, @reason, @request_id, @pipeline, j.id, j.job_type, j.module_type_id, j.data_entry_type_id, j.year, o.outcome
  FROM unnest(@jobs::bigint[], @outcomes::text[]) AS o (id, outcome) JOIN data_ingestion_jobs j ON j.id = o.id`

func abortArgs(by Origin, a *Aborted) pgx.StrictNamedArgs {
	var jobs []int64
	var outcomes []string
	for _, j := range a.Jobs {
		jobs, outcomes = append(jobs, j.JobID), append(outcomes, string(j.Outcome))
	}
	return pgx.StrictNamedArgs{"at": a.At, "actor": storable(by.Actor), "via": by.Via, "reason": storable(by.Reason),
		"request_id": storable(by.RequestID), "pipeline": a.Pipeline, "jobs": jobs, "outcomes": outcomes}
}

const findAbort = `
SELECT actor, reason, job_id, job_type AS type, module_type_id AS module_type, data_entry_type_id AS data_entry_type, year, outcome
  FROM pipeline_aborts WHERE pipeline_id = @pipeline AND aborted_at = @at ORDER BY job_id`

// readAbort reads the abort of a moment from the audit.
func readAbort(ctx context.Context, tx pgx.Tx, at time.Time, a *Aborted) error {
	rows, err := tx.Query(ctx, findAbort, pgx.StrictNamedArgs{"pipeline": a.Pipeline, "at": at})
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[struct {
		Actor, Reason string
		AbortedJob
	}])
	a.At = &at
	for _, row := range found {
		a.Actor, a.Reason, a.Jobs = row.Actor, row.Reason, append(a.Jobs, row.AbortedJob)
	}
	return err
}

const messageOfAborted = `
SELECT j.status_message FROM data_ingestion_jobs j
 WHERE j.id = @id AND EXISTS (SELECT FROM pipeline_aborts a WHERE a.job_id = j.id AND a.outcome = 'ended')`

// AbortOf says by whom and why the job of a lost claim was aborted, as its message says it; "" where it was not.
func (l *Ledger) AbortOf(ctx context.Context, db postgres.Querier, c *Claim) (message string, err error) {
	err = db.QueryRow(ctx, messageOfAborted, pgx.StrictNamedArgs{"id": c.JobID}).Scan(&message)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("ask whether job %d was aborted: %w", c.JobID, err)
	}
	return message, nil
}
