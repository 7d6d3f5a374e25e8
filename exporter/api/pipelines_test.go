package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// listWorld has a pipeline that runs, one that failed, one of the original that has begun, and
// two jobs without one.
func listWorld(t *testing.T) *bundle {
	t.Helper()
	b := setup(t)
	b.family(p1, 2) // jobs 1 to 3
	b.pipeline(p2, "factor_ingest", "PARTIAL")
	b.pipeline(p3, "csv_ingest", "NOT_STARTED")
	const columns = "job_type, module_type_id, data_entry_type_id, year, state, result, status_message, started_at, finished_at, meta, pipeline_id"
	b.job(columns, fmt.Sprintf(`'factor_ingest', 4, NULL, 2024, 'FINISHED', 'SUCCESS', '11 factors', '2025-02-01 08:00:00+00', '2025-02-01 08:00:01+00', NULL, '%s'`, p2))
	b.job(columns, fmt.Sprintf(`'emission_recalc', 4, 10, 2024, 'FINISHED', 'ERROR', 'Division BY zero', '2025-02-01 08:00:02+00', '2025-02-01 08:00:03+00',
		'{"provider_name":"csv","filters":null,"secret":1,"status_history":[{"message":"started","ts":"2025"}]}', '%s'`, p2))
	b.job(columns, fmt.Sprintf(`'csv_ingest', 3, 30, 2025, 'RUNNING', NULL, '100%% sure', '2025-04-01 00:00:00+00', NULL, '"odd"', '%s'`, p3))
	b.job(columns, `'module_emission_recalc', 5, NULL, 2025, 'FINISHED', 'ERROR', 'lost', '2025-01-01 00:00:00+00', '2025-01-01 01:00:00+00', '{"phases":"a\u0000b"}', NULL`)
	b.job(columns, `NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL`)
	return b
}

// list asks for a page and names its items: pipelines by their last digit, orphans by job.
func (a answer) items() (names []string, page pipelinesAnswer) {
	a.t.Helper()
	page = into[pipelinesAnswer](a)
	names = []string{}
	for _, item := range page.Items {
		if item.IsOrphan {
			names = append(names, fmt.Sprintf("job %d", item.Jobs[0].JobID))
		} else {
			names = append(names, fmt.Sprintf("p%d", item.PipelineID[15]))
		}
	}
	return names, page
}

func TestPipelinesAreFiltered(t *testing.T) {
	t.Parallel()
	b := listWorld(t)
	for query, want := range map[string]string{
		"":                                           "job 8, job 7, p3, p2, p1",
		"state=running":                              "p3, p1", // O-22: also what the original never calls so
		"state=RUNNING&module_type_id=3":             "p3",
		"state=not_started":                          "",
		"state=PARTIAL":                              "p2",
		"state=success":                              "",
		"job_type=emission_recalc":                   "p2, p1",
		"job_type=unit_sync":                         "",
		"module_type_id=4":                           "p2",
		"module_type_id=99999999999":                 "",
		"year=2025":                                  "job 7, p3, p1",
		"has_errors=true":                            "job 7, p2",
		"has_errors=false":                           "job 8, p3, p1",
		"since=2025-03-01":                           "p3, p1",
		"since=2025-03-01T10:00:06Z":                 "p3, p1",
		"since=2025-03-01T10:00:06.5Z":               "p3",
		"until=2025-02-01T09:00:00%2B01:00":          "job 7, p2",
		"since=2025-02-01&until=2025-03-02T00:00:00": "p2, p1",
		"q=by zero":                                  "p2",
		"q=%25":                                      "p3",
		"q=_":                                        "",
		"q=":                                         "job 8, job 7, p3, p2, p1",
		// All of them of one job: no recalculation of 2024 was started in March.
		"job_type=emission_recalc&since=2025-03-01": "p1",
		"job_type=factor_ingest&q=zero":             "",
		"limit=2":                                   "job 8, job 7",
		"limit=2&offset=2":                          "p3, p2",
		"limit=200&offset=4":                        "p1",
		"offset=5":                                  "",
	} {
		got := b.get(pipelinesPath + "?" + strings.ReplaceAll(query, " ", "+"))
		if names, _ := got.items(); strings.Join(names, ", ") != want {
			t.Errorf("%s: got %q, want %q", query, strings.Join(names, ", "), want)
		}
	}
	_, page := b.get(pipelinesPath + "?limit=2&offset=3&year=2025").items()
	if page.Total != 3 || page.Limit != 2 || page.Offset != 3 || page.TotalExact != nil || len(page.Items) != 0 {
		t.Errorf("a page behind the end: %+v", page)
	}
}

