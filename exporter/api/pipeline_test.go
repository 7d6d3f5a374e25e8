package api

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/uuid"
)

const pipelinesPath = "/v1/sync/pipelines"

// family makes a pipeline as an upload does: a load, a recalculation, an aggregation.
func (b *bundle) family(id uuid.UUID, module int) (load, recalc, aggregation int64) {
	b.t.Helper()
	b.pipeline(id, "csv_ingest", "RUNNING")
	const columns = "job_type, target_type, module_type_id, data_entry_type_id, year, state, result, status_message, started_at, finished_at, pipeline_id"
	load = b.job(columns, fmt.Sprintf(`'csv_ingest', 'DATA_ENTRIES', %d, 20, 2025, 'FINISHED', 'SUCCESS', '3 rows', '2025-03-01 10:00:00+00', '2025-03-01 10:00:05.5+00', '%s'`, module, id))
	recalc = b.job(columns, fmt.Sprintf(`'emission_recalc', 'DATA_ENTRIES', %d, 20, 2025, 'RUNNING', NULL, '1 of 3', '2025-03-01 10:00:06+00', NULL, '%s'`, module, id))
	aggregation = b.job(columns, fmt.Sprintf(`'aggregation', 'DATA_ENTRIES', %d, NULL, 2025, 'NOT_STARTED', NULL, NULL, NULL, NULL, '%s'`, module, id))
	return load, recalc, aggregation
}

func TestPipeline(t *testing.T) {
	t.Parallel()
	b := setup(t)
	load, recalc, aggregation := b.family(p1, 2)
	b.family(p2, 3) // nothing of it leaks into the first
	want := func(progress, recalcState string) string {
		return fmt.Sprintf(`{"pipeline_id":"%s","jobs":[
			{"job_id":%[2]d,"id":%[2]d,"job_type":"csv_ingest","target_type":0,"module_type_id":2,"data_entry_type_id":20,"year":2025,
			 "state":"FINISHED","result":"SUCCESS","status_message":"3 rows","started_at":"2025-03-01T10:00:00Z","finished_at":"2025-03-01T10:00:05.5Z"},
			{"job_id":%[3]d,"id":%[3]d,"job_type":"emission_recalc","target_type":0,"module_type_id":2,"data_entry_type_id":20,"year":2025,
			 %[6]s,"status_message":"1 of 3","started_at":"2025-03-01T10:00:06Z","finished_at":null},
			{"job_id":%[4]d,"id":%[4]d,"job_type":"aggregation","target_type":0,"module_type_id":2,"data_entry_type_id":null,"year":2025,
			 "state":"NOT_STARTED","result":null,"status_message":null,"started_at":null,"finished_at":null}],
			"progress":{%[5]s}}`, p1, load, recalc, aggregation, progress, recalcState)
	}
	b.get(pipelinesPath + "/" + p1.String()).is(want(
		`"phase":2,"phases_total":3,"phase_label":"emissions","done":false,"has_error":false,"status":"RUNNING","kind":"csv_ingest"`,
		`"state":"RUNNING","result":null`))
	b.exec(`UPDATE data_ingestion_jobs SET state = 'FINISHED', result = 'ERROR' WHERE id = $1`, recalc)
	b.exec(`UPDATE pipelines SET status = 'PARTIAL' WHERE id = $1`, p1)
	b.get(pipelinesPath + "/" + p1.String()).is(want(
		`"phase":3,"phases_total":3,"phase_label":"aggregation","done":true,"has_error":true,"status":"PARTIAL","kind":"csv_ingest"`,
		`"state":"FINISHED","result":"ERROR"`))
}

// TestPipelineThatJoined: the job of another pipeline is its job too; one that was taken over is not.
func TestPipelineThatJoined(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, recalc, aggregation := b.family(p1, 2)
	b.pipeline(p2, "emission_recalc", "RUNNING")
	b.exec(`INSERT INTO pipeline_joins (pipeline_id, job_id) VALUES ($1, $2), ($1, $3)`, p2, recalc, aggregation)
	b.exec(`UPDATE data_ingestion_jobs SET superseded_by = $2 WHERE id = $1`, recalc, aggregation)
	got := into[pipelineAnswer](b.get(pipelinesPath + "/" + p2.String()))
	if len(got.Jobs) != 1 || got.Jobs[0].JobID != aggregation || got.Progress.Phase != 3 {
		t.Errorf("got %+v", got)
	}
}

func TestPipelineRefusals(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.family(p1, 2)
	b.family(p2, 3)
	b.pipeline(p3, "csv_ingest", "RUNNING") // without any job
	for _, suffix := range []string{"", "/stream"} {
		b.get(pipelinesPath+"/"+uuid.NewString()+suffix).problem(http.StatusNotFound, "No jobs found for pipeline_id")
		b.get(pipelinesPath+"/"+p3.String()+suffix).problem(http.StatusNotFound, "No jobs found for pipeline_id "+p3.String())
		for _, id := range []string{"1", "latest", "{" + p1.String() + "}", "urn:uuid:" + p1.String(), "00000000000040008000000000000001"} {
			b.get(pipelinesPath+"/"+id+suffix).problem(http.StatusUnprocessableEntity, "it must be a uuid")
		}
		b.ask("nobody", http.MethodGet, pipelinesPath+"/"+p1.String()+suffix, "").problem(http.StatusForbidden, "lacks the permission")
		// The second layer: the gate passes, the pipeline's modules do not.
		b.ask("traveller", http.MethodGet, pipelinesPath+"/"+p2.String()+suffix, "").problem(http.StatusForbidden, "touches modules that traveller may not see")
	}
	b.ask("traveller", http.MethodGet, pipelinesPath+"/"+p1.String(), "").wantStatus(http.StatusOK)
	// A pipeline of several modules takes the permission of each, one about a year as a whole that for all.
	b.exec(`UPDATE data_ingestion_jobs SET module_type_id = 3 WHERE pipeline_id = $1 AND job_type = 'csv_ingest'`, p1)
	b.ask("traveller", http.MethodGet, pipelinesPath+"/"+p1.String(), "").wantStatus(http.StatusForbidden)
	b.ask("builder", http.MethodGet, pipelinesPath+"/"+p1.String(), "").wantStatus(http.StatusOK)
	b.exec(`UPDATE data_ingestion_jobs SET module_type_id = NULL WHERE pipeline_id = $1 AND job_type = 'aggregation'`, p1)
	b.ask("builder", http.MethodGet, pipelinesPath+"/"+p1.String(), "").wantStatus(http.StatusForbidden)
	b.ask("viewer", http.MethodGet, pipelinesPath+"/"+p1.String(), "").wantStatus(http.StatusOK)
}

// wantStatus checks the status alone.
func (a answer) wantStatus(status int) {
	a.t.Helper()
	if a.status != status {
		a.t.Errorf("%s: %d %s, want %d", a.what, a.status, a.body, status)
	}
}
