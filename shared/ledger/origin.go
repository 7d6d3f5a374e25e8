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

// Via is the way a request came in.
type Via string

const (
	// ViaCLI is the command line.
	ViaCLI Via = "cli"
	// ViaHTTP is the API.
	ViaHTTP Via = "http"
	// ViaTask is a task that a person or program put into, or ran again in, a queue.
	ViaTask Via = "task"
	// ViaSchedule is a periodic entry of the scheduler.
	ViaSchedule Via = "schedule"
)

// Origin is who asks, and why. It is recorded with every request but those that a finished
// job makes.
type Origin struct {
	// Actor is a person or program, as well as the way in can tell. Required.
	Actor string
	// Via is the way in. Required.
	Via Via
	// Reason is what the actor gave as one; "" for none.
	Reason string
	// RequestID is found in the log of whoever took the request. Required.
	RequestID string
}

func (o Origin) check() error {
	if o.Actor == "" || o.Via == "" || o.RequestID == "" {
		return fmt.Errorf("request: by %q via %q as %q: Actor, Via and RequestID must be given, for the audit", o.Actor, o.Via, o.RequestID)
	}
	return nil
}

const recordRequests = `
INSERT INTO job_requests (actor, via, reason, request_id, pipeline_id, job_id, created, job_type, module_type_id, data_entry_type_id, year)
SELECT @actor, @via, nullif(@reason, ''), @request_id, @pipeline::uuid, j, c, t, m, nullif(d, 0), y
  FROM unnest(@jobs::integer[], @created::boolean[], @types::text[], @modules::integer[], @data_entry_types::integer[], @years::integer[]) AS r (j, c, t, m, d, y)`

// recordArgs binds who asked and what became of it, a ticket a row.
func recordArgs(b Batch, tickets []Ticket) pgx.StrictNamedArgs {
	var jobs []int64
	var created []bool
	var types []string
	var modules, dataEntryTypes, years []int32
	for _, t := range tickets {
		jobs = append(jobs, t.JobID)
		created = append(created, t.Created)
		types = append(types, string(t.Scope.Type))
		modules = append(modules, int32(t.Scope.ModuleType))
		dataEntryTypes = append(dataEntryTypes, int32(t.Scope.DataEntryType))
		years = append(years, int32(t.Scope.Year))
	}
	return pgx.StrictNamedArgs{"actor": storable(b.By.Actor), "via": b.By.Via, "reason": storable(b.By.Reason), "request_id": storable(b.By.RequestID),
		"pipeline": nullable(b.Pipeline), "jobs": jobs, "created": created, "types": types, "modules": modules,
		"data_entry_types": dataEntryTypes, "years": years}
}

// Started is the answer to [Ledger.Start].
type Started struct {
	Pipeline uuid.UUID
	// Tickets are one a scope, in the order of [job.Scope.Compare].
	Tickets []Ticket
	// Replayed is true where the pipeline was started before: nothing new was requested,
	// and the tickets are those of that time.
	Replayed bool
}

// ErrConflictingReplay means that a pipeline of this id was started for other scopes.
var ErrConflictingReplay = errors.New("the pipeline was started for other scopes")

const requestsOfPipeline = `
SELECT r.job_id, r.created, r.job_type, r.module_type_id, coalesce(r.data_entry_type_id, 0), r.year, coalesce(j.signal_seq, 0)
  FROM job_requests r
  LEFT JOIN data_ingestion_jobs j ON j.id = r.job_id
 WHERE r.pipeline_id = @pipeline`

