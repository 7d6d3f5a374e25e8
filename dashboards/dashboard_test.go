// Package dashboards_test holds the dashboards to the house's rules. That their queries return
// data, from a Prometheus that scrapes the demo, is tested with the demo.
package dashboards_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tidemark/alerts"
)

// screen is how many grid rows a large screen shows without scrolling.
const screen = 22

// TestDashboards: provisionable anywhere, linked with one another, with the runbooks and the
// console, and marked with the pages that were sent.
func TestDashboards(t *testing.T) {
	t.Parallel()
	for name, d := range load(t) {
		if want := "tidemark-" + name; d.UID != want {
			t.Errorf("%s: uid %q, want %q: links go by it", name, d.UID, want)
		}
		if !strings.HasPrefix(d.Title, "Tidemark: ") || d.Description == "" || !slices.Equal(d.Tags, []string{"tidemark"}) || d.SchemaVersion != 39 || d.Refresh == "" || d.Time.From == "" {
			t.Errorf("%s: title %q, description %q, tags %v, schema version %d, refresh %q, time from %q", name, d.Title, d.Description, d.Tags, d.SchemaVersion, d.Refresh, d.Time.From)
		}
		types := map[string]string{}
		for _, v := range d.Templating.List {
			types[v.Name] = v.Type
		}
		if types["datasource"] != "datasource" || types["runbooks"] != "constant" || types["console"] != "constant" {
			t.Errorf("%s: variables %v, want datasource, runbooks and console", name, types)
		}
		links := fmt.Sprint(d.Links)
		for _, want := range []string{"type:dashboards", "${runbooks}", "${console}"} {
			if !strings.Contains(links, want) {
				t.Errorf("%s: no link %s in %s", name, want, links)
			}
		}
		if len(d.Annotations.List) != 1 || !strings.Contains(d.Annotations.List[0].Expr, `ALERTS{`) || d.Annotations.List[0].Datasource != prometheus {
			t.Errorf("%s: pages are not marked: %v", name, d.Annotations.List)
		}
		checkLayout(t, name, d.Panels)
		for _, p := range d.Panels {
			checkPanel(t, name+", "+p.Title, p)
		}
	}
}

var prometheus = datasource{"prometheus", "${datasource}"}

// checkPanel: a question, its answer with a unit, and what is shown when nobody knows it.
func checkPanel(t *testing.T, name string, p panel) {
	t.Helper()
	defaults := p.FieldConfig.Defaults
	if !slices.Contains([]string{"stat", "timeseries", "table"}, p.Type) {
		t.Errorf("%s: a panel of type %s", name, p.Type)
	}
	if p.Title == "" || !strings.Contains(p.Description, "?") {
		t.Errorf("%s: the description asks no question: %q", name, p.Description)
	}
	if defaults.Unit == "" {
		t.Errorf("%s: no unit", name)
	}
	if p.Type == "stat" && (defaults.NoValue == "" || defaults.Thresholds == nil) {
		t.Errorf("%s: what no value means is not said, or no colour is given", name)
	}
	if p.Type == "timeseries" && (defaults.Custom["spanNulls"] != false || defaults.Min == nil || *defaults.Min != 0) {
		t.Errorf("%s: gaps are bridged, or the axis does not begin at 0", name)
	}
	if p.Datasource != prometheus || len(p.Targets) == 0 {
		t.Errorf("%s: data source %v, %d queries", name, p.Datasource, len(p.Targets))
	}
	ids := map[string]bool{}
	for _, q := range p.Targets {
		if q.Datasource != prometheus || ids[q.RefID] || q.RefID == "" || q.Expr == "" {
			t.Errorf("%s: query %q of %v", name, q.RefID, q.Datasource)
		}
		ids[q.RefID] = true
		if now := p.Type != "timeseries"; q.Instant != now || q.Range == now || (q.Format == "table") != (p.Type == "table") {
			t.Errorf("%s: query %s is asked in the wrong way", name, q.RefID)
		}
		if strings.Contains(q.Expr, "rate(") && !strings.Contains(q.Expr, "[$__rate_interval]") {
			t.Errorf("%s: query %s has a window of its own", name, q.RefID)
		}
		if p.Type == "timeseries" && (q.LegendFormat == "" || q.LegendFormat == "__auto") {
			t.Errorf("%s: query %s has no legend", name, q.RefID)
		}
	}
	for _, l := range p.Links {
		checkRunbookLink(t, name, l.URL)
	}
}

// checkRunbookLink: the heading is that of an alert.
func checkRunbookLink(t *testing.T, name, url string) {
	t.Helper()
	heading, ok := strings.CutPrefix(url, "${runbooks}#")
	if !ok && url != "${runbooks}" {
		t.Errorf("%s: a link to %s, which is no runbook", name, url)
	}
	if ok && !regexp.MustCompile(`(?im)alert: `+heading+`$`).MatchString(rules()) {
		t.Errorf("%s: a link to the runbook of %s, which is no alert", name, heading)
	}
}

// rules is the text of all rules.
func rules() string {
	var all strings.Builder
	for _, text := range alerts.Rules() {
		all.WriteString(text)
	}
	return all.String()
}

// checkLayout: all of it on one screen, nothing over anything else, no holes.
func checkLayout(t *testing.T, name string, panels []panel) {
	t.Helper()
	taken, ids := map[[2]int]string{}, map[int]bool{}
	bottom := 0
	for _, p := range panels {
		if ids[p.ID] {
			t.Errorf("%s: two panels have the id %d", name, p.ID)
		}
		ids[p.ID] = true
		g := p.GridPos
		bottom = max(bottom, g.Y+g.H)
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok {
					t.Fatalf("%s: %q lies over %q", name, p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
	if bottom > screen || len(taken) != bottom*24 {
		t.Errorf("%s: %d rows (at most %d) and %d cells, want all %d", name, bottom, screen, len(taken), bottom*24)
	}
}

// TestRecordedSeries: what a dashboard takes from the rules, they record. (Other metrics are
// compared with what the processes export.)
func TestRecordedSeries(t *testing.T) {
	t.Parallel()
	for name, d := range load(t) {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				for _, used := range regexp.MustCompile(`\btidemark:[a-z0-9_:]+`).FindAllString(q.Expr, -1) {
					if !strings.Contains(rules(), "record: "+used+"\n") {
						t.Errorf("%s, %s: no rule records %s", name, p.Title, used)
					}
				}
			}
		}
	}
}
