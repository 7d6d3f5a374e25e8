package periodic

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/freshness"
	"tidemark/shared/ledger"
	"tidemark/shared/postgres"
)

// State is how far an entry is, by the record.
type State struct {
	// Schedule is that of the entry when it was last looked at.
	Schedule string
	// HandledUntil is up to when due times are dealt with.
	HandledUntil time.Time
	// LastDueAt is the last due time that was requested, LastRequestedAt when that was; nil before.
	LastDueAt, LastRequestedAt *time.Time
	LastPipelineID             *uuid.UUID
	// Missed counts the due times that were not requested.
	Missed int64
}

const stateColumns = `schedule, handled_until, last_due_at, last_requested_at, last_pipeline_id, missed`

const listStates = `
SELECT clock_timestamp() AS now, coalesce(e.name, '') AS name, coalesce(e.schedule, '') AS schedule, coalesce(e.handled_until, now()) AS handled_until,
       e.last_due_at, e.last_requested_at, e.last_pipeline_id, coalesce(e.missed, 0) AS missed
  -- Without an entry there is still a row, with the time.
  FROM (VALUES (true)) AS always
  LEFT JOIN periodic_entries e ON true`

// States reads how far every entry is that a leader has ever seen, and what time it is.
func States(ctx context.Context, db postgres.Querier) (states map[string]State, now time.Time, err error) {
	rows, err := db.Query(ctx, listStates)
	if err != nil {
		return nil, now, fmt.Errorf("read the periodic entries: %w", err)
	}
	states = map[string]State{}
	var name string
	var s State
	_, err = pgx.ForEachRow(rows, []any{&now, &name, &s.Schedule, &s.HandledUntil, &s.LastDueAt, &s.LastRequestedAt, &s.LastPipelineID, &s.Missed}, func() error {
		if name != "" {
			states[name] = s
		}
		return nil
	})
	if err != nil {
		return nil, now, fmt.Errorf("read the periodic entries: %w", err)
	}
	return states, now, nil
}

// Next is when the entry is due next; in the past where nobody has led since. known is false for
// an entry that no leader has seen.
func (e Entry) Next(s State, known bool, now time.Time) time.Time {
	if known && s.Schedule == e.Schedule.String() {
		return e.Schedule.Next(s.HandledUntil)
	}
	return e.Schedule.Next(now)
}

// Waits reports whether there is nothing to be done about the entry now.
func (e Entry) Waits(s State, known bool, now time.Time) bool {
	return known && s.Schedule == e.Schedule.String() && e.Schedule.Next(s.HandledUntil).After(now)
}

// Served is what became of an entry.
type Served struct {
	// Due is the due time that was requested, zero for none.
	Due time.Time
	// Tickets are to be signalled.
	Tickets []ledger.Ticket
	// Missed counts the due times that are not requested.
	Missed int
	// Undeclared is the year that no report has, for which nothing was requested; 0 for none.
	Undeclared int
	// State is how far the entry is now.
	State State
}

// beginEntry makes an entry known. It is due from now on.
const beginEntry = `
INSERT INTO periodic_entries (name, schedule, handled_until) VALUES (@name, @schedule, clock_timestamp())
    ON CONFLICT DO NOTHING`

// lockEntry keeps two leaders apart: the second sees what the first has done.
const lockEntry = `SELECT ` + stateColumns + ` FROM periodic_entries WHERE name = @name FOR UPDATE`

const moveEntry = `
UPDATE periodic_entries
   SET schedule = @schedule, handled_until = @until, missed = missed + @missed,
       last_due_at = coalesce(@due, last_due_at), last_pipeline_id = coalesce(@pipeline, last_pipeline_id),
       last_requested_at = CASE WHEN @due::timestamptz IS NULL THEN last_requested_at ELSE clock_timestamp() END
 WHERE name = @name
RETURNING ` + stateColumns

// Serve requests what of an entry has become due, and moves it on, in one transaction. After the
// commit the tickets are to be signalled.
func Serve(ctx context.Context, tx pgx.Tx, l *ledger.Ledger, e Entry) (Served, error) {
	served, err := serve(ctx, tx, l, e)
	if err != nil {
		return Served{}, fmt.Errorf("periodic entry %s: %w", e.Name, err)
	}
	return served, nil
}

func serve(ctx context.Context, tx pgx.Tx, l *ledger.Ledger, e Entry) (done Served, err error) {
	if _, err := tx.Exec(ctx, beginEntry, pgx.StrictNamedArgs{"name": e.Name, "schedule": e.Schedule.String()}); err != nil {
		return done, err
	}
	rows, err := tx.Query(ctx, lockEntry, pgx.StrictNamedArgs{"name": e.Name})
	if err != nil {
		return done, err
	}
	if done.State, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[State]); err != nil {
		return done, err
	}
	var now time.Time
	// In a statement of its own: after the wait for the lock.
	if err := tx.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
		return done, err
	}
	d := e.decide(done.State, now)
	done.Missed = d.missed
	args := pgx.StrictNamedArgs{"name": e.Name, "schedule": e.Schedule.String(), "until": d.until, "due": nil, "pipeline": nil}
	if !d.due.IsZero() {
		if err := request(ctx, tx, l, e, d.due, &done); err != nil {
			return done, err
		}
	}
	if !done.Due.IsZero() {
		args["due"], args["pipeline"] = done.Due, pipelineOf(e.Name, done.Due)
	}
	args["missed"] = done.Missed
	rows, err = tx.Query(ctx, moveEntry, args)
	if err != nil {
		return done, err
	}
	done.State, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[State])
	return done, err
}

// request makes the request of a due time. The id of its pipeline is made from the time, so that a
// second one would be a repetition, also if the entry's row were lost.
func request(ctx context.Context, tx pgx.Tx, l *ledger.Ledger, e Entry, due time.Time, done *Served) error {
	year := e.yearAt(due)
	years, err := freshness.DeclaredYears(ctx, tx, e.Module.ID)
	if err != nil {
		return err
	}
	if !slices.Contains(years, year) {
		done.Missed++
		done.Undeclared = year
		return nil
	}
	at := due.UTC().Format(time.RFC3339)
	reason := e.Reason
	if reason == "" {
		reason = "due at " + at
	}
	started, err := l.Start(ctx, tx, ledger.NewPipeline{ID: pipelineOf(e.Name, due), Kind: e.Request, ModuleType: e.Module.ID, Year: year},
		ledger.Origin{Actor: "periodic entry " + e.Name, Via: ledger.ViaSchedule, Reason: reason, RequestID: e.Name + " " + at}, e.scopes(year)...)
	done.Due, done.Tickets = due, started.Tickets
	return err
}

// pipelineSpace keeps the ids of periodic pipelines apart from other names.
var pipelineSpace = uuid.MustParse("6f1d2a35-6f0e-4c58-9b0c-0b5f0f8f5d10")

func pipelineOf(name string, due time.Time) uuid.UUID {
	return uuid.NewSHA1(pipelineSpace, []byte(name+" "+due.UTC().Format(time.RFC3339)))
}
