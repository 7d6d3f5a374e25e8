package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/scheduler"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
	"tidemark/shared/postgres"
	"tidemark/shared/signal"
	"tidemark/worker"
)

// The concurrency test works the whole protocol at once: requesters that change data and
// request in one transaction, workers and a scheduler on a real Redis, all behind proxies
// that cut and stall their connections to the record.
//
// A toy calculation stands in for the real one: a recalculation sums a module's entries
// into its emission, an aggregation copies the emission into its total. Every run keeps, in
// its own transaction, the snapshot it read with. So what a run covers is not a matter of
// clocks: a request is covered if the snapshot of the run of its job sees its transaction.
const fieldSchema = `
CREATE TABLE field_entry    (module integer NOT NULL, value bigint NOT NULL);
CREATE TABLE field_emission (module integer PRIMARY KEY, value bigint NOT NULL);
CREATE TABLE field_total    (module integer PRIMARY KEY, value bigint NOT NULL);
-- One row per accepted request.
CREATE TABLE field_request  (xid xid8 NOT NULL, scope text NOT NULL, job_id integer NOT NULL, pipeline uuid NOT NULL);
-- One row per run that was kept.
CREATE TABLE field_run      (job_id integer NOT NULL, token text NOT NULL, xid xid8 NOT NULL, saw pg_snapshot NOT NULL);
-- Chaos must not exhaust the attempts: a job that is given up is not covered, and says so.
ALTER TABLE data_ingestion_jobs ALTER max_attempts SET DEFAULT 100000;`

const fieldYear = 2025

// field is one arrangement of the test.
type field struct {
	t        *testing.T
	pool     *pgxpool.Pool
	ledger   *ledger.Ledger
	database string
	redis    string
	proxies  []*localtest.Proxy

	modules, requesters, requests, workers int
	// patience is how long nothing may happen before the end is taken for reached.
	patience time.Duration
	// linger bounds how long a requester takes from its request to its commit, in milliseconds.
	linger int
	// aggregationsOnly leaves recalculations out, and with them the hold.
	aggregationsOnly bool
	// relay starts a scheduler; chaos cuts and stalls the workers' connections.
	relay, chaos bool
	// slow makes some runs longer than a lease.
	slow bool
	// aborts has pipelines aborted, any that are under way; requesters go on until some of their jobs
	// ended by that, and some were left to others.
	aborts        bool
	ended, shared atomic.Int64
	// signalEarly sends the signal before the commit.
	signalEarly bool
	// lease is that of the workers. Where nobody reaps it must outlast every stall of the machine:
	// a run that gives up its lease stays RUNNING.
	lease time.Duration
}

