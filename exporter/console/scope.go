package console

import (
	"errors"
	"net/http"
	"strconv"

	"tidemark/exporter/overview"
	"tidemark/shared/catalog"
	"tidemark/shared/explain"
	"tidemark/shared/ledger"
)

// scopeData is what a scope's page shows.
type scopeData struct {
	Scope       scopeView
	Explanation explain.Explanation
	Jobs        []ledger.Job
	// Known is false for a module that this release knows only by its number.
	Known bool
	// Types are those that can be computed; none where Tidemark only aggregates the module.
	Types []string
	// MayRequest says whether the button works for the viewer.
	MayRequest bool
	// MayBeMore says that there are older jobs than those shown.
	MayBeMore bool
}

// scope answers GET /scopes/{module}/{year}.
func (c *Console) scope(r *http.Request, who viewer) (view, error) {
	nothing := &refusal{http.StatusNotFound, say("scope.none.title"), say("scope.none.text", "name", r.PathValue("module")+" "+r.PathValue("year"))}
	module, err := moduleOf(r.PathValue("module"))
	if err != nil {
		return view{}, nothing
	}
	year, err := strconv.Atoi(r.PathValue("year"))
	if err != nil {
		return view{}, nothing
	}
	if err := mayView(who, module); err != nil {
		return view{}, err
	}
	found, err := overview.ReadDetails(r.Context(), c.opts.Pool, c.opts.Limits, module.ID, year)
	if errors.Is(err, explain.ErrUndeclared) {
		return view{}, nothing
	}
	if err != nil {
		return view{}, err
	}
	d := scopeData{Scope: scopeView{found.Scope, rootOf(r)}, Explanation: found.Explanation, Jobs: found.Jobs,
		MayRequest: who.MayRequest(), MayBeMore: len(found.Jobs) == overview.MaxJobs}
	_, d.Known = catalog.ModuleByID(module.ID)
	for _, t := range module.DataEntryTypes {
		if t.Calculated() {
			d.Types = append(d.Types, t.Name)
		}
	}
	return view{page: "scope", title: module.Name + " " + strconv.Itoa(year), at: found.At, data: d}, nil
}

// moduleOf reads the module of an address. A number stands for a module type even where this
// release knows none: the map has it all the same.
func moduleOf(text string) (catalog.Module, error) {
	id, err := strconv.Atoi(text)
	if err != nil {
		return catalog.ParseModule(text)
	}
	if m, known := catalog.ModuleByID(id); known {
		return m, nil
	}
	return catalog.Module{ID: id, Name: text}, nil
}
