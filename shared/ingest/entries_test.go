package ingest

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/job"
)

const flightHeader = "unit_institutional_id,origin_iata,destination_iata,cabin_class,kg_co2eq"

var flights2025 = job.RecalcOf(2, 20, 2025)

func TestEntries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.must(Entries, w.options("testdata/flights.csv"))
	w.covered(r, flights2025)
	const message = `3 entries of 2 units loaded, 1 entry cannot be computed yet; first: line 5: destination_iata: no airport "ZRH" is loaded; the entry cannot be computed until it is`
	if r.Result != job.Warning || r.Message != message {
		t.Errorf("%s: %s", r.Result, r.Message)
	}
	if r.Rows != 3 || r.Inserted != 3 || r.WarningCount != 1 || r.Warnings[0].File != "testdata/flights.csv" {
		t.Errorf("report: %+v", r)
	}
	w.expect("U1/2025/0/t,U1/2025/0/t,U2/2025/0/t", `
		SELECT string_agg(concat_ws('/', u.institutional_id, r.year, m.status + r.overall_status, p.is_viewable_by_unit_members), ',' ORDER BY e.id)
		  FROM data_entries e
		  JOIN carbon_report_modules m ON m.id = e.carbon_report_module_id AND m.module_type_id = 2
		  JOIN carbon_reports r ON r.id = m.carbon_report_id
		  JOIN carbon_projects p ON p.id = r.carbon_project_id AND p.carbon_report_type = 'Calculator'
		  JOIN units u ON u.id = p.unit_id AND u.id = r.unit_id AND u.id = e.unit_id`)
	w.expect(`{"cabin_class":"business","departure_date":"2025-03-12","destination_iata":"GVA","note":"back, at last","number_of_trips":1,"origin_iata":"CDG"}`,
		`SELECT data::text FROM data_entries ORDER BY id OFFSET 1 LIMIT 1`)
	w.expect("3 20 PENDING 2025 1 "+strconv.FormatInt(r.JobID, 10)+" t", `
		SELECT concat_ws(' ', count(*), min(data_entry_type_id), min(status), min(year), min(source), min(created_by_id),
		       bool_and(created_at = updated_at AND abs(extract(epoch FROM created_at - now() AT TIME ZONE 'UTC')) < 60)) FROM data_entries`)
	w.expect(`csv_ingest FINISHED WARNING DATA_ENTRIES 2 20 2025 t `+message, `
		SELECT concat_ws(' ', job_type, state, result, target_type, module_type_id, data_entry_type_id, year, is_current, status_message)
		  FROM data_ingestion_jobs WHERE id = $1`, r.JobID)
	w.expect(`{"config":{"module_type_id":2,"data_entry_type_id":20,"year":2025,"file_name":"flights.csv"},"inserted":3,"updated":0,"unchanged":0,`+
		`"deleted":0,"skipped":0,"units_created":0,"row_errors":[{"line":5,"column":"destination_iata",`+
		`"reason":"no airport \"ZRH\" is loaded; the entry cannot be computed until it is"}]}`,
		`SELECT meta::text FROM data_ingestion_jobs WHERE id = $1`, r.JobID)

	// Appending reuses the report modules, joins the waiting job and takes over as the current load.
	second := w.must(Entries, w.options(w.file(flightHeader, "U1,GVA,CDG,economy,")))
	if second.Result != job.Success || second.Tickets[0].Created || second.Tickets[0].JobID != r.Tickets[0].JobID {
		t.Errorf("second load: %+v", second)
	}
	w.expect("2 2 2 2 4 0 3 3 2", footprint)
	w.expect("f t", `SELECT string_agg(is_current::text::char, ' ' ORDER BY id) FROM data_ingestion_jobs WHERE job_type = 'csv_ingest'`)
}

func TestBadRowsRefuseTheFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	err := w.mustFail(Entries, w.options("testdata/flights_bad.csv"))
	var bad *BadRowsError
	if !errors.As(err, &bad) || bad.BadRows != 5 || bad.TotalRows != 7 {
		t.Errorf("error: %#v", err)
	}
	want, readErr := os.ReadFile("testdata/flights_bad.golden")
	if readErr != nil {
		t.Fatal(readErr)
	}
	if err.Error()+"\n" != string(want) {
		t.Errorf("got\n%s\nwant\n%s", err, want)
	}
	w.expect(untouched, footprint)
}

func TestBadRowsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lines := []string{flightHeader}
	for range 130 {
		lines = append(lines, "U1,GVA,CDG,"+strings.Repeat("x", 1000)+",")
	}
	var bad *BadRowsError
	if err := w.mustFail(Entries, w.options(w.file(lines...))); !errors.As(err, &bad) {
		t.Fatal(err)
	}
	if len(bad.Rows) != 100 || bad.Omitted != 30 || bad.BadRows != 130 || len(bad.Rows[99].Reason) > maxReason+3 {
		t.Errorf("%d rows, %d omitted, %d bad", len(bad.Rows), bad.Omitted, bad.BadRows)
	}
	if !strings.Contains(bad.Error(), ": 30 more like these are not shown\n") || !strings.HasSuffix(bad.Error(), "no row is left to be loaded") {
		t.Error(bad)
	}
}

func TestSkipBadRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.options("testdata/flights_bad.csv")
	o.SkipBadRows = true
	r := w.must(Entries, o)
	w.covered(r, flights2025)
	if r.Result != job.Warning || r.Rows != 7 || r.Inserted != 2 || r.Skipped != 5 || len(r.SkippedRows) != 6 {
		t.Errorf("report: %+v", r)
	}
	const message = `2 entries of 1 unit loaded, 5 rows skipped; first: line 4: departure_date: "10.3.2025" is not a date; write it like 2025-03-10`
	if r.Message != message {
		t.Error(r.Message)
	}
	w.expect("a note\non two lines,good", `SELECT string_agg(data ->> 'note', ',' ORDER BY id) FROM data_entries`)
	w.expect("6", `SELECT json_array_length(meta -> 'row_errors')::text FROM data_ingestion_jobs WHERE id = $1`, r.JobID)
}

func TestOpenQuoteCannotBeSkipped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.options(w.file(flightHeader, "U1,GVA,CDG,economy,", `U1,GVA,CDG,economy,"`, "U1,GVA,CDG,economy,", "U1,GVA,CDG,economy,"))
	o.SkipBadRows = true
	err := w.mustFail(Entries, o)
	if !strings.Contains(err.Error(), "file.csv:3: ") || !strings.Contains(err.Error(), "swallowed up to line 5") {
		t.Error(err)
	}
	o.Path = w.file(flightHeader, "U1,GVA,CDG,economy,", `U1,GVA,CDG,economy,"`, strings.Repeat("U1,GVA,CDG,economy,\n", 60_000))
	if err := w.mustFail(Entries, o); !strings.Contains(err.Error(), "a row below line 2 is longer than 1048576 bytes") {
		t.Error(err)
	}
	w.expect(untouched, footprint)
}

func TestAnOverriddenFlightNeedsNoAirport(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.must(Entries, w.options(w.file(flightHeader, "U1,XXX,YYY,economy,12.5")))
	if r.Result != job.Success || r.WarningCount != 0 {
		t.Errorf("report: %+v", r)
	}
}

func TestCreateUnits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.options(w.file(flightHeader, "New,GVA,CDG,economy,", "U1,GVA,CDG,economy,", "Newer,GVA,CDG,economy,", "New,CDG,GVA,economy,", "Bad,GVA,CDG,eco,"))
	o.CreateUnits, o.SkipBadRows = true, true
	r := w.must(Entries, o)
	if r.UnitsCreated != 2 || r.Inserted != 4 {
		t.Errorf("report: %+v", r)
	}
	w.expect("4 3 3 3 4 0 3 2 1", footprint)
	w.expect("New New DEFAULT 4 t,Newer Newer DEFAULT 4 t", `SELECT string_agg(concat_ws(' ', institutional_code, name, provider, level, is_active), ',' ORDER BY id)
		FROM units WHERE institutional_id LIKE 'New%'`)
	again := w.must(Entries, o)
	if again.UnitsCreated != 0 {
		t.Errorf("again: %+v", again)
	}
	w.expect("4", `SELECT last_value::text FROM units_id_seq`)

	o.Path = w.file(flightHeader, "code of U1,GVA,CDG,economy,")
	if err := w.mustFail(Entries, o); !strings.Contains(err.Error(), `unit "code of U1"`) {
		t.Error(err)
	}
}

func TestConcurrentLoadsCreateUnitsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flights, fuel := []string{flightHeader}, []string{"unit_institutional_id,name,unit,quantity"}
	for i := range 200 {
		// In opposite order.
		flights = append(flights, "N"+strconv.Itoa(i)+",GVA,CDG,economy,")
		fuel = append(fuel, "N"+strconv.Itoa(299-i)+",Natural gas,kWh,1000")
	}
	loads := []Options{w.options(w.file(flights...)), w.options(w.file(flights...)), w.options(w.file(fuel...)), w.options(w.file(fuel...))}
	loads[2].DataEntryType, loads[3].DataEntryType = typeNamed(t, "energy_combustion"), typeNamed(t, "energy_combustion")
	var all sync.WaitGroup
	for _, o := range loads {
		o.CreateUnits = true
		all.Go(func() {
			if _, err := Entries(context.Background(), w.pool, o); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	// 300 new units, 200 report modules of each type, 4 loads and 2 recalculations.
	w.expect("302 300 300 400 800 0 3 6 4", footprint)
}

func TestReplace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(Entries, w.options("testdata/flights.csv"))
	other := w.options("testdata/flights.csv")
	other.Year = 2024
	w.must(Entries, other)
	w.exec(`INSERT INTO data_entries (data_entry_type_id, carbon_report_module_id, data, year, source, created_at, updated_at)
		SELECT 20, min(carbon_report_module_id), '{"typed": true}', 2025, 0, now(), now() FROM data_entries WHERE year = 2025`)
	w.exec(`INSERT INTO data_entry_emissions (data_entry_id, emission_type_id, kg_co2eq, computed_at) SELECT id, 50203, 1, now() FROM data_entries`)

	// U2 is not in the file any more.
	o := w.options(w.file(flightHeader, "U1,GVA,CDG,first,"))
	o.Replace = true
	r := w.must(Entries, o)
	if r.Deleted != 3 || r.Inserted != 1 || r.Message != "1 entry of 1 unit loaded, 3 replaced" {
		t.Errorf("report: %+v", r)
	}
	w.expect("2024/1/3,2025/0/1,2025/1/1", `SELECT string_agg(concat_ws('/', year, source, n), ',' ORDER BY year, source)
		FROM (SELECT year, source, count(*) AS n FROM data_entries GROUP BY year, source) x`)
	w.expect("4", `SELECT count(*)::text FROM data_entry_emissions`)
}

func TestConcurrentReplacesLeaveOneFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.options("testdata/flights.csv")
	o.Replace = true
	w.must(Entries, o)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := Entries(context.Background(), w.pool, o); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	w.expect("3", `SELECT count(*)::text FROM data_entries`)
}

