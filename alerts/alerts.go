// Package alerts holds the rules that tell people when derived data is stale.
//
// rules/ is for Prometheus, prometheusrule.yaml the same for the Prometheus operator,
// prometheus.yml and alertmanager.yml are examples of a configuration, README.md says what to
// do when an alert arrives. The program carries the rules and the examples along, for
// `tidemark demo --with-monitoring`.
package alerts

import (
	"embed"
	"io/fs"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

//go:embed rules/*.yml
var rules embed.FS

//go:embed prometheus.yml
var prometheus string

//go:embed alertmanager.yml
var alertmanager string

// Addresses are where the parts of a deployment answer, as HOST:PORT.
type Addresses struct{ Exporter, Worker, Scheduler, Alertmanager string }

// Prometheus returns the files that Prometheus needs for a deployment, by path:
// prometheus.yml, and the rules that it names. It scrapes, and evaluates them, once in an
// interval.
func Prometheus(at Addresses, interval time.Duration) map[string]string {
	files := Rules()
	files["prometheus.yml"] = strings.NewReplacer("127.0.0.1:9877", at.Exporter, "127.0.0.1:9878", at.Worker,
		"127.0.0.1:9879", at.Scheduler, "127.0.0.1:9093", at.Alertmanager,
		"_interval: 15s", "_interval: "+model.Duration(interval).String()).Replace(prometheus)
	return files
}

// Alertmanager returns the example of a configuration, with its receivers at this address
// (HOST:PORT).
func Alertmanager(receiver string) string {
	return strings.ReplaceAll(alertmanager, "127.0.0.1:9095", receiver)
}

// Rules returns the rule files by path, for example rules/freshness.yml.
func Rules() map[string]string {
	paths, err := fs.Glob(rules, "rules/*.yml")
	if err != nil {
		panic(err) // the pattern is wrong
	}
	files := make(map[string]string, len(paths))
	for _, path := range paths {
		text, err := rules.ReadFile(path)
		if err != nil {
			panic(err) // an embedded file cannot be missing
		}
		files[path] = string(text)
	}
	return files
}
