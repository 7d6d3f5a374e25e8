package emission

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/job"
	"tidemark/shared/local/localtest"
	"tidemark/shared/postgres"
)

// world is a database of the test's own with some units, reports and data.
type world struct {
	testing.TB
	pool *pgxpool.Pool
	// units by code, and the two airports of every flight here: 503 km apart with the detour.
	units map[string]int
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{TB: t, pool: localtest.Pool(t), units: map[string]int{}}
	w.exec(`INSERT INTO locations (transport_mode, name, iata_code, latitude, longitude, natural_key) VALUES
		('plane', 'Geneva', 'GVA', 46.238098, 6.108950, 'a'), ('plane', 'Paris', 'CDG', 49.012798, 2.55, 'b'),
		('train', 'no airport', 'XXX', 1, 1, 'c')`)
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

// report returns the id of the unit's report of a year, of type Calculator unless another is given.
func (w *world) report(unit string, year int, kind ...string) int {
	w.Helper()
	if w.units[unit] == 0 {
		w.units[unit] = get[int](w, `INSERT INTO units (provider, institutional_code, name, level, is_active)
			VALUES ('DEFAULT', $1, $1, 4, true) RETURNING id`, unit)
	}
	project := get[int](w, `INSERT INTO carbon_projects (unit_id, carbon_report_type, is_viewable_by_unit_members)
		VALUES ($1, $2::text::carbon_report_type_enum, true)
		ON CONFLICT (unit_id, carbon_report_type) DO UPDATE SET unit_id = excluded.unit_id RETURNING id`,
		w.units[unit], append(kind, "Calculator")[0])
	return get[int](w, `INSERT INTO carbon_reports (year, unit_id, carbon_project_id, overall_status) VALUES ($1, $2, $3, 0) RETURNING id`,
		year, w.units[unit], project)
}

func (w *world) module(report, moduleType, status int) int {
	w.Helper()
	return get[int](w, `INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) VALUES ($1, $2, $3) RETURNING id`,
		moduleType, status, report)
}

func (w *world) entry(module, entryType int, data string) int {
	w.Helper()
	return get[int](w, `INSERT INTO data_entries (data_entry_type_id, carbon_report_module_id, data, created_at, updated_at)
		VALUES ($1, $2, $3::text::json, now(), now()) RETURNING id`, entryType, module, data)
}

func (w *world) factor(entryType, year, emissionType int, classification, values string) int {
	w.Helper()
	return get[int](w, `INSERT INTO factors (data_entry_type_id, year, emission_type_id, classification, "values")
		VALUES ($1, $2, $3, $4::text::jsonb, $5::text::json) RETURNING id`, entryType, year, emissionType, classification, values)
}

// emission stores a row as another writer would.
func (w *world) emission(entry, emissionType int, kg float64, columns string) {
	w.Helper()
	w.exec(`INSERT INTO data_entry_emissions (data_entry_id, emission_type_id, kg_co2eq, computed_at, additional_value, scope, meta)
		SELECT $1, $2, $3, now(), j.additional_value, j.scope, j.meta
		  FROM json_to_record($4::text::json) AS j (additional_value float8, scope int, meta json)`, entry, emissionType, kg, columns)
}

func ignore(int, int) {}

// recalc recalculates in pages of three, so that every test with more entries crosses pages.
func (w *world) recalc(scope job.Scope, filter job.Filter) (out job.Outcome, err error) {
	w.Helper()
	err = postgres.InTx(context.Background(), w.pool, 1, func(tx pgx.Tx) error {
		out, err = recalculate(context.Background(), tx, scope, filter, ignore, 3)
		return err
	})
	return out, err
}

// mustRecalc is a recalculation with this result and message.
func (w *world) mustRecalc(scope job.Scope, result job.Result, message string) job.Outcome {
	w.Helper()
	out, err := w.recalc(scope, nil)
	if err != nil {
		w.Fatal(err)
	}
	if out.Result != result || out.Message != message {
		w.Errorf("got  %s: %s\nwant %s: %s", out.Result, out.Message, result, message)
	}
	return out
}

func (w *world) aggregate(moduleType, year int) (out job.Outcome, err error) {
	err = postgres.InTx(context.Background(), w.pool, 1, func(tx pgx.Tx) error {
		out, err = aggregate(context.Background(), tx, job.AggregationOf(moduleType, year), ignore, 2)
		return err
	})
	return out, err
}

func (w *world) mustAggregate(moduleType, year int) job.Outcome {
	w.Helper()
	out, err := w.aggregate(moduleType, year)
	if err != nil {
		w.Fatal(err)
	}
	return out
}

// rows lists the emissions of an entry: type, scope, factor, kg, additional value.
func (w *world) rows(entry int) string {
	w.Helper()
	return get[string](w, `SELECT coalesce(string_agg(concat_ws(' ', emission_type_id, coalesce(scope::text, '-'), coalesce(primary_factor_id::text, '-'),
		round(kg_co2eq::numeric, 6)::float8, coalesce(additional_value::text, '-')), '; ' ORDER BY id), '') FROM data_entry_emissions WHERE data_entry_id = $1`, entry)
}

func (w *world) wantRows(entry int, want string) {
	w.Helper()
	if got := w.rows(entry); got != want {
		w.Errorf("data entry %d: got %q, want %q", entry, got, want)
	}
}

// statsOf reads stats, without the time, as one line of sorted keys.
func (w *world) statsOf(table string, id int) string {
	w.Helper()
	raw := get[*string](w, `SELECT stats::text FROM `+table+` WHERE id = $1`, id)
	if raw == nil {
		return "NULL"
	}
	var s map[string]any
	if err := json.Unmarshal([]byte(*raw), &s); err != nil {
		w.Fatal(err)
	}
	if at, _ := s["computed_at"].(string); !strings.HasSuffix(at, "+00:00") {
		w.Errorf("computed_at %q", at)
	}
	delete(s, "computed_at")
	return fmt.Sprint(s)
}
