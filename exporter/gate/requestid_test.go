package gate_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tidemark/exporter/gate"
)

func FuzzRequestID(f *testing.F) {
	for _, s := range []string{"", "abc-1", "a b", "\r\nSet-Cookie: x", strings.Repeat("x", 129), "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, given string) {
		w := httptest.NewRecorder()
		id := gate.Tag(w, &http.Request{Header: http.Header{"X-Request-Id": {given}}})
		if id == "" || len(id) > 128 || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) || w.Header().Get(gate.HeaderRequestID) != id {
			t.Errorf("%q is %q", given, id)
		}
	})
}
