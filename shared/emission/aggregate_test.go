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

const zeros = "map[by_additional_value:map[] by_emission_type:map[] entry_count:0 scope1:0 scope2:0 scope3:0 total:0]"

func TestAggregateModuleAndReport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	report := w.report("U", 2025)
	travel, equipment := w.module(report, 2, 2), w.module(report, 4, 1)
	plane := w.entry(travel, 20, `{}`)
	w.emission(plane, 50203, 60, `{"scope":3,"additional_value":1000}`)
	w.emission(w.entry(travel, 21, `{}`), 50102, 40, `{"scope":3,"additional_value":200}`)
	w.entry(travel, 21, `{}`)
	w.emission(plane, 50000, 100, `{"meta":{"is_rollup":true}}`)
	w.emission(w.entry(equipment, 11, `{}`), 80200, 7, `{"scope":2,"meta":{"is_rollup":false}}`)
	w.exec(`UPDATE data_entry_emissions SET meta = '{"note":"a \u0000 byte"}' WHERE emission_type_id = 50203`)

	before := time.Now().Add(-time.Second)
	out := w.mustAggregate(2, 2025)
	if out.Result != job.Success || out.Message != "aggregated 1 report module of 1 report" ||
		string(out.Detail) != `{"modules_refreshed":1,"reports_refreshed":1,"left_out":[],"left_out_omitted":0}` {
		t.Errorf("outcome %s %s %s", out.Result, out.Message, out.Detail)
	}
	const byType = "by_emission_type:map[50000:100 50100:40 50102:40 50200:60 50203:60]"
	const byKM = "by_additional_value:map[50000:1200 50100:200 50102:200 50200:1000 50203:1000]"
	if got := w.statsOf("carbon_report_modules", travel); got != "map["+byKM+" "+byType+" entry_count:3 scope1:0 scope2:0 scope3:100 total:100]" {
		t.Errorf("module %s", got)
	}
	if got := w.statsOf("carbon_report_modules", equipment); got != "NULL" {
		t.Errorf("the other module was touched: %s", got)
	}
	if got := w.statsOf("carbon_reports", report); got != "map["+byKM+" "+byType+" entry_count:3 highest_category_module_id:2 it_total_kg:0 scope1:0 scope2:0 scope3:100 total:100]" {
		t.Errorf("report %s", got)
	}
	w.mustAggregate(4, 2025)
	if got := w.statsOf("carbon_reports", report); !strings.Contains(got, "entry_count:4 highest_category_module_id:2 it_total_kg:7 scope1:0 scope2:7 scope3:100 total:107]") {
		t.Errorf("report of both %s", got)
	}
	// The validated module is still validated.
	if got := get[string](w, `SELECT concat_ws(' ', completion_progress, overall_status) FROM carbon_reports`); got != "1/2 1" {
		t.Errorf("report status %s", got)
	}
	if got := get[string](w, `SELECT string_agg(status::text, ' ' ORDER BY id) FROM carbon_report_modules`); got != "2 1" {
		t.Errorf("module status %s", got)
	}
	oldest := get[int64](w, `SELECT least(min(r.last_updated), min(m.last_updated)) FROM carbon_reports r, carbon_report_modules m`)
	if oldest < before.Unix() || oldest > time.Now().Unix() {
		t.Errorf("last_updated %d", oldest)
	}
}

// TestAggregateAfterTheLastEntryIsGone pins that no report module keeps totals of
// entries that are gone, nor NULL.
func TestAggregateAfterTheLastEntryIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var modules, reports []int
	for n := range 5 { // more than two pages
		reports = append(reports, w.report(fmt.Sprint("U", n), 2025))
		modules = append(modules, w.module(reports[n], 8, 0))
	}
	last := w.report("U0", 2024)
	other := w.module(last, 8, 0)
	entry := w.entry(modules[0], 50, `{}`)
	w.emission(entry, 70200, 5, `{}`)
	w.mustAggregate(8, 2025)
	if got := w.statsOf("carbon_report_modules", modules[0]); !strings.HasSuffix(got, "entry_count:1 scope1:5 scope2:0 scope3:0 total:5]") {
		t.Errorf("first %s", got)
	}
	w.exec(`DELETE FROM data_entries`)
	if out := w.mustAggregate(8, 2025); out.Message != "aggregated 5 report modules of 5 reports" {
		t.Errorf("message %s", out.Message)
	}
	for n := range modules {
		if got := w.statsOf("carbon_report_modules", modules[n]); got != zeros {
			t.Errorf("module %d: %s", n, got)
		}
		if got := w.statsOf("carbon_reports", reports[n]); !strings.HasSuffix(got, "entry_count:0 highest_category_module_id:<nil> it_total_kg:0 scope1:0 scope2:0 scope3:0 total:0]") {
			t.Errorf("report %d: %s", n, got)
		}
	}
	if got := w.statsOf("carbon_report_modules", other) + w.statsOf("carbon_reports", last); got != "NULLNULL" {
		t.Errorf("another year was touched: %s", got)
	}
	if out := w.mustAggregate(7, 2025); out.Message != "aggregated 0 report modules of 0 reports" || out.Result != job.Success {
		t.Errorf("a module that no report has: %+v", out)
	}
}

func TestAggregateNamesWhatFitsNowhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, unit := range []string{"A", "B"} {
		entry := w.entry(w.module(w.report(unit, 2025), 2, 1), 20, `{}`)
		w.emission(entry, 50203, 1, `{}`)
		w.emission(entry, 50200, 2.5, `{}`)
		w.emission(entry, 80100, 3, `{"scope":2}`)
	}
	out := w.mustAggregate(2, 2025)
	const message = "aggregated 2 report modules of 2 reports; not in every sum: " +
		"emission type 50200 (5 kg) has no scope, so it is in no total, emission type 80100 (6 kg) is not an emission type of this module"
	if out.Result != job.Warning || out.Message != message {
		t.Errorf("%s: %s", out.Result, out.Message)
	}
	const left = `"left_out":[{"emission_type_id":50200,"reason":"has no scope, so it is in no total","kg_co2eq":"5"},` +
		`{"emission_type_id":80100,"reason":"is not an emission type of this module","kg_co2eq":"6"}]`
	if !strings.Contains(string(out.Detail), left) {
		t.Errorf("detail %s", out.Detail)
	}
}

func TestAggregateRefusesStatsItCannotAddUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	report := w.report("U", 2025)
	mine, bad := w.module(report, 2, 1), w.module(report, 4, 1)
	w.exec(`UPDATE carbon_report_modules SET stats = '{"total":"many"}' WHERE id = $1`, bad)
	_, err := w.aggregate(2, 2025)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("carbon_report_modules %d: its stats cannot be added up", bad)) || !strings.HasSuffix(err.Error(), "aggregate module type 4 of that year") {
		t.Errorf("error %v", err)
	}
	if got := w.statsOf("carbon_report_modules", mine); got != "NULL" {
		t.Errorf("not rolled back: %s", got)
	}
	// What the message says helps.
	w.mustAggregate(4, 2025)
	w.mustAggregate(2, 2025)
}

// TestAggregateTwoModulesAtOnce lets two aggregations meet in the same reports: the
// second waits for the first, and the reports hold both.
func TestAggregateTwoModulesAtOnce(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := newWorld(t)
	for n := range 5 {
		report := w.report(fmt.Sprint("U", n), 2025)
		// The modules' ids run against each other; the reports are locked in one order all the same.
		w.emission(w.entry(w.module(report, 8, 1), 50, `{}`), 70200, 1, `{}`)
		w.emission(w.entry(w.module(report, 4, 1), 10, `{}`), 80100, 2, `{}`)
	}
	second := make(chan error, 1)
	err := postgres.InTx(ctx, w.pool, 1, func(tx pgx.Tx) error {
		if _, err := Aggregate(ctx, tx, job.AggregationOf(8, 2025), ignore); err != nil {
			return err
		}
		go func() {
			second <- postgres.InTx(ctx, w.pool, 1, func(tx pgx.Tx) error {
				_, err := Aggregate(ctx, tx, job.AggregationOf(4, 2025), ignore)
				return err
			})
		}()
		w.waitForLock()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-second; err != nil {
		t.Fatal(err)
	}
	if n := get[int](w, `SELECT count(*) FROM carbon_reports WHERE (stats ->> 'total')::float8 = 3`); n != 5 {
		t.Errorf("%d reports hold both modules, want 5", n)
	}
}

// TestAggregateManyModulesAtOnce runs all modules of a year side by side, in small
// pages, several times: no deadlock (which InTx would not forgive), nothing lost.
func TestAggregateManyModulesAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	leaves := map[int]int{1: 10001, 2: 50203, 3: 60201, 4: 80100, 5: 90100, 6: 100100, 7: 110101, 8: 70200}
	for n := range 6 {
		report := w.report(fmt.Sprint("U", n), 2025)
		for moduleType, leaf := range leaves {
			w.emission(w.entry(w.module(report, moduleType, 1), 1, `{}`), leaf, 1, `{}`)
		}
	}
	done := make(chan error)
	for moduleType := range leaves {
		go func() {
			for range 3 {
				if _, err := w.aggregate(moduleType, 2025); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range leaves {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := get[int](w, `SELECT count(*) FROM carbon_reports WHERE (stats ->> 'total')::float8 = 8`); n != 6 {
		t.Errorf("%d reports hold all modules, want 6", n)
	}
}

func TestAggregateRefusesForeignScopes(t *testing.T) {
	t.Parallel()
	for scope, want := range map[job.Scope]string{
		job.RecalcOf(2, 20, 2025):   `aggregate emission_recalc:2:20:2025: job type "emission_recalc" is no aggregation`,
		job.AggregationOf(99, 2025): "aggregate aggregation:99:2025: module type 99 is unknown",
	} {
		// Refused before anything is read: it needs no transaction.
		if _, err := Aggregate(context.Background(), nil, scope, ignore); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}
