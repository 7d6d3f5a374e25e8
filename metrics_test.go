package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestMetricNames: rules, dashboards and README name only metrics that the exporter has.
func TestMetricNames(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`\btidemark_[a-z_]+\b`)
	exported := map[string]bool{}
	sources, err := filepath.Glob("exporter/collector/*.go")
	if err != nil {
		t.Fatal(err)
	}
	described := regexp.MustCompile(`NewDesc\(\s*"(tidemark_[a-z_]+)"|Name:\s+"(tidemark_[a-z_]+)"`)
	for _, path := range sources {
		for _, m := range described.FindAllStringSubmatch(read(t, path), -1) {
			exported[m[1]+m[2]] = true
		}
	}
	if len(exported) < 7 {
		t.Fatalf("the exporter describes only %v", exported)
	}
	users, err := filepath.Glob("alerts/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	dashboards, err := filepath.Glob("dashboards/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range dashboards {
		if !json.Valid([]byte(read(t, path))) {
			t.Errorf("%s is not JSON", path)
		}
	}
	for _, path := range append(append(users, dashboards...), "README.md") {
		for _, used := range name.FindAllString(read(t, path), -1) {
			if !exported[used] {
				t.Errorf("%s names %s, which the exporter does not have", path, used)
			}
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
