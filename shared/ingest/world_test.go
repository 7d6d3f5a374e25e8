package ingest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/catalog"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
)

// world is a database of the test's own, with two units and two airports.
type world struct {
	testing.TB
	pool   *pgxpool.Pool
	ledger *ledger.Ledger
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{TB: t, pool: localtest.Pool(t), ledger: ledger.New(ledger.DefaultMaxHold)}
	w.exec(`INSERT INTO units (provider, institutional_code, institutional_id, name, level, is_active)
		SELECT 'DEFAULT', 'code of ' || id, id, id, 4, true FROM unnest('{U1,U2}'::text[]) AS id`)
	w.exec(`INSERT INTO locations (transport_mode, name, iata_code, latitude, longitude, natural_key, keywords) VALUES
		('plane', 'Geneva', 'GVA', 46.238098, 6.108950, 'a', 'Cointrin'), ('plane', 'Paris', 'CDG', 49.012798, 2.55, 'b', NULL),
		('train', 'no airport', 'ZRH', 1, 1, 'c', NULL)`)
	return w
}

func (w *world) exec(sql string, args ...any) {
	w.Helper()
	if _, err := w.pool.Exec(context.Background(), sql, args...); err != nil {
		w.Fatal(err)
	}
}

func get[T any](w *world, sql string, args ...any) (v T) {
	w.Helper()
	if err := w.pool.QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		w.Fatalf("%s: %v", sql, err)
	}
	return v
}

// options load a file as flights of 2025.
func (w *world) options(path string) Options {
	w.Helper()
	return Options{Path: path, DataEntryType: typeNamed(w, "plane"), Year: 2025, By: ledger.Origin{Actor: "tester", Via: ledger.ViaCLI, RequestID: "test"}, Ledger: w.ledger}
}

func typeNamed(t testing.TB, name string) catalog.DataEntryType {
	t.Helper()
	found, err := catalog.ParseDataEntryType(name, catalog.CalculatedTypes())
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// file writes a file of these lines.
func (w *world) file(lines ...string) string {
	w.Helper()
	path := filepath.Join(w.TempDir(), "file.csv")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		w.Fatal(err)
	}
	return path
}

type load func(context.Context, Database, Options) (Report, error)

func (w *world) must(load load, o Options) Report {
	w.Helper()
	r, err := load(context.Background(), w.pool, o)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

func (w *world) mustFail(load load, o Options) error {
	w.Helper()
	r, err := load(context.Background(), w.pool, o)
	if err == nil {
		w.Fatalf("loaded: %s", r.Message)
	}
	return err
}

// expect checks the one row that a query gives, as text.
func (w *world) expect(want, sql string, args ...any) {
	w.Helper()
	if got := get[string](w, sql, args...); got != want {
		w.Errorf("%s\ngot  %s\nwant %s", sql, got, want)
	}
}

// footprint counts everything a load can write.
const footprint = `SELECT concat_ws(' ', (SELECT count(*) FROM units), (SELECT count(*) FROM carbon_projects), (SELECT count(*) FROM carbon_reports),
	(SELECT count(*) FROM carbon_report_modules), (SELECT count(*) FROM data_entries), (SELECT count(*) FROM factors),
	(SELECT count(*) FROM locations), (SELECT count(*) FROM data_ingestion_jobs), (SELECT count(*) FROM pipelines))`

// untouched is the footprint of a new world.
const untouched = "2 0 0 0 0 0 3 0 0"

// covered checks that the load's one request waits in its pipeline.
func (w *world) covered(r Report, scope job.Scope) {
	w.Helper()
	if len(r.Tickets) != 1 || r.Tickets[0].Scope != scope {
		w.Fatalf("tickets: %+v", r.Tickets)
	}
	p, err := w.ledger.Pipeline(context.Background(), w.pool, r.Pipeline)
	if err != nil {
		w.Fatal(err)
	}
	if p.Status != ledger.StatusRunning || len(p.Jobs) != 2 || p.Jobs[0].ID != r.JobID || p.Jobs[1].ID != r.Tickets[0].JobID ||
		p.Jobs[1].State != string(job.NotStarted) {
		w.Errorf("pipeline: %+v", p)
	}
	w.expect("true", `SELECT (carbon_report_module_ids IS NULL)::text FROM data_ingestion_jobs WHERE id = $1`, p.Jobs[1].ID)
}
