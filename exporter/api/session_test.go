package api

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"tidemark/shared/access"
)

// TestSession: a browser that has signed in may what its token may, from the own site only.
func TestSession(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "tokens")
	account, token, err := access.NewAccount("operator", time.Time{}, access.SyncAll)
	if err != nil {
		t.Fatal(err)
	}
	if err := access.AppendAccount(file, account); err != nil {
		t.Fatal(err)
	}
	known, err := access.New(access.Options{TokensFile: file})
	if err != nil {
		t.Fatal(err)
	}
	b := setup(t, func(o *Options) { o.Authenticator = known })
	b.declare(2025, 4)
	browse := func(method, target string, headers ...string) answer {
		return b.ask("", method, target, "", append(headers, "Cookie", access.NewSession(token, false).String())...)
	}
	const target = recalculatePath + "/equipment/scientific?year=2025"
	for _, site := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://elsewhere.example"}, {"Origin", "null"}} {
		browse(http.MethodPost, target, site...).problem(http.StatusForbidden, "another site")
	}
	if n := value[int](b, `SELECT count(*) FROM data_ingestion_jobs`); n != 0 {
		t.Errorf("other sites made %d jobs", n)
	}
	for _, site := range [][]string{{"Sec-Fetch-Site", "same-origin"}, {"Origin", "http://example.com"}} {
		if got := browse(http.MethodPost, target, site...); got.status != http.StatusAccepted {
			t.Errorf("%v: %d %s", site, got.status, got.body)
		}
	}
	if by := value[string](b, `SELECT DISTINCT actor FROM job_requests`); by != "operator" {
		t.Errorf("the requests are those of %s", by)
	}
	browse(http.MethodGet, staleStatsPath, "Sec-Fetch-Site", "cross-site").is(`[{"module_type_id": 4, "year": 2025, "last_finished_aggregation_at": null, "why_stale": "no_aggregation_ever", "last_aggregation_job_id": null}]`)
	b.ask("", http.MethodGet, staleStatsPath, "", "Cookie", "tidemark_session=no token").problem(http.StatusUnauthorized, "sign in again")
}
