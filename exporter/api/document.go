package api

import (
	_ "embed"
	"net/http"
)

//go:embed openapi.json
var document []byte

// serveDocument answers GET /v1/openapi.json.
func serveDocument(w http.ResponseWriter, _ *http.Request, _ caller) error {
	w.Header().Set("Content-Type", "application/json")
	// An error here means that the caller is gone.
	_, _ = w.Write(document)
	return nil
}
