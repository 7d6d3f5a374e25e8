package model

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
)

var whole = flag.Bool("whole", false, "compare every step of the model with the ledger, instead of some hundred")

// TestLedgerConforms walks through the model and takes every step on the ledger too, on a real
// database with its transactions open as the model has them. After each step the record must hold
// what the model says, and what the model says cannot be claimed must be refused for that reason.
// Steps that were not compared yet come first, so that a walk soon has seen every kind.
func TestLedgerConforms(t *testing.T) {
	t.Parallel()
	g, v := explore(&record)
	if v != nil {
		t.Fatal(v.property)
	}
	r := &replay{t: t, graph: g, ctx: context.Background(), pool: localtest.Pool(t), ledger: ledger.New(ledger.DefaultMaxHold), probes: 1}
	r.exec(fmt.Sprintf(`ALTER TABLE data_ingestion_jobs ALTER max_attempts SET DEFAULT %d`, maxAttempts))
	budget := 400
	if *whole {
		budget = 1 << 30
	}
	start, steps, walks := time.Now(), 0, 0
	untaken := make([]bool, len(g.edges))
	for e := range untaken {
		untaken[e] = true
	}
	left, kinds := len(g.edges), map[action]bool{}
	random := rand.New(rand.NewPCG(1, 2))
	for left > 0 && steps < budget {
		walks++
		r.begin(2000 + walks)
		route := g.toUntaken(untaken)
		for n := int32(0); ; steps++ {
			e := g.choose(n, untaken, &route, random)
			if e < 0 {
				break
			}
			if untaken[e] {
				untaken[e] = false
				left--
			}
			kinds[g.edges[e].step.action] = true
			r.take(g.states[n], g.edges[e].step, g.states[g.edges[e].to])
			n = g.edges[e].to
		}
		r.end()
	}
	for _, e := range g.edges {
		if !kinds[e.step.action] {
			t.Errorf("no step like %q was compared", e.step)
		}
	}
	t.Logf("%d walks, %d steps; %d of the %d steps of the model compared, %s",
		walks, steps, len(g.edges)-left, len(g.edges), time.Since(start).Round(time.Millisecond))
}

// toUntaken is a way from the initial state to some state with an untaken step.
func (g *graph) toUntaken(untaken []bool) (route []int32) {
	for n := range g.states {
		if slices.Contains(untaken[g.first[n]:g.first[n+1]], true) {
			for at := int32(n); g.parent[at] >= 0; at = g.parent[at] {
				for e := g.first[g.parent[at]]; ; e++ {
					if g.edges[e].to == at {
						route = append(route, e)
						break
					}
				}
			}
			break
		}
	}
	slices.Reverse(route)
	return route
}

// choose picks the next step of a walk: along the route, then an untaken one, then any; -1 at the end.
func (g *graph) choose(n int32, untaken []bool, route *[]int32, random *rand.Rand) int32 {
	if len(*route) > 0 {
		e := (*route)[0]
		*route = (*route)[1:]
		return e
	}
	from, to := g.first[n], g.first[n+1]
	if from == to {
		return -1
	}
	e := from + random.Int32N(to-from)
	for range to - from {
		if untaken[e] {
			return e
		}
		if e++; e == to {
			e = from
		}
	}
	return e
}

// token is a claim as the model knows it.
type token struct{ job, epoch uint8 }

// replay is the ledger, and what of it stands for what in the model.
type replay struct {
	t      *testing.T
	graph  *graph
	ctx    context.Context
	pool   *pgxpool.Pool
	ledger *ledger.Ledger
	// probes is how often a closed door is still tried: each takes the time that a claim waits at one.
	probes int

	year      int
	pipelines [maxRequesters]uuid.UUID
	open      map[int]pgx.Tx
	jobs      map[int]int64
	claims    map[token]*ledger.Claim
	told      []string
}

func (r *replay) begin(year int) {
	r.year, r.open, r.jobs, r.claims, r.told = year, map[int]pgx.Tx{}, map[int]int64{}, map[token]*ledger.Claim{}, nil
	for i := range r.pipelines {
		r.pipelines[i] = uuid.New()
	}
}

func (r *replay) end() {
	for tx := range maps.Values(r.open) {
		r.must(tx.Rollback(r.ctx))
	}
}

func (r *replay) exec(sql string, args ...any) {
	_, err := r.pool.Exec(r.ctx, sql, args...)
	r.must(err)
}

func (r *replay) must(err error) {
	r.t.Helper()
	if err != nil {
		r.fatalf("%v", err)
	}
}

func (r *replay) fatalf(format string, args ...any) {
	r.t.Helper()
	r.t.Fatalf("%s\nafter\n%s", fmt.Sprintf(format, args...), strings.Join(r.told, "\n"))
}

func (r *replay) scope(i int) job.Scope {
	if i == aggregation {
		return job.AggregationOf(2, r.year)
	}
	return job.RecalcOf(2, 20+i, r.year)
}

