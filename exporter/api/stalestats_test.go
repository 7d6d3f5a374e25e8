package api

import (
	"net/http"
	"strings"
	"testing"

	"tidemark/exporter/exportertest"
)

const staleStatsPath = "/v1/sync/health/stale-stats"

// setupAway is an API whose database does not answer.
func setupAway(t *testing.T, change ...func(*Options)) *bundle {
	t.Helper()
	return setupOn(t, exportertest.Away(t), change...)
}

// staleWorld is the original's case: a module in each bucket, and a fresh one.
func staleWorld(t *testing.T) *bundle {
	t.Helper()
	b := setup(t)
	b.declare(2025, 1, 2, 3, 4, 5)
	for _, values := range []string{
		`11, 'aggregation', 2, 2025, 'FINISHED', 'ERROR', '2025-03-01 12:00:00+00', NULL`,
		`12, 'aggregation', 3, 2025, 'FINISHED', 'SUCCESS', '2025-01-02 03:04:05+00', NULL`,
		`13, 'aggregation', 4, 2025, 'FINISHED', 'WARNING', '2025-02-01 00:00:00+00', NULL`,
		`14, 'aggregation', 4, 2025, 'NOT_STARTED', NULL, NULL, '2025-03-01 09:00:00+01'`,
		`15, 'aggregation', 5, 2025, 'FINISHED', 'SUCCESS', '2125-01-01 00:00:00+00', NULL`,
	} {
		b.exec(`INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, provider, is_current, id, job_type, module_type_id, year, state, result, finished_at, requested_at)
		        VALUES ('MODULE_PER_YEAR', 'computed', 'DEFAULT', false, ` + values + `)`)
	}
	// What module 3 was computed from stands; modules 4 and 5 changed since.
	b.exec(`UPDATE data_ingestion_jobs SET read_snapshot = pg_current_snapshot() WHERE id = 12`)
	b.exec(`INSERT INTO scope_changes (module_type_id, year, xid, changed_at)
	        VALUES (4, 2025, pg_current_xact_id(), '2025-03-01 07:00:00+00'), (5, 2025, pg_current_xact_id(), '2025-03-02 07:00:00+00')`)
	return b
}

func TestStaleStats(t *testing.T) {
	t.Parallel()
	b := staleWorld(t)
	// Strict clients of the original know these five fields.
	const plain = `[
		{"module_type_id":1,"year":2025,"last_finished_aggregation_at":null,"why_stale":"no_aggregation_ever","last_aggregation_job_id":null},
		{"module_type_id":2,"year":2025,"last_finished_aggregation_at":"2025-03-01T12:00:00Z","why_stale":"last_aggregation_failed","last_aggregation_job_id":11},
		{"module_type_id":3,"year":2025,"last_finished_aggregation_at":"2025-01-02T03:04:05Z","why_stale":"last_aggregation_too_old","last_aggregation_job_id":12},
		{"module_type_id":4,"year":2025,"last_finished_aggregation_at":null,"why_stale":"pending_aggregation_stuck","last_aggregation_job_id":14}]`
	for _, query := range []string{"", "?older_than_minutes=60", "?detail=false"} {
		b.get(staleStatsPath + query).is(plain)
	}
	// O-20: what a pending aggregation hides.
	b.get(staleStatsPath + "?detail=true").is(`[
		{"module_type_id":1,"year":2025,"last_finished_aggregation_at":null,"why_stale":"no_aggregation_ever","last_aggregation_job_id":null,
		 "last_success_at":null,"last_result":null,"pending_since":null,"drift":null,"drifted_since":null},
		{"module_type_id":2,"year":2025,"last_finished_aggregation_at":"2025-03-01T12:00:00Z","why_stale":"last_aggregation_failed","last_aggregation_job_id":11,
		 "last_success_at":null,"last_result":"ERROR","pending_since":null,"drift":null,"drifted_since":null},
		{"module_type_id":3,"year":2025,"last_finished_aggregation_at":"2025-01-02T03:04:05Z","why_stale":"last_aggregation_too_old","last_aggregation_job_id":12,
		 "last_success_at":"2025-01-02T03:04:05Z","last_result":"SUCCESS","pending_since":null,"drift":"current","drifted_since":null},
		{"module_type_id":4,"year":2025,"last_finished_aggregation_at":null,"why_stale":"pending_aggregation_stuck","last_aggregation_job_id":14,
		 "last_success_at":"2025-02-01T00:00:00Z","last_result":"WARNING","pending_since":"2025-03-01T08:00:00Z","drift":"drifted","drifted_since":"2025-03-01T07:00:00Z"},
		{"module_type_id":5,"year":2025,"last_finished_aggregation_at":"2125-01-01T00:00:00Z","why_stale":null,"last_aggregation_job_id":15,
		 "last_success_at":"2125-01-01T00:00:00Z","last_result":"SUCCESS","pending_since":null,"drift":"drifted","drifted_since":"2025-03-02T07:00:00Z"}]`)
	for query, tooOld := range map[string]bool{
		"?older_than_minutes=1": true, "?older_than_minutes=52560000": false, "?older_than_minutes=9223372036854775807": false,
	} {
		got := b.get(staleStatsPath + query)
		if strings.Contains(got.body, "last_aggregation_too_old") != tooOld {
			t.Errorf("%s: too old should be %v: %s", query, tooOld, got.body)
		}
	}
}

func TestStaleStatsRefusals(t *testing.T) {
	t.Parallel()
	b := setupAway(t) // what needs no database is answered without it
	for query, detail := range map[string]string{
		"?older_than_minutes=0": "1 or more", "?older_than_minutes=-5": "1 or more", "?older_than_minutes=1.5": "must be an integer",
		"?older_than_minutes=": "must be an integer", "?older_than_minutes=1h": "must be an integer",
		"?detail=maybe": "true or false", "?older_than_minutes=%zz": "malformed",
	} {
		b.get(staleStatsPath+query).problem(http.StatusUnprocessableEntity, detail)
	}
}

func TestStaleStatsAreFilteredByModule(t *testing.T) {
	t.Parallel()
	b := staleWorld(t)
	b.ask("traveller", http.MethodGet, staleStatsPath, "").is(`[
		{"module_type_id":2,"year":2025,"last_finished_aggregation_at":"2025-03-01T12:00:00Z","why_stale":"last_aggregation_failed","last_aggregation_job_id":11}]`)
	if got := b.ask("builder", http.MethodGet, staleStatsPath+"?detail=true", ""); len(into[[]any](got)) != 2 {
		t.Errorf("got %s", got.body)
	}
	b.ask("nobody", http.MethodGet, staleStatsPath, "").problem(http.StatusForbidden, "backoffice.data_management.view")
}

func TestStaleStatsOfUndeclaredScopes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.job("job_type, module_type_id, year, state", "'aggregation', 99, 2025, 'NOT_STARTED'")
	b.get(staleStatsPath).is(`[]`)
	b.get(staleStatsPath + "?detail=true").is(`[]`)
}
