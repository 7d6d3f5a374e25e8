package exporter_test

import (
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"tidemark/exporter"
	"tidemark/exporter/exportertest"
	"tidemark/shared/access"
	"tidemark/shared/build"
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

// TestConsoleInFront: a browser is asked who it is, or told what is the matter.
func TestConsoleInFront(t *testing.T) {
	t.Parallel()
	for open, want := range map[bool]struct {
		status int
		says   string
	}{false: {http.StatusUnauthorized, "Enter the token"}, true: {http.StatusServiceUnavailable, "PostgreSQL does not answer"}} {
		answer, body := exportertest.Get(serve(t, exporter.Options{Pool: exportertest.Away(t), AnonymousAPI: open}), "/")
		if answer.StatusCode != want.status || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") ||
			!strings.Contains(body, want.says) || !strings.Contains(body, build.Read().Version) || !strings.Contains(body, `href="./metrics"`) {
			t.Errorf("open %v: %s:\n%s", open, answer.Status, body)
		}
	}
	h := serve(t, exporter.Options{Pool: exportertest.Away(t), AnonymousAPI: true})
	if answer, body := exportertest.Get(h, "/nowhere", "Accept", "text/html"); answer.StatusCode != http.StatusNotFound || !strings.Contains(body, "<h1>There is nothing here") {
		t.Errorf("nowhere, for a browser: %s:\n%s", answer.Status, body)
	}
}

var link = regexp.MustCompile(`(?:href|src|action)="([^"#]+)"`)

// TestRoutePrefix: everything is below the prefix, however it is spelt, and nothing beside it.
// Links and redirects hold there, and behind a proxy that adds a path of its own.
func TestRoutePrefix(t *testing.T) {
	t.Parallel()
	for _, spelt := range []string{"api", "/api", "api/", "/api/", "/a/b"} {
		h := serve(t, exporter.Options{Pool: exportertest.Away(t), RoutePrefix: spelt, TelemetryPath: "/all/metrics", AnonymousAPI: true})
		prefix := "/" + strings.Trim(spelt, "/")
		for target, status := range map[string]int{
			"/": http.StatusServiceUnavailable, "/sign-in": http.StatusOK, "/all/metrics": http.StatusOK, "/-/healthy": http.StatusOK, "/-/ready": http.StatusServiceUnavailable,
			"/metrics": http.StatusNotFound, "/v1/sync/health/stale-stats": http.StatusServiceUnavailable, "/v1/sync/active-pipelines?year=2025&modules=": http.StatusOK,
		} {
			if answer, body := exportertest.Get(h, prefix+target); answer.StatusCode != status {
				t.Errorf("%s: %s%s: %s %s, want %d", spelt, prefix, target, answer.Status, body, status)
			}
			if answer, body := exportertest.Get(h, target); target != "/" {
				exportertest.WantProblem(t, answer, body, http.StatusNotFound, "everything is below "+prefix+"/")
			}
		}
		for _, target := range []string{"/", prefix} {
			answer, _ := exportertest.Get(h, target)
			asked := &url.URL{Scheme: "https", Host: "proxy.example", Path: "/tidemark" + target}
			to, err := asked.Parse(answer.Header.Get("Location"))
			if err != nil || answer.StatusCode != http.StatusFound || to.Path != "/tidemark"+prefix+"/" {
				t.Errorf("%s: %s leads to %v, %s (%v)", spelt, target, to, answer.Status, err)
			}
		}
		_, page := exportertest.Get(h, prefix+"/")
		links := link.FindAllStringSubmatch(page, -1)
		if len(links) < 10 {
			t.Errorf("%s: links %v", spelt, links)
		}
		base := &url.URL{Path: prefix + "/"}
		for _, l := range links {
			to, err := base.Parse(l[1])
			if err != nil {
				t.Fatal(err)
			}
			if answer, _ := exportertest.Get(h, to.String()); answer.StatusCode == http.StatusNotFound {
				t.Errorf("%s: the link %s leads nowhere", spelt, l[1])
			}
		}
	}
}

// TestRequestsAreCounted: by route, also those of the API, with and without a prefix.
func TestRequestsAreCounted(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "/api"} {
		h := serve(t, exporter.Options{Pool: exportertest.Away(t), RoutePrefix: prefix, AnonymousAPI: true})
		for _, target := range []string{"/v1/sync/active-pipelines?year=2025&modules=", "/v1/sync/health/stale-stats", "/nowhere/1", "/nowhere/2", "/-/healthy"} {
			exportertest.Get(h, prefix+target)
		}
		_, body := exportertest.Get(h, prefix+"/metrics")
		for _, want := range []string{
			`tidemark_http_requests_total{code="200",handler="/v1/sync/active-pipelines"} 1`,
			`tidemark_http_requests_total{code="503",handler="/v1/sync/health/stale-stats"} 1`,
			`tidemark_http_requests_total{code="404",handler="none"} 2`,
			`tidemark_http_requests_total{code="200",handler="/-/healthy"} 1`,
			`tidemark_http_requests_total{code="200",handler="/metrics"} 0`,
			`tidemark_http_request_duration_seconds_count{handler="/-/healthy"} 1`,
		} {
			if !strings.Contains(body, want+"\n") {
				t.Errorf("prefix %q: no %s in\n%s", prefix, want, body)
			}
		}
		if problems, err := promlint.New(strings.NewReader(body)).Lint(); err != nil || len(problems) > 0 {
			t.Errorf("promlint: %v %v", problems, err)
		}
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	h := serve(t, exporter.Options{Pool: exportertest.Away(t)})
	referrer := map[string]string{"/": "same-origin"} // forms of the own site are sent with their origin
	for _, target := range []string{"/", "/metrics", "/-/healthy", "/-/ready", "/nowhere", "/v1/sync/health/stale-stats"} {
		answer, _ := exportertest.Get(h, target)
		if referrer[target] == "" {
			referrer[target] = "no-referrer"
		}
		for header, want := range map[string]string{
			"X-Content-Type-Options":  "nosniff",
			"X-Frame-Options":         "DENY",
			"Referrer-Policy":         referrer[target],
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
			exportertest.WantProblem(t, answer, body, http.StatusMethodNotAllowed, "GET")
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

// TestAccess: what is open is /metrics and health; console and API want a token, a
// request one that may request, and an exporter that was opened is open for reading alone.
func TestAccess(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "tokens")
	reader, requester := account(t, file, "reader", access.ViewAll), account(t, file, "requester", access.SyncAll)
	known, err := access.New(access.Options{TokensFile: file, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	const recalculate = "/v1/sync/recalculate-emissions/equipment/scientific?year=2025"
	for _, open := range []bool{false, true} {
		h := serve(t, exporter.Options{Pool: exportertest.Record(t), Authenticator: known, AnonymousAPI: open})
		for _, c := range []struct {
			method, target, token string
			status, ifOpen        int
		}{
			{"GET", "/metrics", "", 200, 200},
			{"GET", "/-/healthy", "", 200, 200},
			{"GET", "/-/ready", "", 200, 200},
			{"GET", "/", "", 401, 200},
			{"GET", "/", reader, 200, 200},
			{"GET", "/fleet", "", 401, 200},
			{"GET", "/sign-in", "", 200, 200},
			{"GET", "/v1/openapi.json", "", 401, 200},
			{"GET", "/v1/sync/health/stale-stats", "", 401, 200},
			{"GET", "/v1/sync/health/stale-stats", "not-a-token", 401, 401},
			{"GET", "/v1/sync/health/stale-stats", reader, 200, 200},
			{"POST", recalculate, "", 401, 401},
			{"POST", recalculate, reader, 403, 403},
			{"POST", recalculate, requester, 202, 202},
		} {
			want := c.status
			if open {
				want = c.ifOpen
			}
			var headers []string
			if c.token != "" {
				headers = []string{"Authorization", "Bearer " + c.token}
			}
			if answer, body := exportertest.Request(h, c.method, c.target, headers...); answer.StatusCode != want {
				t.Errorf("open %t: %s %s with %.12q: %s %s, want %d", open, c.method, c.target, c.token, answer.Status, body, want)
			}
		}
		_, page := exportertest.Get(h, "/metrics")
		if !strings.Contains(page, "\ntidemark_tokens_file_in_force 1\n") {
			t.Error("the metrics do not say that the tokens file is in force")
		}
	}
	// A version that nobody can read is not in force, and that shows.
	if err := os.WriteFile(file, []byte("no account\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := serve(t, exporter.Options{Pool: exportertest.Away(t), Authenticator: known})
	for { // it looks once a second
		if _, page := exportertest.Get(h, "/metrics"); strings.Contains(page, "\ntidemark_tokens_file_in_force 0\n") {
			return
		}
	}
}

// account adds an account to a tokens file and returns its token.
func account(t *testing.T, file, name string, p access.Permission) (token string) {
	t.Helper()
	a, token, err := access.NewAccount(name, time.Time{}, p)
	if err != nil {
		t.Fatal(err)
	}
	if err := access.AppendAccount(file, a); err != nil {
		t.Fatal(err)
	}
	return token
}
