package exporter

import (
	"net/http"
	"net/url"
	"strings"

	"tidemark/exporter/gate"
	"tidemark/shared/access"
	"tidemark/shared/signal/monitor"
	"tidemark/shared/web"
)

// asynqmonPath is where asynqmon is.
const asynqmonPath = "/asynqmon/"

// asynqmon lets those look at the queues who may see everything, and those press buttons who may
// request computations as well.
func (e *Exporter) asynqmon() http.Handler {
	o := e.opts
	root := o.RoutePrefix + strings.TrimSuffix(asynqmonPath, "/")
	serve := func(readOnly bool) http.Handler {
		queues := monitor.New(o.Redis, root, readOnly)
		return http.StripPrefix(strings.TrimSuffix(asynqmonPath, "/"), web.Only(queues, http.MethodGet, http.MethodPost, http.MethodDelete))
	}
	toLookAt, toWorkWith := serve(true), serve(false)
	g := gate.New(e.gateOptions())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := gate.Tag(w, r)
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		who, err := g.Identify(r, reads)
		log := o.Logger.With("method", r.Method, "path", r.URL.Path, "actor", who.Name, "request_id", id)
		switch {
		case err != nil && reads && gate.CanSignIn(err) && strings.Contains(r.Header.Get("Accept"), "text/html"):
			leadTo(w, toSignIn(r.URL))
		case err != nil:
			if !reads {
				log.Info("asynqmon refused", "reason", err)
			}
			g.Refuse(w, r, err)
		case !who.MayViewAll():
			web.Problem(w, http.StatusForbidden, who.Name+" lacks the permission for this: it needs "+string(access.ViewAll)+" or "+string(access.SyncAll))
		case !reads && !who.MayRequest():
			log.Info("asynqmon refused")
			web.Problem(w, http.StatusForbidden, who.Name+" may look at the queues and change nothing: that needs "+string(access.SyncAll))
		case !reads:
			log.Info("asynqmon changes a queue")
			toWorkWith.ServeHTTP(w, r)
		case who.MayRequest():
			toWorkWith.ServeHTTP(w, r)
		default:
			toLookAt.ServeHTTP(w, r)
		}
	})
}

// toSignIn is where a browser gets a token, relative to the address that it asked for, and told how
// to come back.
func toSignIn(asked *url.URL) string {
	here := strings.Trim(asked.EscapedPath(), "/")
	if asked.RawQuery != "" {
		here += "?" + asked.RawQuery
	}
	up := strings.Repeat("../", strings.Count(asked.EscapedPath(), "/")-1)
	return up + "sign-in?next=" + url.QueryEscape(here)
}
