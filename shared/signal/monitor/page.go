package monitor

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
)

// page is asynqmon's only page: its scripts make all others of it.
type page struct {
	// text has nonceMark where the nonce of an answer belongs.
	text []byte
	// scripts are the hashes of the scripts that stand in the page, as the policy names them.
	scripts string
}

const nonceMark = "tidemark-nonce"

var (
	// links that load something from another host, and one to a manifest, which browsers ask for
	// without saying who they are.
	unwanted = regexp.MustCompile(`<link[^>]*(?:href="(?:https?:)?//[^"]*"|rel="manifest")[^>]*>`)
	inline   = regexp.MustCompile(`(?s)<script>(.*?)</script>`)
)

// newPage rewrites the page. What it loses are two fonts of another host; asynqmon falls back on
// those of the reader, and its icons are drawings in its scripts.
func newPage(asIs []byte) page {
	text := unwanted.ReplaceAll(asIs, nil)
	p := page{text: bytes.Replace(text, []byte("<head>"), []byte(`<head><meta property="csp-nonce" content="`+nonceMark+`"/>`), 1)}
	for _, script := range inline.FindAllSubmatch(p.text, -1) {
		hash := sha256.Sum256(script[1])
		p.scripts += " 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"
	}
	return p
}

// policy allows what the page needs: its own scripts, its own pictures, its API, and style sheets
// that its scripts write, which they mark with the nonce of the answer.
func (p page) policy(nonce string) string {
	return "default-src 'none'; script-src 'self'" + p.scripts + "; style-src 'nonce-" + nonce + "'; img-src 'self' data:; connect-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

func (p page) serve(w http.ResponseWriter) {
	nonce := rand.Text()
	w.Header().Set("Content-Security-Policy", p.policy(nonce))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(strings.Replace(string(p.text), nonceMark, nonce, 1))) // An error here means that the caller is gone.
}
