package access_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"tidemark/shared/access"
)

func TestGoodJWTs(t *testing.T) {
	t.Parallel()
	ec, ed := ecKey(t), edKey(t)
	i := newIssuer(t, public("rsa", "", rsaKey()), public("ec", jose.ES256, ec), public("ed", "", ed))
	a := i.trusting(t)
	for what, token := range map[string]string{
		"RS256":                sign(t, jose.RS256, "rsa", rsaKey(), i.claims(nil)),
		"PS512":                sign(t, jose.PS512, "rsa", rsaKey(), i.claims(nil)),
		"ES256":                sign(t, jose.ES256, "ec", ec, i.claims(nil)),
		"EdDSA":                sign(t, jose.EdDSA, "ed", ed, i.claims(nil)),
		"no kid":               sign(t, jose.ES256, "", ec, i.claims(nil)),
		"one of two audiences": sign(t, jose.ES256, "ec", ec, i.claims(map[string]any{"aud": []string{"account", "tidemark"}})),
		"a clock that is slow": sign(t, jose.ES256, "ec", ec, i.claims(map[string]any{"nbf": time.Now().Add(time.Minute).Unix()})),
	} {
		if p := wantPrincipal(t, a, token, "oidc:alice (7f3a)"); !p.MayRequest() {
			t.Errorf("%s: alice is an operator, she may too little: %+v", what, p)
		}
	}
	// No role of ours is no error: the caller is known, and may do nothing.
	token := sign(t, jose.ES256, "ec", ec, i.claims(map[string]any{"realm_access": nil}))
	if p := wantPrincipal(t, a, token, "oidc:alice (7f3a)"); p.MayViewSome() || p.MayRequest() {
		t.Errorf("without any role: %+v", p)
	}
}

