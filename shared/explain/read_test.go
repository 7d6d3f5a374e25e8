package explain_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/explain"
	"tidemark/shared/freshness"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
)

// record is a database with one report of travel 2025, and the steps of its history.
type record struct {
	*testing.T
	*ledger.Ledger
	pool *pgxpool.Pool
}

func newRecord(t *testing.T) record {
	t.Helper()
	r := record{t, ledger.New(ledger.DefaultMaxHold), localtest.Pool(t)}
	r.exec(`INSERT INTO units (provider, institutional_code, name, level, is_active) VALUES ('DEFAULT', 'U', 'U', 4, true);
		INSERT INTO carbon_reports (year, unit_id, overall_status) VALUES (2025, 1, 0);
		INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) VALUES (2, 0, 1)`)
	return r
}

func (r record) exec(sql string) {
	r.Helper()
	if _, err := r.pool.Exec(r.Context(), sql); err != nil {
		r.Fatal(err)
	}
}

func (r record) in(fn func(tx pgx.Tx) error) {
	r.Helper()
	if err := pgx.BeginFunc(r.Context(), r.pool, fn); err != nil {
		r.Fatal(err)
	}
}

func (r record) request(s job.Scope, reason string) {
	r.Helper()
	r.in(func(tx pgx.Tx) error {
		_, err := r.Start(r.Context(), tx, ledger.NewPipeline{Kind: s.Type, ModuleType: s.ModuleType, Year: s.Year},
			ledger.Origin{Actor: "ada@host", Via: ledger.ViaCLI, Reason: reason, RequestID: "test"}, s)
		return err
	})
}

// load brings an entry in, records the load and requests its recalculation, as shared/ingest does.
func (r record) load() {
	r.Helper()
	r.in(func(tx pgx.Tx) error {
		_, err := tx.Exec(r.Context(), `INSERT INTO data_entries (data_entry_type_id, carbon_report_module_id, data, created_at, updated_at) VALUES (20, 1, '{}', now(), now())`)
		if err != nil {
			return err
		}
		id, _, err := r.OpenPipeline(r.Context(), tx, ledger.NewPipeline{ID: uuid.New(), Kind: job.CSVIngest, ModuleType: 2, Year: 2025})
		if err != nil {
			return err
		}
		if _, err := r.RecordLoad(r.Context(), tx, ledger.Load{Pipeline: id, Type: job.CSVIngest, ModuleType: 2, DataEntryType: 20, Year: 2025,
			Result: job.Success, Message: "1 row of trips.csv"}); err != nil {
			return err
		}
		_, err = r.Request(r.Context(), tx, ledger.Batch{Pipeline: id, By: ledger.Origin{Actor: "bob@host", Via: ledger.ViaCLI, RequestID: "load"},
			Requests: []ledger.Request{{Scope: job.RecalcOf(2, 20, 2025)}}})
		return err
	})
}

// run claims what waits in a scope and ends it.
func (r record) run(s job.Scope, o job.Outcome) {
	r.Helper()
	c, sight, err := r.Claim(r.Context(), r.pool, s, time.Hour)
	if err != nil || c == nil {
		r.Fatalf("claim %s: %s (%v)", s, sight, err)
	}
	r.in(func(tx pgx.Tx) error {
		if err := r.Begin(r.Context(), tx, c); err != nil {
			return err
		}
		_, err := r.Finish(r.Context(), tx, c, o)
		return err
	})
}

func (r record) explain() explain.Explanation {
	r.Helper()
	f, err := explain.Read(r.Context(), r.pool, 2, 2025, limits)
	if err != nil {
		r.Fatal(err)
	}
	return explain.Explain(f)
}

// want fails unless the kinds of the chain are these and the text has every part.
func (r record) want(why freshness.Why, kinds string, parts ...string) {
	r.Helper()
	e := r.explain()
	var got []string
	for _, c := range e.Causes {
		got = append(got, string(c.Kind))
	}
	if e.Why != why || strings.Join(got, " ") != kinds {
		r.Errorf("got %q and %q, want %q and %q:\n%s", e.Why, strings.Join(got, " "), why, kinds, e)
	}
	for _, part := range parts {
		if !strings.Contains(e.String(), part) {
			r.Errorf("%q is not in\n%s", part, e)
		}
	}
}

