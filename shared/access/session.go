package access

import (
	"context"
	"net/http"
	"regexp"
)

// sessionName is that of the cookie that holds a browser's token.
const sessionName = "tidemark_session"

// maxSession is the longest token in bytes that a browser keeps: it may drop a cookie of more
// than 4096 bytes, name and attributes counted in (RFC 6265, 6.1), without telling anybody.
var maxSession = 4096 - len(NewSession("", true).String())

// NewSession is the cookie that keeps a token in a browser until that is closed. The token is
// one that [Authenticator.SignIn] has accepted. No script can read it, and a browser sends it
// with nothing that another site set off, links to look at excepted. secure says that the
// request came by TLS: then it goes over nothing else.
func NewSession(token string, secure bool) *http.Cookie {
	return &http.Cookie{Name: sessionName, Value: token, Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode}
}

// EndSession is the cookie that makes a browser forget its token.
func EndSession(secure bool) *http.Cookie {
	c := NewSession("", secure)
	c.MaxAge = -1
	return c
}

// tokenSyntax is that of a token alone. All of it may stand in a cookie as it is.
var tokenSyntax = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)

// SignIn finds out whose token this is, which somebody wants to keep in a browser; for the
// cookie see [NewSession]. The error is a [*BadCredentialsError] or [ErrUnavailable].
func (a *Authenticator) SignIn(ctx context.Context, token string) (Principal, error) {
	switch {
	case !tokenSyntax.MatchString(token):
		return Principal{}, &BadCredentialsError{"this is no token: enter the token alone, as it was given to you"}
	case len(token) > maxSession:
		return Principal{}, &BadCredentialsError{"the token is too long for a browser to keep: let the identity provider put fewer claims into it, or use a token of `tidemark token create`"}
	}
	return a.identify(ctx, token)
}

// sessionToken takes the token out of the cookies of a request.
func sessionToken(r *http.Request) (string, error) {
	cookies := r.CookiesNamed(sessionName)
	switch {
	case len(cookies) == 0, len(cookies) == 1 && cookies[0].Value == "":
		return "", ErrNoCredentials
	case len(cookies) > 1:
		// The browser does not say which of them comes from here.
		return "", &BadCredentialsError{"the cookie " + sessionName + " is there more than once: remove this site's cookies and sign in again"}
	case len(cookies[0].Value) > maxSession, !tokenSyntax.MatchString(cookies[0].Value):
		return "", &BadCredentialsError{"the cookie " + sessionName + " holds no token: sign in again"}
	}
	return cookies[0].Value, nil
}
