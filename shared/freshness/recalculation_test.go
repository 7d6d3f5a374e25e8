package freshness_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tidemark/shared/catalog"
	"tidemark/shared/freshness"
	"tidemark/shared/local/localtest"
)

// TestRecalculations has the original's cases and those that it gets wrong (O-21).
func TestRecalculations(t *testing.T) {
	t.Parallel()
	pool := localtest.Pool(t)
	// A job in these words: its kind, module, data entry type, state, result, and the minutes at
	// which it started and finished; - is NULL. Ids ascend.
	const factors, recalc = "factor_ingest FACTORS csv", "emission_recalc DATA_ENTRIES computed"
	done := func(kind, module, dataEntryType, result string, start, finish int) string {
		return fmt.Sprintf("%s %s %s FINISHED %s %d %d", kind, module, dataEntryType, result, start, finish)
	}
	for name, c := range map[string]struct {
		jobs []string
		want string
	}{
		"nothing":                  {nil, ""},
		"factors only":             {[]string{done(factors, "2", "20", "SUCCESS", 0, 1)}, "2:20 f=1 needed"},
		"recalculated since":       {[]string{done(factors, "2", "20", "SUCCESS", 0, 1), done(recalc, "2", "20", "SUCCESS", 2, 3)}, "2:20 f=1 r=2"},
		"with a warning":           {[]string{done(factors, "2", "20", "WARNING", 0, 1), done(recalc, "2", "20", "WARNING", 2, 3)}, "2:20 f=1 r=2"},
		"newer factors":            {[]string{done(recalc, "2", "20", "SUCCESS", 0, 1), done(factors, "2", "20", "SUCCESS", 2, 3)}, "2:20 f=2 r=1 needed"},
		"recalculation failed":     {[]string{done(factors, "2", "20", "SUCCESS", 0, 1), done(recalc, "2", "20", "ERROR", 2, 3)}, "2:20 f=1 r=2 needed"},
		"factors failed":           {[]string{done(factors, "2", "20", "ERROR", 0, 1)}, ""},
		"factors without a result": {[]string{done(factors, "2", "20", "-", 0, 1)}, ""},
		"factors under way":        {[]string{factors + " 2 20 RUNNING - 0 -"}, ""},
		"several modules":          {[]string{done(factors, "2", "20", "SUCCESS", 0, 1), done(factors, "4", "10", "SUCCESS", 0, 1)}, "2:20 f=1 needed, 4:10 f=2 needed"},
		"of another module":        {[]string{done(factors, "2", "20", "SUCCESS", 0, 1), done(recalc, "3", "20", "SUCCESS", 2, 3)}, "2:20 f=1 needed"},
		"an aggregation is none":   {[]string{done(factors, "2", "20", "SUCCESS", 0, 1), done("aggregation DATA_ENTRIES computed", "2", "-", "SUCCESS", 2, 3)}, "2:20 f=1 needed"},
		"nor is a load of data":    {[]string{done(factors, "2", "20", "SUCCESS", 0, 1), done("csv_ingest DATA_ENTRIES csv", "2", "20", "SUCCESS", 2, 3)}, "2:20 f=1 needed"},
		"a type we do not know":    {[]string{done(factors, "2", "99", "SUCCESS", 0, 1)}, "2:99 f=1 needed"},

		// It is a matter of time, not of ids.
		"asked before the factors, read after":  {[]string{done(recalc, "2", "20", "SUCCESS", 5, 6), done(factors, "2", "20", "SUCCESS", 0, 1)}, "2:20 f=2 r=1"},
		"asked after the factors, read before":  {[]string{done(factors, "2", "20", "SUCCESS", 0, 5), done(recalc, "2", "20", "SUCCESS", 4, 6)}, "2:20 f=1 r=2 needed"},
		"at the very moment":                    {[]string{done(factors, "2", "20", "SUCCESS", 0, 5), done(recalc, "2", "20", "SUCCESS", 5, 6)}, "2:20 f=1 r=2"},
		"undated rows go by their ids":          {[]string{factors + " 2 20 FINISHED SUCCESS - -", recalc + " 2 20 FINISHED SUCCESS - -", factors + " 4 10 FINISHED SUCCESS - 3"}, "2:20 f=1 r=2, 4:10 f=3 needed"},
		"undated, the factors later":            {[]string{recalc + " 2 20 FINISHED SUCCESS - 3", factors + " 2 20 FINISHED SUCCESS - 3"}, "2:20 f=2 r=1 needed"},
		"one that runs has not ended":           {[]string{done(factors, "2", "20", "SUCCESS", 0, 1), recalc + " 2 20 RUNNING - 2 -"}, "2:20 f=1 p=2 needed"},
		"nor one that waits beside":             {[]string{done(factors, "2", "20", "SUCCESS", 0, 1), done(recalc, "2", "20", "SUCCESS", 2, 3), recalc + " 2 20 NOT_STARTED - - -"}, "2:20 f=1 r=2 p=3 needed"},
		"factors of a whole module":             {[]string{done(factors, "2", "-", "SUCCESS", 0, 1), done(recalc, "2", "21", "SUCCESS", 2, 3)}, "2:20 f=1 needed, 2:21 f=1 r=2"},
		"older ones of the type itself":         {[]string{done(factors, "2", "20", "SUCCESS", 0, 1), done(factors, "2", "-", "SUCCESS", 2, 3), done(recalc, "2", "20", "SUCCESS", 2, 4)}, "2:20 f=2 r=3 needed, 2:21 f=2 needed"},
		"a failed one does not hide a good one": {[]string{done(factors, "2", "20", "SUCCESS", 0, 1), done(factors, "2", "20", "ERROR", 2, 3)}, "2:20 f=1 needed"},
		"nor a failed recalculation before":     {[]string{done(factors, "2", "20", "SUCCESS", 0, 1), done(recalc, "2", "20", "ERROR", 2, 3), done(recalc, "2", "20", "SUCCESS", 4, 5)}, "2:20 f=1 r=3"},
	} {
		t.Run(name, func(t *testing.T) {
			tx, err := pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback(t.Context()) }()
			null := func(word string) any {
				if word == "-" {
					return nil
				}
				return word
			}
			for i, words := range c.jobs {
				w := strings.Fields(words)
				// Not one of them is current: whether a job was replaced since is not the question.
				exec(t, tx, `
INSERT INTO data_ingestion_jobs (entity_type, provider, is_current, id, year, job_type, target_type, ingestion_method, module_type_id, data_entry_type_id, state, result, started_at, finished_at)
VALUES ('MODULE_PER_YEAR', 'DEFAULT', false, $1, 2025, $2, $3::text::target_type_enum, $4::text::ingestion_method_enum, $5::text::integer, $6::text::integer,
        $7::text::ingestion_state_enum, $8::text::ingestion_result_enum, '2025-03-01'::timestamptz + $9::text::integer * interval '1 minute', '2025-03-01'::timestamptz + $10::text::integer * interval '1 minute')`,
					i+1, w[0], w[1], w[2], null(w[3]), null(w[4]), null(w[5]), null(w[6]), null(w[7]), null(w[8]))
			}
			all, err := freshness.Recalculations(t.Context(), tx, 2025)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range all {
				line := fmt.Sprintf("%d:%d f=%d", r.ModuleType, r.DataEntryType, r.Factors.ID)
				if r.Last != nil {
					line += fmt.Sprintf(" r=%d", r.Last.ID)
				}
				if r.PendingID != nil {
					line += fmt.Sprintf(" p=%d", *r.PendingID)
				}
				if r.Needed() {
					line += " needed"
				}
				got = append(got, line)
				for _, at := range []*time.Time{r.Factors.StartedAt, r.Factors.FinishedAt} {
					if at != nil && at.Location() != time.UTC {
						t.Errorf("%s is not in UTC", at)
					}
				}
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("got  %q\nwant %q", strings.Join(got, ", "), c.want)
			}
			if other, err := freshness.Recalculations(t.Context(), tx, 2024); err != nil || len(other) != 0 {
				t.Errorf("of another year: %v (%v)", other, err)
			}
		})
	}
}

