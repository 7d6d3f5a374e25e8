package cli

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"tidemark/shared/postgres"
)

// TestChangelog: what has not been released yet comes first, and says the versions that it has.
func TestChangelog(t *testing.T) {
	t.Parallel()
	text := read(t, "../CHANGELOG.md")
	headings := regexp.MustCompile(`(?m)^## .*$`).FindAllStringIndex(text, -1)
	if len(headings) == 0 || text[headings[0][0]:headings[0][1]] != "## [Unreleased]" {
		t.Fatal("the first section is not [Unreleased]")
	}
	unreleased := text[headings[0][1]:]
	if len(headings) > 1 {
		unreleased = text[headings[0][1]:headings[1][0]]
	}
	var document struct{ Info struct{ Version string } }
	if err := json.Unmarshal([]byte(read(t, "../exporter/api/openapi.json")), &document); err != nil {
		t.Fatal(err)
	}
	goes := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))[1]
	for _, want := range []string{fmt.Sprintf("API version %s, schema %d.", document.Info.Version, postgres.NeededSchema), "built with Go " + goes + "."} {
		if !strings.Contains(unreleased, want) {
			t.Errorf("[Unreleased] lacks %q", want)
		}
	}
	for _, heading := range regexp.MustCompile(`(?m)^### (.*)$`).FindAllStringSubmatch(text, -1) {
		if !regexp.MustCompile(`^(Added|Changed|Deprecated|Removed|Fixed|Security)$`).MatchString(heading[1]) {
			t.Errorf("%q is no kind of change", heading[1])
		}
	}
	for _, released := range headings[1:] {
		if heading := text[released[0]:released[1]]; !regexp.MustCompile(`^## \[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d$`).MatchString(heading) {
			t.Errorf("%q is not ## [VERSION] - DAY", heading)
		}
	}
}
