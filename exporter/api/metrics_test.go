package api

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tidemark/shared/local/localtest"
)

// TestRequestsAreCounted: what was created and what joined, each scope once; what was asked before
// under the same key, or refused, is no request.
func TestRequestsAreCounted(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	b := setupOn(t, localtest.Pool(t), func(o *Options) { o.Registry = registry })
	b.declare(2025, 2)
	b.post("/2/20?year=2025", headerIdempotencyKey, "one")
	b.post("/2/20?year=2025", headerIdempotencyKey, "one")
	b.post("/2?year=2025&only_stale=false")
	b.post("/2?year=none")
	want := `
# HELP tidemark_api_requests_total Requests of recalculations that the API took, one for each scope, by whether they created a job or joined one that waited.
# TYPE tidemark_api_requests_total counter
tidemark_api_requests_total{job_type="emission_recalc",outcome="created"} 1
tidemark_api_requests_total{job_type="emission_recalc",outcome="joined"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "tidemark_api_requests_total"); err != nil {
		t.Error(err)
	}
}
