package freshness_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/freshness"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
)

// data is a record with travel, buildings and equipment of 2025 and 2024, an entry with an
// emission in each, a factor of planes, an airport; everything aggregated.
type data struct {
	testing.TB
	pool   *pgxpool.Pool
	ledger *ledger.Ledger
	// claimed is called between the claim of an aggregation and its first read; nil for nothing.
	claimed func()
}

func newData(t testing.TB) *data {
	t.Helper()
	d := &data{TB: t, pool: localtest.Pool(t), ledger: ledger.New(ledger.DefaultMaxHold)}
	d.exec(`
INSERT INTO units (id, provider, institutional_code, name, level, is_active) VALUES (1, 'DEFAULT', 'u', 'u', 4, true);
INSERT INTO carbon_reports (id, year, unit_id, overall_status) VALUES (1, 2025, 1, 0), (2, 2024, 1, 0);
INSERT INTO carbon_report_modules (id, module_type_id, status, carbon_report_id) VALUES (1, 2, 0, 1), (2, 3, 0, 1), (3, 2, 0, 2), (4, 3, 0, 2), (5, 4, 0, 2);
INSERT INTO data_entries (id, data_entry_type_id, carbon_report_module_id, data, created_at, updated_at)
SELECT m, 20, m, '{}', now(), now() FROM generate_series(1, 5) m;
INSERT INTO factors (id, emission_type_id, data_entry_type_id, classification, "values", year) VALUES (1, 50101, 20, '{}', '{"ef": 1}', 2025), (2, 50101, 20, '{}', '{"ef": 1}', 2024);
INSERT INTO data_entry_emissions (id, data_entry_id, emission_type_id, primary_factor_id, kg_co2eq, computed_at) SELECT e, e, 50101, 1, 1, now() FROM generate_series(1, 5) e;
INSERT INTO locations (id, transport_mode, name, latitude, longitude, natural_key) VALUES (1, 'plane', 'GVA', 46, 6, 'plane:GVA')`)
	for _, s := range [][2]int{{2, 2025}, {3, 2025}, {2, 2024}, {3, 2024}, {4, 2024}} {
		d.aggregate(s[0], s[1], job.Success, nil)
	}
	return d
}

func (d *data) exec(sql string, args ...any) {
	d.Helper()
	exec(d, d.pool, sql, args...)
}

// aggregate requests and runs the aggregation of a scope as a worker does; meanwhile happens
// after it began to read.
func (d *data) aggregate(module, year int, result job.Result, meanwhile func()) {
	d.Helper()
	ctx, scope := d.Context(), job.AggregationOf(module, year)
	err := pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		_, err := d.ledger.Request(ctx, tx, ledger.Batch{By: ledger.Origin{Actor: "tester", Via: ledger.ViaCLI, RequestID: "test"}, Requests: []ledger.Request{{Scope: scope}}})
		return err
	})
	if err != nil {
		d.Fatal(err)
	}
	claim, sight, err := d.ledger.Claim(ctx, d.pool, scope, 1<<40)
	if err != nil || sight != ledger.Claimed {
		d.Fatal(sight, err)
	}
	if d.claimed != nil {
		d.claimed()
	}
	err = pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		if err := d.ledger.Begin(ctx, tx, claim); err != nil {
			return err
		}
		if meanwhile != nil {
			meanwhile()
		}
		_, err := d.ledger.Finish(ctx, tx, claim, job.Outcome{Result: result})
		return err
	})
	if err != nil {
		d.Fatal(err)
	}
}

// drifts spells what is known of every scope.
func (d *data) drifts() string {
	d.Helper()
	text := ""
	for _, s := range snapshot(d, d.pool).Scopes {
		if s.Drift != freshness.Current {
			text += fmt.Sprintf("%d:%d %s, ", s.ModuleType, s.Year, s.Drift)
		}
		if (s.Drift == freshness.Drifted) != (s.DriftedSince != nil) {
			d.Errorf("%d:%d is %q since %v", s.ModuleType, s.Year, s.Drift, s.DriftedSince)
		}
	}
	return text
}

