// Package alerts holds the rules that tell people when derived data is stale.
//
// rules/ is for Prometheus, prometheusrule.yaml the same for the Prometheus operator,
// alertmanager.yml an example of who is told, README.md what to do then. The command line
// carries them along for `tidemark demo --with-monitoring`.
package alerts

import (
	"embed"
	"io/fs"
	"path"
)

//go:embed rules/*.yml
var rules embed.FS

// Alertmanager is the example of a configuration, alertmanager.yml.
//
//go:embed alertmanager.yml
var Alertmanager string

// Rules returns the rule files by name, for example freshness.yml.
func Rules() map[string]string {
	paths, err := fs.Glob(rules, "rules/*.yml")
	if err != nil {
		panic(err) // the pattern above is wrong
	}
	files := make(map[string]string, len(paths))
	for _, p := range paths {
		text, err := rules.ReadFile(p)
		if err != nil {
			panic(err) // an embedded file cannot be missing
		}
		files[path.Base(p)] = string(text)
	}
	return files
}
