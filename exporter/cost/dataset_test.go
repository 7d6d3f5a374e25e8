package cost

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
)

// size of a data set: units x years x modules report modules, years x modules scopes, and five
// jobs to a pipeline, two of which are aggregations.
type size struct{ units, years, modules, pipelines int }

var (
	large = size{units: 200, years: 500, modules: 10, pipelines: 600_000}
	// As many scopes, a tenth of the report modules and jobs.
	tenth = size{units: 20, years: 500, modules: 10, pipelines: 60_000}
)

func (s size) String() string {
	return fmt.Sprintf("%d scopes, %d report modules, %d jobs", s.years*s.modules, s.units*s.years*s.modules, 5*s.pipelines)
}

// fillDataset fills the tables of the original application. Years end in 2025. A pipeline began every
// second: an upload, two recalculations of its scope, the aggregation of that and of another.
// 5 % of the jobs failed, 10 % ended in a warning. One scope in fifty never had an aggregation;
// one in thirty has one that waits until tomorrow. Keys are not checked: it is known what
// is written.
var fillDataset = []string{
	`SET LOCAL session_replication_role = replica`,
	`SELECT setseed(0.310)`,
	`TRUNCATE data_ingestion_jobs, pipelines RESTART IDENTITY CASCADE`,
	`INSERT INTO units (id, provider, institutional_code, name, level, is_active)
	 SELECT u, 'DEFAULT', 'U' || u, 'unit ' || u, 4, true FROM generate_series(1, @units::int) u`,
	`INSERT INTO carbon_projects (id, unit_id, carbon_report_type, is_viewable_by_unit_members)
	 SELECT u, u, 'Calculator', true FROM generate_series(1, @units::int) u`,
	`INSERT INTO carbon_reports (year, unit_id, carbon_project_id, overall_status)
	 SELECT 2026 - y, u, u, 0 FROM generate_series(1, @years::int) y, generate_series(1, @units::int) u`,
	`INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id)
	 SELECT m, 0, r.id FROM carbon_reports r, generate_series(1, @modules::int) m`,
	`INSERT INTO pipelines (id, kind, status, module_type_id, year, job_count, created_at, updated_at)
	 SELECT lpad(to_hex(p), 32, '0')::uuid, 'csv_ingest', 'SUCCESS', 2, 2025, 5, at, at
	   FROM (SELECT p, now() - (@pipelines::int - p) * interval '1 second' AS at FROM generate_series(1, @pipelines::int) p) s`,
	`INSERT INTO data_ingestion_jobs (entity_type, target_type, ingestion_method, provider, is_current, state, result, job_type,
	        module_type_id, data_entry_type_id, year, meta, status_message, started_at, finished_at, attempts, locked_by, pipeline_id)
	 SELECT 'MODULE_PER_YEAR', 'DATA_ENTRIES', CASE k WHEN 1 THEN 'csv' ELSE 'computed' END::ingestion_method_enum, 'DEFAULT', false, 'FINISHED',
	        CASE WHEN luck < 0.05 THEN 'ERROR' WHEN luck < 0.15 THEN 'WARNING' ELSE 'SUCCESS' END::ingestion_result_enum,
	        (ARRAY['csv_ingest', 'emission_recalc', 'emission_recalc', 'aggregation', 'aggregation'])[k],
	        1 + scope % @modules::int, CASE WHEN k < 4 THEN 20 + k % 2 END, 2025 - scope / @modules::int, '{"config": {}}', 'done',
	        at - interval '3 seconds', at, 1, 'pod-1', lpad(to_hex(p), 32, '0')::uuid
	   FROM (SELECT p, k, luck, now() - (@pipelines::int - p) * interval '1 second' + k * interval '50 ms' AS at,
	                CASE WHEN scope % 50 = 0 THEN scope + 1 ELSE scope END AS scope
	           FROM (SELECT p, k, random() AS luck, CASE k WHEN 5 THEN floor(random() * @years::int * @modules::int)::int ELSE first END AS scope
	                   FROM (SELECT p, floor(random() * @years::int * @modules::int)::int AS first FROM generate_series(1, @pipelines::int) p) pipelines,
	                        generate_series(1, 5) k) dice) jobs`,
	`INSERT INTO data_ingestion_jobs (entity_type, target_type, ingestion_method, provider, is_current, state, job_type, module_type_id, year, meta, run_after)
	 SELECT 'MODULE_PER_YEAR', 'DATA_ENTRIES', 'computed', 'DEFAULT', false, 'NOT_STARTED', 'aggregation', 1 + scope % @modules::int, 2025 - scope / @modules::int,
	        '{"config": {}}', now() + interval '1 day'
	   FROM generate_series(7, @years::int * @modules::int - 1, 30) scope`,
	// Something to compute: 25 flights of every unit in each of the last ten years.
	`INSERT INTO locations (transport_mode, name, iata_code, latitude, longitude, natural_key)
	 VALUES ('plane', 'Geneva', 'GVA', 46.238098, 6.108950, 'plane:GVA'), ('plane', 'Paris', 'CDG', 49.012798, 2.55, 'plane:CDG')`,
	`INSERT INTO factors (emission_type_id, data_entry_type_id, year, classification, "values")
	 SELECT 50200, 20, 2026 - y, '{"category": "short", "cabin_class": "economy"}', '{"ef_kg_co2eq_per_km": 0.2, "rfi_adjustment": 2, "max_distance": 1000}'
	   FROM generate_series(1, @years::int) y`,
	`INSERT INTO data_entries (data_entry_type_id, carbon_report_module_id, data, created_at, updated_at)
	 SELECT 20, m.id, json_build_object('origin_iata', 'GVA', 'destination_iata', 'CDG', 'cabin_class', 'economy', 'number_of_trips', n % 5 + 1,
	        'user_institutional_id', n::text, 'departure_date', r.year || '-03-10'), now(), now()
	   FROM carbon_report_modules m JOIN carbon_reports r ON r.id = m.carbon_report_id, generate_series(1, 25) n
	  WHERE m.module_type_id = 2 AND r.year > 2015`,
}

// newOriginal makes a database of the original application with a data set, and returns its URL.
func newOriginal(b *testing.B, name string, s size) string {
	b.Helper()
	d, err := deploy()
	must(b, err)
	do(b, d.postgres.URL, "CREATE DATABASE "+name)
	url := d.postgres.Database(name)
	tables, err := os.ReadFile("../../shared/postgres/testdata/original.sql")
	must(b, err)
	do(b, url, string(tables))
	must(b, s.fill(url))
	do(b, url, "VACUUM ANALYZE")
	return url
}

func (s size) fill(url string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		args := pgx.NamedArgs{"units": s.units, "years": s.years, "modules": s.modules, "pipelines": s.pipelines}
		for _, statement := range fillDataset {
			if _, err := tx.Exec(ctx, statement, args); err != nil {
				return fmt.Errorf("%w\n%s", err, statement)
			}
		}
		return nil
	})
}

// copyOf makes another database of the same contents.
func copyOf(b *testing.B, name, of string) string {
	b.Helper()
	d, err := deploy()
	must(b, err)
	do(b, d.postgres.URL, "CREATE DATABASE "+name+" TEMPLATE "+of+" STRATEGY file_copy")
	return d.postgres.Database(name)
}