// betweenPasses is a database that does something before the transaction.
type betweenPasses struct {
	*pgxpool.Pool
	do func()
}

func (b betweenPasses) Begin(ctx context.Context) (pgx.Tx, error) {
	b.do()
	return b.Pool.Begin(ctx)
}

func TestFileThatChangesBetweenThePasses(t *testing.T) {
	t.Parallel()
	const row = "U1,GVA,CDG,economy,\n"
	w := newWorld(t)
	for name, content := range map[string]string{
		"another cell": row + "U1,GVA,CDG,first,\n", "another unit": row + "U7,GVA,CDG,economy,\n", "a row less": row,
		"a row more": row + row + row, "a blank more": row + "U1,GVA,CDG,economy, \n", "a bad row": row + "U1,GVA,CDG,eco,\n",
	} {
		o := w.options(w.file(flightHeader, strings.TrimSpace(row+row)))
		o.CreateUnits = true
		db := betweenPasses{w.pool, func() {
			if err := os.WriteFile(o.Path, []byte(flightHeader+"\n"+content), 0o600); err != nil {
				t.Error(err)
			}
		}}
		if _, err := Entries(context.Background(), db, o); err == nil || !strings.Contains(err.Error(), "it changed while it was being loaded, nothing was written") {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.expect(untouched, footprint)
}

// A transaction that the server ends for the sake of another starts over at the head of the file.
func TestSerializationFailureStartsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// A sequence is not rolled back.
	w.exec(`CREATE SEQUENCE tries;
		CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF nextval('tries') = 2 THEN RAISE EXCEPTION 'once' USING ERRCODE = '40001'; END IF;
			RETURN NEW;
		END $$;
		CREATE TRIGGER fail_once BEFORE INSERT ON data_entries FOR EACH ROW EXECUTE FUNCTION fail_once()`)
	r := w.must(Entries, w.options("testdata/flights.csv"))
	if r.Inserted != 3 || len(r.Warnings) != 1 {
		t.Errorf("report: %+v", r)
	}
	w.expect("2 2 2 2 3 0 3 2 1", footprint)
}

func TestFailureAtTheEndLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`ALTER TABLE data_ingestion_jobs ADD CHECK (job_type <> 'emission_recalc')`)
	w.mustFail(Entries, w.options("testdata/flights.csv"))
	w.expect(untouched, footprint)
}

func TestCancelledLoadLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(context.Background())
	o := w.options("testdata/flights.csv")
	o.Progress = func(read, total int64) {
		if read == total {
			cancel()
		}
	}
	if _, err := Entries(ctx, w.pool, o); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	w.expect(untouched, footprint)
}

func TestFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct{ name, content, want string }{
		{"empty", "", "file.csv: it is empty; the first row must name the columns"},
		{"only a header", flightHeader, "file.csv: there is no row below the header; nothing was written"},
		{"no header", "U1,GVA,CDG,economy,", `file.csv: header: unknown column "U1"`},
		{"semicolons", strings.ReplaceAll(flightHeader, ",", ";"), "file.csv:1: the cells are separated by semicolons; save the file with commas"},
		{"broken header", `a"b`, "file.csv:1: at byte 2: a quote inside a cell"},
		{"not UTF-8", "unit_institutional_id,origin_iata,destination_iata,cabin_class,note\nU1,GVA,CDG,economy,\xe9t\xe9", `file.csv:2: note: "\xe9t\xe9" is not UTF-8 text`},
	} {
		path := w.file()
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := w.mustFail(Entries, w.options(path)); !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := w.mustFail(Entries, w.options(t.TempDir())); !strings.Contains(err.Error(), "it is not a regular file") {
		t.Error(err)
	}
	o := w.options("testdata/flights.csv")
	o.Year = 25
	if err := w.mustFail(Entries, o); err.Error() != "year 25: it has not four digits; write it like 2025" {
		t.Error(err)
	}
	w.expect(untouched, footprint)
}
