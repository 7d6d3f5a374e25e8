package web

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

// Problem answers with a status and a sentence on what to do about it. The
// type is about:blank: the status says all that a program can act on.
func Problem(w http.ResponseWriter, status int, detail string) {
	body(w, status, "application/problem+json",
		problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail})
}

// JSON answers with a value.
func JSON(w http.ResponseWriter, status int, v any) {
	body(w, status, "application/json", v)
}

func body(w http.ResponseWriter, status int, contentType string, v any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	// An error here means that the caller is gone.
	_ = json.NewEncoder(w).Encode(v)
}
