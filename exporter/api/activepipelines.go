package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"tidemark/shared/freshness"
	"tidemark/shared/web"
)

// activePipelines answers GET /v1/sync/active-pipelines: an object from module
// type to the uuid of its active pipeline, without the modules that have none.
func (a *API) activePipelines(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	for _, name := range []string{"year", "modules"} {
		if !query.Has(name) {
			web.Problem(w, http.StatusUnprocessableEntity, name+" is missing: for example ?year=2025&modules=1,2,3")
			return
		}
	}
	year, err := strconv.Atoi(query.Get("year"))
	if err != nil {
		web.Problem(w, http.StatusUnprocessableEntity, fmt.Sprintf("year = %q: it must be an integer", query.Get("year")))
		return
	}
	modules, err := moduleList(query.Get("modules"))
	if err != nil {
		web.Problem(w, http.StatusBadRequest, err.Error())
		return
	}
	if len(modules) == 0 {
		web.JSON(w, http.StatusOK, struct{}{})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	active, err := freshness.ActivePipelines(ctx, a.opts.Pool, year, modules)
	if err != nil {
		a.unavailable(w, r, err)
		return
	}
	web.JSON(w, http.StatusOK, active)
}

// moduleList reads "1, 2,3"; blank elements are skipped, as in the original.
func moduleList(list string) ([]int, error) {
	var modules []int
	for token := range strings.SplitSeq(list, ",") {
		if token = strings.TrimSpace(token); token == "" {
			continue
		}
		id, err := strconv.Atoi(token)
		if err != nil {
			return nil, fmt.Errorf("modules must be a comma-separated list of integers: %q is none", token)
		}
		modules = append(modules, id)
	}
	return modules, nil
}