// TestRead lets a scope go through a load, a failure and its repair: at each step the chain ends at the root.
func TestRead(t *testing.T) {
	t.Parallel()
	r := newRecord(t)
	planes, travel := job.RecalcOf(2, 20, 2025), job.AggregationOf(2, 2025)
	r.want(freshness.NoAggregationEver, "never_aggregated nothing_on_record", "tidemark recalc --module professional_travel --year 2025 --wait")

	r.load()
	r.want(freshness.NoAggregationEver, "never_aggregated job_not_taken loaded requested", "Job 2 follows from the load of entries, job 1", "1 row of trips.csv", "bob@host")
	r.run(planes, job.Outcome{Result: job.Success})
	r.want(freshness.PendingAggregationStuck, "job_not_taken loaded nothing_on_record", "Job 3 follows from the load of entries, job 1")
	r.run(travel, job.Outcome{Result: job.Success, Message: "1 report"})
	r.want(freshness.Fresh, "aggregation_current", "professional_travel 2025 is fresh", "Nothing has to be done")

	// New data whose recalculation fails: not stale by the clock, and wrong all the same.
	r.load()
	r.run(planes, job.Outcome{Result: job.Error, Message: "factor 4 has no value"})
	r.want(freshness.Fresh, "aggregation_current data_changed loaded recalculation_failed requested", "has drifted", "factor 4 has no value",
		"tidemark recalc --module professional_travel --year 2025 --type plane --wait")

	// An aggregation that fails does not hide that, nor does one that waits hide that one.
	r.request(travel, "see whether it works")
	r.run(travel, job.Outcome{Result: job.Error, Message: "the statistics are not an object"})
	r.want(freshness.LastAggregationFailed, "aggregation_failed requested aggregation_current data_changed loaded recalculation_failed requested",
		"the statistics are not an object", `ada@host on the command line, who gave the reason "see whether it works"`, "tidemark aggregate --module professional_travel --year 2025 --wait")
	r.request(travel, "")
	r.exec(`UPDATE data_ingestion_jobs SET run_after = now() + interval '1 day' WHERE state = 'NOT_STARTED'`)
	r.want(freshness.PendingAggregationStuck, "job_postponed requested aggregation_failed requested aggregation_current data_changed loaded recalculation_failed requested", "SET run_after = NULL")
	r.exec(`UPDATE data_ingestion_jobs SET run_after = NULL WHERE state = 'NOT_STARTED'`) // the command it gives
	r.request(planes, "repaired")
	r.want(freshness.PendingAggregationStuck, "job_held requested job_not_taken requested aggregation_failed requested aggregation_current data_changed loaded")
	r.run(planes, job.Outcome{Result: job.Success})
	r.run(travel, job.Outcome{Result: job.Success})
	r.want(freshness.Fresh, "aggregation_current")

	// A worker that is gone.
	r.request(travel, "")
	if _, _, err := r.Claim(t.Context(), r.pool, travel, time.Hour); err != nil {
		t.Fatal(err)
	}
	r.want(freshness.PendingAggregationStuck, "job_runs requested aggregation_current")
	r.exec(`UPDATE data_ingestion_jobs SET lease_expires_at = now() - interval '1 second' WHERE state = 'RUNNING'`)
	r.want(freshness.PendingAggregationStuck, "job_lost_its_worker requested aggregation_current", "tidemark doctor")
}

func TestReadOfWhatNoReportHas(t *testing.T) {
	t.Parallel()
	r := newRecord(t)
	for _, c := range [][2]int{{3, 2025}, {2, 2024}} {
		if _, err := explain.Read(t.Context(), r.pool, c[0], c[1], limits); !errors.Is(err, explain.ErrUndeclared) {
			t.Errorf("%v: %v", c, err)
		}
	}
}