func newField(t *testing.T, sabotage string) *field {
	f := &field{t: t, database: localtest.Database(t), redis: localtest.Redis(t),
		ledger:  ledger.Sabotage(ledger.New(ledger.DefaultMaxHold), sabotage),
		modules: 5, requesters: 6, requests: 60, workers: 3, linger: 8, patience: 30 * time.Second, relay: true, chaos: true,
		lease: 600 * time.Millisecond}
	f.pool = localtest.Connect(t, f.database)
	if _, err := f.pool.Exec(context.Background(), fieldSchema); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestEveryRequestIsCovered is the promise itself.
func TestEveryRequestIsCovered(t *testing.T) {
	t.Parallel()
	f := newField(t, "none")
	f.play()
	if faults := f.faults(); len(faults) > 0 {
		t.Errorf("%d faults:\n%s", len(faults), strings.Join(faults, "\n"))
	}
}

// TestTheFenceAloneSuffices: workers that outlive their lease without noticing it, sessions
// that the reaper cannot end.
func TestTheFenceAloneSuffices(t *testing.T) {
	t.Parallel()
	f := newField(t, "blind worker")
	f.chaos, f.slow = false, true
	f.play()
	if faults := f.faults(); len(faults) > 0 {
		t.Errorf("%d faults:\n%s", len(faults), strings.Join(faults, "\n"))
	}
}

// TestAbortsWithdrawNothingOfOthers: pipelines are aborted at any moment, while their jobs are
// joined, claimed, finished, released and reaped. Whoever was not aborted is served as ever.
func TestAbortsWithdrawNothingOfOthers(t *testing.T) {
	t.Parallel()
	f := newField(t, "none")
	f.aborts, f.requesters, f.requests = true, 3, 40
	f.play()
	if faults := f.faults(); len(faults) > 0 {
		t.Errorf("%d faults:\n%s", len(faults), strings.Join(faults, "\n"))
	}
	t.Logf("%d jobs were ended, %d left to others", f.ended.Load(), f.shared.Load())
	if !f.abortedEnough() {
		t.Error("the test is of no use")
	}
}

// TestBrokenKernelIsNoticed breaks the protocol in each of the ways in which such
// protocols get broken, and sees that the check above notices.
func TestBrokenKernelIsNoticed(t *testing.T) {
	t.Parallel()
	for how, arrange := range map[string]func(*field){
		"join the running job":     func(f *field) { f.chaos = false },
		"plain DO NOTHING":         func(f *field) { f.chaos = false },
		"finish without the token": func(f *field) { f.chaos, f.slow = false, true },
		"signal before commit": func(f *field) {
			f.signalEarly, f.aggregationsOnly, f.chaos, f.relay, f.linger = true, true, false, false, 40
			f.lease = 10 * time.Minute
		},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			const rounds = 20
			for range rounds {
				sabotage := how
				if how == "signal before commit" {
					// With the doors in place an early signal does no harm: TestEarlySignalIsHarmless.
					sabotage = "no doors"
				}
				f := newField(t, sabotage)
				f.patience = 4 * time.Second
				arrange(f)
				f.play()
				if faults := f.faults(); len(faults) > 0 {
					t.Logf("noticed: %s", faults[0])
					return
				}
			}
			t.Errorf("not noticed in %d rounds", rounds)
		})
	}
}

// TestEarlySignalIsHarmless: a worker that looks at a scope whose request has not
// committed waits at the door, and sees the job then. Nothing else would bring it back: there
// is no relay here.
func TestEarlySignalIsHarmless(t *testing.T) {
	t.Parallel()
	f := newField(t, "none")
	f.signalEarly, f.aggregationsOnly, f.chaos, f.relay, f.lease = true, true, false, false, 10*time.Minute
	f.play()
	if faults := f.faults(); len(faults) > 0 {
		t.Error(strings.Join(faults, "\n"))
	}
}

// play lets everything run until the requesters are done and nothing is active any more.
func (f *field) play() {
	ctx, stop := context.WithCancel(context.Background())
	var components sync.WaitGroup
	defer components.Wait()
	defer stop()
	for range f.workers {
		proxy := localtest.NewProxy(f.t, f.database)
		f.proxies = append(f.proxies, proxy)
		components.Go(func() { f.work(ctx, proxy.URL) })
	}
	if f.relay {
		components.Go(func() { f.schedule(ctx) })
	}
	chaosOver := make(chan struct{})
	requesting, requestsOver := context.WithCancel(ctx)
	go func() {
		defer close(chaosOver)
		if f.chaos {
			f.torment(requesting)
		}
	}()
	var requesters sync.WaitGroup
	for n := range f.requesters {
		requesters.Go(func() { f.request(ctx, n) })
	}
	var aborters sync.WaitGroup
	for range 3 {
		if f.aborts {
			aborters.Go(func() { f.abort(requesting) })
		}
	}
	requesters.Wait()
	requestsOver()
	aborters.Wait()
	<-chaosOver
	if f.aborts {
		// What was withdrawn last may have left a module behind its data.
		f.requestAll(ctx)
	}
	f.awaitQuiet(ctx)
}

