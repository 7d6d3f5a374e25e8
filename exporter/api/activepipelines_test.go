package api

import (
	"fmt"
	"net/http"
	"testing"
)

const activePath = "/v1/sync/active-pipelines"

func activeWorld(t *testing.T) *bundle {
	t.Helper()
	b := setup(t)
	for _, id := range []any{p1, p2, p3} {
		b.exec(`INSERT INTO pipelines (id) VALUES ($1)`, id)
	}
	const columns = "module_type_id, year, state, pipeline_id"
	b.job(columns, fmt.Sprintf("1, 2025, 'RUNNING', '%s'", p3))
	b.job(columns, fmt.Sprintf("1, 2025, 'RUNNING', '%s'", p1)) // the highest id wins
	b.job(columns, fmt.Sprintf("2, 2025, 'QUEUED', '%s'", p2))
	b.job(columns, fmt.Sprintf("3, 2025, 'FINISHED', '%s'", p3))
	b.job(columns, fmt.Sprintf("4, 2024, 'RUNNING', '%s'", p3))
	b.job(columns, "5, 2025, 'RUNNING', NULL")
	return b
}

func TestActivePipelines(t *testing.T) {
	t.Parallel()
	b := activeWorld(t)
	for query, want := range map[string]string{
		"?year=2025&modules=1,2,3":                   fmt.Sprintf(`{"1":"%s","2":"%s"}`, p1, p2),
		"?year=2025&modules=1,3":                     fmt.Sprintf(`{"1":"%s"}`, p1),
		"?year=2025&modules=4,5":                     `{}`,
		"?year=2024&modules=4":                       fmt.Sprintf(`{"4":"%s"}`, p3),
		"?year=2025&modules=1,%202%20,,99":           fmt.Sprintf(`{"1":"%s","2":"%s"}`, p1, p2),
		"?year=2025&modules=99999999999,-3":          `{}`,
		"?year=99999999999&modules=1":                `{}`,
		"?year=2025&modules=1&older_than_minutes=no": fmt.Sprintf(`{"1":"%s"}`, p1),
	} {
		b.get(activePath + query).is(want)
	}
}

func TestActivePipelinesWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	b := setupAway(t)
	for _, query := range []string{"?year=2025&modules=", "?year=2025&modules=%20,%20"} {
		b.get(activePath + query).is(`{}`)
	}
	// Nor is it asked about what the caller may not see.
	b.ask("traveller", http.MethodGet, activePath+"?year=2025&modules=1,3", "").is(`{}`)
	for query, c := range map[string]struct {
		status int
		detail string
	}{
		"":                         {422, "year is missing"},
		"?modules=1":               {422, "year is missing"},
		"?year=2025":               {422, "modules is missing"},
		"?year=&modules=1":         {422, "must be an integer"},
		"?year=soon&modules=":      {422, "must be an integer"},
		"?year=2025&modules=1,abc": {400, `modules must be a comma-separated list of integers: "abc"`},
		"?year=2025&modules=1":     {503, "try again later"},
	} {
		b.get(activePath+query).problem(c.status, c.detail)
	}
	b.ask("nobody", http.MethodGet, activePath+"?year=2025&modules=1", "").problem(http.StatusForbidden, "modules.<name>.view")
}

func TestActivePipelinesAreFilteredByModule(t *testing.T) {
	t.Parallel()
	b := activeWorld(t)
	b.ask("traveller", http.MethodGet, activePath+"?year=2025&modules=1,2", "").is(fmt.Sprintf(`{"2":"%s"}`, p2))
	// The original's #1234: who may see everything is not filtered.
	b.ask("operator", http.MethodGet, activePath+"?year=2025&modules=1,2", "").is(fmt.Sprintf(`{"1":"%s","2":"%s"}`, p1, p2))
}

func TestActiveYearPipelines(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, id := range []any{p1, p2, p3} {
		b.exec(`INSERT INTO pipelines (id) VALUES ($1)`, id)
	}
	sync := func(entity, state string, year int, pipeline any) {
		t.Helper()
		b.exec(`INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, target_type, provider, is_current, job_type, year, state, pipeline_id)
		        VALUES ($1::text::entity_type_enum, 'api', 'REFERENCE_DATA', 'DEFAULT', false, 'unit_sync', $3, $2::text::ingestion_state_enum, $4)`, entity, state, year, pipeline)
	}
	b.get(activePath + "/year/2025").is(`[]`)
	sync("GLOBAL_PER_YEAR", "FINISHED", 2025, p3)
	sync("GLOBAL_PER_YEAR", "RUNNING", 2024, p3)
	sync("GLOBAL_PER_YEAR", "RUNNING", 2025, nil)
	sync("MODULE_PER_YEAR", "RUNNING", 2025, p3)
	b.get(activePath + "/year/2025").is(`[]`)
	sync("GLOBAL_PER_YEAR", "RUNNING", 2025, p1)
	b.get(activePath + "/year/2025").is(fmt.Sprintf(`["%s"]`, p1))
	sync("GLOBAL_PER_YEAR", "NOT_STARTED", 2025, p2)
	sync("GLOBAL_PER_YEAR", "QUEUED", 2025, p1) // twice, and now the newest
	b.get(activePath + "/year/2025").is(fmt.Sprintf(`["%s","%s"]`, p1, p2))
	b.get(activePath + "/year/2024").is(fmt.Sprintf(`["%s"]`, p3))
	b.get(activePath + "/year/99999999999").is(`[]`)
	b.get(activePath+"/year/next").problem(http.StatusUnprocessableEntity, "must be an integer")
	// They touch every module.
	b.ask("traveller", http.MethodGet, activePath+"/year/2025", "").problem(http.StatusForbidden, "backoffice.data_management.view or backoffice.data_management.sync")
}
