package freshness_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"tidemark/shared/freshness"
	"tidemark/shared/local/localtest"
)

// oracle says what every scope's answer is, in the plainest SQL: no lateral join, no Go.
const oracle = `
SELECT format('%s:%s %s job=%s at=%s success=%s result=%s', s.module_type_id, s.year,
         CASE WHEN latest.id IS NULL THEN 'no_aggregation_ever'
              WHEN latest.state IS DISTINCT FROM 'FINISHED' THEN 'pending_aggregation_stuck'
              WHEN latest.result = 'ERROR' THEN 'last_aggregation_failed'
              WHEN latest.finished_at IS NULL OR latest.finished_at < now() - interval '60 minutes' THEN 'last_aggregation_too_old'
              ELSE 'fresh' END,
         latest.id, CASE WHEN latest.state = 'FINISHED' THEN (extract(epoch FROM latest.finished_at) * 1000000)::bigint END,
         (extract(epoch FROM success.finished_at) * 1000000)::bigint, ended.result)
  FROM (SELECT module_type_id, year FROM carbon_report_modules m, carbon_reports r WHERE r.id = m.carbon_report_id GROUP BY 1, 2) s
  LEFT JOIN data_ingestion_jobs latest ON latest.id =
       (SELECT max(id) FROM data_ingestion_jobs j WHERE j.job_type = 'aggregation'
           AND (j.module_type_id, j.year) = (s.module_type_id, s.year))
  LEFT JOIN data_ingestion_jobs ended ON ended.id =
       (SELECT max(id) FROM data_ingestion_jobs j WHERE j.job_type = 'aggregation'
           AND (j.module_type_id, j.year) = (s.module_type_id, s.year) AND j.state = 'FINISHED')
  LEFT JOIN data_ingestion_jobs success ON success.id =
       (SELECT max(id) FROM data_ingestion_jobs j WHERE j.job_type = 'aggregation'
           AND (j.module_type_id, j.year) = (s.module_type_id, s.year) AND j.state = 'FINISHED'
           AND coalesce(j.result::text, '') <> 'ERROR' AND j.finished_at IS NOT NULL)
 ORDER BY s.module_type_id, s.year`

// spell gives the answer of this package in the oracle's words.
func spell(s freshness.Snapshot, olderThan time.Duration) []string {
	micros := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return fmt.Sprint(t.UnixMicro())
	}
	stale := map[[2]int]freshness.StaleScope{}
	for _, e := range freshness.Stale(s, olderThan) {
		stale[[2]int{e.ModuleType, e.Year}] = e
	}
	var lines []string
	for _, scope := range s.Scopes {
		why, id, at, result := "fresh", "", "", ""
		if l := scope.Latest; l != nil {
			id, at = fmt.Sprint(l.ID), micros(l.FinishedAt)
		}
		if e, ok := stale[[2]int{scope.ModuleType, scope.Year}]; ok {
			why, at = string(e.Why), micros(e.LastFinishedAt)
		}
		if scope.LastResult != nil {
			result = string(*scope.LastResult)
		}
		lines = append(lines, fmt.Sprintf("%d:%d %s job=%s at=%s success=%s result=%s",
			scope.ModuleType, scope.Year, why, id, at, micros(scope.LastSuccessAt), result))
	}
	return lines
}

// TestAgreesWithOracle writes random histories, each in a transaction that is rolled back,
// so that now() stands still and "exactly at the cutoff" can be hit.
func TestAgreesWithOracle(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), localtest.Pool(t)
	declare(t, pool, 2024, 1, 2)
	declare(t, pool, 2025, 1, 3)
	declare(t, pool, 2025, 1)
	rapid.Check(t, func(t *rapid.T) {
		tx, err := pool.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(ctx)
		var history pgx.Batch
		for range rapid.IntRange(0, 25).Draw(t, "jobs") {
			age := rapid.SampledFrom([]*int{nil, new(0), new(1), new(3599), new(3600), new(3601), new(86400), new(-60)}).Draw(t, "age")
			// A second active job of a scope is refused by the dedup index, here as in life.
			history.Queue(`
INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, provider, is_current, job_type, state, result, module_type_id, year, finished_at)
VALUES ('MODULE_PER_YEAR', 'computed', 'DEFAULT', false, $1, nullif($2::text, '')::ingestion_state_enum,
        nullif($3::text, '')::ingestion_result_enum, $4, $5, now() - make_interval(secs => $6))
ON CONFLICT DO NOTHING`,
				rapid.SampledFrom([]string{"aggregation", "aggregation", "aggregation", "emission_recalc"}).Draw(t, "type"),
				rapid.SampledFrom([]string{"NOT_STARTED", "QUEUED", "RUNNING", "FINISHED", "FINISHED", "FINISHED", ""}).Draw(t, "state"),
				rapid.SampledFrom([]string{"SUCCESS", "WARNING", "ERROR", ""}).Draw(t, "result"),
				rapid.SampledFrom([]*int{new(1), new(2), new(3), new(4), nil}).Draw(t, "module"),
				rapid.SampledFrom([]*int{new(2024), new(2025), nil}).Draw(t, "year"), age)
		}
		if err := tx.SendBatch(ctx, &history).Close(); err != nil {
			t.Fatal(err)
		}
		rows, _ := tx.Query(ctx, oracle)
		want, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		s, err := freshness.TakeSnapshot(ctx, tx)
		if err != nil {
			t.Fatal(err)
		}
		got := spell(s, time.Hour)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("got  %q\nwant %q", got, want)
		}
	})
}

