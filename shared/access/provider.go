package access

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const (
	// askTimeout bounds one asking of the provider, both documents together.
	askTimeout = 5 * time.Second
	// askPause is the shortest time between two askings. Anybody can send a token that no
	// known key fits; that must not become a stream of requests to the provider.
	askPause = 10 * time.Second
	// keysRenewAfter is the age at which keys are fetched anew, keysKeep the one from
	// which they are not used any more. A key that the provider withdrew is accepted for
	// 15 minutes, and for an hour where the provider does not answer.
	keysRenewAfter = 15 * time.Minute
	keysKeep       = time.Hour
	// maxDocument bounds an answer of the provider in bytes.
	maxDocument = 1 << 20
)

// provider keeps the keys that an identity provider publishes. go-oidc's own key set asks
// the provider for every token with an unknown key, and keeps its keys for ever.
type provider struct {
	issuer string
	client *http.Client
	log    *slog.Logger

	// known are the keys fetched last; nil before.
	known atomic.Pointer[keySet]
	// turn is held by whoever asks the provider; the others wait for what comes of it.
	turn chan struct{}
	// tried is when the provider was asked last. It belongs to the holder of turn.
	tried time.Time
}

type keySet struct {
	keys []jose.JSONWebKey
	// asked is when the asking began that brought them.
	asked time.Time
}

func (s *keySet) age() time.Duration { return time.Since(s.asked) }

func newProvider(issuer string, log *slog.Logger) *provider {
	// One asking in minutes needs no open connection.
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	return &provider{
		issuer: issuer,
		log:    log,
		client: &http.Client{
			Transport: boundedTransport{transport},
			// Where the documents are is said by the issuer's URL and the first document alone.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		turn: make(chan struct{}, 1),
	}
}

// boundedTransport breaks off answers that are too long.
type boundedTransport struct{ http.RoundTripper }

func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.RoundTripper.RoundTrip(r)
	if err == nil {
		answer.Body = http.MaxBytesReader(nil, answer.Body, maxDocument)
	}
	return answer, err
}

// keys returns what the provider publishes. With newer the keys that are known do not fit:
// it is asked again, unless that was done just now. The error is [ErrUnavailable].
func (p *provider) keys(ctx context.Context, newer bool) ([]jose.JSONWebKey, error) {
	known := p.known.Load()
	switch {
	case known == nil || newer || known.age() >= keysKeep:
		select {
		case p.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, ErrUnavailable
		}
	case known.age() >= keysRenewAfter:
		// One caller renews the keys, the others go on with those that there are.
		select {
		case p.turn <- struct{}{}:
		default:
			return known.keys, nil
		}
	default:
		return known.keys, nil
	}
	defer func() { <-p.turn }()
	if time.Since(p.tried) >= askPause {
		p.ask(ctx)
	}
	known = p.known.Load()
	if known == nil || known.age() >= keysKeep || newer && known.asked.Before(p.tried) {
		return nil, ErrUnavailable
	}
	return known.keys, nil
}

// ask fetches the keys. Others wait for them too, so it goes on when its caller leaves.
func (p *provider) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	p.tried = time.Now()
	keys, err := p.fetch(ctx)
	if err != nil {
		p.log.Warn("the identity provider's keys cannot be had", "issuer", p.issuer, "err", clip(err.Error()))
		return
	}
	p.known.Store(&keySet{keys: keys, asked: p.tried})
}

func (p *provider) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	discovered, err := oidc.NewProvider(oidc.ClientContext(ctx, p.client), p.issuer)
	if err != nil {
		return nil, err
	}
	var document struct {
		KeysURL string `json:"jwks_uri"`
	}
	if err := discovered.Claims(&document); err != nil {
		return nil, err
	}
	if err := checkProviderURL(document.KeysURL); err != nil {
		return nil, fmt.Errorf("jwks_uri: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, document.KeysURL, nil)
	if err != nil {
		return nil, err
	}
	answer, err := p.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", document.KeysURL, err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", document.KeysURL, answer.Status)
	}
	keys, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", document.KeysURL, err)
	}
	return keys, nil
}

// parseKeys reads a JWK Set. Keys that cannot check a signature of ours are left out, as
// RFC 7517 wants it: providers publish keys for other purposes beside them.
func parseKeys(text []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("no set of keys: %w", err)
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if err := json.Unmarshal(raw, &key); err == nil && checksSignatures(key) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("none of the published keys can check a signature")
	}
	return keys, nil
}

// minRSA is the shortest modulus in bits that RFC 7518 allows.
const minRSA = 2048

func checksSignatures(key jose.JSONWebKey) bool {
	if rsaKey, ok := key.Key.(*rsa.PublicKey); ok && rsaKey.N.BitLen() < minRSA {
		return false
	}
	return key.IsPublic() && (key.Use == "" || key.Use == "sig")
}

// checkProviderURL refuses addresses where somebody on the way could put in keys of his own.
func checkProviderURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil {
		return fmt.Errorf("%.200q is no URL of an identity provider, for example https://login.example.org/realms/staff", text)
	}
	ip := net.ParseIP(u.Hostname())
	if local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback(); u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return fmt.Errorf("%.200q: use https, so that nobody on the way can put in keys of his own (http is for this machine only)", text)
	}
	return nil
}
