package exporter

import (
	_ "embed"
	"html/template"
	"net/http"
)

//go:embed landing.html
var landingHTML string

var landingPage = template.Must(template.New("landing").Parse(landingHTML))

// landing shows where to go. The links are relative, so that they hold behind a
// proxy that serves the exporter under a prefix.
func (e *Exporter) landing(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	err := landingPage.Execute(w, struct {
		Version string
		API     bool
	}{e.opts.Version, e.opts.AnonymousAPI})
	if err != nil {
		e.opts.Logger.Debug("landing page not delivered", "err", err)
	}
}
