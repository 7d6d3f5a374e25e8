package web

import (
	"net/http"
	"slices"
	"strings"
)

// Only lets no other methods pass than these. HEAD goes with GET.
func Only(next http.Handler, methods ...string) http.Handler {
	if slices.Contains(methods, http.MethodGet) {
		methods = append(slices.Clip(methods), http.MethodHead)
	}
	allowed := strings.Join(methods, ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(methods, r.Method) {
			w.Header().Set("Allow", allowed)
			Problem(w, http.StatusMethodNotAllowed, r.Method+" is not served here: use "+methods[0])
			return
		}
		next.ServeHTTP(w, r)
	})
}