func TestPipelineItem(t *testing.T) {
	t.Parallel()
	b := listWorld(t)
	b.exec(`INSERT INTO job_requests (actor, via, request_id, pipeline_id, job_id, created, job_type, module_type_id, data_entry_type_id, year)
	        VALUES ('anna', 'http', 'r1', $1, 5, true, 'emission_recalc', 4, 10, 2024), ('bert', 'http', 'r2', $1, 5, false, 'emission_recalc', 4, 10, 2024),
	               ('carl', 'task', 'r3', NULL, 7, true, 'emission_recalc', 5, 60, 2025)`, p2)
	b.get(pipelinesPath + "?state=partial").is(`{"total":1,"limit":50,"offset":0,"items":[{
		"pipeline_id":"` + p2.String() + `","is_orphan":false,"job_type":"factor_ingest","entity_type":1,"unit_institutional_id":null,
		"progress":{"phase":3,"phases_total":3,"phase_label":"aggregation","done":true,"has_error":true,"status":"PARTIAL","kind":"factor_ingest"},
		"module_type_id":4,"module_label":"equipment","year":2024,"status_message":"Division BY zero","author":"anna",
		"started_at":"2025-02-01T08:00:00Z","finished_at":"2025-02-01T08:00:03Z","latest_job_id":5,"job_count":2,"error_count":1,
		"jobs":[{"job_id":4,"job_type":"factor_ingest","state":"FINISHED","result":"SUCCESS","status_message":"11 factors","module_type_id":4,"data_entry_type_id":null,
		         "data_entry_type_label":null,"year":2024,"started_at":"2025-02-01T08:00:00Z","finished_at":"2025-02-01T08:00:01Z","attempts":0,"meta":{}},
		        {"job_id":5,"job_type":"emission_recalc","state":"FINISHED","result":"ERROR","status_message":"Division BY zero","module_type_id":4,"data_entry_type_id":10,
		         "data_entry_type_label":"scientific","year":2024,"started_at":"2025-02-01T08:00:02Z","finished_at":"2025-02-01T08:00:03Z","attempts":0,
		         "meta":{"provider_name":"csv","status_history":[{"message":"started","ts":"2025"}]}}]}]}`)
	b.get(pipelinesPath + "?limit=2").is(`{"total":5,"limit":2,"offset":0,"items":[
		{"pipeline_id":null,"is_orphan":true,"job_type":null,"entity_type":1,"unit_institutional_id":null,
		 "progress":{"phase":1,"phases_total":3,"phase_label":"data","done":false,"has_error":false,"status":"NOT_STARTED","kind":null},
		 "module_type_id":null,"module_label":null,"year":null,"status_message":null,"author":null,"started_at":null,"finished_at":null,"latest_job_id":8,"job_count":1,"error_count":0,
		 "jobs":[{"job_id":8,"job_type":null,"state":null,"result":null,"status_message":null,"module_type_id":null,"data_entry_type_id":null,
		          "data_entry_type_label":null,"year":null,"started_at":null,"finished_at":null,"attempts":0,"meta":{}}]},
		{"pipeline_id":null,"is_orphan":true,"job_type":"module_emission_recalc","entity_type":1,"unit_institutional_id":null,
		 "progress":{"phase":3,"phases_total":3,"phase_label":"aggregation","done":true,"has_error":true,"status":"FAILED","kind":"module_emission_recalc"},
		 "module_type_id":5,"module_label":"purchases","year":2025,"status_message":"lost","author":"carl",
		 "started_at":"2025-01-01T00:00:00Z","finished_at":"2025-01-01T01:00:00Z","latest_job_id":7,"job_count":1,"error_count":1,
		 "jobs":[{"job_id":7,"job_type":"module_emission_recalc","state":"FINISHED","result":"ERROR","status_message":"lost","module_type_id":5,"data_entry_type_id":null,
		          "data_entry_type_label":null,"year":2025,"started_at":"2025-01-01T00:00:00Z","finished_at":"2025-01-01T01:00:00Z","attempts":0,"meta":{}}]}]}`)

	// A pipeline that is under way has no end, one of a unit names it, one of several modules none of them.
	b.declare(2025, 2)
	b.exec(`UPDATE units SET institutional_id = 'U-1'; UPDATE data_ingestion_jobs SET entity_type = 'MODULE_UNIT_SPECIFIC', entity_id = (SELECT id FROM carbon_report_modules) WHERE id = 1;
	        UPDATE data_ingestion_jobs SET module_type_id = 3 WHERE id = 3`)
	_, page := b.get(pipelinesPath + "?job_type=csv_ingest&module_type_id=2").items()
	item := page.Items[0]
	if item.FinishedAt != nil || *item.Unit != "U-1" || *item.EntityType != 2 || item.ModuleType != nil || *item.Year != 2025 || *item.Message != "1 of 3" || item.LatestJobID != 3 {
		t.Errorf("%+v", item)
	}
}

