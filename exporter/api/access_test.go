package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// exampleOf builds a request of an operation from the examples in the document.
func exampleOf(t *testing.T, name string, o *openapi3.Operation) (method, target string) {
	t.Helper()
	method, target, _ = strings.Cut(name, " ")
	var query []string
	for _, p := range o.Parameters {
		if !p.Value.Required {
			continue
		}
		if p.Value.Example == nil {
			t.Fatalf("%s: the document gives no example for %s", name, p.Value.Name)
		}
		if p.Value.In == openapi3.ParameterInPath {
			target = strings.ReplaceAll(target, "{"+p.Value.Name+"}", fmt.Sprint(p.Value.Example))
		} else {
			query = append(query, p.Value.Name+"="+fmt.Sprint(p.Value.Example))
		}
	}
	return method, target + "?" + strings.Join(query, "&")
}

// permissionsOf lists the permissions of which one opens an operation; none if any identity does.
func permissionsOf(t *testing.T, name string, o *openapi3.Operation) (names []string) {
	t.Helper()
	if o.Security == nil || len(*o.Security) == 0 {
		t.Fatalf("%s: the document does not say who may", name)
	}
	for _, alternative := range *o.Security {
		if _, ok := alternative["bearer"]; !ok || len(alternative) != 1 {
			t.Fatalf("%s: %v: a token is the one way in", name, alternative)
		}
		names = append(names, alternative["bearer"]...)
	}
	return names
}

// TestEveryOperationIsGuarded walks the document, which names every route: without, with
// wrong, and with right permission.
func TestEveryOperationIsGuarded(t *testing.T) {
	t.Parallel()
	accountWith := map[string]string{"backoffice.data_management.view": "viewer", "backoffice.data_management.sync": "operator", anyModuleView: "traveller"}
	closed, open := setup(t), setup(t, func(o *Options) { o.Anonymous = true })
	closed.pipeline(p1, "emission_recalc", "RUNNING") // that of the examples
	closed.job("job_type, module_type_id, year, state, pipeline_id", "'emission_recalc', 2, 2025, 'RUNNING', '"+p1.String()+"'")
	unknown := setup(t, func(o *Options) { o.Authenticator = nil })
	for name, o := range operations(t) {
		method, target := exampleOf(t, name, o)
		names := permissionsOf(t, name, o)
		passes := func(a answer) {
			t.Helper()
			if a.status == http.StatusUnauthorized || a.status == http.StatusForbidden || a.status == http.StatusMethodNotAllowed {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}

		nameless := closed.ask("", method, target, "")
		nameless.problem(http.StatusUnauthorized, "Authorization: Bearer")
		if got := nameless.header.Get("WWW-Authenticate"); got != `Bearer realm="tidemark"` {
			t.Errorf("%s: challenge %q", name, got)
		}
		bad := closed.ask("forged", method, target, "")
		bad.problem(http.StatusUnauthorized, "the token is not known")
		if got := bad.header.Get("WWW-Authenticate"); !strings.Contains(got, `error="invalid_token"`) {
			t.Errorf("%s: challenge %q", name, got)
		}
		away := closed.ask("away", method, target, "")
		away.problem(http.StatusServiceUnavailable, "identity provider")
		if away.header.Get("Retry-After") == "" {
			t.Errorf("%s: it does not say when to try again", name)
		}
		unknown.ask("", method, target, "").problem(http.StatusUnauthorized, "no credentials")
		unknown.ask("viewer", method, target, "").problem(http.StatusUnauthorized, "no token is known here")

		if len(names) == 0 {
			passes(closed.ask("nobody", method, target, ""))
		} else {
			refused := closed.ask("nobody", method, target, "")
			for _, permission := range names {
				refused.problem(http.StatusForbidden, permission)
			}
		}
		for permission, account := range accountWith {
			if slices.Contains(names, permission) || len(names) == 0 {
				passes(closed.ask(account, method, target, ""))
			} else {
				closed.ask(account, method, target, "").problem(http.StatusForbidden, names[len(names)-1])
			}
		}
		// Where the API is open everybody may read, and only that.
		if method == http.MethodGet {
			passes(open.ask("", method, target, ""))
		} else {
			open.ask("", method, target, "").problem(http.StatusUnauthorized, "Authorization: Bearer")
		}
		open.ask("forged", method, target, "").problem(http.StatusUnauthorized, "the token is not known")
	}
}

// TestPermissionsAreThoseOfTheDocument: what a route checks is what the document says.
func TestPermissionsAreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	documented := operations(t)
	for _, route := range (&API{}).routes() {
		name := route.method + " " + route.path
		if got, want := route.needs.names, permissionsOf(t, name, documented[name]); !slices.Equal(got, want) {
			t.Errorf("%s needs %q, documented %q", name, got, want)
		}
	}
}

