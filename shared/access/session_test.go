package access_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"tidemark/shared/access"
)

// browse authenticates a request of a browser that keeps this token, with headers in pairs.
func browse(t *testing.T, a *access.Authenticator, token string, headers ...string) (access.Principal, error) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(access.NewSession(token, false))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return a.Authenticate(r)
}

// wantRefused checks that a caller is told this.
func wantRefused(t *testing.T, p access.Principal, err error, want string) {
	t.Helper()
	var bad *access.BadCredentialsError
	if !errors.As(err, &bad) || !strings.Contains(bad.Reason, want) || p.Name != "" || p.MayViewSome() || p.MayRequest() {
		t.Errorf("got %+v, %v; want %q", p, err, want)
	}
}

func wantName(t *testing.T, p access.Principal, err error, name string) {
	t.Helper()
	if err != nil || p.Name != name {
		t.Errorf("got %+v, %v; want %s", p, err, name)
	}
}

func TestSessionCookies(t *testing.T) {
	t.Parallel()
	for secure, want := range map[bool]string{
		false: "tidemark_session=abc; Path=/; HttpOnly; SameSite=Lax",
		true:  "tidemark_session=abc; Path=/; HttpOnly; Secure; SameSite=Lax",
	} {
		if got := access.NewSession("abc", secure).String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		// A browser forgets only what has the same name, path and host.
		want = strings.Replace(strings.Replace(want, "abc", "", 1), "; HttpOnly", "; Max-Age=0; HttpOnly", 1)
		if got := access.EndSession(secure).String(); got != want {
			t.Errorf("the end: got %s, want %s", got, want)
		}
	}
}

// TestSessionEndsWithItsToken: withdrawn, it is worth nothing from the next look at the file on.
func TestSessionEndsWithItsToken(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	ci, ciToken := newAccount(t, "ci", time.Time{}, access.SyncAll)
	guest, guestToken := newAccount(t, "guest", time.Now().Add(24*time.Hour), access.ViewAll)
	synctest.Test(t, func(t *testing.T) {
		write(t, path, ci+guest)
		a, err := access.New(access.Options{TokensFile: path})
		if err != nil {
			t.Fatal(err)
		}
		p, err := a.SignIn(t.Context(), ciToken)
		wantName(t, p, err, "ci")
		if p, err = browse(t, a, ciToken); !p.MayRequest() {
			t.Errorf("ci may do too little: %+v", p)
		}
		wantName(t, p, err, "ci")
		write(t, path, guest)
		time.Sleep(access.TokensCheckInterval)
		p, err = browse(t, a, ciToken)
		wantRefused(t, p, err, "it was withdrawn")
		p, err = a.SignIn(t.Context(), ciToken)
		wantRefused(t, p, err, "it was withdrawn")
		p, err = browse(t, a, guestToken)
		wantName(t, p, err, "guest")
		time.Sleep(30 * 365 * 24 * time.Hour) // synctest's clock begins in 2000
		p, err = browse(t, a, guestToken)
		wantRefused(t, p, err, "the token expired on ")
	})
}

func TestSessionOfAJWT(t *testing.T) {
	t.Parallel()
	ec := ecKey(t)
	i := newIssuer(t, public("ec", jose.ES256, ec))
	a := i.trusting(t)
	token := func(changes map[string]any) string { return sign(t, jose.ES256, "ec", ec, i.claims(changes)) }
	good := token(nil)
	p, err := a.SignIn(t.Context(), good)
	wantName(t, p, err, "oidc:alice (7f3a)")
	p, err = browse(t, a, good)
	wantName(t, p, err, "oidc:alice (7f3a)")
	p, err = browse(t, a, token(map[string]any{"exp": time.Now().Add(-time.Second).Unix()}))
	wantRefused(t, p, err, "the token expired at ")

	// As a header it is good; a browser would drop it and say nothing.
	long := token(map[string]any{"groups": strings.Repeat("x", 3000)})
	wantPrincipal(t, a, long, "oidc:alice (7f3a)")
	p, err = a.SignIn(t.Context(), long)
	wantRefused(t, p, err, "too long for a browser")
	p, err = browse(t, a, long)
	wantRefused(t, p, err, "sign in again")
	for _, pasted := range []string{"", " " + good, good + "\n", "Bearer " + good, "é"} {
		p, err = a.SignIn(t.Context(), pasted)
		wantRefused(t, p, err, "enter the token alone")
	}
}

// TestHeaderBeforeCookie: a header with a token decides, good or not; one that is for a proxy
// does not.
func TestHeaderBeforeCookie(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	one, oneToken := newAccount(t, "one", time.Time{}, access.ViewAll)
	two, twoToken := newAccount(t, "two", time.Time{}, access.ViewAll)
	write(t, path, one+two)
	a, err := access.New(access.Options{TokensFile: path})
	if err != nil {
		t.Fatal(err)
	}
	p, err := browse(t, a, oneToken, "Authorization", "Bearer "+twoToken)
	wantName(t, p, err, "two")
	p, err = browse(t, a, "tidemark_0", "Authorization", "Bearer "+twoToken)
	wantName(t, p, err, "two")
	p, err = browse(t, a, oneToken, "Authorization", "Basic dXNlcjpwYXNz")
	wantName(t, p, err, "one")
	p, err = browse(t, a, oneToken, "Authorization", "Bearer tidemark_0")
	wantRefused(t, p, err, "not known here")
	p, err = browse(t, a, oneToken, "Authorization", "Bearer")
	wantRefused(t, p, err, "Bearer TOKEN")
	p, err = browse(t, a, oneToken, "Cookie", "tidemark_session="+twoToken)
	wantRefused(t, p, err, "more than once")
	if p, err := browse(t, a, ""); !errors.Is(err, access.ErrNoCredentials) || p.Name != "" {
		t.Errorf("a session that was ended: %+v, %v", p, err)
	}
	nobody, err := access.New(access.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err = nobody.SignIn(context.Background(), oneToken)
	wantRefused(t, p, err, "no token is known here")
}
