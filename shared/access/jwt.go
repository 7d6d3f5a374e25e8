package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
	"unicode/utf8"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// OIDCOptions name the identity provider whose JWTs are accepted. All but Roles are
// required where one is given.
type OIDCOptions struct {
	// Issuer is the provider's URL, exactly as it stands in the claim iss. Under it is the
	// discovery document, /.well-known/openid-configuration. https, except on this machine.
	Issuer string
	// Audience must be in the claim aud. Without it a token that another application of
	// the same provider got could be used here.
	Audience string
	// Claim holds permissions, as an array of strings or words between spaces. Dots lead
	// into objects: realm_access.roles. A claim that has the dots in its name goes first.
	Claim string
	// Roles are values of the claim that are no names of permissions, and what they stand
	// for. Values that are neither are ignored: they are other applications'.
	Roles map[string][]Permission
}

// given reports whether there is a provider at all.
func (o OIDCOptions) given() bool {
	return o.Issuer != "" || o.Audience != "" || o.Claim != "" || len(o.Roles) > 0
}

// validate names the field that cannot be worked with.
func (o OIDCOptions) validate() error {
	if o.Issuer == "" {
		return errors.New("access: OIDC.Issuer is missing: name the identity provider's URL, or leave out the other OIDC options too")
	}
	if err := checkProviderURL(o.Issuer); err != nil {
		return fmt.Errorf("access: OIDC.Issuer %w", err)
	}
	if o.Audience == "" {
		return errors.New("access: OIDC.Audience is missing: name the one under which the provider issues tokens for Tidemark, else every application's would do")
	}
	if o.Claim == "" {
		return errors.New("access: OIDC.Claim is missing: name the claim that holds the permissions or roles, for example realm_access.roles")
	}
	for role, permissions := range o.Roles {
		for _, p := range permissions {
			if _, err := ParsePermission(string(p)); err != nil {
				return fmt.Errorf("access: OIDC.Roles: %q: %w", role, err)
			}
		}
	}
	return nil
}

// algorithms sign with a key that only the provider has. Those that sign with a shared
// secret (HS256 and its like) would take a public key for the secret; none signs nothing.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// jwtVerifier recognises the holders of JWTs.
type jwtVerifier struct {
	options  OIDCOptions
	provider *provider
	config   *oidc.Config
}

func newJWTVerifier(o OIDCOptions, log *slog.Logger) (*jwtVerifier, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	config := &oidc.Config{ClientID: o.Audience}
	for _, a := range algorithms {
		config.SupportedSigningAlgs = append(config.SupportedSigningAlgs, string(a))
	}
	return &jwtVerifier{options: o, provider: newProvider(o.Issuer, log), config: config}, nil
}

// authenticate finds the principal of a JWT.
func (v *jwtVerifier) authenticate(ctx context.Context, token string) (Principal, error) {
	signature := &signatureCheck{provider: v.provider}
	verified, err := oidc.NewVerifier(v.options.Issuer, signature, v.config).Verify(ctx, token)
	var expired *oidc.TokenExpiredError
	switch {
	case signature.unavailable:
		return Principal{}, ErrUnavailable
	case errors.As(err, &expired) && expired.Expiry.IsZero():
		return Principal{}, &BadCredentialsError{"the token has no expiry (claim exp): such tokens are not accepted"}
	case errors.As(err, &expired):
		return Principal{}, &BadCredentialsError{"the token expired at " + expired.Expiry.UTC().Format(time.RFC3339) + ": get a new one from the identity provider"}
	case err != nil:
		// The library's words hold what the caller sent, and the issuer and audience that
		// the holder of a token with a good signature should have.
		return Principal{}, &BadCredentialsError{"the token is not accepted: " + clip(err.Error())}
	}
	var claims map[string]any
	if err := verified.Claims(&claims); err != nil {
		return Principal{}, &BadCredentialsError{"the token is not accepted: " + clip(err.Error())}
	}
	name, err := principalName(claims)
	if err != nil {
		return Principal{}, &BadCredentialsError{"the token is not accepted: " + err.Error()}
	}
	value, _ := claimAt(claims, v.options.Claim)
	return NewPrincipal(name, claimedPermissions(value, v.options.Roles)...), nil
}

// signatureCheck checks the signature of one token, and remembers where that could not be
// done: the verifier that calls it flattens errors to text.
type signatureCheck struct {
	provider    *provider
	unavailable bool
}

// VerifySignature returns what was signed (see [oidc.KeySet]).
func (s *signatureCheck) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return nil, err
	}
	// The second time with the keys that the provider may have published since.
	for _, newer := range []bool{false, true} {
		keys, err := s.provider.keys(ctx, newer)
		if err != nil {
			s.unavailable = true
			return nil, err
		}
		if payload, ok := verifyWith(keys, signed); ok {
			return payload, nil
		}
	}
	return nil, errors.New("it fits none of the issuer's keys")
}

// verifyWith looks for the key that signed. A key that is published for one algorithm is
// good for that one only.
func verifyWith(keys []jose.JSONWebKey, signed *jose.JSONWebSignature) (payload []byte, ok bool) {
	header := signed.Signatures[0].Header
	for i := range keys {
		key := &keys[i]
		if header.KeyID != "" && header.KeyID != key.KeyID || key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue
		}
		if payload, err := signed.Verify(key); err == nil {
			return payload, true
		}
	}
	return nil, false
}

// maxShown bounds, in bytes, what is quoted of somebody else's text.
const maxShown = 300

func clip(text string) string {
	if len(text) <= maxShown {
		return text
	}
	cut := maxShown
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