// TestPipelineIsListedByWhatItJoined, once, and its job is no orphan.
func TestPipelineIsListedByWhatItJoined(t *testing.T) {
	t.Parallel()
	b := setup(t)
	orphan := b.job("job_type, state", "'emission_recalc', 'NOT_STARTED'")
	b.family(p1, 2)
	b.pipeline(p2, "emission_recalc", "RUNNING")
	b.exec(`INSERT INTO pipeline_joins (pipeline_id, job_id) SELECT $1, id FROM data_ingestion_jobs WHERE id IN ($2, 2, 3)`, p2, orphan)
	names, page := b.get(pipelinesPath).items()
	// Both have job 4; then the id decides.
	if want := []string{"p1", "p2"}; !slices.Equal(names, want) || page.Total != 2 || page.Items[1].JobCount != 3 {
		t.Errorf("got %q of %d, %+v", names, page.Total, page.Items)
	}
	// A job that was taken over is nobody's.
	b.exec(`UPDATE data_ingestion_jobs SET superseded_by = 4 WHERE id IN (1, 2)`)
	_, page = b.get(pipelinesPath).items()
	if page.Items[0].JobCount != 2 || page.Items[1].JobCount != 1 {
		t.Errorf("%+v", page.Items)
	}
}

func TestPipelinesAreFilteredByModule(t *testing.T) {
	t.Parallel()
	b := listWorld(t)
	for account, want := range map[string]string{"traveller": "p1", "builder": "p3, p1", "operator": "job 8, job 7, p3, p2, p1"} {
		got := b.ask(account, http.MethodGet, pipelinesPath, "")
		if names, page := got.items(); strings.Join(names, ", ") != want || page.Total != len(names) {
			t.Errorf("%s: got %q of %d, want %q", account, names, page.Total, want)
		}
	}
	// Touching one other module is enough, and so is a job without one.
	b.exec(`UPDATE data_ingestion_jobs SET module_type_id = NULL WHERE id = 1`)
	if names, _ := b.ask("builder", http.MethodGet, pipelinesPath, "").items(); strings.Join(names, ", ") != "p3" {
		t.Errorf("got %q", names)
	}
	b.ask("nobody", http.MethodGet, pipelinesPath, "").problem(http.StatusForbidden, "modules.<name>.view")
}

// TestPipelinesOfALongHistory: the look is widened until the page is full, and counts to a thousand.
func TestPipelinesOfALongHistory(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.family(p1, 2)
	b.exec(`INSERT INTO pipelines (id, status) SELECT gen_random_uuid(), 'SUCCESS' FROM generate_series(1, 2000)`)
	b.exec(`INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, provider, is_current, state, pipeline_id, module_type_id, year)
	        SELECT 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'FINISHED', id, 7, 2025 FROM pipelines, generate_series(1, 3) WHERE status = 'SUCCESS'`)
	names, page := b.get(pipelinesPath).items()
	if len(names) != 50 || page.Total != 1000 || page.TotalExact == nil || *page.TotalExact {
		t.Errorf("%d items of %d, exact %v", len(names), page.Total, page.TotalExact)
	}
	names, page = b.get(pipelinesPath + "?offset=1990&limit=20").items()
	if len(names) != 11 || names[10] != "p1" || page.Total != 2001 || page.TotalExact != nil {
		t.Errorf("the end: %q of %d, exact %v", names, page.Total, page.TotalExact)
	}
	_, page = b.get(pipelinesPath + "?offset=1500&limit=20").items()
	if len(page.Items) != 20 || page.Total != 1520 || page.TotalExact == nil {
		t.Errorf("the middle: %d items of %d", len(page.Items), page.Total)
	}
	// The oldest jobs are found too.
	if names, page := b.get(pipelinesPath + "?module_type_id=2").items(); len(names) != 1 || names[0] != "p1" || page.Total != 1 {
		t.Errorf("got %q of %d", names, page.Total)
	}
	seen := map[uuid.UUID]bool{}
	for offset := 0; offset < 2001; offset += 200 {
		_, page := b.get(fmt.Sprintf("%s?limit=200&offset=%d", pipelinesPath, offset)).items()
		for _, item := range page.Items {
			seen[*item.PipelineID] = true
		}
	}
	if len(seen) != 2001 {
		t.Errorf("%d of 2001 pipelines are on some page", len(seen))
	}
}

func TestPipelinesRefusals(t *testing.T) {
	t.Parallel()
	b := setupAway(t)
	for query, detail := range map[string]string{
		"state=lost": "must be one of NOT_STARTED RUNNING SUCCESS PARTIAL FAILED", "state=": "must be one of",
		"module_type_id=x": "must be an integer", "year=": "must be an integer", "has_errors=perhaps": "true or false",
		"since=yesterday": "must be a time", "until=2025-03-01T12:00:00+01:00": "%2B", "since=0000-01-01": "must be a time", "since=9999-12-31": "must be a time",
		"limit=0": "from 1 to 200", "limit=201": "from 1 to 200", "limit=many": "must be an integer",
		"offset=-1": "from 0 to 10000", "offset=10001": "from 0 to 10000",
		"q=%00": "text of at most", "q=%ff": "text of at most", "job_type=" + strings.Repeat("x", 201): "text of at most",
	} {
		b.get(pipelinesPath+"?"+query).problem(http.StatusUnprocessableEntity, detail)
	}
	b.get(pipelinesPath).problem(http.StatusServiceUnavailable, "try again later")
}
