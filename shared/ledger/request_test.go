package ledger_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
)

// O-11: a request while one is active is answered, not refused.
func TestRequestCreatesThenJoins(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.request(uuid.Nil, planes)[0]
	if !first.Created || first.Scope != planes || first.SignalSeq != 0 {
		t.Errorf("first request: %+v", first)
	}
	second := b.request(uuid.Nil, planes)[0]
	if second.Created || second.JobID != first.JobID {
		t.Errorf("second request: %+v, want it to join job %d", second, first.JobID)
	}
	if n := value[int](b, `SELECT count(*) FROM data_ingestion_jobs`); n != 1 {
		t.Errorf("%d jobs", n)
	}
}

// O-1 (c): the running job may have read its input already, so it absorbs nothing.
func TestRequestBesideARunningJobCreatesAnother(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.request(uuid.Nil, planes)[0]
	b.claim(planes)
	second := b.request(uuid.Nil, planes)[0]
	if !second.Created || second.JobID == first.JobID {
		t.Errorf("request beside running job %d: %+v", first.JobID, second)
	}
	if third := b.request(uuid.Nil, planes)[0]; third.Created || third.JobID != second.JobID {
		t.Errorf("third request: %+v, want it to join job %d", third, second.JobID)
	}
}

func TestFinishedJobStandsInNobodysWay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, r := range []job.Result{job.Success, job.Warning, job.Error} {
		b.request(uuid.Nil, planes)
		b.finish(b.claim(planes), r)
	}
	if next := b.request(uuid.Nil, planes)[0]; !next.Created {
		t.Errorf("%+v joined a finished job", next)
	}
}

// QUEUED is a state that only other programs write; such a job waits as well as any.
func TestQueuedJobIsJoinedAndClaimed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.request(uuid.Nil, planes)[0]
	b.exec(`UPDATE data_ingestion_jobs SET state = 'QUEUED'`)
	if second := b.request(uuid.Nil, planes)[0]; second.Created || second.JobID != first.JobID {
		t.Errorf("%+v, want it to join job %d", second, first.JobID)
	}
	if c := b.claim(planes); c.JobID != first.JobID {
		t.Errorf("claimed job %d", c.JobID)
	}
}

// B-M1: duplicates of one cause are one job. Tickets come in scope order.
func TestBatchFoldsDuplicates(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tickets := b.requestAll(ledger.Batch{By: tester, Requests: []ledger.Request{
		{Scope: trains}, {Scope: planes, Filter: job.NewFilter(3)}, {Scope: travel}, {Scope: planes, Filter: job.NewFilter(1)}, {Scope: trains, Filter: job.NewFilter(9)}}})
	var scopes []job.Scope
	for _, ticket := range tickets {
		scopes = append(scopes, ticket.Scope)
	}
	if !slices.Equal(scopes, []job.Scope{travel, planes, trains}) {
		t.Errorf("tickets for %v", scopes)
	}
	for id, want := range map[int64]string{tickets[1].JobID: "{1,3}", tickets[2].JobID: ""} {
		if got := value[string](b, `SELECT coalesce(carbon_report_module_ids::text, '') FROM data_ingestion_jobs WHERE id = $1`, id); got != want {
			t.Errorf("filter of job %d is %q, want %q", id, got, want)
		}
	}
}

func TestRequestIsRefusedAtTheDoor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, tc := range map[string]struct {
		requests []ledger.Request
		want     string
	}{
		"nothing":              {nil, "no scope given"},
		"scope NULLs":          {whole(planes, job.RecalcOf(2, 0, 2025)), "scope keys must be set"},
		"V3":                   {whole(job.Scope{Type: job.Aggregation, ModuleType: 2, DataEntryType: 20, Year: 2025}), "not a scope column"},
		"not deduplicated":     {whole(job.Scope{Type: job.CSVIngest, ModuleType: 2, Year: 2025}), "no dedup configuration"},
		"narrowed aggregation": {[]ledger.Request{{Scope: travel, Filter: job.NewFilter(1)}}, "only a recalculation can be narrowed"},
	} {
		_, err := b.Request(b.ctx, b.begin(), ledger.Batch{By: tester, Requests: tc.requests})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want it to say %q", name, err, tc.want)
		}
	}
	if n := value[int](b, `SELECT count(*) FROM data_ingestion_jobs`); n != 0 {
		t.Errorf("%d jobs were made", n)
	}
}

// V4, #1236 FK order: an error that is not about the dedup index is an error, never "joined".
func TestUnopenedPipelineIsAnError(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const foreignKeyViolation = "23503"
	_, err := b.Request(b.ctx, b.begin(), ledger.Batch{By: tester, Pipeline: uuid.New(), Requests: whole(planes)})
	if err == nil || !strings.Contains(err.Error(), foreignKeyViolation) {
		t.Errorf("got %v, want a foreign key violation", err)
	}
	b.request(uuid.Nil, planes)
	if _, err := b.Request(b.ctx, b.begin(), ledger.Batch{By: tester, Pipeline: uuid.New(), Requests: whole(planes)}); err == nil {
		t.Error("a pipeline that does not exist has joined a job")
	}
}

