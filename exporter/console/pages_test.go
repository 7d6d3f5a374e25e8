package console_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"tidemark/exporter"
	"tidemark/exporter/exportertest"
	"tidemark/shared/local/localtest"
	"tidemark/shared/postgres"
)

func (s *site) handler() http.Handler {
	s.t.Helper()
	e, err := exporter.New(s.opts)
	s.must(err)
	return e.Handler()
}

// TestPagesAreStrict: a page runs and shows nothing but what is served here, and is kept by nobody.
func TestPagesAreStrict(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	exportertest.FillRecord(t, s.pool)
	s.must(s.doors["sql"](`INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) VALUES (57, 0, 1)`))
	h := s.handler()
	if answer, body := exportertest.Get(h, "/scopes/57/2025"); answer.StatusCode != http.StatusOK || !strings.Contains(body, "57 2025 is stale") {
		t.Errorf("a module type of another release: %s\n%s", answer.Status, body)
	}
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+="|<script>|javascript:|https?://`)
	for _, target := range []string{"/", "/?show=drifted", "/scopes/professional_travel/2025", "/scopes/2/2025", "/pipelines?state=RUNNING&module=nothing&offset=x", "/fleet", "/sign-in", "/scopes/headcount/1999"} {
		answer, body := exportertest.Get(h, target)
		csp := answer.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"} {
			if !strings.Contains(csp, want) || strings.Contains(csp, "unsafe") {
				t.Errorf("%s: the policy is %q", target, csp)
			}
		}
		if answer.Header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %v", target, answer.Header)
		}
		if found := inline.FindAllString(strings.ReplaceAll(body, `xmlns="http://www.w3.org/2000/svg"`, ""), -1); found != nil {
			t.Errorf("%s has %q", target, found)
		}
		if strings.Contains(body, "ZgotmplZ") || regexp.MustCompile(`\?[a-z]+\.[a-z]`).MatchString(body) {
			t.Errorf("%s: a value or a word did not fit:\n%s", target, body)
		}
	}
}

// TestFleetInSeveralVersions: processes of different releases beside one another are worth a warning.
func TestFleetInSeveralVersions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	url := localtest.Database(t)
	s.opts.Pool = localtest.Connect(t, url)
	h := s.handler()
	const warning = "2 versions run side by side"
	for i, name := range []string{"tidemark worker/v1.2.3", "tidemark scheduler/v1.3.0"} {
		session, err := postgres.Connect(t.Context(), postgres.Options{URL: url, AppName: name})
		s.must(err)
		t.Cleanup(session.Close)
		s.must(session.Ping(t.Context()))
		_, body := exportertest.Get(h, "/fleet")
		if !strings.Contains(body, name[strings.Index(name, "/")+1:]) || strings.Contains(body, warning) != (i == 1) {
			t.Errorf("with %s: %s", name, body)
		}
	}
	s.opts.Redis = nil
	if _, body := exportertest.Get(s.handler(), "/fleet"); !strings.Contains(body, "--redis-url") || !strings.Contains(body, warning) {
		t.Errorf("without Redis: %s", body)
	}
}

// TestAssets: they are kept for as long as their address says what is in them, and are sent small.
func TestAssets(t *testing.T) {
	t.Parallel()
	h := newSite(t).handler()
	_, page := exportertest.Get(h, "/sign-in")
	path := regexp.MustCompile(`href="\.(/assets/[0-9a-f]+/)console\.css"`).FindStringSubmatch(page)
	if path == nil {
		t.Fatal(page)
	}
	answer, body := exportertest.Get(h, path[1]+"console.css", "Accept-Encoding", "gzip")
	if !strings.Contains(answer.Header.Get("Cache-Control"), "immutable") || answer.Header.Get("Content-Encoding") != "gzip" ||
		!strings.HasPrefix(answer.Header.Get("Content-Type"), "text/css") || len(body) > 10_000 {
		t.Errorf("%s %v, %d bytes", answer.Status, answer.Header, len(body))
	}
	// A page that another release has rendered gets what there is, for once.
	answer, _ = exportertest.Get(h, "/assets/0000000000000000/main.js")
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/javascript") {
		t.Errorf("of another release: %s %v", answer.Status, answer.Header)
	}
	answer, body = exportertest.Get(h, path[1]+"doc.go")
	exportertest.WantProblem(t, answer, body, http.StatusNotFound, "doc.go")
}

// TestSignIn: the form leads nowhere but back, another site cannot send it, and the cookie is for TLS alone where
// the browser came by TLS.
func TestSignIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	h := s.handler()
	post := func(target string, form url.Values, headers ...string) *http.Response {
		r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}
	for next, leads := range map[string]string{
		"": "./", "pipelines?state=FAILED": "./pipelines?state=FAILED", "scopes/equipment/2025": "./scopes/equipment/2025",
		"https://evil.example/": "./", "//evil.example": "./", "/\\evil.example": "./", "\\\\evil.example": "./", "../../elsewhere": "./", "javascript:alert(1)": "./", "a/../../b": "./", "sign-out": "./",
	} {
		answer := post("/sign-in", url.Values{"token": {" " + s.tokens["reader"] + "\n"}, "next": {next}})
		if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != leads || len(answer.Cookies()) != 1 || answer.Cookies()[0].Secure {
			t.Errorf("next %q: %s %v", next, answer.Status, answer.Header)
		}
	}
	token := url.Values{"token": {s.tokens["reader"]}}
	for _, headers := range [][]string{{"X-Forwarded-Proto", "https"}, {"Origin", "https://example.com", "Sec-Fetch-Site", "same-origin"}} {
		if answer := post("/sign-in", token, headers...); len(answer.Cookies()) != 1 || !answer.Cookies()[0].Secure {
			t.Errorf("%v: %s %v", headers, answer.Status, answer.Header)
		}
	}
	for _, target := range []string{"/sign-in", "/sign-out"} {
		if answer := post(target, token, "Sec-Fetch-Site", "cross-site"); answer.StatusCode != http.StatusForbidden || len(answer.Cookies()) != 0 {
			t.Errorf("%s from another site: %s %v", target, answer.Status, answer.Header)
		}
	}
	if answer := post("/sign-out", nil); answer.StatusCode != http.StatusSeeOther || len(answer.Cookies()) != 1 || answer.Cookies()[0].MaxAge >= 0 {
		t.Errorf("sign out: %s %v", answer.Status, answer.Header)
	}
	// A session that is over is told from none, and makes room for the next.
	if answer, body := exportertest.Get(h, "/", "Cookie", "tidemark_session=over"); answer.StatusCode != http.StatusUnauthorized || len(answer.Cookies()) != 1 || !strings.Contains(body, "Not accepted") {
		t.Errorf("a session that is over: %s\n%s", answer.Status, body)
	}
}
