package console

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"tidemark/exporter/overview"
	"tidemark/shared/freshness"
)

const (
	// listed is how much of what is wrong the list shows; the map shows all of it.
	listed = 40
	// roomy is up to how many years a cell has room for words.
	roomy = 9
	// short is up to how many modules a browser need not skip what is out of sight.
	short = 20
	// sliver is the least width in percent of a part of the gauge, so that one scope of thousands shows.
	sliver = 0.8
)

// mapData is what the first page shows.
type mapData struct {
	Verdict, UnderWay, OlderThan string
	Gauge                        []gaugePart
	Legend                       []legendItem
	// Show is the choice of the legend, "" for everything.
	Show  string
	Wrong []*scopeView
	// Total is how many are wrong, More how many of them the list leaves out.
	Total, More int
	Years       []int
	Rows        []mapRow
	// Dense is for many years, Long for many modules.
	Dense, Long bool
	DriftKept   bool
}

type gaugePart struct{ State, X, Width string }

type legendItem struct {
	State string
	// Href chooses the item, or takes the choice back.
	Href    string
	Count   int
	Current bool
	// Known is false for a count that nobody knows.
	Known bool
}

type mapRow struct {
	Module string
	Cells  []*scopeView
}

// scopeView is a scope in the map or the list.
type scopeView struct {
	overview.Scope
	Root string
}

// scopeAt is a scope as seen at a moment.
type scopeAt struct {
	Scope *scopeView
	At    time.Time
}

// ID is that of the scope's cell in the map.
func (s scopeView) ID() string { return cellID(s.ModuleType, s.Year) }

// Href is the address of the scope's page.
func (s scopeView) Href() string { return fmt.Sprintf("%sscopes/%s/%d", s.Root, s.Module, s.Year) }

// Drifted reports whether the mark is to be shown.
func (s scopeView) Drifted() bool { return s.Drift == freshness.Drifted }

// Label is what the cell says to who cannot see it.
func (s scopeView) Label() string {
	text := fmt.Sprintf("%s %d: %s", s.Module, s.Year, say("state."+s.State))
	if s.Since != nil {
		text += " " + say("since", "when", exact(s.Since))
	}
	if s.Drifted() {
		text += ", " + say("state.drifted")
	}
	return text
}

// overview answers GET /.
func (c *Console) overview(r *http.Request, who viewer) (view, error) {
	o, err := overview.Read(r.Context(), c.opts.Pool, c.opts.Limits)
	if err != nil {
		return view{}, err
	}
	scopes := o.Visible(who.MayView).Scopes
	t := tallyOf(scopes, o.Drifted != nil)
	show := r.URL.Query().Get("show")
	if !slices.Contains(append(states(), drifted), show) {
		show = ""
	}
	d := mapData{Verdict: t.verdict(), UnderWay: t.underWay(), OlderThan: span(c.opts.Limits.OlderThan), Gauge: gauge(t), Legend: legend(t, show), Show: show, DriftKept: o.Drifted != nil}
	for _, s := range wrong(scopes) {
		if !shows(s, show) {
			continue
		}
		if d.Total++; len(d.Wrong) < listed {
			d.Wrong = append(d.Wrong, &scopeView{s, "./"})
		}
	}
	d.More = d.Total - len(d.Wrong)
	d.Years, d.Rows = rows(scopes)
	d.Dense, d.Long = len(d.Years) > roomy, len(d.Rows) > short
	title := say("map.title.quiet")
	if t.stale > 0 {
		title = say("map.title", "n", t.stale)
	}
	return view{page: "overview", title: title, at: o.At, data: d}, nil
}

// rows makes the map: a row a module, in order of module type, and a column a year, newest first.
func rows(scopes []overview.Scope) (years []int, rows []mapRow) {
	for _, s := range scopes {
		years = append(years, s.Year)
	}
	slices.Sort(years)
	years = slices.Compact(years)
	slices.Reverse(years)
	column := map[int]int{}
	for i, y := range years {
		column[y] = i
	}
	last := 0
	for _, s := range scopes {
		if len(rows) == 0 || s.ModuleType != last {
			rows = append(rows, mapRow{Module: s.Module, Cells: make([]*scopeView, len(years))})
			last = s.ModuleType
		}
		rows[len(rows)-1].Cells[column[s.Year]] = &scopeView{s, "./"}
	}
	return years, rows
}

// gauge shares a line of 100 % among the states.
func gauge(t tally) []gaugePart {
	if t.total == 0 {
		return nil
	}
	width, sum := map[string]float64{}, 0.0
	for _, s := range states() {
		if n := t.of[s]; n > 0 {
			width[s] = max(100*float64(n)/float64(t.total), sliver)
			sum += width[s]
		}
	}
	var parts []gaugePart
	x := 0.0
	for _, s := range states() {
		w := width[s] * 100 / sum
		parts = append(parts, gaugePart{s, percent(x), percent(w)})
		x += w
	}
	return parts
}

func percent(p float64) string { return fmt.Sprintf("%.2f%%", p) }

func legend(t tally, show string) []legendItem {
	var items []legendItem
	for _, s := range states() {
		items = append(items, legendItem{s, choose(s, show), t.of[s], s == show, true})
	}
	mark := legendItem{State: drifted, Href: choose(drifted, show), Current: show == drifted, Known: t.drifted != nil}
	if mark.Known {
		mark.Count = *t.drifted
	}
	return append(items, mark)
}

// choose is the address that shows one state alone, or everything again.
func choose(state, show string) string {
	if state == show {
		return "./"
	}
	return "?show=" + state
}
