package api

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

var spec = sync.OnceValues(func() (*openapi3.T, error) {
	openapi3filter.RegisterBodyDecoder("text/event-stream", openapi3filter.PlainBodyDecoder)
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, err
	}
	return doc, doc.Validate(openapi3.NewLoader().Context)
})

// operations lists every operation of the document as "METHOD path".
func operations(t *testing.T) map[string]*openapi3.Operation {
	t.Helper()
	doc, err := spec()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*openapi3.Operation{}
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			all[method+" "+path] = o
		}
	}
	return all
}

func TestDocumentAndRoutesAreTheSame(t *testing.T) {
	t.Parallel()
	var served []string
	for _, route := range (&API{}).routes() {
		served = append(served, route.method+" "+route.path)
	}
	slices.Sort(served)
	if documented := slices.Sorted(maps.Keys(operations(t))); !slices.Equal(served, documented) {
		t.Errorf("served     %q\ndocumented %q", served, documented)
	}
	if doc, _ := spec(); !doc.IsOpenAPI31OrLater() {
		t.Error("the document is not OpenAPI 3.1")
	}
}

func TestDocumentIsServed(t *testing.T) {
	t.Parallel()
	b := setupAway(t)
	if got := b.get("/v1/openapi.json"); got.body != string(document) {
		t.Errorf("%d, %d bytes", got.status, len(got.body))
	}
}

// TestEveryAnswerHasARequestID, also in the document.
func TestEveryAnswerHasARequestID(t *testing.T) {
	t.Parallel()
	for name, o := range operations(t) {
		for status, response := range o.Responses.Map() {
			if response.Value.Headers[headerRequestID] == nil {
				t.Errorf("%s: %s does not mention %s", name, status, headerRequestID)
			}
		}
	}
}

// conforms checks an answer against the document, and the request too if it was accepted.
func conforms(t *testing.T, r *http.Request, requestBody string, answer *http.Response, body []byte) {
	t.Helper()
	if id := answer.Header.Get(headerRequestID); id == "" {
		t.Errorf("%s %s: %s is %q", r.Method, r.URL, headerRequestID, id)
	}
	method, path, _ := strings.Cut(r.Pattern, " ")
	doc, err := spec()
	if err != nil {
		t.Fatal(err)
	}
	item := doc.Paths.Value(path)
	if item == nil {
		if answer.StatusCode != http.StatusNotFound && answer.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s %s: %s from nowhere", r.Method, r.URL, answer.Status)
		}
		return
	}
	parameters := map[string]string{}
	for _, name := range []string{"id", "year", "module", "data_entry_type"} {
		if v := r.PathValue(name); v != "" {
			parameters[name] = v
		}
	}
	options := &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}
	request := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: parameters, QueryParams: r.URL.Query(), Options: options,
		Route: &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: item.GetOperation(method)},
	}
	if answer.StatusCode/100 == 2 {
		r.Body = io.NopCloser(strings.NewReader(requestBody))
		if err := openapi3filter.ValidateRequest(t.Context(), request); err != nil {
			t.Errorf("%s %s was accepted, which the document does not allow: %v", r.Method, r.URL, err)
		}
	}
	err = openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: request, Status: answer.StatusCode, Header: answer.Header, Options: options,
		Body: io.NopCloser(strings.NewReader(string(body))),
	})
	if err != nil {
		t.Errorf("%s %s: %s %s is not as documented: %v", r.Method, r.URL, answer.Status, body, err)
	}
}
