// Package gate finds out who calls the exporter.
//
// Its faces for programs share it: what a caller may do is theirs to say, what a caller is told
// who cannot prove who it is, and what another site may not make a browser do, is the same for all.
package gate

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"tidemark/shared/access"
	"tidemark/shared/web"
)

// Options say who is known.
type Options struct {
	// Authenticator finds out who calls. Nil knows nobody.
	Authenticator Authenticator
	// Anonymous lets callers without credentials read everything.
	Anonymous bool
	// Logger receives refusals. Required.
	Logger *slog.Logger
}

// Authenticator is an [access.Authenticator].
type Authenticator interface {
	Authenticate(*http.Request) (access.Principal, error)
}

// Gate identifies callers. Make it with [New].
type Gate struct {
	opts        Options
	crossOrigin *http.CrossOriginProtection
}

// New returns a gate.
func New(o Options) *Gate {
	if o.Authenticator == nil {
		// Without a file and a provider there is nothing that could go wrong.
		o.Authenticator, _ = access.New(access.Options{Logger: o.Logger})
	}
	return &Gate{o, http.NewCrossOriginProtection()}
}

var errOtherSite = errors.New("a browser sent this from another site: requests are taken from the own site and from programs only")

// Identify finds out who calls. reads says that nothing is changed: so much is open to everybody
// where the operator opened it. The error is for [Gate.Refuse].
func (g *Gate) Identify(r *http.Request, reads bool) (access.Principal, error) {
	// A browser sends its session's cookie, or what a proxy wants to know, also when another
	// site makes it call.
	if g.crossOrigin.Check(r) != nil {
		return access.Principal{}, errOtherSite
	}
	p, err := g.opts.Authenticator.Authenticate(r)
	if errors.Is(err, access.ErrNoCredentials) && g.opts.Anonymous && reads {
		return access.Anonymous(), nil
	}
	return p, err
}

// CanSignIn reports whether the caller would be known with another token, or with one at all.
func CanSignIn(err error) bool {
	return errors.Is(err, access.ErrNoCredentials) || errors.As(err, new(*access.BadCredentialsError))
}

// ProviderPause is when to ask again after an identity provider did not answer.
const ProviderPause = 5 * time.Second

// Refuse answers a caller that [Gate.Identify] does not know, after [Tag].
func (g *Gate) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	const challenge = `Bearer realm="tidemark"`
	log := g.opts.Logger.With("path", r.URL.Path, "request_id", w.Header().Get(HeaderRequestID))
	bad := (*access.BadCredentialsError)(nil)
	switch {
	case errors.Is(err, errOtherSite):
		web.Problem(w, http.StatusForbidden, errOtherSite.Error())
	case errors.Is(err, access.ErrNoCredentials):
		w.Header().Set("WWW-Authenticate", challenge)
		web.Problem(w, http.StatusUnauthorized, access.ErrNoCredentials.Error())
	case errors.As(err, &bad):
		log.Info("credentials refused", "reason", bad.Reason)
		w.Header().Set("WWW-Authenticate", challenge+`, error="invalid_token"`)
		web.Problem(w, http.StatusUnauthorized, bad.Reason)
	default:
		log.Warn("nobody can tell who calls", "err", err)
		w.Header().Set("Retry-After", strconv.Itoa(int(ProviderPause.Seconds())))
		web.Problem(w, http.StatusServiceUnavailable, access.ErrUnavailable.Error())
	}
}
