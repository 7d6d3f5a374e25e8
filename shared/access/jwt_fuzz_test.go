package access

import (
	"crypto/ed25519"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// FuzzJWT: nobody passes but with what the provider signed, whatever he makes of it.
func FuzzJWT(f *testing.F) {
	// Every process of a fuzz run has the same token.
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
	if err != nil {
		f.Fatal(err)
	}
	signed, err := signer.Sign([]byte(`{"iss":"https://localhost","aud":"tidemark","sub":"alice","exp":99999999999,"scope":"` + string(ViewAll) + `"}`))
	if err != nil {
		f.Fatal(err)
	}
	good, err := signed.CompactSerialize()
	if err != nil {
		f.Fatal(err)
	}
	a, err := New(Options{OIDC: OIDCOptions{Issuer: "https://localhost", Audience: "tidemark", Claim: "scope"}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	// The keys are known, and the provider was asked just now: nothing goes over the network.
	now := time.Now().Add(24 * time.Hour)
	a.jwts.provider.tried = now
	a.jwts.provider.known.Store(&keySet{keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1"}}, asked: now})

	part := strings.Split(good, ".")
	f.Add(good)
	f.Add(part[0] + "." + part[1] + ".")
	f.Add("eyJhbGciOiJub25lIn0." + part[1] + ".")
	f.Add("eyJhbGciOiJIUzI1NiJ9." + part[1] + "." + part[2])
	f.Add(part[0] + ".e30." + part[2])
	f.Add("{}")
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		p, err := a.Authenticate(&http.Request{Header: http.Header{"Authorization": {"Bearer " + token}}})
		if err != nil {
			if p.Name != "" || token == good {
				t.Errorf("%q: got %+v, %v", token, p, err)
			}
			return
		}
		// Base64 has more than one spelling of the same, so it need not be the good token.
		if p.Name != "oidc:alice" || !p.MayViewAll() || p.MayRequest() {
			t.Errorf("%q passes as %+v", token, p)
		}
	})
}

// FuzzParseKeys: only public keys that sign with a secret of the provider's come out.
func FuzzParseKeys(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `{"keys":[]}`, `{"keys":[{"kty":"oct","k":"AAAA"}]}`, `{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc"}]}`,
		`{"keys":[null, 7, [], {"kty":"EC"}]}`, `{"keys":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := parseKeys(text)
		if (err == nil) != (len(keys) > 0) {
			t.Errorf("%q: %d keys, %v", text, len(keys), err)
		}
		for _, k := range keys {
			if !k.Valid() || !k.IsPublic() || k.Use != "" && k.Use != "sig" {
				t.Errorf("%q: key %+v", text, k)
			}
		}
	})
}