func TestBadJWTs(t *testing.T) {
	t.Parallel()
	ec := ecKey(t)
	i := newIssuer(t, public("rsa", "", rsaKey()), public("only-rs256", jose.RS256, rsaKey()), public("ec", jose.ES256, ec))
	a := i.trusting(t)
	good := sign(t, jose.ES256, "ec", ec, i.claims(nil))
	wantPrincipal(t, a, good, "oidc:alice (7f3a)")
	part := strings.Split(good, ".")
	encode := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	der, err := x509.MarshalPKIXPublicKey(rsaKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	changed := func(changes map[string]any) string { return sign(t, jose.ES256, "ec", ec, i.claims(changes)) }
	for what, c := range map[string]struct{ token, want string }{
		"expired":                      {changed(map[string]any{"exp": time.Now().Add(-time.Second).Unix()}), "the token expired at "},
		"no expiry":                    {changed(map[string]any{"exp": nil}), "has no expiry"},
		"not valid yet":                {changed(map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}), "before the nbf"},
		"other audience":               {changed(map[string]any{"aud": "account"}), `expected audience "tidemark" got ["account"]`},
		"audience as part of a word":   {changed(map[string]any{"aud": "tidemark2"}), "expected audience"},
		"no audience":                  {changed(map[string]any{"aud": nil}), "expected audience"},
		"other issuer":                 {changed(map[string]any{"iss": "https://login.example.org"}), "issued by a different provider"},
		"issuer with a slash":          {changed(map[string]any{"iss": i.url + "/"}), "issued by a different provider"},
		"no issuer":                    {changed(map[string]any{"iss": nil}), "issued by a different provider"},
		"no subject":                   {changed(map[string]any{"sub": nil}), "claim sub is missing"},
		"a subject that is a number":   {changed(map[string]any{"sub": 7}), "not accepted"},
		"a subject to fool people":     {changed(map[string]any{"sub": "bob (7f3a)"}), "characters that no name should have"},
		"alg none":                     {encode(map[string]string{"alg": "none"}) + "." + part[1] + ".", "not accepted"},
		"alg none, signed":             {encode(map[string]string{"alg": "none", "kid": "ec"}) + "." + part[1] + "." + part[2], "unexpected signature algorithm"},
		"alg NONE":                     {encode(map[string]string{"alg": "nOnE"}) + "." + part[1] + ".", "not accepted"},
		"no alg":                       {encode(map[string]string{"kid": "ec"}) + "." + part[1] + "." + part[2], "not accepted"},
		"HS256 with the public key":    {sign(t, jose.HS256, "rsa", publicPEM, i.claims(nil)), "unexpected signature algorithm"},
		"HS256 with the public DER":    {sign(t, jose.HS256, "rsa", der, i.claims(nil)), "unexpected signature algorithm"},
		"HS256 with the modulus":       {sign(t, jose.HS256, "rsa", rsaKey().N.Bytes(), i.claims(nil)), "unexpected signature algorithm"},
		"signed by somebody else":      {sign(t, jose.ES256, "ec", ecKey(t), i.claims(nil)), "none of the issuer's keys"},
		"somebody else's key id":       {sign(t, jose.ES256, "other", ecKey(t), i.claims(nil)), "none of the issuer's keys"},
		"a key under another's id":     {sign(t, jose.ES256, "rsa", ec, i.claims(nil)), "none of the issuer's keys"},
		"an algorithm not the key's":   {sign(t, jose.PS256, "only-rs256", rsaKey(), i.claims(nil)), "none of the issuer's keys"},
		"another payload":              {part[0] + "." + encode(i.claims(map[string]any{"sub": "root"})) + "." + part[2], "none of the issuer's keys"},
		"another header":               {encode(map[string]string{"alg": "ES256", "kid": "ec", "typ": "x"}) + "." + part[1] + "." + part[2], "none of the issuer's keys"},
		"a key of its own":             {selfSigned(t, i.claims(nil)), "none of the issuer's keys"},
		"no signature":                 {part[0] + "." + part[1] + ".", "not accepted"},
		"two parts":                    {part[0] + "." + part[1], "not accepted"},
		"four parts":                   {good + ".x", "not accepted"},
		"garbage":                      {"garbage", "not accepted"},
		"dots":                         {"..", "not accepted"},
		"no JSON":                      {"eyJ.eyJ.eyJ", "not accepted"},
		"claims that are no object":    {sign(t, jose.ES256, "ec", ec, []string{"sub"}), "not accepted"},
		"claims kept somewhere else":   {changed(map[string]any{"_claim_names": map[string]any{"x": "y"}}), "not accepted"},
		"huge":                         {changed(map[string]any{"x": strings.Repeat("x", access.MaxToken)}), "too long"},
		"a static token":               {"tidemark_" + strings.Repeat("0", 64), "none of the kind"},
		"a static token's name as sub": {changed(map[string]any{"sub": "("}), "characters that no name should have"},
	} {
		t.Run(what, func(t *testing.T) { wantBad(t, a, c.token, c.want) })
	}
	wantPrincipal(t, a, good, "oidc:alice (7f3a)")
	if n := i.asked.Load(); n != 1 {
		t.Errorf("bad tokens made %d requests to the provider, want 1", n)
	}
}

