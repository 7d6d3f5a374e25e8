package exporter

import (
	"fmt"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"

	"tidemark/shared/web"
)

// trimPrefix gives a prefix the one form that the routes need: "" or "/a/b".
func trimPrefix(prefix string) string {
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix = "/" + prefix
	}
	return prefix
}

// plainPath has no character that a URL would have to escape, nor one with a meaning in a
// route's pattern.
var plainPath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)*$`)

// checkPrefix refuses what no request would ever match.
func checkPrefix(prefix string) error {
	if !plainPath.MatchString(prefix) || prefix != "" && path.Clean(prefix) != prefix {
		return fmt.Errorf("%q is not a path of letters, digits and ._~-, for example /api", prefix)
	}
	return nil
}

// ownPaths are what the paths of the other routes begin with.
var ownPaths = []string{"-", "v1", strings.Trim(asynqmonPath, "/"), "scopes", "pipelines", "fleet", "sign-in", "sign-out", "assets"}

// checkTelemetryPath refuses a path that another route has.
func checkTelemetryPath(p string) error {
	switch {
	case p == "/":
		return fmt.Errorf("%q is the console's; choose another one, for example /metrics", p)
	case !strings.HasPrefix(p, "/"):
		return fmt.Errorf("%q does not begin with a slash: write /%[1]s", p)
	case checkPrefix(p) != nil:
		return checkPrefix(p)
	case slices.Contains(ownPaths, strings.Split(p, "/")[1]):
		return fmt.Errorf("%q is among the exporter's other routes; choose another one, for example /metrics", p)
	}
	return nil
}

// prefixed serves a handler under a prefix, with everything that it has, as Prometheus does.
// The root leads there; relatively, so that it holds behind a proxy as well.
func prefixed(prefix string, h http.Handler) http.Handler {
	if prefix == "" {
		return h
	}
	mux := http.NewServeMux()
	mux.Handle(prefix+"/", http.StripPrefix(prefix, h))
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { leadTo(w, strings.TrimPrefix(prefix, "/")+"/") })
	mux.HandleFunc(prefix, func(w http.ResponseWriter, _ *http.Request) { leadTo(w, path.Base(prefix)+"/") })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		web.Problem(w, http.StatusNotFound, "there is nothing at "+r.URL.Path+": everything is below "+prefix+"/")
	})
	return mux
}

func leadTo(w http.ResponseWriter, relative string) {
	w.Header().Set("Location", relative)
	w.WriteHeader(http.StatusFound)
}