// TestFactorsOfAllModules concern every data entry type.
func TestFactorsOfAllModules(t *testing.T) {
	t.Parallel()
	pool := localtest.Pool(t)
	exec(t, pool, `INSERT INTO data_ingestion_jobs (entity_type, provider, is_current, year, target_type, ingestion_method, state, result)
	               VALUES ('GLOBAL_PER_YEAR', 'DEFAULT', true, 2025, 'FACTORS', 'csv', 'FINISHED', 'SUCCESS')`)
	all, err := freshness.Recalculations(t.Context(), pool, 2025)
	if err != nil || len(all) != len(catalog.DataEntryTypes()) || !all[0].Needed() {
		t.Errorf("%d types, %v", len(all), err)
	}
}

func TestDeclaredYears(t *testing.T) {
	t.Parallel()
	pool := localtest.Pool(t)
	declare(t, pool, 2025, 1, 2)
	declare(t, pool, 2023, 2)
	declare(t, pool, 2023, 2)
	if years, err := freshness.DeclaredYears(t.Context(), pool, 2); err != nil || fmt.Sprint(years) != "[2023 2025]" {
		t.Errorf("got %v (%v)", years, err)
	}
	if years, err := freshness.DeclaredYears(t.Context(), pool, 3); err != nil || len(years) != 0 {
		t.Errorf("got %v (%v)", years, err)
	}
}
