package api

import (
	"context"
	"net/http"
	"slices"

	"tidemark/shared/freshness"
	"tidemark/shared/web"
)

// activePipelines answers GET /v1/sync/active-pipelines: an object from module type to the
// uuid of its active pipeline, without the modules that have none or are not the caller's.
func (a *API) activePipelines(w http.ResponseWriter, r *http.Request, c caller) error {
	query, err := parametersOf(r)
	if err != nil {
		return err
	}
	if err := query.require("?year=2025&modules=1,2,3", "year", "modules"); err != nil {
		return err
	}
	year, err := query.integer("year")
	if err != nil {
		return err
	}
	modules, err := moduleList(query.Get("modules"))
	if err != nil {
		return err
	}
	modules = slices.DeleteFunc(modules, func(m int) bool { return !c.MayView(m) })
	if len(modules) == 0 {
		web.JSON(w, http.StatusOK, struct{}{})
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	active, err := freshness.ActivePipelines(ctx, a.opts.Pool, *year, modules)
	if err != nil {
		return err
	}
	web.JSON(w, http.StatusOK, active)
	return nil
}

// activeYearPipelines answers GET /v1/sync/active-pipelines/year/{year}: an array of the
// uuids of pipelines that are about the year as a whole, newest first.
func (a *API) activeYearPipelines(w http.ResponseWriter, r *http.Request, _ caller) error {
	year, err := yearOf(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	active, err := freshness.ActiveYearPipelines(ctx, a.opts.Pool, year)
	if err != nil {
		return err
	}
	web.JSON(w, http.StatusOK, active)
	return nil
}