// Replay returns what was requested when a pipeline was started, or [ErrNotFound].
func (l *Ledger) Replay(ctx context.Context, db postgres.Querier, pipeline uuid.UUID) (Started, error) {
	rows, err := db.Query(ctx, requestsOfPipeline, pgx.StrictNamedArgs{"pipeline": pipeline})
	if err != nil {
		return Started{}, fmt.Errorf("requests of pipeline %s: %w", pipeline, err)
	}
	tickets, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t Ticket, err error) {
		s := &t.Scope
		err = row.Scan(&t.JobID, &t.Created, &s.Type, &s.ModuleType, &s.DataEntryType, &s.Year, &t.SignalSeq)
		return t, err
	})
	if err != nil {
		return Started{}, fmt.Errorf("requests of pipeline %s: %w", pipeline, err)
	}
	if len(tickets) == 0 {
		return Started{}, fmt.Errorf("requests of pipeline %s: %w", pipeline, ErrNotFound)
	}
	slices.SortFunc(tickets, func(a, b Ticket) int { return a.Scope.Compare(b.Scope) })
	return Started{Pipeline: pipeline, Tickets: tickets, Replayed: true}, nil
}

// Start opens a pipeline and requests whole scopes for it: what a person or a task asks for,
// where no data comes with the request. Like [Ledger.Request], it is signalled after the commit.
//
// A pipeline id that was used before makes it a repetition of that call, also where the two
// come at once: nothing is requested, and the answer is the first one's. Where the scopes
// differ from that one's it is [ErrConflictingReplay].
func (l *Ledger) Start(ctx context.Context, tx pgx.Tx, p NewPipeline, by Origin, scopes ...job.Scope) (Started, error) {
	id, opened, err := l.OpenPipeline(ctx, tx, p)
	if err != nil {
		return Started{}, err
	}
	if !opened {
		return l.repeat(ctx, tx, id, scopes)
	}
	b := Batch{Pipeline: id, By: by}
	for _, s := range scopes {
		b.Requests = append(b.Requests, Request{Scope: s})
	}
	tickets, err := l.Request(ctx, tx, b)
	return Started{Pipeline: id, Tickets: tickets}, err
}

// repeat answers a call of Start whose pipeline exists.
func (l *Ledger) repeat(ctx context.Context, tx pgx.Tx, id uuid.UUID, scopes []job.Scope) (Started, error) {
	first, err := l.Replay(ctx, tx, id)
	if errors.Is(err, ErrNotFound) {
		return Started{}, fmt.Errorf("start pipeline %s: it exists, but was not started by a request: %w", id, ErrConflictingReplay)
	}
	if err != nil {
		return Started{}, err
	}
	wanted := slices.Clone(scopes)
	slices.SortFunc(wanted, job.Scope.Compare)
	wanted = slices.Compact(wanted)
	if !slices.EqualFunc(wanted, first.Tickets, func(s job.Scope, t Ticket) bool { return s == t.Scope }) {
		return Started{}, fmt.Errorf("start pipeline %s: %w", id, ErrConflictingReplay)
	}
	return first, nil
}

// Asked is one request for a job.
type Asked struct {
	At time.Time `json:"requested_at"`
	// Actor, Via, Reason and RequestID are those of [Origin].
	Actor     string `json:"actor"`
	Via       Via    `json:"via"`
	Reason    string `json:"reason"`
	RequestID string `json:"request_id"`
	// Created is false where the request joined the job.
	Created  bool       `json:"created"`
	Pipeline *uuid.UUID `json:"pipeline_id"`
}

const requestsOfJob = `
SELECT requested_at AS at, actor, via, coalesce(reason, '') AS reason, request_id, created, pipeline_id AS pipeline
  FROM job_requests WHERE job_id = @job ORDER BY id`

// RequestsOf returns who asked for a job, first to last. Who asked before requests were recorded, or
// by another program, is not known.
func (l *Ledger) RequestsOf(ctx context.Context, db postgres.Querier, jobID int64) ([]Asked, error) {
	rows, err := db.Query(ctx, requestsOfJob, pgx.StrictNamedArgs{"job": jobID})
	if err != nil {
		return nil, fmt.Errorf("requests of job %d: %w", jobID, err)
	}
	asked, err := pgx.CollectRows(rows, pgx.RowToStructByName[Asked])
	if err != nil {
		return nil, fmt.Errorf("requests of job %d: %w", jobID, err)
	}
	return asked, nil
}
