package emission

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/postgres"
)

var (
	planes  = job.RecalcOf(2, 20, 2025)
	process = job.RecalcOf(8, 50, 2025)
)

const flight = `{"origin_iata":"GVA","destination_iata":"CDG","cabin_class":"economy"}`

func TestRecalculateEveryType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		name                       string
		module, typ, factorType    int
		classification, values     string
		data                       string
		want                       string // %d is the factor's id
		meta                       string
		valueName, doubledEmission string
	}{
		{"plane", 2, 20, 50200, `{"category":"short","cabin_class":"economy"}`, `{"ef_kg_co2eq_per_km":0.5,"rfi_adjustment":2,"max_distance":1000}`,
			`{"origin_iata":"GVA","destination_iata":"CDG","cabin_class":"economy","number_of_trips":2}`, "50203 3 %d 1006 1006",
			`{"category":"short","distance_km":1006,"factors_used":[{"id":%d,"values":{"ef_kg_co2eq_per_km":0.5,"max_distance":1000,"rfi_adjustment":2}}],"number_of_trips":2,"quantity":1006}`,
			"ef_kg_co2eq_per_km", "50203 3 %d 2012 1006"},
		{"scientific equipment", 4, 10, 80100, `{"equipment_class":"Laser","sub_class":null}`, `{"active_power_w":100,"standby_power_w":10,"ef_kg_co2eq_per_kwh":0.5}`,
			`{"equipment_class":"Laser","active_usage_hours_per_week":40,"standby_usage_hours_per_week":128}`, "80100 2 %d 137.28 -",
			`{"factors_used":[{"id":%d,"values":{"active_power_w":100,"ef_kg_co2eq_per_kwh":0.5,"standby_power_w":10}}],"quantity":274.56}`,
			"ef_kg_co2eq_per_kwh", "80100 2 %d 274.56 -"},
		{"it equipment", 4, 11, 80200, `{"equipment_class":"Laptop"}`, `{"active_power_w":1000,"standby_power_w":0,"ef_kg_co2eq_per_kwh":1}`,
			`{"equipment_class":"Laptop","active_usage_hours_per_week":1,"standby_usage_hours_per_week":0}`, "80200 2 %d 52 -", "", "ef_kg_co2eq_per_kwh", "80200 2 %d 104 -"},
		{"other equipment", 4, 12, 80300, `{"equipment_class":"Oven"}`, `{"active_power_w":1000,"standby_power_w":0,"ef_kg_co2eq_per_kwh":1}`,
			`{"equipment_class":"Oven","active_usage_hours_per_week":1,"standby_usage_hours_per_week":0}`, "80300 2 %d 52 -", "", "ef_kg_co2eq_per_kwh", "80300 2 %d 104 -"},
		{"combustion", 3, 31, 60201, `{"name":"Natural gas","unit":"kWh"}`, `{"ef_kg_co2eq_per_unit":0.25}`,
			`{"name":"Natural gas","unit":"kWh","quantity":1000}`, "60201 1 %d 250 -", "", "ef_kg_co2eq_per_unit", "60201 1 %d 500 -"},
		{"process", 8, 50, 70200, `{"category":"co2","subcategory":null,"unit":"kg"}`, `{"ef_kg_co2eq_per_unit":1}`,
			`{"category":"co2","subcategory":"industrial","quantity":100}`, "70200 1 %d 100 -", "", "ef_kg_co2eq_per_unit", "70200 1 %d 200 -"},
	} {
		t.Run(c.name, func(t *testing.T) {
			module := w.module(w.report(c.name, 2025), c.module, 1)
			entry := w.entry(module, c.typ, c.data)
			before := get[string](w, `SELECT data::text FROM data_entries WHERE id = $1`, entry)
			scope := job.RecalcOf(c.module, c.typ, 2025)

			if _, err := w.recalc(scope, nil); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("none of 1 entry could be computed, first: data entry %d: no factor of this year has", entry)) {
				t.Errorf("without factors: %v", err)
			}
			f := w.factor(c.typ, 2025, c.factorType, c.classification, c.values)
			w.factor(c.typ, 2024, c.factorType, c.classification, `{}`)
			w.mustRecalc(scope, job.Success, "recalculated 1 entry")
			w.wantRows(entry, fmt.Sprintf(c.want, f))
			if got := get[string](w, `SELECT meta::text FROM data_entry_emissions WHERE data_entry_id = $1`, entry); c.meta != "" && got != fmt.Sprintf(c.meta, f) {
				t.Errorf("meta %s", got)
			}
			w.exec(`UPDATE factors SET "values" = jsonb_set("values"::jsonb, ARRAY[$2], to_jsonb(2 * ("values" ->> $2)::float8)) WHERE id = $1`, f, c.valueName)
			w.mustRecalc(scope, job.Success, "recalculated 1 entry")
			w.wantRows(entry, fmt.Sprintf(c.doubledEmission, f))
			if after := get[string](w, `SELECT data::text FROM data_entries WHERE id = $1`, entry); after != before {
				t.Errorf("the entry was rewritten: %s", after)
			}
		})
	}
}