// TestAgreesWithOracleOnManyHistories writes random histories by the ten thousand, a scope
// each, then lets random things happen to them: claims, ends, corrections, deletions.
// After each step every scope is asked.
func TestAgreesWithOracleOnManyHistories(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), localtest.Pool(t)
	exec(t, pool, `
INSERT INTO units (id, provider, institutional_code, name, level, is_active) VALUES (1, 'DEFAULT', 'u', 'u', 4, true);
INSERT INTO carbon_reports (id, year, unit_id, overall_status) SELECT y, y, 1, 0 FROM generate_series(1, 100) y;
INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) SELECT m, 0, y FROM generate_series(1, 100) m, generate_series(1, 100) y;
SELECT setseed(0.310)`)
	const rounds = 10
	for round := range rounds {
		exec(t, pool, `TRUNCATE data_ingestion_jobs CASCADE`)
		for step, change := range historySteps {
			exec(t, pool, change)
			err := pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
				rows, _ := tx.Query(ctx, oracle)
				want, err := pgx.CollectRows(rows, pgx.RowTo[string])
				if err != nil {
					return err
				}
				s, err := freshness.TakeSnapshot(ctx, tx)
				if err != nil {
					return err
				}
				got, counts := spell(s, time.Hour), freshness.Counts(freshness.Stale(s, time.Hour))
				if len(got) != 10_000 || len(want) != 10_000 || !s.Kept {
					t.Fatalf("%d scopes, the oracle has %d", len(got), len(want))
				}
				for i := range want {
					if got[i] != want[i] {
						t.Fatalf("round %d, step %d:\ngot  %s\nwant %s", round, step, got[i], want[i])
					}
				}
				sum := strings.Count(strings.Join(want, "\n"), " fresh ")
				for _, n := range counts {
					sum += n
				}
				if sum != len(want) {
					t.Fatalf("round %d, step %d: the states %v and the fresh ones add up to %d of %d", round, step, counts, sum, len(want))
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// historySteps happen one after another, each to a random part of the record.
var historySteps = []string{
	`INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, provider, is_current, job_type, state, result, module_type_id, year, finished_at)
	 SELECT 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, (ARRAY['aggregation', 'aggregation', 'aggregation', 'emission_recalc'])[ceil(random() * 4)],
	        (ARRAY['FINISHED', 'FINISHED', 'FINISHED', 'NOT_STARTED', 'QUEUED', 'RUNNING', NULL])[ceil(random() * 7)]::ingestion_state_enum,
	        (ARRAY['SUCCESS', 'WARNING', 'ERROR', NULL])[ceil(random() * 4)]::ingestion_result_enum,
	        ceil(random() * 105), nullif(ceil(random() * 101), 101),
	        now() - (ARRAY[0, 1, 3599, 3601, 86400, -60, NULL])[ceil(random() * 7)] * interval '1 second'
	   FROM generate_series(1, 20000)
	     ON CONFLICT DO NOTHING`,
	`UPDATE data_ingestion_jobs j SET state = 'RUNNING'
	  WHERE state IN ('NOT_STARTED', 'QUEUED') AND random() < 0.5
	    AND NOT EXISTS (SELECT FROM data_ingestion_jobs r WHERE r.job_type = j.job_type AND r.state = 'RUNNING' AND (r.module_type_id, r.year) = (j.module_type_id, j.year))`,
	`UPDATE data_ingestion_jobs SET state = 'FINISHED', result = (ARRAY['SUCCESS', 'WARNING', 'ERROR', NULL])[ceil(random() * 4)]::ingestion_result_enum, finished_at = now()
	  WHERE state = 'RUNNING' AND random() < 0.8`,
	`UPDATE data_ingestion_jobs SET result = 'ERROR' WHERE state = 'FINISHED' AND random() < 0.1;
	 UPDATE data_ingestion_jobs SET finished_at = NULL WHERE state = 'FINISHED' AND random() < 0.1;
	 UPDATE data_ingestion_jobs SET result = 'SUCCESS', finished_at = now() - interval '2 hours' WHERE state = 'FINISHED' AND random() < 0.1`,
	`DELETE FROM data_ingestion_jobs WHERE random() < 0.2`,
	`UPDATE data_ingestion_jobs SET state = NULL WHERE state = 'FINISHED' AND random() < 0.1;
	 UPDATE data_ingestion_jobs SET job_type = 'emission_recalc' WHERE state = 'FINISHED' AND random() < 0.05;
	 UPDATE data_ingestion_jobs SET job_type = 'aggregation' WHERE state = 'FINISHED' AND job_type = 'emission_recalc' AND random() < 0.5;
	 UPDATE data_ingestion_jobs SET module_type_id = ceil(random() * 100), year = ceil(random() * 100) WHERE state = 'FINISHED' AND random() < 0.1`,
}
