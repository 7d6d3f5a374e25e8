package access

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestBearerToken(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("a", maxToken-len("Bearer "))
	for _, c := range []struct {
		headers []string
		token   string
		// none: no credentials; otherwise what the refusal says.
		none  bool
		wrong string
	}{
		{headers: nil, none: true},
		{headers: []string{"Basic dXNlcjpwYXNz"}, none: true},
		{headers: []string{"basic"}, none: true},
		{headers: []string{"Bearer abc"}, token: "abc"},
		{headers: []string{"bEARER   a-b._~+/c=="}, token: "a-b._~+/c=="},
		{headers: []string{"Bearer " + longest}, token: longest},
		{headers: []string{"Bearer " + longest + "a"}, wrong: "too long"},
		{headers: []string{"Bearer abc", "Bearer abc"}, wrong: "more than once"},
		{headers: []string{"Basic dXNlcjpwYXNz", "Bearer abc"}, wrong: "more than once"},
		{headers: []string{"", "Bearer abc"}, wrong: "more than once"},
		{headers: []string{""}, wrong: "Bearer TOKEN"},
		{headers: []string{"Bearer"}, wrong: "Bearer TOKEN"},
		{headers: []string{"Bearer "}, wrong: "Bearer TOKEN"},
		{headers: []string{"Bearer abc def"}, wrong: "Bearer TOKEN"},
		{headers: []string{"Bearer abc "}, wrong: "Bearer TOKEN"},
		{headers: []string{" Bearer abc"}, wrong: "Bearer TOKEN"},
		{headers: []string{"Bearer\tabc"}, wrong: "Bearer TOKEN"},
		{headers: []string{"Bearer abc, Bearer def"}, wrong: "Bearer TOKEN"},
		{headers: []string{"Bearer abc\n"}, wrong: "Bearer TOKEN"},
		{headers: []string{"Bearer a=b"}, wrong: "Bearer TOKEN"},
		{headers: []string{"Bearer é"}, wrong: "Bearer TOKEN"},
		{headers: []string{"Bearer {}"}, wrong: "Bearer TOKEN"},
		{headers: []string{"Token abc"}, wrong: "Bearer TOKEN"},
		{headers: []string{"abc"}, wrong: "Bearer TOKEN"},
	} {
		token, err := bearerToken(http.Header{"Authorization": c.headers})
		var bad *BadCredentialsError
		switch {
		case token != c.token, c.none != errors.Is(err, ErrNoCredentials), (c.wrong != "") != errors.As(err, &bad):
			t.Errorf("%.80q: got %.80q, %v", c.headers, token, err)
		case c.wrong != "" && (!strings.Contains(bad.Reason, c.wrong) || strings.Contains(bad.Reason, "abc")):
			t.Errorf("%.80q: refused with %q, want %q and nothing of what was sent", c.headers, bad.Reason, c.wrong)
		}
	}
}

// FuzzBearerToken: one header gives at most one token, of the characters and the length
// that a token may have, and it is what stands at the header's end.
func FuzzBearerToken(f *testing.F) {
	for _, seed := range []string{"", "Bearer", "Bearer abc", "bearer  abc==", "Bearer a b", "Basic abc", "Bearer \x00", "Bearer abc,def", "\nBearer abc", "ſBearer abc", "Bearer \u212a"} {
		f.Add(seed, "")
	}
	f.Add("Bearer abc", "Bearer abc")
	f.Fuzz(func(t *testing.T, header, second string) {
		h := http.Header{"Authorization": {header}}
		if second != "" {
			h.Add("Authorization", second)
		}
		token, err := bearerToken(h)
		if err != nil {
			if token != "" {
				t.Errorf("%q: token %q beside %v", header, token, err)
			}
			return
		}
		rest, ok := strings.CutSuffix(header, token)
		if second != "" || token == "" || len(token) > maxToken || strings.ContainsAny(token, " \t\r\n,;\"{}\x00") ||
			!ok || !strings.EqualFold(strings.TrimRight(rest, " "), "bearer") || len(strings.TrimRight(rest, " ")) != len("bearer") {
			t.Errorf("%q (%q): token %q", header, second, token)
		}
	})
}
