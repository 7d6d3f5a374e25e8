package access_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"tidemark/shared/access"
)

func wantUnavailable(t *testing.T, a *access.Authenticator, token string) {
	t.Helper()
	p, err := call(a, token)
	if !errors.Is(err, access.ErrUnavailable) || p.Name != "" || p.MayViewSome() {
		t.Errorf("got %+v, %v; want %v", p, err, access.ErrUnavailable)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// TestProviderAway: whatever is wrong with the provider, nobody passes, the log says what it
// is, and when it is back so are its users.
func TestProviderAway(t *testing.T) {
	t.Parallel()
	// A server of somebody else's, who answers all that a provider should.
	ec := ecKey(t)
	other := newIssuer(t, public("ec", "", ec))
	for what, c := range map[string]struct {
		spoil func(*issuer)
		want  string
	}{
		"fails":             {func(i *issuer) { i.fail = status(http.StatusInternalServerError) }, "500"},
		"is overloaded":     {func(i *issuer) { i.fail = status(http.StatusTooManyRequests) }, "429"},
		"has no keys":       {func(i *issuer) { i.keys = `{"keys":[]}` }, "none of the published keys"},
		"has bad keys":      {func(i *issuer) { i.keys = `{"keys":[{"kty":"RSA","n":"!"}]}` }, "none of the published keys"},
		"sends no JSON":     {func(i *issuer) { i.keys = `<html>` }, "no set of keys"},
		"sends too much":    {func(i *issuer) { i.keys = strings.Repeat(" ", 2<<20) }, "too large"},
		"keys are away":     {func(i *issuer) { i.keysURL += "/nowhere" }, "404"},
		"says no address":   {func(i *issuer) { i.keysURL = "" }, "jwks_uri"},
		"keys in the clear": {func(i *issuer) { i.keysURL = "http://login.example.org/keys" }, "use https"},
		"has another name":  {func(i *issuer) { i.name += "/" }, "did not match the issuer"},
		"redirects": {func(i *issuer) {
			i.fail = http.RedirectHandler(other.url+"/.well-known/openid-configuration", http.StatusFound).ServeHTTP
		}, "302"},
		"breaks off": {func(i *issuer) { i.fail = func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) } }, "EOF"},
		"sends endless words": {func(i *issuer) {
			i.fail = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte("x"), 2<<20)) }
		}, "too large"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t, public("ec", "", ec))
			keys, keysURL, name := i.keys, i.keysURL, i.name
			i.set(c.spoil)
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				a, err := access.New(access.Options{
					OIDC:   access.OIDCOptions{Issuer: i.url, Audience: "tidemark", Claim: "x"},
					Logger: slog.New(slog.NewTextHandler(&log, nil)),
				})
				if err != nil {
					t.Fatal(err)
				}
				token := sign(t, jose.ES256, "ec", ec, i.claims(nil))
				for range 3 {
					wantUnavailable(t, a, token)
				}
				if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), c.want) || log.Len() > 1000 {
					t.Errorf("%d warnings, want one with %q:\n%s", n, c.want, log.String())
				}
				// What needs no key to be refused is refused.
				wantBad(t, a, "garbage", "not accepted")
				i.set(func(i *issuer) { i.keys, i.keysURL, i.name, i.fail = keys, keysURL, name, nil })
				wantUnavailable(t, a, token)
				time.Sleep(access.AskPause)
				wantPrincipal(t, a, token, "oidc:alice (7f3a)")
			})
		})
	}
}

// TestNobodyListens: a provider that has no server at all.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	a, err := access.New(access.Options{
		OIDC:   access.OIDCOptions{Issuer: "http://127.0.0.1:1/realm", Audience: "tidemark", Claim: "x"},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	wantUnavailable(t, a, sign(t, jose.ES256, "ec", ecKey(t), map[string]any{}))
}

// TestKeysChange: a new key works at once, unless the provider was asked just now; a
// withdrawn one is accepted no longer than said; nobody makes us ask more often.
func TestKeysChange(t *testing.T) {
	t.Parallel()
	first, second := ecKey(t), ecKey(t)
	i := newIssuer(t, public("1", "", first))
	synctest.Test(t, func(t *testing.T) {
		a := i.trusting(t)
		by := func(id string) string {
			key := first
			if id == "2" {
				key = second
			}
			return sign(t, jose.ES256, id, key, i.claims(nil))
		}
		const alice = "oidc:alice (7f3a)"
		asked := func(want int32) {
			t.Helper()
			if n := i.asked.Load(); n != want {
				t.Errorf("the provider was asked %d times, want %d", n, want)
			}
		}
		wantPrincipal(t, a, by("1"), alice)
		i.publish(t, public("1", "", first), public("2", "", second))
		wantBad(t, a, by("2"), "none of the issuer's keys")
		asked(1)
		time.Sleep(access.AskPause)
		wantPrincipal(t, a, by("2"), alice)
		asked(2)
		for range 20 {
			wantBad(t, a, by("3"), "none of the issuer's keys")
		}
		asked(2)
		time.Sleep(access.AskPause)
		for range 20 {
			wantBad(t, a, by("3"), "none of the issuer's keys")
		}
		asked(3)

		// The first key is withdrawn.
		i.publish(t, public("2", "", second))
		time.Sleep(access.KeysRenewAfter - time.Second)
		wantPrincipal(t, a, by("1"), alice)
		time.Sleep(time.Second)
		wantBad(t, a, by("1"), "none of the issuer's keys")
		wantPrincipal(t, a, by("2"), alice)
		asked(4)

		// The provider goes away: known keys are good for some time, unknown ones cannot be judged.
		i.set(func(i *issuer) { i.fail = status(http.StatusBadGateway) })
		time.Sleep(access.KeysKeep - time.Second)
		wantPrincipal(t, a, by("2"), alice)
		asked(5)
		wantUnavailable(t, a, by("1"))
		time.Sleep(time.Second)
		wantUnavailable(t, a, by("2"))
		asked(5)
		time.Sleep(access.AskPause)
		wantUnavailable(t, a, by("2"))
		asked(6)
		i.set(func(i *issuer) { i.fail = nil })
		time.Sleep(access.AskPause)
		wantPrincipal(t, a, by("2"), alice)
		asked(7)
	})
}