// #1266: a follow-up keeps the provider of its cause.
func TestProviderIsInherited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	recalc := b.requestAll(ledger.Batch{By: tester, Provider: "ACCRED", Requests: whole(planes)})[0]
	follow := b.finish(b.claim(planes), job.Success)[0]
	plain := b.request(uuid.Nil, heating)[0]
	for id, want := range map[int64]string{recalc.JobID: "ACCRED", follow.JobID: "ACCRED", plain.JobID: "DEFAULT"} {
		if got := value[string](b, `SELECT provider::text FROM data_ingestion_jobs WHERE id = $1`, id); got != want {
			t.Errorf("provider of job %d is %s, want %s", id, got, want)
		}
	}
}

// statements counts what is sent to the server: round trips and, inside batches, queries.
type statements struct{ roundTrips, queries atomic.Int64 }

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	s.roundTrips.Add(1)
	s.queries.Add(1)
	return ctx
}
func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (s *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	s.roundTrips.Add(1)
	return ctx
}
func (s *statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {
	s.queries.Add(1)
}
func (s *statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// A wide fan-out costs as many statements as a narrow one, when it creates and when it joins.
func TestBatchOfAnySizeIsAConstantNumberOfStatements(t *testing.T) {
	t.Parallel()
	url := localtest.Database(t)
	b := &bundle{t: t, ctx: context.Background(), pool: localtest.Connect(t, url), Ledger: ledger.New(ledger.DefaultMaxHold)}
	cfg, err := pgxpool.ParseConfig(url)
	b.must(err)
	sent := &statements{}
	cfg.ConnConfig.Tracer = sent
	traced, err := pgxpool.NewWithConfig(b.ctx, cfg)
	b.must(err)
	t.Cleanup(traced.Close)
	pipeline := b.open(job.CSVIngest)
	cost := func(n int) (created int, cost string) {
		var scopes []job.Scope
		for i := range n {
			scopes = append(scopes, job.RecalcOf(n, 1+i, 2025))
		}
		before, queries := sent.roundTrips.Load(), sent.queries.Load()
		b.must(pgx.BeginFunc(b.ctx, traced, func(tx pgx.Tx) error {
			tickets, err := b.Request(b.ctx, tx, ledger.Batch{By: tester, Pipeline: pipeline, Requests: whole(scopes...)})
			if len(tickets) != n {
				t.Errorf("%d tickets for %d scopes", len(tickets), n)
			}
			for _, ticket := range tickets {
				if ticket.Created {
					created++
				}
			}
			return err
		}))
		return created, fmt.Sprintf("%d statements in %d round trips", sent.queries.Load()-queries, sent.roundTrips.Load()-before)
	}
	for _, created := range []bool{true, false} {
		one, few := cost(1)
		all, many := cost(500)
		if created != (one == 1) || created != (all == 500) {
			t.Errorf("created %d of 1 and %d of 500, want all: %t", one, all, created)
		}
		if few != many {
			t.Errorf("1 scope takes %s, 500 take %s", few, many)
		}
		t.Logf("created %t: %s", created, many)
	}
}

// 4A.2: requesters take their locks in one order, whatever order they were asked in.
func TestBatchesInOppositeOrderDoNotDeadlock(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var scopes []job.Scope
	for i := range 60 {
		scopes = append(scopes, job.RecalcOf(2, 1+i, 2025), job.AggregationOf(1+i, 2025))
	}
	reversed := slices.Clone(scopes)
	slices.Reverse(reversed)
	for range 15 {
		var running []<-chan outcome[[]ledger.Ticket]
		for _, order := range [][]job.Scope{scopes, reversed, scopes, reversed} {
			running = append(running, b.requestInBackground(ledger.Batch{By: tester, Requests: whole(order...)}))
		}
		for _, done := range running {
			receive(b, done)
		}
		b.exec(`UPDATE data_ingestion_jobs SET state = 'FINISHED'`)
	}
	if n := value[int](b, `SELECT count(*) FROM data_ingestion_jobs`); n != 15*len(scopes) {
		t.Errorf("%d jobs for %d scopes, 15 times", n, len(scopes))
	}
}

// A requester whose scope is just being created by another waits for that one's end, and
// makes the job itself if it was rolled back.
func TestConcurrentRequestsMakeOneJob(t *testing.T) {
	t.Parallel()
	for _, rollback := range []bool{false, true} {
		b := setup(t)
		first := b.begin()
		made := b.requestIn(first, uuid.Nil, planes)[0]
		second := b.requestInBackground(ledger.Batch{By: tester, Requests: whole(planes)})
		b.awaitBlocked(1)
		if rollback {
			b.must(first.Rollback(b.ctx))
		} else {
			b.commit(first)
		}
		ticket := receive(b, second)[0]
		if ticket.Created != rollback || (ticket.JobID == made.JobID) == rollback {
			t.Errorf("rolled back %t: %+v, the first requester made job %d", rollback, ticket, made.JobID)
		}
	}
}
