package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
)

// Request asks for one scope to be recomputed.
type Request struct {
	Scope job.Scope
	// Filter narrows a recalculation to some report modules; nil means the whole
	// scope, which is all an aggregation can be asked for.
	Filter job.Filter
}

// Batch is a set of requests that one cause makes together.
type Batch struct {
	// Pipeline is whom the jobs are for; it must be open. uuid.Nil for none.
	Pipeline uuid.UUID
	// Provider is the user_provider_enum of the cause; "" means DEFAULT.
	Provider string
	// By is who asks.
	By       Origin
	Requests []Request
}

// Ticket is the answer to a request: the job that will cover it.
type Ticket struct {
	Scope job.Scope
	JobID int64
	// Created is false where the request joined a job that waited already.
	Created bool
	// SignalSeq goes into the task id of the job's signal.
	SignalSeq int
}

// Outcome says what became of the request in one word: created or joined.
func (t Ticket) Outcome() string {
	if t.Created {
		return "created"
	}
	return "joined"
}

// requestAttempts bounds how often a request starts over because a claim that does
// not know the doors (another program on the same table) took the job it wanted to join.
const requestAttempts = 16

// Request records that the scopes are wanted, in the transaction that commits the
// data which made it necessary, and returns one ticket per distinct scope in the
// order of [job.Scope.Compare]. From the moment that transaction commits, each scope
// is covered by a run that starts later. Until then no worker can claim the jobs.
//
// A batch is a constant number of statements whatever its size; requests for one
// scope are folded into one. Two transactions that each make several batches can
// deadlock on their scopes; PostgreSQL then ends one with an error that
// postgres.Retryable knows.
//
// After the commit, and not before, the caller signals the tickets.
func (l *Ledger) Request(ctx context.Context, tx pgx.Tx, b Batch) ([]Ticket, error) {
	if err := b.By.check(); err != nil {
		return nil, err
	}
	wanted, err := fold(b.Requests)
	if err != nil {
		return nil, err
	}
	var tickets []Ticket
	for _, c := range job.Configs() {
		var ofType []Request
		for _, r := range wanted {
			if r.Scope.Type == c.JobType {
				ofType = append(ofType, r)
			}
		}
		if len(ofType) == 0 {
			continue
		}
		got, err := l.requestType(ctx, tx, c, b, ofType)
		if err != nil {
			return nil, fmt.Errorf("request %s: %w", describe(ofType), err)
		}
		tickets = append(tickets, got...)
	}
	if err := join(ctx, tx, b, tickets); err != nil {
		return nil, err
	}
	return tickets, nil
}

// fold checks the requests, merges those of one scope and sorts them, so that all
// requesters take their locks in one order.
func fold(requests []Request) ([]Request, error) {
	if len(requests) == 0 {
		return nil, errors.New("request: no scope given")
	}
	byScope := make(map[job.Scope]job.Filter, len(requests))
	for _, r := range requests {
		if err := r.Scope.Check(); err != nil {
			return nil, err
		}
		if r.Filter != nil && r.Scope.Type != job.EmissionRecalc {
			return nil, fmt.Errorf("request %s: only a recalculation can be narrowed to report modules", r.Scope)
		}
		filter := r.Filter
		if seen, ok := byScope[r.Scope]; ok {
			filter = seen.Union(filter)
		}
		byScope[r.Scope] = filter
	}
	folded := make([]Request, 0, len(byScope))
	for s, f := range byScope {
		folded = append(folded, Request{Scope: s, Filter: f})
	}
	slices.SortFunc(folded, func(a, b Request) int { return a.Scope.Compare(b.Scope) })
	return folded, nil
}

// createTemplate makes the jobs that do not wait yet. A running job of the scope does
// not stand in the way: it may have read its input already.
const createTemplate = `
INSERT INTO data_ingestion_jobs
       (entity_type, target_type, ingestion_method, provider, state, is_current, meta, job_type,
        {columns}, carbon_report_module_ids, pipeline_id, requested_at)
SELECT 'MODULE_PER_YEAR', 'DATA_ENTRIES', 'computed', @provider::user_provider_enum, 'NOT_STARTED', false, '{"config": {}}', '{type}',
       {w.columns}, w.filter::integer[], @pipeline::uuid, clock_timestamp()
  FROM {wanted}
 ORDER BY {w.columns}
    ON CONFLICT {conflict} DO NOTHING
RETURNING id`

