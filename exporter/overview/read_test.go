package overview

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/exporter/exportertest"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
)

// record is a database with one report of travel 2025.
type record struct {
	*testing.T
	*ledger.Ledger
	pool *pgxpool.Pool
}

func newRecord(t *testing.T) record {
	t.Helper()
	r := record{t, ledger.New(ledger.DefaultMaxHold), localtest.Pool(t)}
	r.declare()
	return r
}

func (r record) declare() {
	r.exec(`INSERT INTO units (provider, institutional_code, name, level, is_active) VALUES ('DEFAULT', 'U', 'U', 4, true);
		INSERT INTO carbon_reports (year, unit_id, overall_status) VALUES (2025, 1, 0);
		INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) VALUES (2, 0, 1)`)
}

func (r record) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r record) exec(sql string, args ...any) {
	r.Helper()
	_, err := r.pool.Exec(r.Context(), sql, args...)
	r.must(err)
}

func (r record) request(s job.Scope, filter ...int32) {
	r.Helper()
	request := ledger.Request{Scope: s}
	if filter != nil {
		request.Filter = job.NewFilter(filter...)
	}
	r.must(pgx.BeginFunc(r.Context(), r.pool, func(tx pgx.Tx) error {
		_, err := r.Request(r.Context(), tx, ledger.Batch{By: ledger.Origin{Actor: "ada", Via: ledger.ViaCLI, RequestID: "t"}, Requests: []ledger.Request{request}})
		return err
	}))
}

func (r record) claim(s job.Scope) *ledger.Claim {
	r.Helper()
	c, sight, err := r.Claim(r.Context(), r.pool, s, time.Minute)
	r.must(err)
	if c == nil {
		r.Fatalf("%s: %s", s, sight)
	}
	return c
}

func (r record) release(c *ledger.Claim) {
	r.Helper()
	_, _, err := r.Release(r.Context(), r.pool, c, "stopped")
	r.must(err)
}

// run runs the waiting job of a scope to an end.
func (r record) run(s job.Scope, result job.Result) {
	r.Helper()
	c := r.claim(s)
	r.must(pgx.BeginFunc(r.Context(), r.pool, func(tx pgx.Tx) error {
		_, err := r.Finish(r.Context(), tx, c, job.Outcome{Result: result, Message: "it is " + string(result)})
		return err
	}))
}

func (r record) read() Overview {
	r.Helper()
	o, err := Read(r.Context(), r.pool, limits)
	r.must(err)
	return o
}

// scope reads the scope by itself and among all: it is the same.
func (r record) scope() Scope {
	r.Helper()
	alone, err := ReadScope(r.Context(), r.pool, limits, 2, 2025)
	r.must(err)
	s, declared := alone.Scope(2, 2025)
	if among, _ := r.read().Scope(2, 2025); !declared || len(alone.Scopes) != 1 || !reflect.DeepEqual(s, among) {
		r.Errorf("by itself it is %+v, among all %+v", s, among)
	}
	return s
}

// want checks state and badge of the scope: kind, text and lines.
func (r record) want(state, badge string, lines ...string) {
	r.Helper()
	s := r.scope()
	if s.State != state {
		r.Errorf("%q, want %q", s.State, state)
	}
	got := "none"
	var gotLines []string
	if s.Badge != nil {
		got = string(s.Badge.Kind) + ": " + s.Badge.Text
		for _, j := range s.Badge.Jobs {
			gotLines = append(gotLines, line(j))
		}
	}
	if got != badge || !slices.Equal(gotLines, lines) {
		r.Errorf("%s %q\nwant %s %q", got, gotLines, badge, lines)
	}
}

var (
	plane  = job.RecalcOf(2, 20, 2025)
	train  = job.RecalcOf(2, 21, 2025)
	travel = job.AggregationOf(2, 2025)
)

