package exporter_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tidemark/exporter"
	"tidemark/exporter/exportertest"
	"tidemark/shared/access"
	"tidemark/shared/local/localtest"
	"tidemark/shared/signal"
)

const (
	archiveAll = "/asynqmon/api/queues/aggregation/pending_tasks:archive_all"
	pause      = "/asynqmon/api/queues/aggregation:pause"
	resume     = "/asynqmon/api/queues/aggregation:resume"
)

// asynqmon is an exporter on a Redis of its own with one account of each kind, and its log.
func asynqmonFor(t *testing.T, adjust func(*exporter.Options)) (h http.Handler, tokens map[string]string, log *bytes.Buffer) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tokens")
	tokens = map[string]string{"": ""}
	for name, p := range map[string]access.Permission{"viewer": access.ViewAll, "operator": access.SyncAll, "traveller": access.ModuleView("professional_travel")} {
		tokens[name] = account(t, file, name, p)
	}
	known, err := access.New(access.Options{TokensFile: file, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	log = &bytes.Buffer{}
	o := exporter.Options{Pool: exportertest.Away(t), Redis: exportertest.Redis(t, localtest.Redis(t)), Authenticator: known, Logger: slog.New(slog.NewTextHandler(log, nil))}
	if adjust != nil {
		adjust(&o)
	}
	if o.Redis != nil {
		if err := signal.NewSender(o.Redis).Publish(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	e, err := exporter.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return e.Handler(), tokens, log
}

// TestAsynqmonAccess: who may see everything may look, who may request may press buttons.
func TestAsynqmonAccess(t *testing.T) {
	t.Parallel()
	for _, open := range []bool{false, true} {
		h, tokens, log := asynqmonFor(t, func(o *exporter.Options) { o.AnonymousAPI = open })
		nobody := http.StatusUnauthorized
		if open {
			nobody = http.StatusOK
		}
		for _, target := range []string{"/asynqmon/", "/asynqmon/queues/aggregation", "/asynqmon/api/queues", "/asynqmon/favicon.ico"} {
			for who, want := range map[string]int{"": nobody, "traveller": http.StatusForbidden, "viewer": http.StatusOK, "operator": http.StatusOK} {
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					if answer, body := exportertest.Request(h, method, target, as(tokens[who])...); answer.StatusCode != want {
						t.Errorf("open %t: %s %s as %q: %s %.200s, want %d", open, method, target, who, answer.Status, body, want)
					}
				}
			}
		}
		for _, target := range []string{"POST " + pause, "POST " + resume, "POST " + archiveAll, "DELETE /asynqmon/api/queues/aggregation", "PUT /asynqmon/", "OPTIONS /asynqmon/api/queues"} {
			method, path, _ := strings.Cut(target, " ")
			for who, want := range map[string]int{"": http.StatusUnauthorized, "traveller": http.StatusForbidden, "viewer": http.StatusForbidden} {
				answer, body := exportertest.Request(h, method, path, as(tokens[who])...)
				exportertest.WantProblem(t, answer, body, want, "")
			}
		}
		if paused(t, h, tokens["viewer"]) || strings.Contains(log.String(), "changes a queue") {
			t.Errorf("somebody who may not has changed a queue:\n%s", log)
		}
	}
}

// TestAsynqmonButtons: whoever presses one is in the log, with the request's id.
func TestAsynqmonButtons(t *testing.T) {
	t.Parallel()
	h, tokens, log := asynqmonFor(t, nil)
	for target, status := range map[string]int{"POST " + pause: http.StatusNoContent, "PUT /asynqmon/api/queues": http.StatusMethodNotAllowed} {
		method, path, _ := strings.Cut(target, " ")
		answer, body := exportertest.Request(h, method, path, append(as(tokens["operator"]), "X-Request-ID", "find-me-"+method)...)
		want := "method=" + method + " path=" + path + " actor=operator request_id=find-me-" + method
		if answer.StatusCode != status || !strings.Contains(log.String(), `level=INFO msg="asynqmon changes a queue" `+want) || answer.Header.Get("X-Request-ID") != "find-me-"+method {
			t.Errorf("%s %s; the log has no %s\n%s", answer.Status, body, want, log)
		}
	}
	if !paused(t, h, tokens["viewer"]) {
		t.Error("the queue is not paused")
	}
	// Of a refusal it is known as well.
	exportertest.Request(h, http.MethodPost, resume, append(as(tokens["viewer"]), "X-Request-ID", "refused-1")...)
	if want := `msg="asynqmon refused" method=POST path=` + resume + " actor=viewer request_id=refused-1"; !strings.Contains(log.String(), want) {
		t.Errorf("the log has no %s\n%s", want, log)
	}
	// The page tells the viewer's browser to show no buttons.
	for who, flag := range map[string]string{"viewer": "true", "operator": "false"} {
		if _, page := exportertest.Get(h, "/asynqmon/", as(tokens[who])...); !strings.Contains(page, `FLAG_READ_ONLY="`+flag+`"`) {
			t.Errorf("%s gets %s", who, page)
		}
	}
}

// TestAsynqmonAndOtherSites: asynqmon itself would obey them.
func TestAsynqmonAndOtherSites(t *testing.T) {
	t.Parallel()
	h, tokens, _ := asynqmonFor(t, nil)
	signedIn := []string{"Cookie", access.NewSession(tokens["operator"], false).String()}
	for _, site := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://elsewhere.example"}} {
		answer, body := exportertest.Request(h, http.MethodPost, pause, append(site, signedIn...)...)
		exportertest.WantProblem(t, answer, body, http.StatusForbidden, "another site")
	}
	if paused(t, h, tokens["viewer"]) {
		t.Error("another site has paused the queue")
	}
	if answer, body := exportertest.Request(h, http.MethodPost, pause, append(signedIn, "Sec-Fetch-Site", "same-origin")...); answer.StatusCode != http.StatusNoContent || !paused(t, h, tokens["viewer"]) {
		t.Errorf("the own site: %s %s", answer.Status, body)
	}
}

// TestAsynqmonLeadsToSignIn: a browser that asks for a page gets there and back, wherever the
// exporter is mounted; what a page or a program asks for is a problem.
func TestAsynqmonLeadsToSignIn(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "/a/b"} {
		h, tokens, _ := asynqmonFor(t, func(o *exporter.Options) { o.RoutePrefix = prefix })
		for target, next := range map[string]string{
			"/asynqmon/": "asynqmon", "/asynqmon/q/aggregation?status=archived&page=2": "asynqmon/q/aggregation?status=archived&page=2",
			"/asynqmon/queues/aggregation/tasks/aggregation:2:2025:1": "asynqmon/queues/aggregation/tasks/aggregation:2:2025:1",
		} {
			for _, who := range [][]string{nil, as("tidemark_0"), {"Cookie", "tidemark_session=tidemark_0"}} {
				answer, _ := exportertest.Get(h, prefix+target, append(who, "Accept", "text/html,application/xhtml+xml,*/*;q=0.8")...)
				asked := &url.URL{Scheme: "https", Host: "proxy.example", Path: "/behind" + prefix + strings.Split(target, "?")[0]}
				to, err := asked.Parse(answer.Header.Get("Location"))
				if err != nil || answer.StatusCode != http.StatusFound || to.Path != "/behind"+prefix+"/sign-in" || to.Query().Get("next") != next {
					t.Errorf("%s leads to %v, %s (%v)", target, to, answer.Status, err)
				}
			}
			answer, body := exportertest.Get(h, prefix+target, "Accept", "application/json, text/plain, */*")
			exportertest.WantProblem(t, answer, body, http.StatusUnauthorized, "no credentials")
			answer, body = exportertest.Get(h, prefix+target, append(as(tokens["traveller"]), "Accept", "text/html")...)
			exportertest.WantProblem(t, answer, body, http.StatusForbidden, "backoffice.data_management.view")
		}
		answer, body := exportertest.Request(h, http.MethodPost, prefix+pause, "Accept", "text/html")
		exportertest.WantProblem(t, answer, body, http.StatusUnauthorized, "no credentials")

		// What its page loads and asks is there.
		if answer, _ := exportertest.Get(h, prefix+"/asynqmon", as(tokens["viewer"])...); answer.StatusCode != http.StatusFound || answer.Header.Get("Location") != "asynqmon/" {
			t.Errorf("without a slash: %s to %s", answer.Status, answer.Header.Get("Location"))
		}
		_, page := exportertest.Get(h, prefix+"/asynqmon/", as(tokens["viewer"])...)
		loads := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page, -1)
		for _, l := range loads {
			if answer, _ := exportertest.Get(h, l[1], as(tokens["viewer"])...); answer.StatusCode != http.StatusOK || answer.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %s", l[1], answer.Status)
			}
		}
		if len(loads) == 0 || !strings.Contains(page, `FLAG_ROOT_PATH="`+strings.ReplaceAll(prefix+"/asynqmon", "/", `\/`)+`"`) {
			t.Errorf("the page is\n%s", page)
		}
		paused(t, h, tokens["viewer"], prefix)
	}
}