func (d *data) want(when, want string) {
	d.Helper()
	if got := d.drifts(); got != want {
		d.Errorf("%s: %q, want %q", when, got, want)
	}
}

// TestDriftOfEveryChange makes one change after another to an aggregated record: each is
// noticed in the scopes it concerns and nowhere else, and gone after their aggregation.
func TestDriftOfEveryChange(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ change, want string }{
		"nothing":                         {`SELECT 1`, ""},
		"entry added":                     {`INSERT INTO data_entries (id, data_entry_type_id, carbon_report_module_id, created_at, updated_at) VALUES (100, 20, 1, now(), now())`, "2:2025 drifted, "},
		"entry edited":                    {`UPDATE data_entries SET data = '{"x": 1}' WHERE id = 2`, "3:2025 drifted, "},
		"entry deleted":                   {`DELETE FROM data_entries WHERE id = 3`, "2:2024 drifted, "},
		"entry moved":                     {`UPDATE data_entries SET carbon_report_module_id = 4 WHERE id = 1`, "2:2025 drifted, 3:2024 drifted, "},
		"all entries of a year":           {`DELETE FROM data_entries WHERE id > 2`, "2:2024 drifted, 3:2024 drifted, 4:2024 drifted, "},
		"entries truncated":               {`TRUNCATE data_entries CASCADE`, "2:2024 drifted, 2:2025 drifted, 3:2024 drifted, 3:2025 drifted, 4:2024 drifted, "},
		"emission added":                  {`INSERT INTO data_entry_emissions (id, data_entry_id, emission_type_id, kg_co2eq, computed_at) VALUES (100, 4, 50101, 2, now())`, "3:2024 drifted, "},
		"emission edited":                 {`UPDATE data_entry_emissions SET kg_co2eq = 3 WHERE id = 1`, "2:2025 drifted, "},
		"emission moved":                  {`UPDATE data_entry_emissions SET data_entry_id = 2 WHERE id = 1`, "2:2025 drifted, 3:2025 drifted, "},
		"emission vanished":               {`DELETE FROM data_entry_emissions WHERE id = 5`, "4:2024 drifted, "},
		"emissions truncated":             {`TRUNCATE data_entry_emissions`, "2:2024 drifted, 2:2025 drifted, 3:2024 drifted, 3:2025 drifted, 4:2024 drifted, "},
		"emission type corrected":         {`WITH gone AS (DELETE FROM data_entry_emissions WHERE id = 1) INSERT INTO data_entry_emissions (id, data_entry_id, emission_type_id, kg_co2eq, computed_at) VALUES (100, 1, 50102, 1, now())`, "2:2025 drifted, "},
		"factor added":                    {`INSERT INTO factors (id, emission_type_id, data_entry_type_id, classification, "values", year) VALUES (100, 60101, 31, '{}', '{}', 2025)`, "3:2025 drifted, "},
		"factor changed":                  {`UPDATE factors SET "values" = '{"ef": 2}' WHERE id = 2`, "2:2024 drifted, "},
		"factor moved to another year":    {`UPDATE factors SET year = 2024, classification = '{"a": 1}' WHERE id = 1`, "2:2024 drifted, 2:2025 drifted, "},
		"factor seen again, unchanged":    {`UPDATE factors SET last_seen_job_id = 1`, ""},
		"factor deleted with emissions":   {`DELETE FROM factors WHERE id = 1`, "2:2024 drifted, 2:2025 drifted, 3:2024 drifted, 3:2025 drifted, 4:2024 drifted, "},
		"factor deleted that none used":   {`DELETE FROM factors WHERE id = 2`, "2:2024 drifted, "},
		"factor without a year":           {`INSERT INTO factors (id, emission_type_id, data_entry_type_id, classification, "values") VALUES (100, 60101, 31, '{}', '{}')`, ""},
		"factor of an unknown type":       {`INSERT INTO factors (id, emission_type_id, data_entry_type_id, classification, "values", year) VALUES (100, 1, 999, '{}', '{}', 2025)`, ""},
		"factors truncated":               {`TRUNCATE factors CASCADE`, "2:2024 drifted, 2:2025 drifted, 3:2024 drifted, 3:2025 drifted, 4:2024 drifted, "},
		"airport moved":                   {`UPDATE locations SET latitude = 47`, "2:2024 drifted, 2:2025 drifted, "},
		"report moved to another year":    {`DELETE FROM data_entries WHERE carbon_report_module_id = 4; DELETE FROM carbon_report_modules WHERE id = 4; UPDATE carbon_reports SET year = 2023 WHERE id = 2`, "2:2023 , 4:2023 , "},
		"report module to another report": {`UPDATE carbon_report_modules SET carbon_report_id = 1 WHERE id = 5`, "4:2025 , "},
		"statistics written":              {`UPDATE carbon_report_modules SET stats = '{}'; UPDATE carbon_reports SET stats = '{}'`, ""},
		"rolled back":                     {`BEGIN; DELETE FROM data_entries; ROLLBACK`, ""},
		"rolled back to a savepoint":      {`BEGIN; SAVEPOINT s; DELETE FROM data_entries WHERE id = 1; ROLLBACK TO s; DELETE FROM data_entries WHERE id = 2; COMMIT`, "3:2025 drifted, "},
		"no row":                          {`DELETE FROM data_entries WHERE id = 99`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newData(t)
			d.want("aggregated", "")
			d.exec(c.change)
			d.want("changed", c.want)
			for _, s := range snapshot(d, d.pool).Scopes {
				d.aggregate(s.ModuleType, s.Year, job.Success, nil)
			}
			d.want("aggregated again", "")
			if marks := count(d, `
SELECT count(*) FROM scope_changes
 WHERE (module_type_id, year) IN (SELECT module_type_id, year FROM declared_scopes GROUP BY 1, 2 HAVING sum(report_modules) > 0)`); marks != 0 {
				t.Errorf("%d marks are left of scopes that are current", marks)
			}
		})
	}
}

