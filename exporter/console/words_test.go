package console

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// Words as templates, scripts and this package ask for them.
var (
	inTemplate = regexp.MustCompile(`\b(say|count) "([a-z_.]*[a-z])"`)
	inGo       = regexp.MustCompile(`\b(say|count)\("([a-z_.]*[a-z])"`)
	inScript   = regexp.MustCompile(`\b(say|count)\('([a-z_.]+)'`)
)

// TestWords: every text that is asked for is there, scripts have theirs, and none is there for nothing.
func TestWords(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	look := func(files fs.FS, pattern string, asks *regexp.Regexp, has map[string]string) {
		t.Helper()
		paths, err := fs.Glob(files, pattern)
		if err != nil || len(paths) == 0 {
			t.Fatal(err, pattern)
		}
		for _, path := range paths {
			text, err := fs.ReadFile(files, path)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range asks.FindAllStringSubmatch(string(text), -1) {
				keys := []string{m[2]}
				if m[1] == "count" {
					keys = []string{m[2] + ".one", m[2] + ".many"}
				}
				for _, key := range keys {
					if used[key] = true; has[key] == "" {
						t.Errorf("%s asks for %q, which is not there", path, key)
					}
				}
			}
			for key := range words { // those whose key is made of parts, or chosen among
				if strings.Contains(string(text), `"`+key+`"`) && !strings.HasSuffix(path, "words.go") || strings.Contains(string(text), `'`+key+`'`) {
					used[key] = true
				}
			}
		}
	}
	look(templateFiles, "templates/*.html", inTemplate, words)
	look(assetFiles, "assets/*.js", inScript, clientWords)
	look(os.DirFS("."), "*.go", inGo, words)
	for key := range words {
		made := strings.HasPrefix(key, "state.") || strings.HasPrefix(key, "answer.") || strings.HasPrefix(key, "job.") || strings.HasPrefix(key, "verdict.") || strings.HasPrefix(key, "abort.outcome.")
		if !used[key] && !made {
			t.Errorf("nobody says %q", key)
		}
	}
}