// TestFailureStaysUntilRepaired runs what a scope goes through, from a failed recalculation to a repaired one.
func TestFailureStaysUntilRepaired(t *testing.T) {
	t.Parallel()
	r := newRecord(t)
	const planeFailed = "plane FINISHED ERROR it is ERROR"
	r.want("no_aggregation_ever", "none")
	r.request(plane)
	r.want("no_aggregation_ever", "waiting: Step 2/3, waiting for a worker", "plane NOT_STARTED, a worker")
	r.run(plane, job.Error)
	r.want("no_aggregation_ever", "failed: Step 2/3, recalculation failed", planeFailed)

	// What another type or the aggregation achieves does not repair it.
	r.request(train)
	r.run(train, job.Success)
	r.want("pending_aggregation_stuck", "waiting: Step 3/3, waiting for a worker", planeFailed, "aggregation NOT_STARTED, a worker")
	r.run(travel, job.Success)
	r.want(Fresh, "failed: Step 2/3, recalculation failed", planeFailed)

	// While it is being repaired it is still shown; once repaired no more.
	r.request(plane)
	r.want(Fresh, "waiting: Step 2/3, waiting for a worker", planeFailed, "plane NOT_STARTED, a worker")
	r.run(plane, job.Warning)
	r.want("pending_aggregation_stuck", "waiting: Step 3/3, waiting for a worker", "aggregation NOT_STARTED, a worker")
	r.run(travel, job.Error)
	r.want("last_aggregation_failed", "failed: Step 3/3, aggregation failed", "aggregation FINISHED ERROR it is ERROR")
	r.request(travel)
	r.want("pending_aggregation_stuck", "waiting: Step 3/3, waiting for a worker", "aggregation FINISHED ERROR it is ERROR", "aggregation NOT_STARTED, a worker")
	r.run(travel, job.Success)
	r.want(Fresh, "none")
}

// TestNarrowSuccessRepairsNoWiderFailure: what failed for all is not repaired by a run for some.
func TestNarrowSuccessRepairsNoWiderFailure(t *testing.T) {
	t.Parallel()
	r := newRecord(t)
	failure := func(lines int) {
		t.Helper()
		s, n := r.scope(), 0
		if s.Badge != nil {
			for _, j := range s.Badge.Jobs {
				if j.Result != nil && *j.Result == string(job.Error) {
					n++
				}
			}
		}
		if n != lines {
			t.Errorf("%d failures are shown, want %d", n, lines)
		}
	}
	one := func(result job.Result, filter ...int32) {
		t.Helper()
		r.request(plane, filter...)
		r.run(plane, result)
	}
	one(job.Error)
	failure(1)
	one(job.Success, 1, 2)
	failure(1)
	one(job.Success)
	failure(0)
	one(job.Error, 1, 2)
	failure(1)
	one(job.Success, 1)
	failure(1)
	one(job.Success, 1, 2, 3)
	failure(0)
}

// TestJobThatAnotherTookOver is no failure to be repaired: the other one covers it.
func TestJobThatAnotherTookOver(t *testing.T) {
	t.Parallel()
	r := newRecord(t)
	r.request(plane)
	c := r.claim(plane)
	r.request(plane)
	r.release(c)
	r.want("no_aggregation_ever", "waiting: Step 2/3, waiting for a worker", "plane NOT_STARTED, a worker")

	// Nor is the success before it shown in its place.
	r.run(plane, job.Success)
	r.run(travel, job.Success)
	r.request(travel)
	c = r.claim(travel)
	r.request(travel)
	r.release(c)
	r.want("pending_aggregation_stuck", "waiting: Step 3/3, waiting for a worker", "aggregation NOT_STARTED, a worker")
}

// TestProgressAndLostWorker: a worker tells how far it is until it falls silent.
func TestProgressAndLostWorker(t *testing.T) {
	t.Parallel()
	r := newRecord(t)
	r.request(plane)
	r.claim(plane)
	r.exec(`UPDATE data_ingestion_jobs SET progress_done = 61, progress_total = 100`)
	r.want("no_aggregation_ever", "running: Step 2/3, recalculating, 61 %", "plane RUNNING started 61 %")
	r.exec(`UPDATE data_ingestion_jobs SET lease_expires_at = clock_timestamp() - interval '1 second'`)
	r.want("no_aggregation_ever", "running: Step 2/3, recalculating, no sign of life from its worker", "plane RUNNING started 61 %")
}

