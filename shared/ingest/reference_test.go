package ingest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
)

func TestFactors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.options("testdata/plane_factors.csv")
	r := w.must(Factors, o)
	w.covered(r, flights2025)
	if r.Inserted != 3 || r.Result != job.Success || r.Message != "3 factors: 3 new, 0 changed, 0 unchanged" {
		t.Errorf("report: %+v", r)
	}
	w.expect(`20 50200 2025 {"category": "long_haul", "cabin_class": "economy"} {"ef_kg_co2eq_per_km":0.11,"min_distance":1500,"rfi_adjustment":2} t`, `
		SELECT concat_ws(' ', data_entry_type_id, emission_type_id, year, classification, "values", last_seen_job_id = $1)
		  FROM factors WHERE classification ->> 'category' = 'long_haul'`, r.JobID)
	w.expect("factor_ingest FINISHED SUCCESS FACTORS 2 20 2025", `
		SELECT concat_ws(' ', job_type, state, result, target_type, module_type_id, data_entry_type_id, year) FROM data_ingestion_jobs WHERE id = $1`, r.JobID)

	before := get[string](w, footprint)
	// Another spelling of the same values is the same.
	w.exec(`UPDATE factors SET "values" = '{"rfi_adjustment": 2.0, "min_distance": 15e2, "ef_kg_co2eq_per_km": 0.110}' WHERE classification ->> 'category' = 'long_haul'`)
	for range 3 {
		r = w.must(Factors, o)
		if r.JobID != 0 || len(r.Tickets) != 0 || r.Unchanged != 3 || r.Inserted+r.Updated+r.Absent != 0 {
			t.Errorf("same again: %+v", r)
		}
	}
	w.expect(before, footprint)
	w.expect(before+" 1", footprint[:len(footprint)-1]+`, (SELECT count(DISTINCT last_seen_job_id) FROM factors))`)
}

func TestFactorsThatChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.must(Factors, w.options("testdata/plane_factors.csv"))
	ids := get[string](w, `SELECT string_agg(id::text, ',' ORDER BY id) FROM factors`)
	const header = "category,cabin_class,ef_kg_co2eq_per_km,rfi_adjustment,min_distance,max_distance"
	r := w.must(Factors, w.options(w.file(header, "short_haul,economy,0.30,2,,1500", "short_haul,business,0.23,2,,1500")))
	if r.Updated != 1 || r.Unchanged != 1 || r.Absent != 1 || r.Inserted != 0 {
		t.Errorf("report: %+v", r)
	}
	if r.Message != "2 factors: 0 new, 1 changed, 1 unchanged; 1 more of 2025 not in the file, still usable" {
		t.Error(r.Message)
	}
	if len(r.Tickets) != 1 || r.Tickets[0].Created || r.Tickets[0].JobID != first.Tickets[0].JobID {
		t.Errorf("tickets: %+v", r.Tickets)
	}
	w.expect(ids, `SELECT string_agg(id::text, ',' ORDER BY id) FROM factors`)
	w.expect("0.3 2", `SELECT concat_ws(' ', "values" ->> 'ef_kg_co2eq_per_km', (SELECT count(*) FROM factors WHERE last_seen_job_id = $1))
		FROM factors WHERE classification = '{"category": "short_haul", "cabin_class": "economy"}'`, r.JobID)

	// The same classification in another year is another factor.
	o := w.options("testdata/plane_factors.csv")
	o.Year = 2024
	if r := w.must(Factors, o); r.Inserted != 3 {
		t.Errorf("report: %+v", r)
	}
}

func TestFactorTwiceInAFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	err := w.mustFail(Factors, w.options(w.file("category,cabin_class,ef_kg_co2eq_per_km", "short_haul,economy,0.15", "long_haul,economy,x", " short_haul ,economy,0.16")))
	var bad *BadRowsError
	if !errors.As(err, &bad) || len(bad.Rows) != 2 {
		t.Fatal(err)
	}
	if got := bad.Rows[1]; got.Line != 4 || got.Reason != `line 2 has a factor with the same classification {"cabin_class":"economy","category":"short_haul"}` {
		t.Error(got)
	}
	if !strings.HasSuffix(err.Error(), "2 of 3 rows cannot be loaded, nothing was written; correct them and load the file again") {
		t.Error(err)
	}
	w.expect(untouched, footprint)
}

func TestConcurrentFactorsAreWrittenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := Factors(context.Background(), w.pool, w.options("testdata/plane_factors.csv")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	w.expect("2 0 0 0 0 3 3 2 1", footprint)
}

