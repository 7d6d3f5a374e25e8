package exporter_test

import (
	"net/http"
	"strings"
	"testing"

	"tidemark/exporter"
	"tidemark/exporter/exportertest"
	"tidemark/shared/local/localtest"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	good, outdated, empty := localtest.Pool(t), localtest.Pool(t), localtest.Connect(t, localtest.EmptyDatabase(t))
	if _, err := outdated.Exec(t.Context(), `DROP INDEX uq_aggregation_active`); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		options exporter.Options
		ready   int
		says    string
	}{
		"fit":           {exporter.Options{Pool: good}, http.StatusOK, "ready"},
		"missing index": {exporter.Options{Pool: outdated}, http.StatusServiceUnavailable, "uq_aggregation_active is missing: run `tidemark migrate up`"},
		"empty":         {exporter.Options{Pool: empty}, http.StatusServiceUnavailable, "run `tidemark migrate up`"},
		"away":          {exporter.Options{Pool: exportertest.Away(t)}, http.StatusServiceUnavailable, "PostgreSQL does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			h := serve(t, c.options)
			if answer, _ := exportertest.Get(h, "/-/healthy"); answer.StatusCode != http.StatusOK {
				t.Errorf("healthy: %s", answer.Status)
			}
			answer, body := exportertest.Get(h, "/-/ready")
			if answer.StatusCode != c.ready || !strings.Contains(body, c.says) || strings.Contains(body, exportertest.SecretUser) {
				t.Errorf("ready: %s %s, want %d with %q", answer.Status, body, c.ready, c.says)
			}
		})
	}
}

func TestLanding(t *testing.T) {
	t.Parallel()
	for open, linked := range map[bool]bool{false: false, true: true} {
		answer, body := exportertest.Get(serve(t, exporter.Options{Pool: exportertest.Away(t), AnonymousAPI: open}), "/")
		if answer.StatusCode != http.StatusOK || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") ||
			!strings.Contains(body, "1.2.3") || !strings.Contains(body, `href="metrics"`) {
			t.Errorf("%s:\n%s", answer.Status, body)
		}
		if strings.Contains(body, "stale-stats") != linked {
			t.Errorf("open %v: the link to the API should be there: %v", open, linked)
		}
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	h := serve(t, exporter.Options{Pool: exportertest.Away(t)})
	for _, target := range []string{"/", "/metrics", "/-/healthy", "/-/ready", "/nowhere", "/v1/sync/health/stale-stats"} {
		answer, _ := exportertest.Get(h, target)
		for header, want := range map[string]string{
			"X-Content-Type-Options":  "nosniff",
			"X-Frame-Options":         "DENY",
			"Referrer-Policy":         "no-referrer",
			"Content-Security-Policy": "default-src 'none'",
		} {
			if got := answer.Header.Get(header); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s is %q, want %q", target, header, got, want)
			}
		}
	}
}

func TestOnlyReads(t *testing.T) {
	t.Parallel()
	h := serve(t, exporter.Options{Pool: exportertest.Away(t), AnonymousAPI: true})
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodTrace} {
		for _, target := range []string{"/", "/metrics", "/v1/sync/health/stale-stats", "/nowhere"} {
			answer, body := exportertest.Request(h, method, target)
			exportertest.WantProblem(t, answer, body, http.StatusMethodNotAllowed, "use GET")
			if answer.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: Allow is %q", method, target, answer.Header.Get("Allow"))
			}
		}
	}
	if answer, _ := exportertest.Request(h, http.MethodHead, "/-/healthy"); answer.StatusCode != http.StatusOK {
		t.Errorf("HEAD: %s", answer.Status)
	}
	answer, body := exportertest.Get(h, "/nowhere")
	exportertest.WantProblem(t, answer, body, http.StatusNotFound, "/nowhere")
}