// take takes one step and compares.
func (r *replay) take(from state, s step, to state) {
	r.told = append(r.told, "  "+s.String())
	w, j := r.graph.world, int(s.a)
	switch s.action {
	case ask:
		r.ask(j, to)
	case commit:
		r.must(r.open[j].Commit(r.ctx))
		delete(r.open, j)
	case rollback:
		r.must(r.open[j].Rollback(r.ctx))
		delete(r.open, j)
	case claim:
		c, found, err := r.ledger.Claim(r.ctx, r.pool, r.scope(int(from.jobs[j].scope)), time.Hour)
		r.must(err)
		if found != ledger.Claimed || c.JobID != r.jobs[j] {
			r.fatalf("claim of job %d: %s", r.jobs[j], found)
		}
		r.claims[token{s.a, to.jobs[j].epoch}] = c
	case finishWell:
		r.finish(from, j, job.Success, to)
	case finishBadly:
		r.finish(from, j, job.Error, to)
	case refused:
		for _, k := range from.workers {
			if int(k.job) == j+1 && !from.holds(k) {
				c := r.claims[token{s.a, k.epoch}]
				result := job.Success
				if from.finishWaits(j) {
					result = job.Error // makes no follow-up
				}
				if _, err := r.finishAs(c, result); !errors.Is(err, ledger.ErrLost) {
					r.fatalf("finish by a lost claim: %v", err)
				}
				if err := r.ledger.Renew(r.ctx, r.pool, c, 0, 0); !errors.Is(err, ledger.ErrLost) {
					r.fatalf("renewal by a lost claim: %v", err)
				}
			}
		}
	case renew:
		r.must(r.ledger.Renew(r.ctx, r.pool, r.held(from, j), 0, 0))
	case release:
		_, _, err := r.ledger.Release(r.ctx, r.pool, r.held(from, j), "released at shutdown")
		r.must(err)
	case forfeit:
		_, _, err := r.ledger.Forfeit(r.ctx, r.pool, r.held(from, j), "cut off")
		r.must(err)
	case expire, stall:
		r.exec(`UPDATE data_ingestion_jobs SET lease_expires_at = clock_timestamp() - interval '1 second' WHERE id = $1`, r.jobs[j])
	case holdOver:
		r.exec(`UPDATE data_ingestion_jobs SET requested_at = requested_at - $1::interval WHERE id = $2`, ledger.DefaultMaxHold, r.jobs[j])
	case reap:
		lost := ledger.Lost{JobID: r.jobs[j], Scope: r.scope(int(from.jobs[j].scope)), Token: r.held(from, j).Token}
		fate, _, err := r.ledger.Reap(r.ctx, r.pool, lost)
		r.must(err)
		if fate == "" {
			r.fatalf("the reaper found nothing to do")
		}
	case abortUnsignalled:
		r.abort(from, j, to)
	default:
		r.fatalf("a step that the ledger does not have")
	}
	r.compare(to)
	r.lookInVain(w, to)
}

func (r *replay) ask(i int, to state) {
	tx, err := r.pool.Begin(r.ctx)
	r.must(err)
	r.open[i] = tx
	b := ledger.Batch{Pipeline: r.pipelines[i], By: ledger.Origin{Actor: "model", Via: ledger.ViaCLI, RequestID: "model"}}
	for _, scope := range r.graph.world.requesters[i].scopes {
		b.Requests = append(b.Requests, ledger.Request{Scope: r.scope(scope)})
	}
	_, _, err = r.ledger.OpenPipeline(r.ctx, tx, ledger.NewPipeline{ID: b.Pipeline, Kind: b.Requests[0].Scope.Type})
	r.must(err)
	tickets, err := r.ledger.Request(r.ctx, tx, b)
	r.must(err)
	for _, ticket := range tickets {
		for j := range to.jobs {
			created := to.jobs[j].condition == uncommitted && int(to.jobs[j].creator) == i
			if r.scope(int(to.jobs[j].scope)) != ticket.Scope || !created && !to.jobs[j].joiners.has(i) {
				continue
			}
			if created {
				r.jobs[j] = ticket.JobID
			}
			if ticket.Created != created || ticket.JobID != r.jobs[j] {
				r.fatalf("ticket %+v, want job %d, created %t", ticket, r.jobs[j], created)
			}
		}
	}
}

// held is the claim that a job is held by.
func (r *replay) held(s state, j int) *ledger.Claim {
	return r.claims[token{uint8(j), s.jobs[j].epoch}]
}

func (r *replay) finish(from state, j int, result job.Result, to state) {
	tickets, err := r.finishAs(r.held(from, j), result)
	r.must(err)
	if up := to.find(aggregation, waiting); from.jobs[j].scope != aggregation && up >= 0 {
		if len(tickets) != 1 {
			r.fatalf("tickets %v, want one for the aggregation", tickets)
		}
		if _, known := r.jobs[up]; !known || from.jobs[up].condition == absent {
			r.jobs[up] = tickets[0].JobID
		}
	}
}

