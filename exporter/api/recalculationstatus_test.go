package api

import (
	"fmt"
	"net/http"
	"testing"
)

const recalculationPath = "/v1/sync/recalculation-status"

// factors writes a load of factors that finished at a minute of an hour, and returns its id.
func (b *bundle) factors(module, dataEntryType any, year, minute int) int64 {
	b.t.Helper()
	return b.job("job_type, target_type, module_type_id, data_entry_type_id, year, state, result, finished_at", fmt.Sprintf(
		`'factor_ingest', 'FACTORS', %v, %v, %d, 'FINISHED', 'SUCCESS', '2025-03-01 10:%02d:00+00'`, module, dataEntryType, year, minute))
}

// recalculation writes one that began at a minute of that hour.
func (b *bundle) recalculation(module, dataEntryType, year, minute int, state, result string) int64 {
	b.t.Helper()
	return b.job("job_type, target_type, module_type_id, data_entry_type_id, year, started_at, state, result", fmt.Sprintf(
		`'emission_recalc', 'DATA_ENTRIES', %d, %d, %d, '2025-03-01 10:%02d:00+00', '%s', nullif('%s', '')::ingestion_result_enum`, module, dataEntryType, year, minute, state, result))
}

func TestRecalculationStatus(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.get(recalculationPath + "?year=2025").is(`[]`)
	planes := b.factors(2, 20, 2025, 10)
	module := b.factors(4, "NULL", 2025, 10)
	b.factors(2, 21, 2024, 10)
	fresh := b.recalculation(2, 20, 2025, 11, "FINISHED", "WARNING")
	failed := b.recalculation(4, 10, 2025, 11, "FINISHED", "ERROR")
	early := b.recalculation(4, 11, 2025, 9, "FINISHED", "SUCCESS") // a later id, and it read before
	pending := b.recalculation(4, 11, 2025, 12, "RUNNING", "")
	travel := fmt.Sprintf(`{"module_type_id":2,"year":2025,"needs_recalculation":false,"data_entry_types":[
		{"module_type_id":2,"data_entry_type_id":20,"year":2025,"needs_recalculation":false,"last_factor_job_id":%d,"last_factor_job_result":0,
		 "last_recalculation_job_id":%d,"last_recalculation_job_result":1}]}`, planes, fresh)
	b.get(recalculationPath + "?year=2025").is(fmt.Sprintf(`[%s,
		{"module_type_id":4,"year":2025,"needs_recalculation":true,"data_entry_types":[
		 {"module_type_id":4,"data_entry_type_id":10,"year":2025,"needs_recalculation":true,"last_factor_job_id":%[2]d,"last_factor_job_result":0,
		  "last_recalculation_job_id":%[3]d,"last_recalculation_job_result":2},
		 {"module_type_id":4,"data_entry_type_id":11,"year":2025,"needs_recalculation":true,"last_factor_job_id":%[2]d,"last_factor_job_result":0,
		  "last_recalculation_job_id":%[4]d,"last_recalculation_job_result":0},
		 {"module_type_id":4,"data_entry_type_id":12,"year":2025,"needs_recalculation":true,"last_factor_job_id":%[2]d,"last_factor_job_result":0,
		  "last_recalculation_job_id":null,"last_recalculation_job_result":null}]}]`, travel, module, failed, early))
	b.ask("traveller", http.MethodGet, recalculationPath+"?year=2025", "").is("[" + travel + "]")
	b.ask("traveller", http.MethodGet, recalculationPath+"?year=2025&detail=true", "").is(fmt.Sprintf(`[{"module_type_id":2,"year":2025,"needs_recalculation":false,"data_entry_types":[
		{"module_type_id":2,"data_entry_type_id":20,"year":2025,"needs_recalculation":false,"last_factor_job_id":%d,"last_factor_job_result":0,
		 "last_recalculation_job_id":%d,"last_recalculation_job_result":1,
		 "last_factor_job_finished_at":"2025-03-01T10:10:00Z","last_recalculation_job_started_at":"2025-03-01T10:11:00Z","pending_recalculation_job_id":null}]}]`, planes, fresh))
	if got := into[[]struct {
		Types []typeRecalculationDetail `json:"data_entry_types"`
	}](b.get(recalculationPath + "?year=2025&detail=true")); *got[1].Types[1].PendingID != pending {
		t.Errorf("%+v", got[1].Types)
	}
	b.ask("nobody", http.MethodGet, recalculationPath+"?year=2025", "").problem(http.StatusForbidden, "lacks")
	b.get(recalculationPath).problem(http.StatusUnprocessableEntity, "year is missing")
	b.get(recalculationPath+"?year=soon").problem(http.StatusUnprocessableEntity, "must be an integer")
	b.get(recalculationPath + "?year=99999999999").is(`[]`)
}