func TestRecalculateIsStrictAboutTheYear(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.entry(w.module(w.report("U", 2024), 8, 1), 50, `{"category":"co2","quantity":1}`)
	now := w.entry(w.module(w.report("U", 2025), 8, 1), 50, `{"category":"co2","quantity":1}`)
	w.entry(w.module(w.report("V", 2025), 8, 1), 50, `{"category":"co2","__kg_co2eq_override__":1}`)
	w.factor(50, 2024, 70200, `{"category":"co2"}`, `{"ef_kg_co2eq_per_unit":1}`)
	w.emission(old, 70200, 7, `{}`)
	w.mustRecalc(process, job.Warning, fmt.Sprintf(`recalculated 1 of 2 entries; 1 could not be computed, first: data entry %d: no factor of this year has category "co2"`, now))
	w.wantRows(old, "70200 - - 7 -")
}

func TestRecalculateListsWhatItCannotCompute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	module := w.module(w.report("U", 2025), 2, 1)
	f := w.factor(20, 2025, 50200, `{"category":"short","cabin_class":"economy"}`, `{"ef_kg_co2eq_per_km":1,"max_distance":1000}`)
	good := w.entry(module, 20, flight)
	bad := []int{
		w.entry(module, 20, `{"origin_iata":"XXX","destination_iata":"CDG","cabin_class":"economy"}`),
		w.entry(module, 20, `[]`),
		w.entry(module, 20, `{"origin_iata":"GVA","destination_iata":"CDG","cabin_class":"economy","number_of_trips":"two","note":"a \u0000 byte"}`),
	}
	null := w.entry(module, 20, `null`)
	w.exec(`UPDATE data_entries SET data = NULL WHERE id = $1`, null)
	for _, id := range append(bad, good, null) {
		w.emission(id, 50203, 5, `{"scope":3}`)
	}
	out := w.mustRecalc(planes, job.Warning, fmt.Sprintf(`recalculated 1 of 5 entries; 4 could not be computed, first: data entry %d: origin_iata "XXX" is not a known airport`, bad[0]))
	want := fmt.Sprintf(`{"recalculated":1,"errors":4,"error_details":[`+
		`{"data_entry_id":%d,"reason":"origin_iata \"XXX\" is not a known airport"},`+
		`{"data_entry_id":%d,"reason":"data is not a JSON object of readable values: json: cannot unmarshal array into Go value of type catalog.Entry"},`+
		`{"data_entry_id":%d,"reason":"number_of_trips \"two\" is not a number"},`+
		`{"data_entry_id":%d,"reason":"data is NULL instead of a JSON object"}],"error_details_omitted":0}`, bad[0], bad[1], bad[2], null)
	if string(out.Detail) != want {
		t.Errorf("detail\n%s\nwant\n%s", out.Detail, want)
	}
	w.wantRows(good, fmt.Sprintf("50203 3 %d 503 503", f))
	for _, id := range append(bad, null) {
		w.wantRows(id, "")
	}

	// With the last computable entry gone nothing is changed.
	w.exec(`UPDATE data_entries SET data = '{}' WHERE id = $1`, good)
	if _, err := w.recalc(planes, nil); err == nil || !strings.Contains(err.Error(), "none of 5 entries could be computed, first: data entry 1: cabin_class") {
		t.Errorf("all failed: %v", err)
	}
	w.wantRows(good, fmt.Sprintf("50203 3 %d 503 503", f))
}

func TestRecalculateOverrides(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	module := w.module(w.report("U", 2025), 8, 1)
	zero := w.entry(module, 50, `{"category":"co2","quantity":5,"__kg_co2eq_override__":0}`)
	unmatched := w.entry(module, 50, `{"category":"refrigerants","__kg_co2eq_override__":999}`)
	w.mustRecalc(process, job.Success, "recalculated 2 entries")
	w.wantRows(zero, "70200 1 - 0 -")
	w.wantRows(unmatched, "70400 1 - 999 -")
	if got := get[string](w, `SELECT meta::text FROM data_entry_emissions WHERE data_entry_id = $1`, zero); got != `{"factors_used":[],"quantity":null}` {
		t.Errorf("meta %s", got)
	}
}

func TestRecalculateFactorRemovedThenNewOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	module := w.module(w.report("U", 2025), 8, 1)
	entry := w.entry(module, 50, `{"category":"co2","quantity":5}`)
	other := w.entry(module, 50, `{"category":"ch4","quantity":5}`)
	co2 := w.factor(50, 2025, 70200, `{"category":"co2"}`, `{"ef_kg_co2eq_per_unit":1}`)
	ch4 := w.factor(50, 2025, 70100, `{"category":"ch4"}`, `{"ef_kg_co2eq_per_unit":28}`)
	w.mustRecalc(process, job.Success, "recalculated 2 entries")
	w.exec(`DELETE FROM factors WHERE id = $1`, co2)
	w.mustRecalc(process, job.Warning, fmt.Sprintf(`recalculated 1 of 2 entries; 1 could not be computed, first: data entry %d: no factor of this year has category "co2"`, entry))
	w.wantRows(entry, "")
	w.wantRows(other, fmt.Sprintf("70100 1 %d 140 -", ch4))
	anew := w.factor(50, 2025, 70200, `{"category":"co2"}`, `{"ef_kg_co2eq_per_unit":3}`)
	w.mustRecalc(process, job.Success, "recalculated 2 entries")
	w.wantRows(entry, fmt.Sprintf("70200 1 %d 15 -", anew))
}

func TestRecalculateFilter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var modules, entries []int
	for _, unit := range []string{"A", "B"} {
		modules = append(modules, w.module(w.report(unit, 2025), 8, 1))
		entries = append(entries, w.entry(modules[len(modules)-1], 50, `{"category":"co2","__kg_co2eq_override__":1}`))
	}
	for _, c := range []struct {
		filter  job.Filter
		message string
		rows    int
	}{
		{job.NewFilter(), "no entries, nothing to recalculate", 0},
		{job.NewFilter(int32(modules[1])), "recalculated 1 entry", 1},
		{nil, "recalculated 2 entries", 2},
	} {
		out, err := w.recalc(process, c.filter)
		if err != nil || out.Message != c.message || out.Result != job.Success {
			t.Errorf("%v: %+v, %v", c.filter, out, err)
		}
		if n := get[int](w, `SELECT count(*) FROM data_entry_emissions`); n != c.rows {
			t.Errorf("%v: %d rows, want %d", c.filter, n, c.rows)
		}
	}
	w.wantRows(entries[1], "70200 1 - 1 -")
}