func TestOtherSitesAreKeptOut(t *testing.T) {
	t.Parallel()
	b := setupAway(t)
	const target = recalculatePath + "/equipment?year=2025"
	for _, headers := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://elsewhere.example"}, {"Origin", "null"},
	} {
		b.ask("operator", http.MethodPost, target, "", headers...).problem(http.StatusForbidden, "another site")
	}
	for _, headers := range [][]string{{"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}, {"Origin", "http://example.com"}} {
		b.ask("operator", http.MethodPost, target, "", headers...).problem(http.StatusServiceUnavailable, "the record")
	}
	// Reading changes nothing.
	b.ask("viewer", http.MethodGet, "/v1/openapi.json", "", "Sec-Fetch-Site", "cross-site").is(string(document))
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	b := setupAway(t)
	for given, taken := range map[string]bool{
		"abc-123": true, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01": true, strings.Repeat("a", 128): true,
		"": false, "a b": false, "a\"b": false, "é": false, strings.Repeat("a", 129): false,
	} {
		got := b.ask("viewer", http.MethodGet, "/v1/nowhere", "", headerRequestID, given).header.Get(headerRequestID)
		if (got == given) != taken || got == "" {
			t.Errorf("%q: %q", given, got)
		}
	}
	b.ask("viewer", http.MethodGet, staleStatsPath, "", headerRequestID, "find-me").problem(http.StatusServiceUnavailable, "try again later")
	if log := b.log.text(); !strings.Contains(log, "request_id=find-me") || !strings.Contains(log, "actor=viewer") {
		t.Errorf("the log says %s", log)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	t.Parallel()
	b := setupAway(t)
	for _, target := range []string{"/v1/", "/v1/nowhere", "/v1/sync", "/v1/sync/pipelines/", staleStatsPath + "/"} {
		b.get(target).problem(http.StatusNotFound, "/v1/openapi.json")
	}
	for target, allowed := range map[string]string{
		staleStatsPath: "GET, HEAD", "/v1/sync/pipelines": "GET, HEAD", "/v1/sync/pipelines/" + p1.String(): "GET, HEAD", recalculatePath + "/1": "POST", recalculatePath + "/4/10": "POST",
	} {
		for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions, http.MethodTrace} {
			got := b.ask("operator", method, target, "")
			got.problem(http.StatusMethodNotAllowed, "use "+allowed)
			if got.header.Get("Allow") != allowed {
				t.Errorf("%s %s: Allow is %q", method, target, got.header.Get("Allow"))
			}
		}
	}
}

// TestNoSecretsInAnswers: the driver's words name hosts and users.
func TestNoSecretsInAnswers(t *testing.T) {
	t.Parallel()
	b := setupAway(t)
	for name, o := range operations(t) {
		method, target := exampleOf(t, name, o)
		body, headers := "", []string(nil)
		if o.RequestBody != nil {
			body, headers = `{"reason":"x"}`, []string{"Content-Type", "application/json"}
		}
		if got := b.ask("operator", method, target, body, headers...); strings.Contains(got.body, "secretuser") {
			t.Errorf("%s: %s", name, got.body)
		} else if got.status != http.StatusServiceUnavailable && target != "/v1/openapi.json?" {
			t.Errorf("%s: %d without a database", name, got.status)
		}
	}
}
