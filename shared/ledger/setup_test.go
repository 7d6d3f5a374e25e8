package ledger_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
)

// The scopes that most tests work on.
var (
	planes  = job.RecalcOf(2, 20, 2025)
	trains  = job.RecalcOf(2, 21, 2025)
	travel  = job.AggregationOf(2, 2025)
	heating = job.RecalcOf(3, 30, 2025)
)

// tester asks in every test.
var tester = ledger.Origin{Actor: "tester", Via: ledger.ViaCLI, RequestID: "test"}

// aborter aborts in every test.
var aborter = ledger.Origin{Actor: "ada", Via: ledger.ViaCLI, Reason: "wrong file", RequestID: "test"}

// outcomes are what became of each job of an abort.
func outcomes(jobs []ledger.AbortedJob) map[int64]ledger.JobAbort {
	m := map[int64]ledger.JobAbort{}
	for _, j := range jobs {
		m[j.JobID] = j.Outcome
	}
	return m
}

// lease is longer than any test: leases expire by SQL.
const lease = time.Hour

// bundle is a ledger on a database of the test's own, with its steps as one-liners.
type bundle struct {
	t    testing.TB
	ctx  context.Context
	pool *pgxpool.Pool
	*ledger.Ledger
}

func setup(t testing.TB) *bundle {
	t.Helper()
	return &bundle{t: t, ctx: context.Background(), pool: localtest.Pool(t), Ledger: ledger.New(ledger.DefaultMaxHold)}
}

func (b *bundle) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// begin starts a transaction that is rolled back at the end unless it was committed.
func (b *bundle) begin() pgx.Tx {
	b.t.Helper()
	tx, err := b.pool.Begin(b.ctx)
	b.must(err)
	b.t.Cleanup(func() {
		if err := tx.Rollback(b.ctx); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
			b.t.Log(err)
		}
	})
	return tx
}

func (b *bundle) commit(tx pgx.Tx) {
	b.t.Helper()
	b.must(tx.Commit(b.ctx))
}

func (b *bundle) exec(sql string, args ...any) {
	b.t.Helper()
	_, err := b.pool.Exec(b.ctx, sql, args...)
	b.must(err)
}

// value reads one value.
func value[T any](b *bundle, sql string, args ...any) (v T) {
	b.t.Helper()
	b.must(b.pool.QueryRow(b.ctx, sql, args...).Scan(&v))
	return v
}

func whole(scopes ...job.Scope) (requests []ledger.Request) {
	for _, s := range scopes {
		requests = append(requests, ledger.Request{Scope: s})
	}
	return requests
}

// requestIn requests whole scopes in a transaction that goes on.
func (b *bundle) requestIn(tx pgx.Tx, pipeline uuid.UUID, scopes ...job.Scope) []ledger.Ticket {
	b.t.Helper()
	tickets, err := b.Request(b.ctx, tx, ledger.Batch{By: tester, Pipeline: pipeline, Requests: whole(scopes...)})
	b.must(err)
	return tickets
}

// request requests whole scopes and commits.
func (b *bundle) request(pipeline uuid.UUID, scopes ...job.Scope) []ledger.Ticket {
	b.t.Helper()
	return b.requestAll(ledger.Batch{By: tester, Pipeline: pipeline, Requests: whole(scopes...)})
}

func (b *bundle) requestAll(batch ledger.Batch) []ledger.Ticket {
	b.t.Helper()
	tx := b.begin()
	tickets, err := b.Request(b.ctx, tx, batch)
	b.must(err)
	b.commit(tx)
	return tickets
}

// requestInBackground requests and commits without waiting for others here.
func (b *bundle) requestInBackground(batch ledger.Batch) <-chan outcome[[]ledger.Ticket] {
	return inBackground(func() (tickets []ledger.Ticket, err error) {
		err = pgx.BeginFunc(b.ctx, b.pool, func(tx pgx.Tx) error {
			tickets, err = b.Request(b.ctx, tx, batch)
			return err
		})
		return tickets, err
	})
}

// open opens a pipeline whose roots are of this type.
func (b *bundle) open(kind job.Type) uuid.UUID {
	b.t.Helper()
	tx := b.begin()
	id, _, err := b.OpenPipeline(b.ctx, tx, ledger.NewPipeline{Kind: kind})
	b.must(err)
	b.commit(tx)
	return id
}

