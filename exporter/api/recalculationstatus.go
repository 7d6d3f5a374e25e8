package api

import (
	"context"
	"net/http"
	"time"

	"tidemark/shared/freshness"
	"tidemark/shared/job"
	"tidemark/shared/web"
)

// moduleRecalculation is an element of the recalculation-status answer.
type moduleRecalculation struct {
	ModuleType int  `json:"module_type_id"`
	Year       int  `json:"year"`
	Needed     bool `json:"needs_recalculation"`
	Types      any  `json:"data_entry_types"`
}

// typeRecalculation is a data entry type in it, to the contract. Results are the original's numbers.
type typeRecalculation struct {
	ModuleType        int    `json:"module_type_id"`
	DataEntryType     int    `json:"data_entry_type_id"`
	Year              int    `json:"year"`
	Needed            bool   `json:"needs_recalculation"`
	FactorJobID       int64  `json:"last_factor_job_id"`
	FactorResult      *int   `json:"last_factor_job_result"`
	RecalculationID   *int64 `json:"last_recalculation_job_id"`
	RecalculateResult *int   `json:"last_recalculation_job_result"`
}

// typeRecalculationDetail adds what the decision hangs on.
type typeRecalculationDetail struct {
	typeRecalculation
	FactorFinishedAt       *time.Time `json:"last_factor_job_finished_at"`
	RecalculationStartedAt *time.Time `json:"last_recalculation_job_started_at"`
	PendingID              *int64     `json:"pending_recalculation_job_id"`
}

// resultNumbers are the original's.
var resultNumbers = map[job.Result]int{job.Success: 0, job.Warning: 1, job.Error: 2}

func resultNumber(r *job.Result) *int {
	if r == nil {
		return nil
	}
	return new(resultNumbers[*r])
}

// recalculationStatus answers GET /v1/sync/recalculation-status: an array of the modules for
// which factors were loaded, each with its data entry types.
func (a *API) recalculationStatus(w http.ResponseWriter, r *http.Request, c caller) error {
	query, err := parametersOf(r)
	if err != nil {
		return err
	}
	if err := query.require("?year=2025", "year"); err != nil {
		return err
	}
	year, err := query.integer("year")
	if err != nil {
		return err
	}
	detail, err := query.truth("detail", false)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	all, err := freshness.Recalculations(ctx, a.opts.Pool, *year)
	if err != nil {
		return err
	}
	modules := []moduleRecalculation{}
	for start := 0; start < len(all); {
		end := start
		for end < len(all) && all[end].ModuleType == all[start].ModuleType {
			end++
		}
		if c.MayView(all[start].ModuleType) {
			modules = append(modules, moduleRecalculationOf(all[start:end], detail))
		}
		start = end
	}
	web.JSON(w, http.StatusOK, modules)
	return nil
}

// moduleRecalculationOf presents the data entry types of one module.
func moduleRecalculationOf(types []freshness.Recalculation, detail bool) moduleRecalculation {
	m := moduleRecalculation{ModuleType: types[0].ModuleType, Year: types[0].Year}
	var plain []typeRecalculation
	var detailed []typeRecalculationDetail
	for _, t := range types {
		m.Needed = m.Needed || t.Needed()
		p := typeRecalculation{ModuleType: t.ModuleType, DataEntryType: t.DataEntryType, Year: t.Year, Needed: t.Needed(),
			FactorJobID: t.Factors.ID, FactorResult: resultNumber(t.Factors.Result)}
		d := typeRecalculationDetail{FactorFinishedAt: t.Factors.FinishedAt, PendingID: t.PendingID}
		if t.Last != nil {
			p.RecalculationID, p.RecalculateResult = &t.Last.ID, resultNumber(t.Last.Result)
			d.RecalculationStartedAt = t.Last.StartedAt
		}
		d.typeRecalculation = p
		plain, detailed = append(plain, p), append(detailed, d)
	}
	m.Types = plain
	if detail {
		m.Types = detailed
	}
	return m
}
