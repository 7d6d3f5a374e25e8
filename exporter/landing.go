package exporter

import (
	_ "embed"
	"html/template"
	"net/http"
	"strings"

	"tidemark/shared/build"
)

//go:embed landing.html
var landingHTML string

var landingPage = template.Must(template.New("landing").Parse(landingHTML))

// landing shows where to go. The links are relative, so that they hold under a route prefix
// as well as behind a proxy that adds one of its own.
func (e *Exporter) landing(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	err := landingPage.Execute(w, struct {
		Version, Metrics string
		API              bool
	}{build.Read().Version, strings.TrimPrefix(e.opts.TelemetryPath, "/"), e.opts.AnonymousAPI})
	if err != nil {
		e.opts.Logger.Debug("landing page not delivered", "err", err)
	}
}