// claim claims a scope that can be claimed.
func (b *bundle) claim(s job.Scope) *ledger.Claim {
	b.t.Helper()
	c, sight, err := b.Claim(b.ctx, b.pool, s, lease)
	b.must(err)
	if sight != ledger.Claimed {
		b.t.Fatalf("claim %s: %s", s, sight)
	}
	return c
}

// wantSight looks at a scope that cannot be claimed.
func (b *bundle) wantSight(s job.Scope, want ledger.Sight) {
	b.t.Helper()
	c, sight, err := b.Claim(b.ctx, b.pool, s, lease)
	b.must(err)
	if sight != want {
		b.t.Fatalf("look at %s: %s, want %s", s, sight, want)
	}
	if c != nil {
		b.t.Fatalf("look at %s: %s, and a claim", s, sight)
	}
}

func (b *bundle) finish(c *ledger.Claim, r job.Result) []ledger.Ticket {
	b.t.Helper()
	tx := b.begin()
	tickets, err := b.Finish(b.ctx, tx, c, job.Outcome{Result: r, Message: "said " + string(r)})
	b.must(err)
	b.commit(tx)
	return tickets
}

// expire makes a lease run out.
func (b *bundle) expire(id int64) {
	b.t.Helper()
	b.exec(`UPDATE data_ingestion_jobs SET lease_expires_at = clock_timestamp() - interval '1 second' WHERE id = $1`, id)
}

// reap gives back the one job whose lease has expired.
func (b *bundle) reap() (ledger.Fate, []ledger.Ticket) {
	b.t.Helper()
	lost, err := b.Expired(b.ctx, b.pool)
	b.must(err)
	if len(lost) != 1 {
		b.t.Fatalf("%d leases have expired: %v", len(lost), lost)
	}
	fate, tickets, err := b.Reap(b.ctx, b.pool, lost[0])
	b.must(err)
	return fate, tickets
}

func (b *bundle) job(id int64) ledger.Job {
	b.t.Helper()
	j, err := b.Job(b.ctx, b.pool, id)
	b.must(err)
	return j
}

// wantJob compares "STATE result message" of a job.
func (b *bundle) wantJob(id int64, want string) {
	b.t.Helper()
	got := value[string](b, `SELECT concat_ws(' ', state, result, status_message) FROM data_ingestion_jobs WHERE id = $1`, id)
	if got != want {
		b.t.Errorf("job %d is %q, want %q", id, got, want)
	}
}

func (b *bundle) wantStatus(pipeline uuid.UUID, want ledger.Status) {
	b.t.Helper()
	if got := value[ledger.Status](b, `SELECT status FROM pipelines WHERE id = $1`, pipeline); got != want {
		b.t.Errorf("pipeline %s is %s, want %s", pipeline, got, want)
	}
}

// wantMember says that the pipeline created or joined the job.
func (b *bundle) wantMember(pipeline uuid.UUID, id int64, want bool) {
	b.t.Helper()
	got := value[bool](b, `SELECT EXISTS (SELECT FROM pipeline_jobs WHERE pipeline_id = $1 AND job_id = $2)`, pipeline, id)
	if got != want {
		b.t.Errorf("pipeline %s is a member of job %d: %t", pipeline, id, got)
	}
}

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

// await polls until the condition holds.
func (b *bundle) await(what string, holds func() bool) {
	b.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			b.t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

// awaitBlocked waits until so many sessions of the test's database wait for a lock.
func (b *bundle) awaitBlocked(sessions int) {
	b.t.Helper()
	b.await("sessions wait for locks", func() bool {
		return value[int](b, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) >= sessions
	})
}

// outcome is what a step in another goroutine came to.
type outcome[T any] struct {
	v   T
	err error
}

// inBackground runs a step and returns where its outcome will be.
func inBackground[T any](step func() (T, error)) <-chan outcome[T] {
	done := make(chan outcome[T], 1)
	go func() {
		v, err := step()
		done <- outcome[T]{v, err}
	}()
	return done
}

func receive[T any](b *bundle, done <-chan outcome[T]) T {
	b.t.Helper()
	select {
	case o := <-done:
		b.must(o.err)
		return o.v
	case <-time.After(patience):
		b.t.Fatal("the step in the background did not come to an end")
		panic("unreachable")
	}
}
