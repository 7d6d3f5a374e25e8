package access

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestSessionToken(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("a", maxSession)
	for _, c := range []struct {
		cookies []string
		token   string
		// none: no credentials; otherwise what the refusal says.
		none  bool
		wrong string
	}{
		{cookies: nil, none: true},
		{cookies: []string{"other=abc"}, none: true},
		{cookies: []string{"tidemark_session=abc"}, token: "abc"},
		{cookies: []string{"other=1; tidemark_session=a-b._~+/c==; another=2"}, token: "a-b._~+/c=="},
		{cookies: []string{"other=1", "tidemark_session=abc"}, token: "abc"},
		{cookies: []string{`tidemark_session="abc"`}, token: "abc"},
		{cookies: []string{"tidemark_session=" + longest}, token: longest},
		{cookies: []string{"tidemark_session=" + longest + "a"}, wrong: "sign in again"},
		{cookies: []string{"tidemark_session=abc; tidemark_session=abc"}, wrong: "more than once"},
		{cookies: []string{"tidemark_session=abc", "tidemark_session="}, wrong: "more than once"},
		{cookies: []string{"tidemark_session="}, none: true},
		{cookies: []string{"tidemark_session"}, none: true},
		{cookies: []string{"Tidemark_session=abc"}, none: true},
		{cookies: []string{"tidemark_session =abc"}, token: "abc"},
		{cookies: []string{"tidemark_session=abc def"}, wrong: "sign in again"},
		{cookies: []string{"tidemark_session=Bearer%20abc"}, wrong: "sign in again"},
		{cookies: []string{"tidemark_session=a=b"}, wrong: "sign in again"},
		{cookies: []string{"tidemark_session=abc,def"}, wrong: "sign in again"},
		// What cannot stand in a cookie is passed over.
		{cookies: []string{"tidemark_session=abcé"}, none: true},
		{cookies: []string{"tidemark_session=abc\x00"}, none: true},
	} {
		token, err := sessionToken(&http.Request{Header: http.Header{"Cookie": c.cookies}})
		var bad *BadCredentialsError
		switch {
		case token != c.token, c.none != errors.Is(err, ErrNoCredentials), (c.wrong != "") != errors.As(err, &bad):
			t.Errorf("%.80q: got %.80q, %v", c.cookies, token, err)
		case c.wrong != "" && (!strings.Contains(bad.Reason, c.wrong) || strings.Contains(bad.Reason, "abc")):
			t.Errorf("%.80q: refused with %q, want %q and nothing of what was sent", c.cookies, bad.Reason, c.wrong)
		}
	}
}

// FuzzSession: what comes out of a cookie is one token that could have been put into it, and
// would come out again.
func FuzzSession(f *testing.F) {
	for _, seed := range []string{"", "tidemark_session=abc", "a=b; tidemark_session=abc==; c", "tidemark_session=a; tidemark_session=b", `tidemark_session="a"`, "tidemark_session=\x00", ";;=", "tidemark_session"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		token, err := sessionToken(&http.Request{Header: http.Header{"Cookie": {header}}})
		if err != nil {
			if token != "" {
				t.Errorf("%q: token %q beside %v", header, token, err)
			}
			return
		}
		kept := NewSession(token, true)
		if line := kept.String(); !tokenSyntax.MatchString(token) || len(line) > 4096 || kept.Valid() != nil {
			t.Errorf("%q: token %q, cookie %q", header, token, line)
		}
		r := &http.Request{Header: http.Header{}}
		r.AddCookie(kept)
		if again, err := sessionToken(r); err != nil || again != token {
			t.Errorf("%q: token %q, then %q, %v", header, token, again, err)
		}
	})
}
