package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"time"

	"tidemark/shared/web"
)

// scripts are the modules that main.js needs, for a browser to fetch at once.
var scripts = []string{"words.js", "store.js", "link.js", "verdict.js", "badge.js", "details.js", "map.js", "parts.js", "ask.js"}

//go:embed assets/*.css assets/*.js assets/*.svg
var assetFiles embed.FS

// assets are the files that pages refer to. They refer to one another by name only, so that a
// version, the hash of them all, can stand in front of every name.
type assets struct {
	version string
	files   map[string][]byte
}

func loadAssets() assets {
	a := assets{files: map[string][]byte{}}
	sum := sha256.New()
	err := fs.WalkDir(assetFiles, "assets", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(assetFiles, path)
		sum.Write([]byte(path))
		sum.Write(content)
		a.files[d.Name()] = content
		return err
	})
	if err != nil {
		panic("console: " + err.Error()) // they are part of the program
	}
	a.version = hex.EncodeToString(sum.Sum(nil)[:8])
	return a
}

const (
	keepForever = "public, max-age=31536000, immutable"
	keepNothing = "no-store"
)

// serve answers GET /assets/{version}/{name}. A page of another release, as one of several exporters
// behind one address may have rendered it, gets what there is here, and is told not to keep it.
func (a assets) serve(w http.ResponseWriter, r *http.Request) {
	content, ok := a.files[r.PathValue("name")]
	if !ok {
		web.Problem(w, http.StatusNotFound, "there is nothing at "+r.URL.Path)
		return
	}
	w.Header().Set("Cache-Control", keepNothing)
	if r.PathValue("version") == a.version {
		w.Header().Set("Cache-Control", keepForever)
	}
	// ServeContent knows the type by the name's end.
	http.ServeContent(w, r, r.PathValue("name"), time.Time{}, bytes.NewReader(content))
}