func TestOverviewOfTheFixture(t *testing.T) {
	t.Parallel()
	r := record{t, nil, exportertest.Record(t)}
	o := r.read()
	var got []string
	for _, s := range o.Scopes {
		text := fmt.Sprintf("%s %d %s %q since=%v success=%v", s.Module, s.Year, s.State, s.Drift, s.Since != nil, s.LastSuccessAt != nil)
		if s.Badge != nil {
			text += " " + s.Badge.Text
		}
		got = append(got, text)
	}
	want := []string{
		`headcount 2025 no_aggregation_ever "" since=false success=false`,
		`professional_travel 2024 fresh "current" since=true success=true`,
		`professional_travel 2025 last_aggregation_failed "" since=true success=false Step 3/3, aggregation failed`,
		`buildings 2025 last_aggregation_too_old "unknown" since=true success=true`,
		`equipment 2025 pending_aggregation_stuck "" since=true success=false Step 2/3, recalculating`,
		`purchases 2025 fresh "drifted" since=true success=true`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	wantCounts(t, o, 1, map[string]int{Fresh: 2, "no_aggregation_ever": 1, "pending_aggregation_stuck": 1, "last_aggregation_failed": 1, "last_aggregation_too_old": 1})
	mine := o.Visible(func(m int) bool { return m == 2 })
	if len(mine.Scopes) != 2 {
		t.Errorf("%d scopes are visible, want 2", len(mine.Scopes))
	}
	wantCounts(t, mine, 0, map[string]int{Fresh: 1, "no_aggregation_ever": 0, "pending_aggregation_stuck": 0, "last_aggregation_failed": 1, "last_aggregation_too_old": 0})
}

func wantCounts(t *testing.T, o Overview, drifted int, counts map[string]int) {
	t.Helper()
	if o.Drifted == nil || *o.Drifted != drifted || fmt.Sprint(o.Counts) != fmt.Sprint(counts) {
		t.Errorf("%v, drifted %v, want %v, %d", o.Counts, o.Drifted, counts, drifted)
	}
}

// TestTheOriginalsOwnDatabase: the same is said, as far as it can be, of a database that was not migrated.
func TestTheOriginalsOwnDatabase(t *testing.T) {
	t.Parallel()
	ddl, err := os.ReadFile("../../shared/postgres/testdata/original.sql")
	if err != nil {
		t.Fatal(err)
	}
	r := record{t, nil, localtest.Connect(t, localtest.EmptyDatabase(t))}
	r.exec(string(ddl))
	r.exec(`TRUNCATE data_ingestion_jobs, pipelines, carbon_reports, units RESTART IDENTITY CASCADE`)
	r.declare()
	insert := func(typ, det, state, result string) {
		r.exec(`INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, target_type, provider, is_current, job_type, module_type_id, data_entry_type_id, year, state, result, status_message, finished_at)
			VALUES ('MODULE_PER_YEAR', 'computed', 'DATA_ENTRIES', 'DEFAULT', false, '` + typ + `', 2, ` + det + `, 2025, '` + state + `', ` + result + `, 'said', now())`)
	}
	insert("emission_recalc", "20", "FINISHED", "'ERROR'")
	insert("emission_recalc", "21", "FINISHED", "'ERROR'")
	insert("emission_recalc", "21", "FINISHED", "'SUCCESS'")
	insert("aggregation", "NULL", "FINISHED", "'SUCCESS'")
	r.want(Fresh, "failed: Step 2/3, recalculation failed", "plane FINISHED ERROR said")
	none, err := ReadScope(t.Context(), r.pool, limits, 2, 1999)
	r.must(err)
	if s, declared := none.Scope(2, 1999); declared {
		t.Errorf("a scope that no report declares: %+v", s)
	}
	if o := r.read(); o.Drifted != nil {
		t.Errorf("%d are said to have drifted, which nobody knows", *o.Drifted)
	}
	insert("emission_recalc", "20", "RUNNING", "NULL")
	r.want(Fresh, "running: Step 2/3, recalculating", "plane FINISHED ERROR said", "plane RUNNING said")
}

func TestRecordThatIsAway(t *testing.T) {
	t.Parallel()
	if _, err := Read(context.Background(), exportertest.Away(t), limits); err == nil {
		t.Error("read without a record")
	}
}