func count(d *data, sql string) (n int) {
	d.Helper()
	if err := d.pool.QueryRow(d.Context(), sql).Scan(&n); err != nil {
		d.Fatal(err)
	}
	return n
}

// TestDriftBeginsWithTheRead: what committed before the run began to read is covered, what
// committed after is not, however little after; a transaction that was open counts as after.
func TestDriftBeginsWithTheRead(t *testing.T) {
	t.Parallel()
	d := newData(t)
	const edit = `UPDATE data_entries SET data = '{}' WHERE carbon_report_module_id = $1`
	open, err := d.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer open.Rollback(t.Context())
	if _, err := open.Exec(t.Context(), edit, 2); err != nil { // before the read, committed after it
		t.Fatal(err)
	}
	d.exec(edit, 4)
	d.aggregate(3, 2024, job.Success, nil)
	d.want("committed before the read", "")
	d.claimed = func() { d.exec(edit, 4) }
	d.aggregate(3, 2024, job.Success, nil)
	d.want("committed between claim and read", "")
	d.claimed = nil
	d.aggregate(2, 2025, job.Success, func() { d.exec(edit, 1) })
	d.want("committed after the read began", "2:2025 drifted, ")
	d.aggregate(3, 2025, job.Success, func() {
		if err := open.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	d.want("began before the read, committed after", "2:2025 drifted, 3:2025 drifted, ")
	// Which run is judged: the last that wrote its data.
	d.aggregate(2, 2025, job.Error, nil)
	d.want("a failed run covers nothing", "2:2025 drifted, 3:2025 drifted, ")
	d.aggregate(2, 2025, job.Warning, nil)
	d.want("a warning does", "3:2025 drifted, ")
}

// TestDriftAmongManyMarks: where scopes are edited for long and not aggregated, only the first
// mark of each is read, and the answer is the same.
func TestDriftAmongManyMarks(t *testing.T) {
	t.Parallel()
	d := newData(t)
	d.exec(`
INSERT INTO scope_changes (module_type_id, year, xid)
SELECT 3, y, (1000000 + n)::text::xid8 FROM generate_series(1, 10000) n, (VALUES (2024), (2025), (2030)) AS y (y);
ANALYZE scope_changes`)
	d.exec(`UPDATE data_entries SET data = '{}' WHERE id = 1`)
	d.want("many marks", "2:2025 drifted, 3:2024 drifted, 3:2025 drifted, ")
	d.aggregate(3, 2024, job.Success, nil)
	d.aggregate(2, 2025, job.Success, nil)
	d.want("two aggregated", "3:2025 drifted, ")
}

// TestDriftAfterADumpWasRestored: the snapshots and marks in it come from a server that had
// counted its transactions further than this one.
func TestDriftAfterADumpWasRestored(t *testing.T) {
	t.Parallel()
	d := newData(t)
	d.exec(`UPDATE data_ingestion_jobs SET read_snapshot = '9999999999:9999999999:'; INSERT INTO scope_changes (module_type_id, year, xid) VALUES (3, 2025, '8888888888'), (3, 2024, '9999999999')`)
	d.want("a mark that the run did not see came along", "3:2024 drifted, 3:2025 drifted, ")
	d.exec(`UPDATE data_entries SET data = '{}' WHERE id IN (1, 2)`)
	d.want("changed on this server", "2:2025 drifted, 3:2024 drifted, 3:2025 drifted, ")
	for _, s := range [][2]int{{2, 2025}, {3, 2025}, {3, 2024}} {
		d.aggregate(s[0], s[1], job.Success, nil)
	}
	d.want("aggregated", "")
}

// TestRunThatLeavesNoSnapshotOfItsOwn is the original's way: it claims and finishes by plain
// updates. Its claim stands for the moment in which it began to read.
func TestRunThatLeavesNoSnapshotOfItsOwn(t *testing.T) {
	t.Parallel()
	d := newData(t)
	d.exec(`UPDATE data_entries SET data = '{}' WHERE id IN (1, 2)`)
	insert(t, d.pool, row{"aggregation", "NOT_STARTED", "", 2, 2025, nil, ""})
	d.exec(`UPDATE data_ingestion_jobs SET state = 'RUNNING' WHERE state = 'NOT_STARTED'`)
	d.want("running", "2:2025 drifted, 3:2025 drifted, ")
	d.exec(`UPDATE data_ingestion_jobs SET state = 'FINISHED', result = 'SUCCESS', finished_at = now() WHERE state = 'RUNNING'`)
	d.want("finished", "3:2025 drifted, ")
	d.exec(`UPDATE data_entries SET data = '{}' WHERE id = 1`)
	d.want("changed again", "2:2025 drifted, 3:2025 drifted, ")
}

// TestDriftIsUnknownWhereNobodyKeptMarks: an aggregation of before, and a record of the
// original's own, say so instead of looking current.
func TestDriftIsUnknownWhereNobodyKeptMarks(t *testing.T) {
	t.Parallel()
	d := newData(t)
	d.exec(`UPDATE data_ingestion_jobs SET read_snapshot = NULL WHERE module_type_id = 2`)
	d.want("aggregated before marks were kept", "2:2024 unknown, 2:2025 unknown, ")
	d.exec(`UPDATE data_entries SET data = '{}' WHERE id = 1`)
	d.want("changed since", "2:2024 unknown, 2:2025 drifted, ")
	insert(t, d.pool, row{"aggregation", "NOT_STARTED", "", 2, 2025, nil, ""})
	d.want("pending", "2:2024 unknown, 2:2025 drifted, ")

	for _, loss := range []string{
		`ALTER TABLE factors DISABLE TRIGGER tidemark_factors_updated`,
		`ALTER TABLE factors ENABLE REPLICA TRIGGER tidemark_factors_updated`,
		`DROP TRIGGER tidemark_entries_deleted ON data_entries`,
		`DROP TABLE scope_changes CASCADE`,
	} {
		d.exec(loss)
		s := snapshot(t, d.pool)
		if s.Kept || len(s.Scopes) != 5 {
			t.Errorf("%s: kept %t, %d scopes", loss, s.Kept, len(s.Scopes))
		}
		for _, scope := range s.Scopes {
			if scope.Drift != freshness.DriftUnknown {
				t.Errorf("%s: %d:%d is %q", loss, scope.ModuleType, scope.Year, scope.Drift)
			}
		}
	}
}