// widenTemplate makes waiting jobs that are narrower than the request as wide: filters
// are united, "all" (NULL) wins. The rows are locked in scope order before they are
// written, as in joinTemplate, so that two requesters cannot deadlock here.
const widenTemplate = `
WITH narrow AS (
    SELECT j.id, w.filter::integer[] AS filter
      FROM data_ingestion_jobs j JOIN {wanted} ON {match}
     WHERE j.job_type = '{type}' AND j.state IN ('NOT_STARTED', 'QUEUED')
       AND j.carbon_report_module_ids IS NOT NULL
       AND (w.filter IS NULL OR NOT j.carbon_report_module_ids @> w.filter::integer[])
     ORDER BY {w.columns}
       FOR UPDATE OF j)
UPDATE data_ingestion_jobs j
   SET carbon_report_module_ids = CASE WHEN narrow.filter IS NULL THEN NULL
       ELSE ARRAY(SELECT DISTINCT unnest(j.carbon_report_module_ids || narrow.filter) ORDER BY 1) END
  FROM narrow WHERE j.id = narrow.id`

// joinTemplate finds the waiting job of every scope, ours or not, that covers the
// request. The share lock holds off any claim until the requester has committed its
// data, so the run that follows reads it; a plain look would lose the request to a claim
// that commits first. Joiners do not wait for one another.
const joinTemplate = `
SELECT j.id, j.signal_seq, {w.columns}
  FROM data_ingestion_jobs j JOIN {wanted} ON {match}
 WHERE j.job_type = '{type}' AND j.state IN ('NOT_STARTED', 'QUEUED')
   AND (j.carbon_report_module_ids IS NULL OR j.carbon_report_module_ids @> w.filter::integer[])
 ORDER BY {w.columns}
   FOR SHARE OF j`

// requestType makes the requests of one job type, in scope order. It is also what a finish makes.
func (l *Ledger) requestType(ctx context.Context, tx pgx.Tx, c job.DedupConfig, b Batch, wanted []Request) ([]Ticket, error) {
	st, args := l.sql[c.JobType], requestArgs(b, wanted)
	created := make(map[int64]bool)
	for range requestAttempts {
		var found []Ticket
		// One round trip; each statement sees what was committed when it starts.
		batch := &pgx.Batch{}
		batch.Queue(st.door, args)
		batch.Queue(st.create, args).Query(func(rows pgx.Rows) error {
			ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
			for _, id := range ids {
				created[id] = true
			}
			return err
		})
		batch.Queue(st.widen, args)
		batch.Queue(st.join, args).Query(func(rows pgx.Rows) (err error) {
			found, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Ticket, error) { return scanTicket(c, row) })
			return err
		})
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return nil, err
		}
		if len(found) == len(wanted) {
			for i := range found {
				found[i].Created = created[found[i].JobID]
			}
			return found, nil
		}
	}
	return nil, fmt.Errorf("its waiting job was taken away %d times over by a program that claims without the ledger; stop it and try again", requestAttempts)
}

func scanTicket(c job.DedupConfig, row pgx.CollectableRow) (Ticket, error) {
	t := Ticket{Scope: job.Scope{Type: c.JobType}}
	into := []any{&t.JobID, &t.SignalSeq}
	for _, col := range c.ScopeColumns {
		into = append(into, t.Scope.Field(col))
	}
	return t, row.Scan(into...)
}

// requestArgs binds the scopes as parallel arrays, in scope order, and their doors in door order.
func requestArgs(b Batch, wanted []Request) pgx.NamedArgs {
	var modules, types, years, doors []int32
	var filters []*string
	for _, r := range wanted {
		modules = append(modules, int32(r.Scope.ModuleType))
		types = append(types, int32(r.Scope.DataEntryType))
		years = append(years, int32(r.Scope.Year))
		filters = append(filters, arrayLiteral(r.Filter))
		doors = append(doors, door(r.Scope))
	}
	slices.Sort(doors)
	provider := b.Provider
	if provider == "" {
		provider = "DEFAULT"
	}
	return pgx.NamedArgs{
		string(job.ModuleType): modules, string(job.DataEntryType): types, string(job.Year): years,
		"filter": filters, "doors": slices.Compact(doors), "space": doorSpace,
		"provider": provider, "pipeline": nullable(b.Pipeline),
	}
}

// arrayLiteral spells a filter as PostgreSQL does; ragged arrays cannot be bound as such.
func arrayLiteral(f job.Filter) *string {
	if f == nil {
		return nil
	}
	ids := make([]string, len(f))
	for i, id := range f {
		ids[i] = strconv.Itoa(int(id))
	}
	s := "{" + strings.Join(ids, ",") + "}"
	return &s
}

func nullable(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

func describe(requests []Request) string {
	s := requests[0].Scope.String()
	if n := len(requests) - 1; n > 0 {
		s += fmt.Sprintf(" and %d more", n)
	}
	return s
}
