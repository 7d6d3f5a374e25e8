package exporter

import (
	"encoding/json"
	"net/http"
)

// problem is an error answer (RFC 9457).
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// writeProblem answers with a status and a sentence on what to do about it. The
// type is about:blank: the status says all that a program can act on.
func writeProblem(w http.ResponseWriter, status int, detail string) {
	writeBody(w, status, "application/problem+json",
		problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail})
}

// writeJSON answers 200 with a value.
func writeJSON(w http.ResponseWriter, v any) {
	writeBody(w, http.StatusOK, "application/json", v)
}

func writeBody(w http.ResponseWriter, status int, contentType string, v any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	// An error here means that the caller is gone.
	_ = json.NewEncoder(w).Encode(v)
}

// unavailable answers that the record cannot be read. The driver's words go to the log.
func (e *Exporter) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	e.opts.Logger.Warn("request failed", "path", r.URL.Path, "err", err)
	writeProblem(w, http.StatusServiceUnavailable, "the record cannot be read: try again later; /-/ready says whether PostgreSQL answers")
}
