package api

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"tidemark/exporter/overview"
	"tidemark/shared/local/localtest"
	"tidemark/shared/postgres"
)

// TestTheOriginalsOwnDatabase asks an API on a database that Tidemark never touched, then
// the same after `migrate up`: what is read is the same, what is requested is refused before.
func TestTheOriginalsOwnDatabase(t *testing.T) {
	t.Parallel()
	url := localtest.EmptyDatabase(t)
	ddl, err := os.ReadFile("../../shared/postgres/testdata/original.sql")
	if err != nil {
		t.Fatal(err)
	}
	b := setupOn(t, localtest.Connect(t, url))
	b.exec(string(ddl))
	b.exec(`TRUNCATE data_ingestion_jobs, pipelines CASCADE`)
	b.exec(`INSERT INTO pipelines (id, kind, status) VALUES ('` + p1.String() + `', 'csv_ingest', 'NOT_STARTED')`)
	b.declare(2025, 2)
	b.exec(`INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, target_type, provider, is_current, job_type, module_type_id, data_entry_type_id, year, state, result, started_at, finished_at, pipeline_id)
	        VALUES ('MODULE_PER_YEAR', 'csv', 'FACTORS', 'DEFAULT', true, 'factor_ingest', 2, 20, 2025, 'FINISHED', 'SUCCESS', '2025-03-01', '2025-03-01 00:01', NULL),
	               ('MODULE_PER_YEAR', 'csv', 'DATA_ENTRIES', 'DEFAULT', true, 'csv_ingest', 2, 20, 2025, 'FINISHED', 'SUCCESS', '2025-03-02', '2025-03-02 00:01', '` + p1.String() + `'),
	               ('MODULE_PER_YEAR', 'computed', 'DATA_ENTRIES', 'DEFAULT', false, 'emission_recalc', 2, 20, 2025, 'RUNNING', NULL, '2025-03-02 00:02', NULL, '` + p1.String() + `')`)
	reads := []string{
		pipelinesPath, pipelinesPath + "?state=running", pipelinesPath + "?module_type_id=2&q=x", pipelinesPath + "/" + p1.String(),
		activePath + "?year=2025&modules=2", activePath + "/year/2025", recalculationPath + "?year=2025", staleStatsPath,
	}
	var before []string
	for _, target := range reads {
		got := b.get(target)
		got.wantStatus(http.StatusOK)
		before = append(before, got.body)
	}
	if !strings.Contains(before[1], `"total":1`) || !strings.Contains(before[0], `"total":2`) {
		t.Errorf("lists %s and %s", before[0], before[1])
	}
	if o := into[overview.Overview](b.get(overviewPath)); len(o.Scopes) != 1 || o.Scopes[0].Badge == nil || o.Drifted != nil {
		t.Errorf("the overview shows %+v", o)
	}
	b.get(scopesPath+"/2/2025").problem(http.StatusServiceUnavailable, "run `tidemark migrate up`")
	w := b.watch(b.serve(), p1, "")
	w.next()
	b.exec(`UPDATE data_ingestion_jobs SET status_message = 'changed' WHERE state = 'RUNNING'`)
	if _, p := w.next(); *p.Jobs[1].Message != "changed" {
		t.Errorf("the stream shows %+v", p)
	}
	w.leave()
	b.exec(`UPDATE data_ingestion_jobs SET status_message = NULL WHERE state = 'RUNNING'`)
	b.post("/2/20?year=2025").problem(http.StatusServiceUnavailable, "run `tidemark migrate up`")

	if _, err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	for i, target := range reads {
		if got := b.get(target); got.body != before[i] {
			t.Errorf("%s after the migration: %s\nbefore: %s", target, got.body, before[i])
		}
	}
	b.post("/2/20?year=2025").wantStatus(http.StatusAccepted)
}
