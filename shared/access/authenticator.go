package access

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
)

// Options say who can be recognised. With neither a file nor an issuer nobody is.
type Options struct {
	// TokensFile is the path of the file with the accounts of static tokens; "" for none.
	TokensFile string
	// OIDC names the identity provider; the zero value for none.
	OIDC OIDCOptions
	// Logger receives what is wrong with the file or the provider. Default [slog.Default].
	Logger *slog.Logger
}

var (
	// ErrNoCredentials means that the caller did not say who it is: answer 401.
	ErrNoCredentials = errors.New("no credentials: send a token in the header Authorization: Bearer TOKEN, or sign in with the browser")
	// ErrUnavailable means that nobody can tell whether the credentials are good, because
	// the identity provider does not answer: answer 503. The log has the cause.
	ErrUnavailable = errors.New("the identity provider cannot be asked whether this token is good: try again later")
)

// BadCredentialsError means that the credentials are not accepted: answer 401.
type BadCredentialsError struct {
	// Reason may be shown to the caller: it tells no secret.
	Reason string
}

func (e *BadCredentialsError) Error() string { return e.Reason }

// Authenticator finds out who calls. It is safe for concurrent use. Make it with [New].
type Authenticator struct {
	// tokens and jwts are nil where the options name none.
	tokens *tokensFile
	jwts   *jwtVerifier
}

// New validates the options and reads the tokens file. An identity provider is not asked
// before the first JWT arrives: that it is away shows in the answers, not here.
func New(o Options) (*Authenticator, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	a := &Authenticator{}
	var err error
	if o.OIDC.given() {
		if a.jwts, err = newJWTVerifier(o.OIDC, o.Logger); err != nil {
			return nil, err
		}
	}
	if o.TokensFile != "" {
		if a.tokens, err = openTokensFile(o.TokensFile, o.Logger); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// Err says why the newest version of the tokens file is not in force; nil when it is. The
// last good version is in force then, so a token that was withdrawn since still works.
func (a *Authenticator) Err() error {
	if a.tokens == nil {
		return nil
	}
	_, err := a.tokens.current()
	return err
}

// Authenticate finds out who sends the request: by the header Authorization, and where that
// has no token by the cookie of [NewSession]. The error is [ErrNoCredentials], a
// [*BadCredentialsError] or [ErrUnavailable].
func (a *Authenticator) Authenticate(r *http.Request) (Principal, error) {
	token, err := bearerToken(r.Header)
	if errors.Is(err, ErrNoCredentials) {
		token, err = sessionToken(r)
	}
	if err != nil {
		return Principal{}, err
	}
	return a.identify(r.Context(), token)
}

// identify finds the principal of a token.
func (a *Authenticator) identify(ctx context.Context, token string) (Principal, error) {
	switch {
	case a.tokens == nil && a.jwts == nil:
		return Principal{}, &BadCredentialsError{"no token is known here: neither a tokens file nor an identity provider is set up"}
	case a.tokens != nil && isStaticToken(token):
		return a.tokens.authenticate(token)
	case a.jwts != nil && !isStaticToken(token):
		return a.jwts.authenticate(ctx, token)
	default:
		return Principal{}, &BadCredentialsError{"the token is none of the kind that is accepted here"}
	}
}