// selfSigned is a token that brings the key to check it with.
func selfSigned(t *testing.T, claims any) string {
	t.Helper()
	key := ecKey(t)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestBothKindsOfTokens: each kind is known by itself, and nobody passes for the other.
func TestBothKindsOfTokens(t *testing.T) {
	t.Parallel()
	ec := ecKey(t)
	i := newIssuer(t, public("ec", "", ec))
	path := t.TempDir() + "/tokens"
	line, token := newAccount(t, "alice", time.Time{}, access.ViewAll)
	write(t, path, line)
	a, err := access.New(access.Options{TokensFile: path, OIDC: access.OIDCOptions{Issuer: i.url, Audience: "tidemark", Claim: "scope"}})
	if err != nil {
		t.Fatal(err)
	}
	wantPrincipal(t, a, token, "alice")
	if i.asked.Load() != 0 {
		t.Error("a static token asks the identity provider")
	}
	for _, changes := range []map[string]any{{"sub": "alice"}, {"sub": "alice", "preferred_username": nil}, {"sub": "alice", "preferred_username": "token:alice"}} {
		changes["scope"] = "openid " + string(access.ModuleView("buildings"))
		p, err := call(a, sign(t, jose.ES256, "ec", ec, i.claims(changes)))
		if err != nil || !strings.HasPrefix(p.Name, "oidc:") || !p.MayView(3) || p.MayViewAll() {
			t.Errorf("%v: got %+v, %v", changes, p, err)
		}
	}
}

func TestOIDCOptions(t *testing.T) {
	t.Parallel()
	good := access.OIDCOptions{Issuer: "https://login.example.org/realms/staff", Audience: "tidemark", Claim: "roles", Roles: map[string][]access.Permission{"x": {access.ViewAll}}}
	for _, local := range []string{good.Issuer, "http://127.0.0.1:8080", "http://[::1]:8080/x", "http://localhost"} {
		o := good
		o.Issuer = local
		if _, err := access.New(access.Options{OIDC: o}); err != nil {
			t.Errorf("%s: %v", local, err)
		}
	}
	for want, spoil := range map[string]func(*access.OIDCOptions){
		"OIDC.Issuer is missing":             func(o *access.OIDCOptions) { o.Issuer = "" },
		"OIDC.Audience is missing":           func(o *access.OIDCOptions) { o.Audience = "" },
		"OIDC.Claim is missing":              func(o *access.OIDCOptions) { o.Claim = "" },
		"use https":                          func(o *access.OIDCOptions) { o.Issuer = "http://login.example.org" },
		`"ftp://localhost": use https`:       func(o *access.OIDCOptions) { o.Issuer = "ftp://localhost" },
		"127.0.0.1.example.org\": use https": func(o *access.OIDCOptions) { o.Issuer = "http://127.0.0.1.example.org" },
		`"login" is no URL`:                  func(o *access.OIDCOptions) { o.Issuer = "login" },
		"is no URL of an identity provider":  func(o *access.OIDCOptions) { o.Issuer = "https://user:secret@login.example.org" },
		`OIDC.Roles: "admin": permission "all": there is none`: func(o *access.OIDCOptions) {
			o.Roles = map[string][]access.Permission{"admin": {"all"}}
		},
	} {
		o := good
		spoil(&o)
		if _, err := access.New(access.Options{OIDC: o}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestNobody: without a file and a provider there is nobody to be recognised.
func TestNobody(t *testing.T) {
	t.Parallel()
	a, err := access.New(access.Options{})
	if err != nil || a.Err() != nil {
		t.Fatal(err, a.Err())
	}
	wantBad(t, a, "tidemark_"+strings.Repeat("0", 64), "neither a tokens file nor an identity provider is set up")
	wantBad(t, a, "eyJhbGciOiJub25lIn0.e30.", "neither a tokens file nor an identity provider is set up")
}

// TestWeakKeys: keys that are no keys to check signatures with are left out, the others work.
func TestWeakKeys(t *testing.T) {
	t.Parallel()
	ec := ecKey(t)
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	i := newIssuer(t)
	set := func(keys ...string) {
		i.set(func(i *issuer) { i.keys = `{"keys":[` + strings.Join(keys, ",") + `]}` })
	}
	key := func(k jose.JSONWebKey) string {
		text, err := k.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	forEncryption := public("enc", "", ec)
	forEncryption.Use = "enc"
	secret := []byte(strings.Repeat("s", 32))
	_, edPrivate, _ := ed25519.GenerateKey(rand.Reader)
	set(key(public("short", "", short)), key(forEncryption), key(jose.JSONWebKey{Key: secret, KeyID: "secret"}), key(jose.JSONWebKey{Key: edPrivate, KeyID: "private"}),
		`{"kty":"EC","crv":"secp256k1","alg":"ES256K","kid":"coin","x":"AA","y":"AA"}`, `{"kty":"OKP","crv":"X448","kid":"x448","x":"AA"}`, `{"kty":"new","kid":"new"}`,
		key(public("good", "", ec)))
	a := i.trusting(t)
	wantPrincipal(t, a, sign(t, jose.ES256, "good", ec, i.claims(nil)), "oidc:alice (7f3a)")
	wantBad(t, a, sign(t, jose.RS256, "short", short, i.claims(nil)), "none of the issuer's keys")
	wantBad(t, a, sign(t, jose.ES256, "enc", ec, i.claims(nil)), "none of the issuer's keys")
	wantBad(t, a, sign(t, jose.HS256, "secret", secret, i.claims(nil)), "not accepted")
	wantBad(t, a, sign(t, jose.EdDSA, "private", edPrivate, i.claims(nil)), "none of the issuer's keys")
}