func TestAirports(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(`UPDATE locations SET country_code = 'FR' WHERE iata_code = 'CDG'`)
	// A second row with a code is not the one that the calculation reads.
	w.exec(`INSERT INTO locations (transport_mode, name, iata_code, latitude, longitude, natural_key) VALUES ('plane', 'other', 'GVA', 0, 0, 'd')`)
	for _, year := range []int{2024, 2025} {
		o := w.options(w.file(flightHeader, "U1,GVA,CDG,economy,"))
		o.Year = year
		w.must(Entries, o)
	}
	o := w.options(w.file("iata_code,name,municipality,country,latitude,longitude",
		"GVA,Geneva Cointrin,Geneva,CH,46.238098,6.10895", "CDG,Charles de Gaulle,Paris,France,49.012798,2.55",
		`ZRH,"Zürich, Kloten",,Switzerland,47.46,8.55`))
	r := w.must(Airports, o)
	if r.Inserted != 1 || r.Updated != 2 || r.Message != "3 airports: 1 new, 2 changed, 0 unchanged" {
		t.Errorf("report: %+v", r)
	}
	if len(r.Tickets) != 2 || r.Tickets[0].Scope != job.RecalcOf(2, 20, 2024) || r.Tickets[1].Scope != flights2025 {
		t.Errorf("tickets: %+v", r.Tickets)
	}
	w.expect("a|Geneva Cointrin|Geneva|CH|Cointrin\nb|Charles de Gaulle|Paris|FR|France\nd|other|-|-|-\nplane:ZRH|Zürich, Kloten|-|-|Switzerland", `
		SELECT string_agg(concat_ws('|', natural_key, name, coalesce(municipality, '-'), coalesce(country_code, '-'), coalesce(keywords, '-')), E'\n' ORDER BY id)
		  FROM locations WHERE transport_mode = 'plane'`)
	w.expect(`reference_ingest SUCCESS REFERENCE_DATA {"file_name":"file.csv"} RUNNING`, `
		SELECT concat_ws(' ', j.job_type, j.result, j.target_type, j.meta -> 'config', p.status)
		  FROM data_ingestion_jobs j JOIN pipelines p ON p.id = j.pipeline_id WHERE j.id = $1`, r.JobID)

	before := get[string](w, footprint)
	if r := w.must(Airports, o); r.JobID != 0 || r.Unchanged != 3 || len(r.Tickets) != 0 {
		t.Errorf("same again: %+v", r)
	}
	w.expect(before, footprint)
}

func TestAirportsWithoutFlightsRequestNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.must(Airports, w.options("testdata/airports.csv"))
	if r.JobID == 0 || len(r.Tickets) != 0 {
		t.Errorf("report: %+v", r)
	}
	w.expect("SUCCESS", `SELECT status FROM pipelines WHERE id = $1`, r.Pipeline)
}

func TestBadAirports(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := w.file("iata_code,name,municipality,country,latitude,longitude", "gva,Geneva,,,1,1", "GVA,,,,91,NaN", "AAA,a,,,1,1", "AAA,b,,,1,-181",
		"AAA,b,,,1,1", "BBB,"+strings.Repeat("é", 256)+",,,x,1", "CCC,c\x00,\xff,,90,-180", "DDD,d,,,0")
	got := w.mustFail(Airports, w.options(path)).Error()
	want := `F:2: iata_code: "gva" is not an IATA code; write three capitals like GVA
F:3: name: it is empty
F:3: latitude: "91" is not a number from -90 to 90
F:3: longitude: "NaN" is not a number from -180 to 180
F:5: longitude: "-181" is not a number from -180 to 180
F:6: iata_code: line 4 has AAA already
F:7: name: it has 256 characters, 255 are possible
F:7: latitude: "x" is not a number from -90 to 90
F:8: name: "c\x00" contains a NUL character
F:8: municipality: "\xff" is not UTF-8 text; save the file with that encoding
F:9: the row has 5 cells, the header has 6
F: 7 of 8 rows cannot be loaded, nothing was written; correct them and load the file again`
	if got = strings.ReplaceAll(got, path, "F"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	path = w.file("name,iata_code,municipality,country,latitude,longitude", "Geneva,GVA,,,1,1")
	if err := w.mustFail(Airports, w.options(path)); !strings.Contains(err.Error(), "they must be iata_code,name,municipality,country,latitude,longitude") {
		t.Error(err)
	}
	w.expect(untouched, footprint)
}

// A load of flights must not commit between the look of an airport load for years with
// flights and its commit.
func TestAirportsWaitForFlights(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	holding := func(take func(context.Context, pgx.Tx, string) error, load load, path string, patience time.Duration) error {
		tx, err := w.pool.Begin(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback(context.Background()) }()
		if err := take(context.Background(), tx, airportLock); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, err = load(ctx, w.pool, w.options(path))
		return err
	}
	if err := holding(share, Airports, "testdata/airports.csv", 300*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("airports beside flights: %v", err)
	}
	if err := holding(lock, Entries, "testdata/flights.csv", 300*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("flights beside airports: %v", err)
	}
	w.expect(untouched, footprint)
	if err := holding(lock, Factors, "testdata/plane_factors.csv", time.Minute); err != nil {
		t.Errorf("factors beside airports: %v", err)
	}
}
