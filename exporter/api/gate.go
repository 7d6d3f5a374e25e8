package api

import (
	"net/http"
	"strconv"
	"time"

	"tidemark/exporter/gate"
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
		var err error
		c.Principal, err = a.gate.Identify(r, route.needs.reads)
		switch {
		case err != nil:
			a.gate.Refuse(w, r, err)
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

// seconds is a duration for Retry-After, rounded up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// headerRequestID carries the id of a request.
const headerRequestID = gate.HeaderRequestID

// providerPause is when to ask again after somebody who had to be asked did not answer.
const providerPause = gate.ProviderPause
