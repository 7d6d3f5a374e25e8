package api_test

import (
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"tidemark/exporter/api"
	"tidemark/exporter/exportertest"
	"tidemark/shared/local/localtest"
)

const (
	staleStats      = "/v1/sync/health/stale-stats"
	activePipelines = "/v1/sync/active-pipelines"
	p1              = "00000000-0000-4000-8000-000000000001"
)

// serve returns the handler of an API with these options and a silent log.
func serve(o api.Options) http.Handler {
	o.Logger = slog.New(slog.DiscardHandler)
	return api.New(o).Handler()
}

func TestStaleStats(t *testing.T) {
	t.Parallel()
	h := serve(api.Options{Pool: exportertest.Record(t), Anonymous: true})
	answer, body := exportertest.Get(h, staleStats)
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %s", answer.Status, answer.Header.Get("Content-Type"))
	}
	// The failed aggregation ended five minutes before the fixture was written.
	failedAt := regexp.MustCompile(`("module_type_id":2,"year":2025,"last_finished_aggregation_at":")\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"`)
	const want = `[{"module_type_id":1,"year":2025,"last_finished_aggregation_at":null,"why_stale":"no_aggregation_ever","last_aggregation_job_id":null},` +
		`{"module_type_id":2,"year":2025,"last_finished_aggregation_at":"<then>","why_stale":"last_aggregation_failed","last_aggregation_job_id":11},` +
		`{"module_type_id":3,"year":2025,"last_finished_aggregation_at":"2025-01-02T03:04:05Z","why_stale":"last_aggregation_too_old","last_aggregation_job_id":12},` +
		`{"module_type_id":4,"year":2025,"last_finished_aggregation_at":null,"why_stale":"pending_aggregation_stuck","last_aggregation_job_id":13}]` + "\n"
	if got := failedAt.ReplaceAllString(body, `${1}<then>"`); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}

	for query, tooOld := range map[string]bool{
		"?older_than_minutes=60": true, "?older_than_minutes=1": true,
		"?older_than_minutes=52560000": false, "?older_than_minutes=9223372036854775807": false,
	} {
		_, body := exportertest.Get(h, staleStats+query)
		if got := strings.Contains(body, "last_aggregation_too_old"); got != tooOld {
			t.Errorf("%s: too old %v, want %v: %s", query, got, tooOld, body)
		}
	}
	for query, detail := range map[string]string{
		"?older_than_minutes=0": "1 or more", "?older_than_minutes=-5": "1 or more",
		"?older_than_minutes=1.5": "must be an integer", "?older_than_minutes=": "must be an integer", "?older_than_minutes=1h": "must be an integer",
	} {
		answer, body := exportertest.Get(h, staleStats+query)
		exportertest.WantProblem(t, answer, body, http.StatusUnprocessableEntity, detail)
	}
}

func TestStaleStatsOfEmptyRecord(t *testing.T) {
	t.Parallel()
	pool := localtest.Pool(t)
	if _, err := pool.Exec(t.Context(), `INSERT INTO data_ingestion_jobs
		(entity_type, ingestion_method, provider, is_current, state, job_type, module_type_id, year)
		VALUES ('MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'NOT_STARTED', 'aggregation', 99, 2025)`); err != nil {
		t.Fatal(err)
	}
	if _, body := exportertest.Get(serve(api.Options{Pool: pool, Anonymous: true}), staleStats); body != "[]\n" {
		t.Errorf("got %s, want []", body)
	}
}

func TestActivePipelines(t *testing.T) {
	t.Parallel()
	h := serve(api.Options{Pool: exportertest.Record(t), Anonymous: true})
	for query, want := range map[string]string{
		"?year=2025&modules=4":                       `{"4":"` + p1 + `"}`,
		"?year=2025&modules=1,%204%20,,5":            `{"4":"` + p1 + `"}`,
		"?year=2024&modules=4":                       `{}`,
		"?year=2025&modules=":                        `{}`,
		"?year=2025&modules=%20,%20":                 `{}`,
		"?year=2025&modules=99999999999":             `{}`,
		"?year=99999999999&modules=4":                `{}`,
		"?year=2025&modules=4&older_than_minutes=no": `{"4":"` + p1 + `"}`,
	} {
		answer, body := exportertest.Get(h, activePipelines+query)
		if answer.StatusCode != http.StatusOK || body != want+"\n" {
			t.Errorf("%s: got %s %s, want %s", query, answer.Status, body, want)
		}
	}
	for query, c := range map[string]struct {
		status int
		detail string
	}{
		"":                         {http.StatusUnprocessableEntity, "year is missing"},
		"?modules=1":               {http.StatusUnprocessableEntity, "year is missing"},
		"?year=2025":               {http.StatusUnprocessableEntity, "modules is missing"},
		"?year=&modules=1":         {http.StatusUnprocessableEntity, "must be an integer"},
		"?year=soon&modules=":      {http.StatusUnprocessableEntity, "must be an integer"},
		"?year=2025&modules=1,abc": {http.StatusBadRequest, `modules must be a comma-separated list of integers: "abc"`},
	} {
		answer, body := exportertest.Get(h, activePipelines+query)
		exportertest.WantProblem(t, answer, body, c.status, c.detail)
	}
}

// TestAPIWithPostgresAway pins also that what needs no database is answered without it.
func TestAPIWithPostgresAway(t *testing.T) {
	t.Parallel()
	h := serve(api.Options{Pool: exportertest.Away(t), Anonymous: true})
	for _, target := range []string{staleStats, activePipelines + "?year=2025&modules=1"} {
		answer, body := exportertest.Get(h, target)
		exportertest.WantProblem(t, answer, body, http.StatusServiceUnavailable, "try again later")
		if strings.Contains(body, exportertest.SecretUser) {
			t.Errorf("the answer names the database user: %s", body)
		}
	}
	if _, body := exportertest.Get(h, activePipelines+"?year=2025&modules="); body != "{}\n" {
		t.Errorf("blank modules ask the database: %s", body)
	}
	answer, body := exportertest.Get(h, staleStats+"?older_than_minutes=0")
	exportertest.WantProblem(t, answer, body, http.StatusUnprocessableEntity, "1 or more")
}

func TestAPIIsClosedByDefault(t *testing.T) {
	t.Parallel()
	h := serve(api.Options{Pool: exportertest.Away(t)})
	for _, target := range []string{staleStats, staleStats + "?older_than_minutes=0", activePipelines} {
		answer, body := exportertest.Get(h, target)
		exportertest.WantProblem(t, answer, body, http.StatusForbidden, "--web.anonymous-api")
	}
}
