package api

import (
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/google/uuid"

	"tidemark/shared/access"
	"tidemark/shared/web"
)

// right is what a route asks of its caller.
type right struct {
	// names are the permissions of which one is enough; none for any identity.
	names []string
	has   func(access.Principal) bool
	// reads says that a caller without credentials may have it, where the API is open.
	reads bool
}

// anyModuleView stands for the permissions to see single modules.
const anyModuleView = "modules.<name>.view"

var (
	identity = right{nil, func(access.Principal) bool { return true }, true}
	viewSome = right{[]string{string(access.ViewAll), string(access.SyncAll), anyModuleView}, access.Principal.MayViewSome, true}
	viewAll  = right{[]string{string(access.ViewAll), string(access.SyncAll)}, access.Principal.MayViewAll, true}
	request  = right{[]string{string(access.SyncAll)}, access.Principal.MayRequest, false}
)

// gated lets through to a route who has its right.
func (a *API) gated(route route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := caller{requestID: w.Header().Get(headerRequestID)}
		// A browser sends its session's cookie, or what a proxy wants to know, also when another
		// site makes it call.
		if a.crossOrigin.Check(r) != nil {
			web.Problem(w, http.StatusForbidden, "a browser sent this from another site: requests are taken from the own site and from programs only")
			return
		}
		var err error
		if c.Principal, err = a.opts.Authenticator.Authenticate(r); errors.Is(err, access.ErrNoCredentials) && a.opts.Anonymous && route.needs.reads {
			c.Principal, err = access.Anonymous(), nil
		}
		switch {
		case err != nil:
			a.unidentified(w, r, c, err)
		case !route.needs.has(c.Principal):
			web.Problem(w, http.StatusForbidden, c.Name+" lacks the permission for this: it needs "+oneOf(route.needs.names))
		default:
			if err := route.serve(w, r, c); err != nil {
				a.fail(w, r, c, err)
			}
		}
	})
}

func oneOf(names []string) string {
	text := names[len(names)-1]
	for i := len(names) - 2; i >= 0; i-- {
		text = names[i] + " or " + text
	}
	return text
}

// providerPause is when to ask again after an identity provider did not answer.
const providerPause = 5 * time.Second

// unidentified answers a caller who did not prove who it is.
func (a *API) unidentified(w http.ResponseWriter, r *http.Request, c caller, err error) {
	const challenge = `Bearer realm="tidemark"`
	bad := (*access.BadCredentialsError)(nil)
	switch {
	case errors.Is(err, access.ErrNoCredentials):
		w.Header().Set("WWW-Authenticate", challenge)
		web.Problem(w, http.StatusUnauthorized, access.ErrNoCredentials.Error())
	case errors.As(err, &bad):
		a.opts.Logger.Info("credentials refused", "path", r.URL.Path, "request_id", c.requestID, "reason", bad.Reason)
		w.Header().Set("WWW-Authenticate", challenge+`, error="invalid_token"`)
		web.Problem(w, http.StatusUnauthorized, bad.Reason)
	default:
		a.opts.Logger.Warn("nobody can tell who calls", "path", r.URL.Path, "request_id", c.requestID, "err", err)
		w.Header().Set("Retry-After", seconds(providerPause))
		web.Problem(w, http.StatusServiceUnavailable, access.ErrUnavailable.Error())
	}
}

// seconds is a duration for Retry-After, rounded up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

const headerRequestID = "X-Request-ID"

var requestIDSyntax = regexp.MustCompile(`^[A-Za-z0-9._:/+=@-]{1,128}$`)

// requestID takes the id that the caller or a proxy has given, if it can stand in a log and a
// header as it is, else makes one.
func requestID(given string) string {
	if requestIDSyntax.MatchString(given) {
		return given
	}
	return uuid.NewString()
}
