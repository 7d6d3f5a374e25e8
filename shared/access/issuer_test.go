package access_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"tidemark/shared/access"
)

// rsaKey is made once: it takes a while.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func edKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issuer is an identity provider on this machine.
type issuer struct {
	url string
	// asked counts requests for the discovery document.
	asked atomic.Int32

	mu sync.Mutex
	// keys is the document at jwks_uri, keysURL its address, name what it says it is.
	keys, keysURL, name string
	// fail, when set, answers instead.
	fail http.HandlerFunc
}

// newIssuer publishes these keys.
func newIssuer(t *testing.T, keys ...jose.JSONWebKey) *issuer {
	t.Helper()
	i := &issuer{}
	server := httptest.NewServer(http.HandlerFunc(i.serve))
	t.Cleanup(server.Close)
	i.url, i.name, i.keysURL = server.URL, server.URL, server.URL+"/keys"
	i.publish(t, keys...)
	return i
}

func (i *issuer) serve(w http.ResponseWriter, r *http.Request) {
	isDiscovery := r.URL.Path == "/.well-known/openid-configuration"
	if isDiscovery {
		i.asked.Add(1)
	}
	i.mu.Lock()
	keys, keysURL, name, fail := i.keys, i.keysURL, i.name, i.fail
	i.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case fail != nil:
		fail(w, r)
	case isDiscovery:
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": name, "jwks_uri": keysURL, "id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"}})
	case r.URL.Path == "/keys":
		fmt.Fprint(w, keys)
	default:
		http.NotFound(w, r)
	}
}

// set changes what the issuer does.
func (i *issuer) set(change func(*issuer)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change(i)
}

func (i *issuer) publish(t *testing.T, keys ...jose.JSONWebKey) {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	i.set(func(i *issuer) { i.keys = string(text) })
}

// public is the key as it is published.
func public(id string, algorithm jose.SignatureAlgorithm, private crypto.Signer) jose.JSONWebKey {
	return jose.JSONWebKey{Key: private.Public(), KeyID: id, Algorithm: string(algorithm), Use: "sig"}
}

// claims are those of alice, a good token's, with changes. A nil takes a claim away.
func (i *issuer) claims(changes map[string]any) map[string]any {
	c := map[string]any{
		"iss": i.url, "aud": "tidemark", "sub": "7f3a", "preferred_username": "alice",
		"exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(),
		"realm_access": map[string]any{"roles": []string{"operator", "offline_access"}},
	}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// sign makes a JWT. key is a private key or, for an algorithm with a shared secret, bytes.
func sign(t *testing.T, algorithm jose.SignatureAlgorithm, id string, key any, claims any) string {
	t.Helper()
	token, err := signed(algorithm, id, key, claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func signed(algorithm jose.SignatureAlgorithm, id string, key any, claims any) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: id}}, nil)
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	token, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return token.CompactSerialize()
}

// trusting makes an authenticator for the issuer's tokens.
func (i *issuer) trusting(t *testing.T) *access.Authenticator {
	t.Helper()
	a, err := access.New(access.Options{
		OIDC: access.OIDCOptions{Issuer: i.url, Audience: "tidemark", Claim: "realm_access.roles", Roles: map[string][]access.Permission{"operator": {access.SyncAll}}},
		// What is logged about an issuer that fails is looked at where that is tested.
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}