// TestRecalculateInPages has many more entries than a page and watches the progress.
func TestRecalculateInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	module := w.module(w.report("U", 2025), 8, 1)
	w.factor(50, 2025, 70200, `{"category":"co2"}`, `{"ef_kg_co2eq_per_unit":2}`)
	w.exec(`INSERT INTO data_entries (data_entry_type_id, carbon_report_module_id, data, created_at, updated_at)
		SELECT 50, $1, CASE WHEN n % 7 = 0 THEN '{"category":"co2"}' ELSE '{"category":"co2","quantity":1}' END::json, now(), now() FROM generate_series(1, 1003) n`, module)
	var seen []int
	err := postgres.InTx(context.Background(), w.pool, 1, func(tx pgx.Tx) error {
		for range 2 { // A second run in the same transaction finds no cursor in its way.
			out, err := recalculate(context.Background(), tx, process, nil, func(done, total int) {
				if total != 1003 {
					t.Errorf("total %d", total)
				}
				seen = append(seen, done)
			}, 400)
			if err != nil {
				return err
			}
			if want := "recalculated 860 of 1,003 entries; 143 could not be computed, first: data entry 7: quantity is missing"; out.Message != want {
				t.Errorf("message %q", out.Message)
			}
			if !strings.HasSuffix(string(out.Detail), `"error_details_omitted":43}`) || strings.Count(string(out.Detail), "reason") != 100 {
				t.Errorf("detail %s", out.Detail)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(seen); got != "[400 800 1003 400 800 1003]" {
		t.Errorf("progress %s", got)
	}
	if n, kg := get[int](w, `SELECT count(*) FROM data_entry_emissions`), get[float64](w, `SELECT sum(kg_co2eq) FROM data_entry_emissions`); n != 860 || kg != 1720 {
		t.Errorf("%d rows, %v kg", n, kg)
	}
}

// TestRecalculateShareOfBaseYear covers the simulator: a share of what the matching
// entry of the base year emitted, without its roll-up row.
func TestRecalculateShareOfBaseYear(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	base := w.module(w.report("U", 2024), 8, 2)
	for i, data := range []string{`{"name":"first"}`, `{"name":"twin","user_institutional_id":"7"}`, `{"name":"named"}`} {
		id := w.entry(base, 50, data)
		w.emission(id, 70200, float64(100*(i+1)), `{"scope":1}`)
		w.emission(id, 70000, 5000, `{"meta":{"is_rollup":true}}`)
	}
	w.emission(w.entry(w.module(w.report("other", 2024), 8, 2), 50, `{"name":"named"}`), 70200, 9999, `{}`)
	w.emission(w.entry(w.module(w.report("U", 2023), 8, 2), 50, `{"name":"named"}`), 70200, 40, `{}`)

	report := w.report("U", 2025, "Simulator_Plan")
	module := w.module(report, 8, 1)
	entries := map[string]int{}
	for name, data := range map[string]string{
		"by person": `{"category":"co2","name":"named","user_institutional_id":"7","percentage_of_last_year":50}`,
		"by name":   `{"category":"co2","name":"named","user_institutional_id":"8","percentage_of_last_year":50}`,
		"the first": `{"category":"co2","name":"nobody","percentage_of_last_year":50}`,
		"not asked": `{"category":"co2","name":"named","percentage_of_last_year":null,"__kg_co2eq_override__":1}`,
	} {
		entries[name] = w.entry(module, 50, data)
	}
	w.mustRecalc(process, job.Success, "recalculated 4 entries")
	w.wantRows(entries["by person"], "70200 1 - 100 -")
	w.wantRows(entries["by name"], "70200 1 - 150 -")
	w.wantRows(entries["the first"], "70200 1 - 50 -")
	w.wantRows(entries["not asked"], "70200 1 - 1 -")

	// A reference year goes before the last one; a year without a report leaves the formula.
	w.exec(`UPDATE carbon_reports SET reference_year = 2023 WHERE id = $1`, report)
	w.mustRecalc(process, job.Success, "recalculated 4 entries")
	w.wantRows(entries["by name"], "70200 1 - 20 -")
	w.exec(`UPDATE carbon_reports SET reference_year = 2010 WHERE id = $1`, report)
	out, err := w.recalc(process, nil)
	if err != nil || out.Result != job.Warning || !strings.Contains(out.Message, "quantity is missing") && !strings.Contains(out.Message, `no factor of this year has category "co2"`) {
		t.Errorf("without a base year: %+v, %v", out, err)
	}
}

// TestRecalculateBesideDeletions deletes entries while their slice is recalculated:
// one that is not fetched yet is passed over, one that is waits for the end.
func TestRecalculateBesideDeletions(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := newWorld(t)
	module := w.module(w.report("U", 2025), 8, 1)
	var entries []int
	for range 6 {
		entries = append(entries, w.entry(module, 50, `{"category":"co2","__kg_co2eq_override__":1}`))
	}
	deleted := make(chan error, 1)
	err := postgres.InTx(ctx, w.pool, 1, func(tx pgx.Tx) error {
		out, err := recalculate(ctx, tx, process, nil, func(done, _ int) {
			if done != 2 {
				return
			}
			w.exec(`DELETE FROM data_entries WHERE id = $1`, entries[4])
			w.exec(`UPDATE data_entries SET data = '{"category":"co2","__kg_co2eq_override__":2}' WHERE id = $1`, entries[5])
			go func() {
				_, err := w.pool.Exec(ctx, `DELETE FROM data_entries WHERE id = $1`, entries[0])
				deleted <- err
			}()
			w.waitForLock()
		}, 2)
		if err == nil && out.Message != "recalculated 5 entries" {
			t.Errorf("message %q", out.Message)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-deleted; err != nil {
		t.Fatal(err)
	}
	if n := get[int](w, `SELECT count(*) FROM data_entry_emissions`); n != 4 {
		t.Errorf("%d emissions, want 4", n)
	}
	// The edit went through at once; the run that was requested with it will use it.
	w.wantRows(entries[5], "70200 1 - 1 -")
}

// waitForLock returns when some session of the test's database waits for a lock.
func (w *world) waitForLock() {
	w.Helper()
	for range 500 {
		if get[int](w, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) > 0 {
			return
		}
		time.Sleep(10 * time.Millisecond) // The server tells nobody that a session began to wait.
	}
	w.Fatal("nobody waits for a lock")
}

func TestRecalculateRefusesForeignScopes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scope job.Scope
		want  string
	}{
		{job.AggregationOf(2, 2025), `recalculate aggregation:2:2025: job type "aggregation" is no recalculation`},
		{job.RecalcOf(2, 99, 2025), "recalculate emission_recalc:2:99:2025: data entry type 99 is unknown"},
		{job.RecalcOf(3, 20, 2025), "recalculate emission_recalc:3:20:2025: data entry type plane (20) belongs to module type 2, not to 3"},
		{job.RecalcOf(2, 21, 2025), "recalculate emission_recalc:2:21:2025: data entry type train (21): Tidemark has no calculation for it; it has one for " +
			"plane (20), energy_combustion (31), scientific (10), it (11), other (12), process_emissions (50)"},
	} {
		// Refused before anything is read: it needs no transaction.
		_, err := Recalculate(context.Background(), nil, c.scope, nil, ignore)
		if err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}
