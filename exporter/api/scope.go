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
	"tidemark/shared/web"
)

// scope answers GET /v1/sync/scopes/{module}/{year}.
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
	details, err := overview.ReadDetails(ctx, a.opts.Pool, a.opts.Limits, module, year)
	if errors.Is(err, explain.ErrUndeclared) {
		return noScope(module, year)
	}
	if err != nil {
		return err
	}
	web.JSON(w, http.StatusOK, details)
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