func (r *replay) abort(from state, i int, to state) {
	a, err := r.ledger.Abort(r.ctx, r.pool, r.pipelines[i], ledger.Origin{Actor: "model", Via: ledger.ViaCLI, RequestID: "model", Reason: "a step"})
	r.must(err)
	want := map[int64]ledger.JobAbort{}
	for j := range from.jobs {
		if from.isActive(j) && from.jobs[j].members.has(i) {
			want[r.jobs[j]] = map[bool]ledger.JobAbort{true: ledger.AbortEnded, false: ledger.AbortShared}[to.jobs[j].aborted]
		}
	}
	got := map[int64]ledger.JobAbort{}
	for _, j := range a.Jobs {
		got[j.JobID] = j.Outcome
	}
	if a.Outcome != ledger.AbortDone || !maps.Equal(got, want) {
		r.fatalf("abort: %s, %v, want %v", a.Outcome, got, want)
	}
}

func (r *replay) finishAs(c *ledger.Claim, result job.Result) (tickets []ledger.Ticket, err error) {
	err = pgx.BeginFunc(r.ctx, r.pool, func(tx pgx.Tx) error {
		tickets, err = r.ledger.Finish(r.ctx, tx, c, job.Outcome{Result: result})
		return err
	})
	return tickets, err
}

const recordOfYear = `
SELECT format('%s %s error=%s attempts=%s seq=%s heir=%s over=%s', id, state, coalesce(result = 'ERROR', false),
              CASE state WHEN 'FINISHED' THEN 0 ELSE attempts END, signal_seq, coalesce(superseded_by, 0),
              state = 'RUNNING' AND lease_expires_at < clock_timestamp()),
       ARRAY(SELECT pipeline_id FROM pipeline_jobs WHERE job_id = j.id)
  FROM data_ingestion_jobs j WHERE year = $1 ORDER BY id`

// compare reads what is committed and compares it with a state.
func (r *replay) compare(s state) {
	var want, got []string
	for j := range s.jobs {
		m := &s.jobs[j]
		name := map[condition]string{waiting: "NOT_STARTED", running: "RUNNING", finished: "FINISHED"}[m.condition]
		if name == "" {
			continue
		}
		heir := int64(0)
		if m.successor > 0 {
			heir = r.jobs[int(m.successor)-1]
		}
		bit := map[bool]string{false: "f", true: "t"}
		want = append(want, fmt.Sprintf("%d %s error=%s attempts=%d seq=%d heir=%d over=%s members=%s", r.jobs[j], name,
			bit[m.failed && m.condition == finished], m.attempts, m.seq, heir, bit[m.expired], m.members))
	}
	rows, err := r.pool.Query(r.ctx, recordOfYear, r.year)
	r.must(err)
	var line string
	var members []uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&line, &members}, func() error {
		got = append(got, line+" members="+r.set(members).String())
		return nil
	})
	r.must(err)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		r.fatalf("the record says\n%s\nthe model says\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	rows, err = r.pool.Query(r.ctx, `SELECT id FROM pipelines WHERE id = ANY ($1) AND status IN ('SUCCESS', 'FAILED', 'PARTIAL')`, r.pipelines[:])
	r.must(err)
	done, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	r.must(err)
	if r.set(done) != s.done {
		r.fatalf("pipelines done: %s, the model says %s", r.set(done), s.done)
	}
	rows, err = r.pool.Query(r.ctx, `SELECT id FROM pipelines WHERE id = ANY ($1) AND aborted_at IS NOT NULL AND status IN ('FAILED', 'PARTIAL')`, r.pipelines[:])
	r.must(err)
	aborted, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	r.must(err)
	if r.set(aborted) != s.aborted {
		r.fatalf("pipelines aborted, and failed: %s, the model says %s", r.set(aborted), s.aborted)
	}
}

func (r *replay) set(pipelines []uuid.UUID) (s set) {
	for _, p := range pipelines {
		s |= just(slices.Index(r.pipelines[:], p))
	}
	return s
}

// lookInVain claims what cannot be claimed.
func (r *replay) lookInVain(w *world, s state) {
	for scope := range 2 {
		found, _ := w.look(&s, scope)
		want := map[sight]ledger.Sight{nothing: ledger.Nothing, busy: ledger.Busy, held: ledger.Held, barred: ledger.Contended}[found]
		if found == claimed || found == barred && r.probes == 0 {
			continue
		}
		if found == barred {
			r.probes--
		}
		if _, got, err := r.ledger.Claim(r.ctx, r.pool, r.scope(scope), time.Hour); err != nil || got != want {
			r.fatalf("look at %s: %s, %v, the model says %s", r.scope(scope), got, err, want)
		}
	}
}
