package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"tidemark/exporter/overview"
	"tidemark/shared/catalog"
	"tidemark/shared/explain"
	"tidemark/shared/ledger"
	"tidemark/shared/web"
)

// scopeAnswer is all that is known of one scope.
type scopeAnswer struct {
	Scope       overview.Scope      `json:"scope"`
	Explanation explain.Explanation `json:"explanation"`
	// Jobs are the newest that bear on it, newest first.
	Jobs []ledger.Job `json:"jobs"`
}

// scopeJobs is how many jobs of a scope are shown.
const scopeJobs = 50

// scope answers GET /v1/sync/scopes/{module}/{year}. Its three parts are read one after the other.
func (a *API) scope(w http.ResponseWriter, r *http.Request, c caller) error {
	module, year, err := scopeOf(r)
	if err != nil {
		return err
	}
	if !c.MayView(module) {
		return &refusal{http.StatusForbidden, fmt.Sprintf("%s may not see this module: it needs %s, or its %s", c.Name, oneOf(viewAll.names), anyModuleView)}
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	o, err := overview.ReadScope(ctx, a.opts.Pool, a.opts.OlderThan, module, year)
	if err != nil {
		return err
	}
	var answer scopeAnswer
	var declared bool
	if answer.Scope, declared = o.Scope(module, year); !declared {
		return noScope(module, year)
	}
	facts, err := explain.Read(ctx, a.opts.Pool, module, year, a.opts.OlderThan)
	if errors.Is(err, explain.ErrUndeclared) {
		return noScope(module, year)
	}
	if err != nil {
		return err
	}
	answer.Explanation = explain.Explain(facts)
	if answer.Jobs, err = a.ledger.ScopeJobs(ctx, a.opts.Pool, module, year, scopeJobs); err != nil {
		return err
	}
	web.JSON(w, http.StatusOK, answer)
	return nil
}

// scopeOf reads module and year of a path. A number stands for a module type even where this release knows none.
func scopeOf(r *http.Request) (module, year int, err error) {
	text := r.PathValue("module")
	if module, err = strconv.Atoi(text); err != nil {
		m, err := catalog.ParseModule(text)
		if err != nil {
			return 0, 0, invalid(err.Error())
		}
		module = m.ID
	}
	year, err = yearOf(r)
	return module, year, err
}

func noScope(module, year int) error {
	return &refusal{http.StatusNotFound, fmt.Sprintf("no report of %d has the module type %d: /v1/sync/overview lists those there are", year, module)}
}
