package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"tidemark/shared/catalog"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

const (
	pipelinesAPage = 30
	// farthest is how far back pages go; what is older is found by filters.
	farthest = 10_000
)

// pipelinesData is what the list of pipelines shows.
type pipelinesData struct {
	Items []pipelineItem
	// Total counts what fits the filter; More says that there is more than that.
	Total int
	More  bool
	// From and To number the first and the last item shown, Newer and Older lead to the pages beside, "" where there are none.
	From, To     int
	Newer, Older string
	// Filter is what was asked for, Statuses and Modules what can be.
	Filter   map[string]string
	Filtered bool
	Statuses []ledger.Status
	Modules  []string
	Ignored  []string
}

// pipelineItem is a line of the list.
type pipelineItem struct {
	ledger.PipelineItem
	Progress ledger.Progress
	// Module and Year are "" where its jobs differ.
	Module, Year, Message string
	Ended, Failed         int
	Started, Finished     *ledger.Member
	Orphan                bool
}

// pipelines answers GET /pipelines.
func (c *Console) pipelines(r *http.Request, who viewer) (view, error) {
	query := r.URL.Query()
	filter, d := filterOf(query)
	if all, modules := who.Modules(); !all {
		filter.Modules = append([]int{}, modules...)
	}
	page, err := c.ledger.Pipelines(r.Context(), c.opts.Pool, filter)
	if err != nil {
		return view{}, err
	}
	for _, item := range page.Items {
		d.Items = append(d.Items, itemOf(item))
	}
	d.Total, d.More = page.Total, page.More
	d.From, d.To = filter.Offset+1, filter.Offset+len(d.Items)
	if filter.Offset > 0 {
		d.Newer = pageAt(query, max(filter.Offset-pipelinesAPage, 0))
	}
	if d.To < page.Total || page.More {
		d.Older = pageAt(query, min(filter.Offset+pipelinesAPage, farthest))
	}
	at, err := c.now(r)
	return view{page: "pipelines", title: say("pipelines.title"), at: at, data: d}, err
}

// filterOf reads the filter's form. What cannot be read is left out, and named.
func filterOf(query url.Values) (f ledger.PipelineFilter, d pipelinesData) {
	f = ledger.PipelineFilter{Limit: pipelinesAPage, Text: query.Get("q")}
	d = pipelinesData{Filter: map[string]string{}, Statuses: ledger.Statuses()}
	for _, m := range catalog.Modules() {
		d.Modules = append(d.Modules, m.Name)
	}
	for _, name := range []string{"state", "module", "year", "failed", "q"} {
		value := query.Get(name)
		if value == "" {
			continue
		}
		d.Filter[name], d.Filtered = value, true
		fits := true
		switch name {
		case "state":
			f.Status = ledger.Status(value)
			fits = slices.Contains(ledger.Statuses(), f.Status)
		case "module":
			m, err := catalog.ParseModule(value)
			f.ModuleType, fits = &m.ID, err == nil
		case "year":
			y, err := strconv.Atoi(value)
			f.Year, fits = &y, err == nil
		case "failed":
			f.HasErrors = new(true)
		}
		if !fits {
			d.Ignored = append(d.Ignored, name)
		}
	}
	if slices.Contains(d.Ignored, "state") {
		f.Status = ""
	}
	if slices.Contains(d.Ignored, "module") {
		f.ModuleType = nil
	}
	if slices.Contains(d.Ignored, "year") {
		f.Year = nil
	}
	if n, err := strconv.Atoi(query.Get("offset")); err == nil {
		f.Offset = min(max(n, 0), farthest)
	}
	return f, d
}

// pageAt is the address of another page with the same filter.
func pageAt(query url.Values, offset int) string {
	next := url.Values{}
	for _, name := range []string{"state", "module", "year", "failed", "q"} {
		if query.Get(name) != "" {
			next.Set(name, query.Get(name))
		}
	}
	if offset > 0 {
		next.Set("offset", strconv.Itoa(offset))
	}
	return "?" + next.Encode()
}

func itemOf(p ledger.PipelineItem) pipelineItem {
	item := pipelineItem{PipelineItem: p, Progress: p.Progress(), Orphan: p.ID == uuid.Nil}
	modules, years := map[string]bool{}, map[string]bool{}
	for i, m := range p.Jobs {
		if m.ModuleType != nil {
			modules[catalog.ModuleName(*m.ModuleType)] = true
		}
		if m.Year != nil {
			years[strconv.Itoa(*m.Year)] = true
		}
		if m.State != nil && *m.State == string(job.Finished) {
			item.Ended++
		}
		if m.Failed() {
			item.Failed++
			if item.Message == "" && m.Message != nil {
				item.Message = *m.Message
			}
		}
		if m.StartedAt != nil && (item.Started == nil || m.StartedAt.Before(*item.Started.StartedAt)) {
			item.Started = &p.Jobs[i]
		}
		if m.FinishedAt != nil && (item.Finished == nil || m.FinishedAt.After(*item.Finished.FinishedAt)) {
			item.Finished = &p.Jobs[i]
		}
	}
	item.Module, item.Year = only(modules), only(years)
	return item
}

// only is the one key of a set, "" where there are none or several.
func only(set map[string]bool) string {
	for key := range set {
		if len(set) == 1 {
			return key
		}
	}
	return ""
}