func (f *field) log() *slog.Logger {
	if os.Getenv("TIDEMARK_TEST_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return slog.New(slog.DiscardHandler)
}

func (f *field) work(ctx context.Context, url string) {
	o := worker.DefaultOptions()
	o.DatabaseURL, o.RedisURL, o.Ledger, o.Logger = url, f.redis, f.ledger, f.log()
	o.Lease, o.Heartbeat, o.Drain = f.lease, f.lease/6, 0
	o.Calculations = map[job.Type]worker.Calculation{
		job.EmissionRecalc: f.calculation(`INSERT INTO field_emission SELECT $1::integer, coalesce(sum(value), 0) FROM field_entry WHERE module = $1
			ON CONFLICT (module) DO UPDATE SET value = EXCLUDED.value`),
		job.Aggregation: f.calculation(f.aggregate()),
	}
	w, err := worker.New(o)
	if err != nil {
		f.t.Error(err)
		return
	}
	// A worker refuses to start while the database is away; something starts it again.
	for w.Run(ctx) != nil && ctx.Err() == nil {
		pause(ctx, 20)
	}
}

func (f *field) aggregate() string {
	from := `coalesce(sum(value), 0) FROM field_emission`
	if f.aggregationsOnly {
		from = `coalesce(sum(value), 0) FROM field_entry`
	}
	return `INSERT INTO field_total SELECT $1::integer, ` + from + ` WHERE module = $1 ON CONFLICT (module) DO UPDATE SET value = EXCLUDED.value`
}

// calculation reads and writes with one statement, and gives others time to get
// in between it and what comes before and after.
func (f *field) calculation(compute string) worker.Calculation {
	return func(ctx context.Context, tx pgx.Tx, c *ledger.Claim, progress job.Progress) (job.Outcome, error) {
		_, err := tx.Exec(ctx, `INSERT INTO field_run VALUES ($1, $2, pg_current_xact_id(), pg_current_snapshot())`, c.JobID, c.Token)
		if err != nil {
			return job.Outcome{}, err
		}
		if _, err := tx.Exec(ctx, compute, c.Scope.ModuleType); err != nil {
			return job.Outcome{}, err
		}
		progress(1, 2)
		linger := 10 * rand.Float64()
		if f.slow && rand.IntN(4) == 0 {
			linger = 900
		}
		_, err = tx.Exec(ctx, `SELECT pg_sleep($1::float / 1000)`, linger)
		return job.Outcome{Result: job.Success, Message: "computed"}, err
	}
}

func (f *field) schedule(ctx context.Context) {
	o := scheduler.DefaultOptions()
	o.DatabaseURL, o.RedisURL, o.Ledger, o.Logger = f.database, f.redis, f.ledger, f.log()
	o.RelayInterval, o.RelayGrace, o.StuckAfter, o.ReapInterval = 50*time.Millisecond, 100*time.Millisecond, time.Second, 50*time.Millisecond
	s, err := scheduler.New(o)
	if err != nil {
		f.t.Error(err)
		return
	}
	if err := s.Run(ctx); err != nil && ctx.Err() == nil {
		f.t.Error(err)
	}
}

// torment cuts and stalls the workers' connections, now this one's, now that one's, for
// shorter and for longer than a lease.
func (f *field) torment(ctx context.Context) {
	var each sync.WaitGroup
	for _, p := range f.proxies {
		each.Go(func() {
			defer p.Restore()
			for ctx.Err() == nil {
				pause(ctx, 100+rand.IntN(400))
				if rand.IntN(2) == 0 {
					p.Cut()
					pause(ctx, 20+rand.IntN(200))
				} else {
					p.Stall()
					pause(ctx, 300+rand.IntN(900))
				}
				p.Restore()
			}
		})
	}
	each.Wait()
}

// abort aborts what is under way, again and again.
func (f *field) abort(ctx context.Context) {
	for ctx.Err() == nil {
		pause(ctx, rand.IntN(25))
		var pipeline uuid.UUID
		err := f.pool.QueryRow(ctx, `SELECT id FROM pipelines WHERE status = 'RUNNING' ORDER BY random() LIMIT 1`).Scan(&pipeline)
		var a ledger.Aborted
		if err == nil {
			a, err = f.ledger.Abort(ctx, f.pool, pipeline, aborter)
		}
		for _, j := range a.Jobs {
			switch {
			case a.Outcome != ledger.AbortDone:
			case j.Outcome == ledger.AbortEnded:
				f.ended.Add(1)
			default:
				f.shared.Add(1)
			}
		}
		if err != nil && !errors.Is(err, pgx.ErrNoRows) && !errors.Is(err, ledger.ErrBusy) && ctx.Err() == nil {
			f.t.Error(err)
		}
	}
}

// abortedEnough says whether aborts have met both kinds of job.
func (f *field) abortedEnough() bool { return f.ended.Load() > 4 && f.shared.Load() > 4 }

// requestAll requests every module once more.
func (f *field) requestAll(ctx context.Context) {
	for m := range f.modules {
		if err := postgres.InTx(ctx, f.pool, 10, func(tx pgx.Tx) error {
			_, err := f.requestOf(ctx, tx, 1+m)
			return err
		}); err != nil {
			f.t.Error(err)
		}
	}
}

func pause(ctx context.Context, ms int) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(ms) * time.Millisecond):
	}
}

