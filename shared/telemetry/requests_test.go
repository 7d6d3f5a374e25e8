package telemetry_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"tidemark/shared/telemetry"
)

// TestCount: the label is the route, whatever the caller writes into the path.
func TestCount(t *testing.T) {
	t.Parallel()
	answer := func(status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
	}
	inner := http.NewServeMux()
	inner.Handle("GET /v1/pipelines/{id}", answer(http.StatusOK))
	inner.Handle("/", answer(http.StatusNotFound))
	mux := http.NewServeMux()
	mux.Handle("/{$}", answer(http.StatusOK))
	mux.Handle("/metrics", answer(http.StatusOK))
	mux.Handle("/-/ready", answer(http.StatusServiceUnavailable))
	mux.Handle("/v1/", inner)
	mux.Handle("/", answer(http.StatusNotFound))

	registry := prometheus.NewRegistry()
	h := telemetry.NewRequests(registry).Count(mux, "/{$}", "/metrics", "GET /v1/pipelines/{id}")
	wantCounts := func(want string) {
		t.Helper()
		const head = "# HELP tidemark_http_requests_total HTTP requests answered, by route and status.\n# TYPE tidemark_http_requests_total counter\n"
		if err := testutil.GatherAndCompare(registry, strings.NewReader(head+want), "tidemark_http_requests_total"); err != nil {
			t.Error(err)
		}
	}
	wantCounts(`
tidemark_http_requests_total{code="200",handler="/"} 0
tidemark_http_requests_total{code="200",handler="/metrics"} 0
tidemark_http_requests_total{code="200",handler="/v1/pipelines/{id}"} 0
`)
	for _, target := range []string{"/", "/metrics", "/metrics?a=b", "/v1/pipelines/1", "/v1/pipelines/2", "/v1/nothing", "/-/ready", "/a", "/b"} {
		ask(h, http.MethodGet, target)
	}
	ask(h, http.MethodPost, "/v1/pipelines/3")
	wantCounts(`
tidemark_http_requests_total{code="200",handler="/"} 1
tidemark_http_requests_total{code="200",handler="/metrics"} 2
tidemark_http_requests_total{code="200",handler="/v1/pipelines/{id}"} 2
tidemark_http_requests_total{code="404",handler="none"} 4
tidemark_http_requests_total{code="503",handler="/-/ready"} 1
`)
	if n, err := testutil.GatherAndCount(registry, "tidemark_http_request_duration_seconds"); err != nil || n != 5 {
		t.Errorf("%d routes have durations (%v), want 5", n, err)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v %v", problems, err)
	}
}

// TestCountLetsAStreamThrough: what a stream's handler does to its connection arrives there.
func TestCountLetsAStreamThrough(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c := http.NewResponseController(w)
		if err := c.SetWriteDeadline(time.Time{}); err != nil {
			t.Errorf("the deadline: %v", err)
		}
		_, _ = w.Write([]byte("first\n"))
		if err := c.Flush(); err != nil {
			t.Errorf("the flush: %v", err)
		}
		<-goOn
	})
	server := httptest.NewServer(telemetry.NewRequests(prometheus.NewRegistry()).Count(h))
	defer server.Close()
	answer, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if line, err := bufio.NewReader(answer.Body).ReadString('\n'); line != "first\n" {
		t.Errorf("%q, %v before the handler ended", line, err)
	}
	close(goOn)
}