// TestProviderAskedOnce: many callers at once make one request, which goes on when the
// caller that made it leaves; whoever cannot wait learns that nothing is known.
func TestProviderAskedOnce(t *testing.T) {
	t.Parallel()
	ec := ecKey(t)
	i := newIssuer(t, public("ec", "", ec))
	entered, release := make(chan struct{}, 1), make(chan struct{})
	i.set(func(i *issuer) {
		i.fail = func(w http.ResponseWriter, r *http.Request) {
			entered <- struct{}{}
			<-release
			i.set(func(i *issuer) { i.fail = nil })
			i.serve(w, r)
		}
	})
	a := i.trusting(t)
	token := sign(t, jose.ES256, "ec", ec, i.claims(nil))
	var all sync.WaitGroup
	impatient, leave := context.WithCancel(context.Background())
	all.Go(func() {
		r, err := http.NewRequestWithContext(impatient, http.MethodGet, "/", nil)
		if err != nil {
			t.Error(err)
			return
		}
		r.Header.Set("Authorization", "Bearer "+token)
		// What it was asked for is there by then.
		if p, err := a.Authenticate(r); err != nil || p.Name == "" {
			t.Errorf("got %+v, %v", p, err)
		}
	})
	<-entered
	leave()
	r, err := http.NewRequestWithContext(impatient, http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if p, err := a.Authenticate(r); !errors.Is(err, access.ErrUnavailable) {
		t.Errorf("a caller who left: %+v, %v", p, err)
	}
	for range 50 {
		all.Go(func() { wantPrincipal(t, a, token, "oidc:alice (7f3a)") })
	}
	close(release)
	all.Wait()
	if n := i.asked.Load(); n != 2 { // The held one is counted twice: it is served again.
		t.Errorf("the provider was asked %d times, want once", n-1)
	}
}

// transport answers for the network.
type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// TestProviderHangs: asking ends after its time, during which known keys go on to serve.
func TestProviderHangs(t *testing.T) {
	t.Parallel()
	ec := ecKey(t)
	i := newIssuer(t, public("ec", "", ec))
	synctest.Test(t, func(t *testing.T) {
		a := i.trusting(t)
		token := sign(t, jose.ES256, "ec", ec, i.claims(map[string]any{"exp": time.Now().Add(time.Hour).Unix()}))
		wantPrincipal(t, a, token, "oidc:alice (7f3a)")
		var asked atomic.Int32
		a.SetTransport(transport(func(r *http.Request) (*http.Response, error) {
			asked.Add(1)
			<-r.Context().Done()
			return nil, fmt.Errorf("hung: %w", r.Context().Err())
		}))
		time.Sleep(access.KeysRenewAfter)
		start := time.Now()
		var renewing sync.WaitGroup
		renewing.Go(func() { wantPrincipal(t, a, token, "oidc:alice (7f3a)") })
		synctest.Wait()
		wantPrincipal(t, a, token, "oidc:alice (7f3a)")
		if waited := time.Since(start); waited != 0 || asked.Load() != 1 {
			t.Errorf("while one caller renews the keys another one waited %s; asked %d times", waited, asked.Load())
		}
		renewing.Wait()
		if waited := time.Since(start); waited != access.AskTimeout {
			t.Errorf("the caller who renews waited %s, want %s", waited, access.AskTimeout)
		}

		time.Sleep(access.AskPause)
		start = time.Now()
		var unknown sync.WaitGroup
		stranger := sign(t, jose.ES256, "other", ecKey(t), i.claims(nil))
		for range 10 {
			unknown.Go(func() { wantUnavailable(t, a, stranger) })
		}
		unknown.Wait()
		if waited := time.Since(start); waited != access.AskTimeout || asked.Load() != 2 {
			t.Errorf("callers with an unknown key waited %s, want %s; asked %d times", waited, access.AskTimeout, asked.Load())
		}

		// Keys that are too old let nobody in, also not those who do not ask themselves.
		time.Sleep(access.KeysKeep)
		token = sign(t, jose.ES256, "ec", ec, i.claims(map[string]any{"exp": time.Now().Add(time.Hour).Unix()}))
		for range 10 {
			unknown.Go(func() { wantUnavailable(t, a, token) })
		}
		unknown.Wait()
		if asked.Load() != 3 {
			t.Errorf("asked %d times", asked.Load())
		}
	})
}
