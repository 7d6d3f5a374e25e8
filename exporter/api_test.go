package exporter_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"tidemark/exporter"
	"tidemark/shared/local/localtest"
)

const (
	staleStats      = "/v1/sync/health/stale-stats"
	activePipelines = "/v1/sync/active-pipelines"
	p1              = "00000000-0000-4000-8000-000000000001"
)

// wantProblem checks an error answer and that its detail says this.
func wantProblem(t *testing.T, answer *http.Response, body string, status int, detail string) {
	t.Helper()
	var p struct {
		Type, Title, Detail string
		Status              int
	}
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("%s: %v: %s", answer.Status, err, body)
	}
	if answer.StatusCode != status || p.Status != status || p.Title != http.StatusText(status) || p.Type != "about:blank" ||
		answer.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(p.Detail, detail) {
		t.Errorf("got %s %s %+v, want %d with %q", answer.Status, answer.Header.Get("Content-Type"), p, status, detail)
	}
}

func TestStaleStats(t *testing.T) {
	t.Parallel()
	h := serve(t, exporter.Options{Pool: fixture(t), AnonymousAPI: true})
	answer, body := get(h, staleStats)
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
		_, body := get(h, staleStats+query)
		if got := strings.Contains(body, "last_aggregation_too_old"); got != tooOld {
			t.Errorf("%s: too old %v, want %v: %s", query, got, tooOld, body)
		}
	}
	for query, detail := range map[string]string{
		"?older_than_minutes=0": "1 or more", "?older_than_minutes=-5": "1 or more",
		"?older_than_minutes=1.5": "must be an integer", "?older_than_minutes=": "must be an integer", "?older_than_minutes=1h": "must be an integer",
	} {
		answer, body := get(h, staleStats+query)
		wantProblem(t, answer, body, http.StatusUnprocessableEntity, detail)
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
	if _, body := get(serve(t, exporter.Options{Pool: pool, AnonymousAPI: true}), staleStats); body != "[]\n" {
		t.Errorf("got %s, want []", body)
	}
}

func TestActivePipelines(t *testing.T) {
	t.Parallel()
	h := serve(t, exporter.Options{Pool: fixture(t), AnonymousAPI: true})
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
		answer, body := get(h, activePipelines+query)
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
		answer, body := get(h, activePipelines+query)
		wantProblem(t, answer, body, c.status, c.detail)
	}
}

// TestAPIWithPostgresAway pins also that what needs no database is answered without it.
func TestAPIWithPostgresAway(t *testing.T) {
	t.Parallel()
	h := serve(t, exporter.Options{Pool: away(t), AnonymousAPI: true})
	for _, target := range []string{staleStats, activePipelines + "?year=2025&modules=1"} {
		answer, body := get(h, target)
		wantProblem(t, answer, body, http.StatusServiceUnavailable, "try again later")
		if strings.Contains(body, "secretuser") {
			t.Errorf("the answer names the database user: %s", body)
		}
	}
	if _, body := get(h, activePipelines+"?year=2025&modules="); body != "{}\n" {
		t.Errorf("blank modules ask the database: %s", body)
	}
	answer, body := get(h, staleStats+"?older_than_minutes=0")
	wantProblem(t, answer, body, http.StatusUnprocessableEntity, "1 or more")
}

func TestAPIIsClosedByDefault(t *testing.T) {
	t.Parallel()
	h := serve(t, exporter.Options{Pool: away(t)})
	for _, target := range []string{staleStats, staleStats + "?older_than_minutes=0", activePipelines} {
		answer, body := get(h, target)
		wantProblem(t, answer, body, http.StatusForbidden, "--web.anonymous-api")
	}
}