// TestAsynqmonIsCounted: as one route, whatever is asked for; without Redis there is none.
func TestAsynqmonIsCounted(t *testing.T) {
	t.Parallel()
	h, tokens, _ := asynqmonFor(t, nil)
	exportertest.Get(h, "/asynqmon/q/aggregation", as(tokens["viewer"])...)
	exportertest.Get(h, "/asynqmon/api/queues", as(tokens["viewer"])...)
	_, metrics := exportertest.Get(h, "/metrics")
	if want := `tidemark_http_requests_total{code="200",handler="/asynqmon/"} 2`; !strings.Contains(metrics, want+"\n") {
		t.Errorf("no %s in\n%s", want, metrics)
	}
	without, tokens, _ := asynqmonFor(t, func(o *exporter.Options) { o.Redis = nil })
	for _, target := range []string{"/asynqmon", "/asynqmon/", "/asynqmon/api/queues"} {
		answer, body := exportertest.Get(without, target, as(tokens["operator"])...)
		exportertest.WantProblem(t, answer, body, http.StatusNotFound, target)
	}
}

func as(token string) []string {
	if token == "" {
		return nil
	}
	return []string{"Authorization", "Bearer " + token}
}

// paused reports whether the queue of aggregations is.
func paused(t *testing.T, h http.Handler, token string, prefix ...string) bool {
	t.Helper()
	answer, body := exportertest.Get(h, strings.Join(prefix, "")+"/asynqmon/api/queues/aggregation", as(token)...)
	if answer.StatusCode != http.StatusOK || !strings.Contains(body, `"paused":`) {
		t.Errorf("the queue is %s %s", answer.Status, body)
	}
	return strings.Contains(body, `"paused":true`)
}
