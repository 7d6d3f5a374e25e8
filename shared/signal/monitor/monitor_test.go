package monitor_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
	"tidemark/shared/signal"
	"tidemark/shared/signal/monitor"
)

func TestMain(m *testing.M) { localtest.VerifyNoLeaks(m) }

func connect(t *testing.T, url string) redis.UniversalClient {
	t.Helper()
	rdb, err := signal.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rdb.Close() })
	return rdb
}

func ask(h http.Handler, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

// TestPage: it loads nothing but what is here, under any root, and its policy allows that and no more.
func TestPage(t *testing.T) {
	t.Parallel()
	rdb := connect(t, "redis://127.0.0.1:1")
	for _, root := range []string{"/asynqmon", "/a/b/asynqmon"} {
		for readOnly, flag := range map[bool]string{true: `FLAG_READ_ONLY="true"`, false: `FLAG_READ_ONLY="false"`} {
			m := monitor.New(rdb, root, readOnly)
			first, second := ask(m, http.MethodGet, "/"), ask(m, http.MethodGet, "/queues/aggregation/tasks/aggregation:2:2025:1.2")
			page := first.Body.String()
			if first.Code != http.StatusOK || first.Header().Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(page, flag) {
				t.Errorf("%d %v\n%s", first.Code, first.Header(), page)
			}
			loads := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page, -1)
			for _, l := range loads {
				path, ours := strings.CutPrefix(l[1], root)
				if got := ask(m, http.MethodGet, path); !ours || got.Code != http.StatusOK || strings.Contains(got.Header().Get("Content-Type"), "html") {
					t.Errorf("the page loads %s: %d", l[1], got.Code)
				}
			}
			if len(loads) < 5 || strings.Contains(page, "http:") || strings.Contains(page, "https:") {
				t.Errorf("it loads %v\n%s", loads, page)
			}
			policy := first.Header().Get("Content-Security-Policy")
			nonce := regexp.MustCompile(`'nonce-([^']+)'`).FindStringSubmatch(policy)
			if nonce == nil || !strings.Contains(page, `<meta property="csp-nonce" content="`+nonce[1]+`"/>`) || strings.Contains(policy, "unsafe") ||
				strings.Count(policy, "sha256-") != 2 || policy == second.Header().Get("Content-Security-Policy") {
				t.Errorf("the policy is %s", policy)
			}
		}
	}
}

// TestWhatIsNotThere: asynqmon would answer with its page.
func TestWhatIsNotThere(t *testing.T) {
	t.Parallel()
	m := monitor.New(connect(t, localtest.Redis(t)), "/asynqmon", false)
	for _, target := range []string{"GET /api/nowhere", "POST /", "DELETE /queues", "POST /api/queues/aggregation/tasks/a/b:run", "GET /static/nowhere.js"} {
		method, path, _ := strings.Cut(target, " ")
		if got := ask(m, method, path); got.Code != http.StatusNotFound || got.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", target, got.Code, got.Body)
		}
	}
	if got := ask(m, http.MethodHead, "/api/queues"); got.Code != http.StatusOK || got.Header().Get("Content-Type") != "application/json" {
		t.Errorf("HEAD: %d %v", got.Code, got.Header())
	}
}

// TestRedisAway: the answer comes at once, and nothing is done later.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	m := monitor.New(connect(t, "redis://127.0.0.1:1"), "/asynqmon", false)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if got := ask(m, method, "/api/queues/aggregation:pause"); got.Code != http.StatusServiceUnavailable || !strings.Contains(got.Body.String(), "Redis does not answer") {
			t.Errorf("%s: %d %s", method, got.Code, got.Body)
		}
	}
}

// TestWords: payloads are scopes, in words.
func TestWords(t *testing.T) {
	t.Parallel()
	rdb := connect(t, localtest.Redis(t))
	sender, client := signal.NewSender(rdb), asynq.NewClientFromRedisClient(rdb)
	if err := sender.Send(t.Context(), ledger.Ticket{Scope: job.RecalcOf(2, 20, 2025), JobID: 7}, ledger.Ticket{Scope: job.AggregationOf(2, 2025), JobID: 8},
		ledger.Ticket{Scope: job.RecalcOf(99, 98, 2025), JobID: 9}); err != nil {
		t.Fatal(err)
	}
	for _, task := range []*asynq.Task{asynq.NewTask("aggregation", []byte("{}")), asynq.NewTask("theirs", []byte(`{"a":1}`)), asynq.NewTask("theirs", []byte{0xff})} {
		if _, err := client.Enqueue(task, asynq.Queue("others")); err != nil {
			t.Fatal(err)
		}
	}
	m := monitor.New(rdb, "/asynqmon", true)
	seen := map[string]string{}
	for _, queue := range []string{"emission_recalc", "aggregation", "others"} {
		var list struct {
			Tasks []struct{ ID, Payload string }
		}
		got := ask(m, http.MethodGet, "/api/queues/"+queue+"/pending_tasks")
		if err := json.Unmarshal(got.Body.Bytes(), &list); err != nil || got.Header().Get("Content-Type") != "application/json" {
			t.Fatalf("%v: %s", err, got.Body)
		}
		for _, task := range list.Tasks {
			seen[task.Payload] = task.ID
		}
	}
	for want, id := range map[string]string{
		"emission_recalc of professional_travel/plane 2025": "emission_recalc:2:20:2025:7",
		"aggregation of professional_travel 2025":           "aggregation:2:2025:8",
		"emission_recalc of module 99/type 98 2025":         "emission_recalc:99:98:2025:9",
		`{"a":1}`: "", "non-printable bytes": "",
	} {
		if got, ok := seen[want]; !ok || id != "" && got != id {
			t.Errorf("no %q of %s in %v", want, id, seen)
		}
	}
	found := false
	for payload := range seen {
		found = found || strings.HasPrefix(payload, "no scope of aggregation (") && strings.HasSuffix(payload, "): {}")
	}
	if !found {
		t.Errorf("a payload that is no scope is not among %v", seen)
	}
}
