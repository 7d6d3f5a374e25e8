package periodic

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/catalog"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
)

// desk is a record with travel in the reports of 2025, and an hourly entry about it.
type desk struct {
	t      *testing.T
	ctx    context.Context
	pool   *pgxpool.Pool
	ledger *ledger.Ledger
	entry  Entry
}

func setup(t *testing.T) *desk {
	t.Helper()
	travel, _ := catalog.ModuleByID(2)
	d := &desk{t: t, ctx: context.Background(), pool: localtest.Pool(t), ledger: ledger.New(ledger.DefaultMaxHold),
		entry: Entry{Name: "hourly", Schedule: mustParse(t, "@hourly", "UTC"), Request: job.Aggregation, Module: travel, Year: 2025, CatchUp: 2 * time.Hour}}
	d.exec(`INSERT INTO units (id, provider, institutional_code, name, level, is_active) VALUES (1, 'DEFAULT', 'u', 'u', 4, true);
INSERT INTO carbon_reports (id, year, unit_id, overall_status) VALUES (1, 2025, 1, 0);
INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) VALUES (2, 0, 1)`)
	return d
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) exec(sql string, args ...any) {
	d.t.Helper()
	_, err := d.pool.Exec(d.ctx, sql, args...)
	d.must(err)
}

func (d *desk) serve() (served Served) {
	d.t.Helper()
	d.must(pgx.BeginFunc(d.ctx, d.pool, func(tx pgx.Tx) (err error) {
		served, err = Serve(d.ctx, tx, d.ledger, d.entry)
		return err
	}))
	return served
}

// behind makes the entry as if it was last looked at so long ago.
func (d *desk) behind(by time.Duration) {
	d.t.Helper()
	d.serve()
	d.exec(`UPDATE periodic_entries SET handled_until = date_trunc('hour', clock_timestamp()) - $1::interval`, by)
}

func (d *desk) wantRequests(want int) {
	d.t.Helper()
	var requests, jobs int
	d.must(d.pool.QueryRow(d.ctx, `SELECT (SELECT count(*) FROM job_requests), (SELECT count(*) FROM data_ingestion_jobs)`).Scan(&requests, &jobs))
	if requests != want || jobs > want {
		d.t.Errorf("%d requests, %d jobs; want %d", requests, jobs, want)
	}
}

// An entry begins when it is first seen: there is nothing to make up for.
func TestServeBeginsNow(t *testing.T) {
	t.Parallel()
	d := setup(t)
	if s := d.serve(); !s.Due.IsZero() || s.Missed != 0 || s.State.HandledUntil.IsZero() {
		t.Errorf("%+v", s)
	}
	d.wantRequests(0)
}

func TestServeCatchesUpOnce(t *testing.T) {
	t.Parallel()
	d := setup(t)
	d.behind(3 * time.Hour)
	s := d.serve()
	if s.Due.IsZero() || s.Missed != 2 || len(s.Tickets) != 1 || s.Tickets[0].Scope != job.AggregationOf(2, 2025) || s.State.Missed != 2 {
		t.Errorf("%+v", s)
	}
	if again := d.serve(); !again.Due.IsZero() || again.Missed != 0 || !again.State.LastDueAt.Equal(s.Due) || *again.State.LastPipelineID != pipelineOf("hourly", s.Due) {
		t.Errorf("again: %+v", again)
	}
	d.wantRequests(1)
	var actor, via, reason string
	d.must(d.pool.QueryRow(d.ctx, `SELECT actor, via, reason FROM job_requests`).Scan(&actor, &via, &reason))
	if actor != "periodic entry hourly" || via != "schedule" || reason == "" {
		t.Errorf("%s via %s: %s", actor, via, reason)
	}
}

// Many leaders at once, as there can be for a moment, serve a due time once.
func TestServeByManyAtOnce(t *testing.T) {
	t.Parallel()
	d := setup(t)
	d.behind(time.Hour)
	var served atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			err := pgx.BeginFunc(d.ctx, d.pool, func(tx pgx.Tx) error {
				s, err := Serve(d.ctx, tx, d.ledger, d.entry)
				if !s.Due.IsZero() {
					served.Add(1)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := served.Load(); n != 1 {
		t.Errorf("served %d times", n)
	}
	d.wantRequests(1)
}

// A scheduler that dies before its commit has requested nothing, and the due time is still due.
func TestServeIsOneTransaction(t *testing.T) {
	t.Parallel()
	d := setup(t)
	d.behind(time.Hour)
	killed := errors.New("killed")
	err := pgx.BeginFunc(d.ctx, d.pool, func(tx pgx.Tx) error {
		if s, err := Serve(d.ctx, tx, d.ledger, d.entry); err != nil || s.Due.IsZero() {
			t.Errorf("%+v, %v", s, err)
		}
		return killed
	})
	if !errors.Is(err, killed) {
		t.Fatal(err)
	}
	d.wantRequests(0)
	if s := d.serve(); s.Due.IsZero() {
		t.Error("the due time is lost")
	}
	d.wantRequests(1)
}

// Also when the row is lost, as after a restore: the pipeline's id tells that it was requested.
func TestServeRepeatsNothing(t *testing.T) {
	t.Parallel()
	d := setup(t)
	d.behind(time.Hour)
	d.serve()
	d.exec(`DELETE FROM periodic_entries`)
	d.behind(time.Hour)
	d.serve()
	d.wantRequests(1)
}

// A year without reports would be computed, successfully, over nothing.
func TestServeAYearThatNoReportHas(t *testing.T) {
	t.Parallel()
	d := setup(t)
	d.entry.Year = 2031
	d.behind(time.Hour)
	if s := d.serve(); !s.Due.IsZero() || s.Undeclared != 2031 || s.Missed != 1 || s.State.Missed != 1 {
		t.Errorf("%+v", s)
	}
	if s := d.serve(); s.Undeclared != 0 {
		t.Errorf("again: %+v", s)
	}
	d.wantRequests(0)
}

func TestStates(t *testing.T) {
	t.Parallel()
	d := setup(t)
	states, now, err := States(d.ctx, d.pool)
	d.must(err)
	if len(states) != 0 || now.IsZero() || d.entry.Waits(State{}, false, now) || !d.entry.Next(State{}, false, now).After(now) {
		t.Errorf("%v at %s", states, now)
	}
	d.behind(time.Hour)
	states, now, err = States(d.ctx, d.pool)
	d.must(err)
	s, known := states["hourly"]
	if !known || d.entry.Waits(s, known, now) || d.entry.Next(s, known, now).After(now) {
		t.Errorf("behind, and nothing to do: %+v", s)
	}
	d.serve()
	states, now, err = States(d.ctx, d.pool)
	d.must(err)
	if s := states["hourly"]; !d.entry.Waits(s, true, now) || !d.entry.Next(s, true, now).After(now) {
		t.Errorf("served, and still due: %+v", s)
	}
}
