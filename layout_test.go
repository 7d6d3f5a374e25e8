package main

import (
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rules say what a package must not import, and why. A trailing / stands for everything below.
var rules = []struct {
	packages, forbidden []string
	why                 string
}{
	{[]string{"tidemark/exporter", "tidemark/exporter/"}, []string{"tidemark/worker", "tidemark/scheduler", "tidemark/cli"}, "components meet through PostgreSQL, Redis and shared/"},
	{[]string{"tidemark/worker"}, []string{"tidemark/exporter", "tidemark/scheduler", "tidemark/cli"}, "components meet through PostgreSQL, Redis and shared/"},
	{[]string{"tidemark/scheduler", "tidemark/scheduler/"}, []string{"tidemark/exporter", "tidemark/worker", "tidemark/cli"}, "components meet through PostgreSQL, Redis and shared/"},
	{[]string{"tidemark/shared/"}, []string{"tidemark/exporter", "tidemark/worker", "tidemark/scheduler", "tidemark/cli"}, "shared/ does not know who uses it"},
	{[]string{"tidemark/shared/job", "tidemark/shared/catalog"}, []string{"tidemark/", "github.com/jackc/", "github.com/hibiken/", "os", "net", "net/http", "database/sql"}, "vocabulary and catalogue are pure"},
	{[]string{"tidemark/shared/ledger", "tidemark/shared/freshness", "tidemark/shared/explain", "tidemark/shared/emission", "tidemark/shared/ingest"}, []string{"github.com/hibiken/", "github.com/redis/", "tidemark/shared/signal"}, "the record does not know Redis"},
	{[]string{"tidemark/exporter", "tidemark/exporter/collector", "tidemark/exporter/api", "tidemark/exporter/stream", "tidemark/exporter/overview", "tidemark/exporter/sse", "tidemark/exporter/console", "tidemark/worker", "tidemark/scheduler"}, []string{"tidemark/shared/local", "tidemark/shared/sample", "tidemark/shared/emission"}, "throw-away servers and sample data are the demo's, and which calculations there are is assembly"},
	{[]string{"tidemark/exporter", "tidemark/exporter/", "tidemark/scheduler", "tidemark/cli"}, []string{"github.com/hibiken/"}, "asynq is behind shared/signal; only the worker serves its queues"},
	{[]string{"tidemark/worker", "tidemark/scheduler", "tidemark/scheduler/", "tidemark/cli", "tidemark/shared/signal"}, []string{"github.com/hibiken/asynqmon", "tidemark/shared/signal/monitor"}, "asynqmon is a face: the exporter's"},
	{[]string{"tidemark/exporter/console"}, []string{"tidemark/exporter/api"}, "pages come from the packages that the API asks, not from the API"},
	{[]string{"tidemark/shared/access"}, []string{"github.com/jackc/", "github.com/hibiken/", "github.com/redis/", "tidemark/shared/postgres", "tidemark/shared/ledger", "tidemark/shared/signal"}, "who may do what is known without PostgreSQL and Redis"},
	{[]string{"tidemark/shared/chaos/verdict"}, []string{"tidemark/", "github.com/"}, "who judges shares nothing with those who are judged"},
	{[]string{"tidemark/exporter", "tidemark/exporter/", "tidemark/worker", "tidemark/scheduler", "tidemark/cli"}, []string{"github.com/coreos/", "github.com/go-jose/"}, "identity providers are behind shared/access"},
}

func TestImportRules(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	matches := func(pkg string, patterns []string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			return pkg == p || strings.HasSuffix(p, "/") && strings.HasPrefix(pkg, p)
		})
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		for _, r := range rules {
			if !matches(fields[0], r.packages) {
				continue
			}
			for _, imported := range fields[1:] {
				if matches(imported, r.forbidden) {
					t.Errorf("%s imports %s: %s", fields[0], imported, r.why)
				}
			}
		}
	}
}

// TestPackageComments: a package whose first sentence needs "and" is two packages.
func TestPackageComments(t *testing.T) {
	t.Parallel()
	for _, dir := range packageDirs(t) {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		comment := ""
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			comment += parsed.Doc.Text()
		}
		first := new(doc.Package).Synopsis(comment)
		switch {
		case first == "":
			t.Errorf("%s has no package comment", dir)
		case regexp.MustCompile(`\band\b`).MatchString(first) && dir != ".":
			t.Errorf("%s: %q needs \"and\"", dir, first)
		}
	}
}

// TestReadmeMap: every path that README names is there, and every package is in its map.
func TestReadmeMap(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	for _, m := range regexp.MustCompile("`((?:shared|exporter|worker|scheduler|cli|alerts|dashboards|packaging|scripts)(?:/[a-z_./]*)?)`").FindAllStringSubmatch(readme, -1) {
		if _, err := os.Stat(m[1]); err != nil {
			t.Errorf("README names %s: %v", m[1], err)
		}
	}
	for _, dir := range packageDirs(t) {
		if dir != "." && !strings.Contains(readme, "`"+dir+"`") {
			t.Errorf("README's map lacks %s", dir)
		}
	}
}

// packageDirs lists every directory with Go code that is not a test's.
func packageDirs(t *testing.T) []string {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			found[filepath.Dir(path)] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var dirs []string
	for d := range found {
		dirs = append(dirs, d)
	}
	slices.Sort(dirs)
	return dirs
}