// request changes data and requests, again and again, sometimes for several modules in one
// batch, sometimes rolling back.
func (f *field) request(ctx context.Context, n int) {
	rdb, err := signal.Connect(f.redis)
	if err != nil {
		f.t.Error(err)
		return
	}
	defer rdb.Close()
	sender := signal.NewSender(rdb)
	for i := 0; i < f.requests || f.aborts && i < 20*f.requests && !f.abortedEnough(); i++ {
		pause(ctx, rand.IntN(40))
		var tickets []ledger.Ticket
		rollback := rand.IntN(10) == 0
		err := postgres.InTx(ctx, f.pool, 10, func(tx pgx.Tx) (err error) {
			if tickets, err = f.oneRequest(ctx, tx); err != nil {
				return err
			}
			if f.signalEarly {
				if err := sender.Send(ctx, tickets...); err != nil {
					return err
				}
			}
			if _, err := tx.Exec(ctx, `SELECT pg_sleep(random() * $1::float / 1000)`, f.linger); err != nil {
				return err
			}
			if rollback {
				return errRollback
			}
			return nil
		})
		if err != nil && err != errRollback {
			f.t.Errorf("requester %d, request %d: %v", n, i, err)
			return
		}
		if err == nil && !f.signalEarly {
			if err := sender.Send(ctx, tickets...); err != nil {
				f.t.Error(err)
			}
		}
	}
}

var errRollback = fmt.Errorf("rolled back on purpose")

func (f *field) oneRequest(ctx context.Context, tx pgx.Tx) ([]ledger.Ticket, error) {
	first := 1 + rand.IntN(f.modules)
	modules := []int{first}
	if rand.IntN(4) == 0 {
		modules = append(modules, 1+first%f.modules)
	}
	return f.requestOf(ctx, tx, modules...)
}

// requestOf changes data of these modules and requests them, in one batch.
func (f *field) requestOf(ctx context.Context, tx pgx.Tx, modules ...int) ([]ledger.Ticket, error) {
	b := ledger.Batch{By: tester, Pipeline: uuid.New()}
	for _, m := range modules {
		if _, err := tx.Exec(ctx, `INSERT INTO field_entry VALUES ($1, $2)`, m, rand.IntN(1000)); err != nil {
			return nil, err
		}
		s := job.RecalcOf(m, 10*m, fieldYear)
		if f.aggregationsOnly {
			s = job.AggregationOf(m, fieldYear)
		}
		b.Requests = append(b.Requests, ledger.Request{Scope: s})
	}
	if _, _, err := f.ledger.OpenPipeline(ctx, tx, ledger.NewPipeline{ID: b.Pipeline, Kind: b.Requests[0].Scope.Type}); err != nil {
		return nil, err
	}
	tickets, err := f.ledger.Request(ctx, tx, b)
	if err != nil {
		return nil, err
	}
	for _, t := range tickets {
		if _, err := tx.Exec(ctx, `INSERT INTO field_request VALUES (pg_current_xact_id(), $1, $2, $3)`, t.Scope.String(), t.JobID, b.Pipeline); err != nil {
			return nil, err
		}
	}
	return tickets, nil
}

// awaitQuiet waits until no job is active, or until nothing has happened for a while:
// a protocol that is broken may leave jobs waiting for ever.
func (f *field) awaitQuiet(ctx context.Context) {
	var last string
	since := time.Now()
	for time.Since(since) < f.patience {
		var active int
		var state string
		err := f.pool.QueryRow(ctx, `SELECT count(*), coalesce(string_agg(id || ':' || state || ':' || attempts, ' ' ORDER BY id), '')
			FROM data_ingestion_jobs WHERE state <> 'FINISHED'`).Scan(&active, &state)
		if err != nil {
			f.t.Fatal(err)
		}
		if active == 0 {
			return
		}
		if state != last {
			last, since = state, time.Now()
		}
		pause(ctx, 20)
	}
}

// check is what must hold at the end; each query returns one line per violation. What its own
// pipeline's abort withdrew is nobody's any more.
var checks = map[string]string{
	"request not covered by a run of its job that began after its commit": `
WITH RECURSIVE heir (request, job_id) AS (
    SELECT r.ctid, r.job_id FROM field_request r
    UNION
    SELECT h.request, j.superseded_by FROM heir h JOIN data_ingestion_jobs j ON j.id = h.job_id WHERE j.superseded_by IS NOT NULL)
SELECT format('%s, job %s', r.scope, r.job_id)
  FROM field_request r
 WHERE NOT EXISTS (SELECT FROM heir h JOIN field_run u ON u.job_id = h.job_id
                    WHERE h.request = r.ctid AND pg_visible_in_snapshot(r.xid, u.saw))
   AND NOT EXISTS (SELECT FROM pipelines p WHERE p.id = r.pipeline AND p.aborted_at IS NOT NULL)`,
	"recalculation whose result no later aggregation has seen": `
SELECT format('job %s', u.job_id)
  FROM field_run u JOIN data_ingestion_jobs j ON j.id = u.job_id AND j.job_type = 'emission_recalc'
 WHERE NOT EXISTS (SELECT FROM field_run a JOIN data_ingestion_jobs k ON k.id = a.job_id AND k.job_type = 'aggregation'
                    WHERE k.module_type_id = j.module_type_id AND pg_visible_in_snapshot(u.xid, a.saw))
   AND EXISTS (SELECT FROM pipeline_jobs m JOIN pipelines p ON p.id = m.pipeline_id WHERE m.job_id = j.id AND p.aborted_at IS NULL)`,
	"job still active": `SELECT format('job %s is %s', id, state) FROM data_ingestion_jobs WHERE state <> 'FINISHED'`,
	"job that did not end well": `
SELECT format('job %s: %s', id, status_message) FROM data_ingestion_jobs j WHERE result <> 'SUCCESS' AND superseded_by IS NULL
   AND NOT EXISTS (SELECT FROM pipeline_jobs m JOIN pipelines p ON p.id = m.pipeline_id WHERE m.job_id = j.id
                    HAVING count(*) = count(*) FILTER (WHERE p.aborted_at IS NOT NULL))`,
	"run kept by a worker that did not hold the job": `
SELECT format('job %s by %s', u.job_id, u.token) FROM field_run u JOIN data_ingestion_jobs j ON j.id = u.job_id
 WHERE u.token IS DISTINCT FROM j.locked_by OR j.result <> 'SUCCESS'`,
	"job with more than one run kept": `SELECT format('job %s', job_id) FROM field_run GROUP BY job_id HAVING count(*) > 1`,
	"total that differs from the data": `
SELECT format('module %s: %s, data says %s', e.module, t.value, sum(e.value))
  FROM field_entry e LEFT JOIN field_total t ON t.module = e.module
 GROUP BY e.module, t.value HAVING t.value IS DISTINCT FROM sum(e.value)`,
	"pipeline that is not SUCCESS":     `SELECT format('%s is %s', id, status) FROM pipelines WHERE status <> 'SUCCESS' AND aborted_at IS NULL`,
	"aborted pipeline that looks well": `SELECT format('%s is %s', id, status) FROM pipelines WHERE status NOT IN ('FAILED', 'PARTIAL') AND aborted_at IS NOT NULL`,
}

func (f *field) faults() []string {
	var faults []string
	for what, query := range checks {
		rows, err := f.pool.Query(context.Background(), query)
		if err != nil {
			f.t.Fatal(what, err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			f.t.Fatal(what, err)
		}
		for _, v := range found {
			faults = append(faults, what+": "+v)
		}
	}
	if !f.t.Failed() {
		var requests, runs, reaped int
		_ = f.pool.QueryRow(context.Background(), `SELECT (SELECT count(*) FROM field_request), (SELECT count(*) FROM field_run),
			(SELECT sum(greatest(signal_seq, 0) + (superseded_by IS NOT NULL)::int) FROM data_ingestion_jobs)`).Scan(&requests, &runs, &reaped)
		f.t.Logf("%d requests, %d runs kept, %d runs lost on the way", requests, runs, reaped)
	}
	return faults
}
