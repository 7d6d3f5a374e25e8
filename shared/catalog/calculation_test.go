package catalog

import (
	"fmt"
	"testing"
)

func testAirports(iata string) (Airport, bool) {
	places := map[string]Airport{"GVA": {46.238098, 6.108950}, "CDG": {49.012798, 2.55}, "JFK": {40.639801, -73.778900}}
	a, ok := places[iata]
	return a, ok
}

func factor(t testing.TB, id, emissionType int, classification, values string) Factor {
	t.Helper()
	f, err := ParseFactor(id, emissionType, []byte(classification), []byte(values))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func calculator(t testing.TB, typ string, factors ...Factor) *Calculator {
	t.Helper()
	c, err := NewCalculator(typeNamed(t, typ), factors, testAirports)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func planeFactors(t testing.TB) []Factor {
	return []Factor{
		factor(t, 1, 50200, `{"category":"short_haul","cabin_class":"economy"}`, `{"ef_kg_co2eq_per_km":0.2,"rfi_adjustment":2,"max_distance":1000}`),
		factor(t, 2, 50200, `{"category":"long_haul","cabin_class":"economy"}`, `{"ef_kg_co2eq_per_km":0.1,"min_distance":1000}`),
		factor(t, 3, 50200, `{"category":"long_haul","cabin_class":"first"}`, `{"ef_kg_co2eq_per_km":0.4,"min_distance":1000}`),
	}
}

// TestCompute pins the formulas. Distances: GVA-CDG 408 + 95 km, GVA-JFK 6201 + 95 km.
func TestCompute(t *testing.T) {
	t.Parallel()
	plane := planeFactors(t)
	laptop := []Factor{factor(t, 7, 80200, `{"equipment_class":"Laptop","sub_class":null}`, `{"active_power_w":100,"standby_power_w":10,"ef_kg_co2eq_per_kwh":0.5}`)}
	gas := []Factor{factor(t, 8, 60201, `{"name":"Natural gas","unit":"kWh"}`, `{"ef_kg_co2eq_per_unit":0.25}`)}
	propane := []Factor{factor(t, 9, 60200, `{"name":"propane","unit":"kWh"}`, `{"ef_kg_co2eq_per_unit":0.25}`)}
	co2 := []Factor{factor(t, 10, 70200, `{"category":"co2","subcategory":"industrial"}`, `{"ef_kg_co2eq_per_unit":1}`)}
	for _, c := range []struct {
		name, typ string
		factors   []Factor
		data      string
		want      string // "type/scope factor kg additional" or the reason
	}{
		{"plane, radiative forcing counts for kg, not for km", "plane", plane, `{"origin_iata":"GVA","destination_iata":"CDG","cabin_class":"economy","number_of_trips":2}`, "50203/3 1 402.4 1006"},
		{"plane, one trip unless given", "plane", plane, `{"origin_iata":"GVA","destination_iata":"JFK","cabin_class":"first","number_of_trips":null}`, "50201/3 3 2518.4 6296"},
		{"plane, cabin class without factor", "plane", plane, `{"origin_iata":"GVA","destination_iata":"JFK","cabin_class":"business"}`, `no factor of this year has category "long_haul", cabin_class "business"`},
		{"plane, matching minds capitals", "plane", plane, `{"origin_iata":"GVA","destination_iata":"JFK","cabin_class":"First"}`, `no factor of this year has category "long_haul", cabin_class "First"`},
		{"plane, no band", "plane", plane[1:], `{"origin_iata":"GVA","destination_iata":"CDG","cabin_class":"economy"}`, `no factor of this year has a category for a flight of 503 km`},
		{"plane, unknown airport", "plane", plane, `{"origin_iata":"XXX","destination_iata":"CDG","cabin_class":"economy"}`, `origin_iata "XXX" is not a known airport`},
		{"plane, no airport", "plane", plane, `{"origin_iata":"GVA","cabin_class":"economy"}`, `destination_iata is missing`},
		{"plane, unknown cabin class", "plane", plane, `{"origin_iata":"GVA","destination_iata":"CDG","cabin_class":"deck"}`, `cabin_class "deck" is not one of economy, business, first`},
		{"plane, half a trip", "plane", plane, `{"origin_iata":"GVA","destination_iata":"CDG","cabin_class":"economy","number_of_trips":0.5}`, `number_of_trips 0.5 is not a whole number`},
		{"plane, a number in quotes", "plane", plane, `{"origin_iata":"GVA","destination_iata":"CDG","cabin_class":"economy","number_of_trips":"2"}`, `number_of_trips "2" is not a number`},
		{"plane, override measures what it can", "plane", nil, `{"origin_iata":"GVA","destination_iata":"CDG","cabin_class":"economy","__kg_co2eq_override__":999}`, "50203/3 0 999 503"},
		{"plane, override with unknown airport", "plane", nil, `{"origin_iata":"XXX","cabin_class":"economy","__kg_co2eq_override__":999}`, "50203/3 0 999 -"},

		{"equipment", "it", laptop, `{"equipment_class":"Laptop","sub_class":"Standard","active_usage_hours_per_week":40,"standby_usage_hours_per_week":128}`, "80200/2 7 137.28 -"},
		{"equipment, hours missing", "it", laptop, `{"equipment_class":"Laptop","active_usage_hours_per_week":40}`, "standby_usage_hours_per_week is missing"},
		{"equipment, too many hours", "it", laptop, `{"equipment_class":"Laptop","active_usage_hours_per_week":100,"standby_usage_hours_per_week":100}`,
			"standby_usage_hours_per_week: 100 hours in addition to 100 of active use are more than the 168 of a week"},
		{"equipment, value missing", "it", []Factor{factor(t, 7, 80200, `{"equipment_class":"Laptop"}`, `{"active_power_w":100,"standby_power_w":null,"ef_kg_co2eq_per_kwh":"x"}`)},
			`{"equipment_class":"Laptop","active_usage_hours_per_week":40,"standby_usage_hours_per_week":128}`, "factor 7 has no number standby_power_w"},

		{"combustion", "energy_combustion", gas, `{"name":"Natural gas","unit":"MWh","quantity":1000}`, "60201/1 8 250 -"},
		{"combustion, fuel without a type of its own", "energy_combustion", propane, `{"name":"propane","quantity":4}`, "60200/1 9 1 -"},
		{"combustion, beyond the range of numbers", "energy_combustion", []Factor{factor(t, 8, 60201, `{"name":"Natural gas"}`, `{"ef_kg_co2eq_per_unit":1e300}`)}, `{"name":"Natural gas","quantity":1e300}`, "the result is not a finite number of kg"},
		{"process", "process_emissions", co2, `{"category":"co2","subcategory":"industrial","quantity":100}`, "70200/1 10 100 -"},
		{"process, unknown gas", "process_emissions", co2, `{"category":"xenon","quantity":100}`, `category "xenon" is not one of ch4, co2, n2o, refrigerants`},
		{"process, category null", "process_emissions", co2, `{"category":null,"quantity":100}`, `category "" is not one of ch4, co2, n2o, refrigerants`},
		{"process, negative", "process_emissions", co2, `{"category":"co2","subcategory":"industrial","quantity":-1}`, "quantity -1 is less than 0"},
		{"process, zero", "process_emissions", co2, `{"category":"co2","subcategory":"industrial","quantity":0}`, "70200/1 10 0 -"},

		{"override without factor", "process_emissions", nil, `{"category":"ch4","__kg_co2eq_override__":42}`, "70100/1 0 42 -"},
		{"override of zero", "process_emissions", co2, `{"category":"co2","subcategory":"industrial","quantity":5,"__kg_co2eq_override__":0}`, "70200/1 0 0 -"},
		{"override in quotes", "process_emissions", nil, `{"category":"ch4","__kg_co2eq_override__":"42.5"}`, "70100/1 0 42.5 -"},
		{"override null is none", "process_emissions", co2, `{"category":"co2","subcategory":"industrial","quantity":5,"__kg_co2eq_override__":null}`, "70200/1 10 5 -"},
		{"override unreadable", "process_emissions", nil, `{"category":"ch4","__kg_co2eq_override__":[1]}`, "__kg_co2eq_override__ [1] is not a number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := compute(t, calculator(t, c.typ, c.factors...), c.data, nil); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// compute returns the emission, or the reason for none, in one line.
func compute(t testing.TB, c *Calculator, data string, previous *float64) string {
	t.Helper()
	e, err := ParseEntry([]byte(data))
	if err != nil {
		return err.Error()
	}
	row, err := c.Compute(e, previous)
	if err != nil {
		return err.Error()
	}
	id, additional := 0, "-"
	if row.Factor != nil {
		id = row.Factor.ID
	}
	if row.Additional != nil {
		additional = decimal(*row.Additional)
	}
	return fmt.Sprintf("%d/%d %d %.10g %s", row.EmissionType, row.Scope, id, row.Kg, additional)
}

func TestShareOfBaseYearComesFirst(t *testing.T) {
	t.Parallel()
	c := calculator(t, "process_emissions", factor(t, 10, 70200, `{"category":"co2"}`, `{"ef_kg_co2eq_per_unit":1}`))
	const data = `{"category":"co2","quantity":7,"percentage_of_last_year":50,"__kg_co2eq_override__":3}`
	last := 30.0
	if got := compute(t, c, data, &last); got != "70200/1 0 15 -" {
		t.Errorf("with a base year: %s", got)
	}
	if got := compute(t, c, data, nil); got != "70200/1 0 3 -" {
		t.Errorf("without a base year the override is next: %s", got)
	}
	if got := compute(t, c, `{"category":"co2","quantity":7}`, &last); got != "70200/1 10 7 -" {
		t.Errorf("a base year nobody asked for: %s", got)
	}
	if got := compute(t, c, `{"category":"co2","quantity":7,"percentage_of_last_year":"50"}`, &last); got != `percentage_of_last_year "50" is not a number` {
		t.Errorf("a share in quotes: %s", got)
	}
}

func TestMatching(t *testing.T) {
	t.Parallel()
	c := calculator(t, "process_emissions",
		factor(t, 9, 70200, `{"category":"co2","subcategory":"industrial"}`, `{"ef_kg_co2eq_per_unit":9}`),
		factor(t, 4, 70200, `{"category":"co2","subcategory":"industrial"}`, `{"ef_kg_co2eq_per_unit":4}`),
		factor(t, 5, 70200, `{"category":"co2","subcategory":null}`, `{"ef_kg_co2eq_per_unit":5}`),
		factor(t, 6, 70100, `{"category":"ch4","subcategory":"leak"}`, `{"ef_kg_co2eq_per_unit":6}`),
		factor(t, 7, 70100, `{"category":""}`, `{"ef_kg_co2eq_per_unit":7}`),
	)
	for _, k := range []struct{ name, data, want string }{
		{"lowest id of duplicates", `{"category":"co2","subcategory":"industrial","quantity":1}`, "70200/1 4 4 -"},
		{"unknown subkind falls back to the kind alone", `{"category":"co2","subcategory":"other","quantity":1}`, "70200/1 5 5 -"},
		{"capitals matter", `{"category":"co2","subcategory":"Industrial","quantity":1}`, "70200/1 5 5 -"},
		{"empty subkind is null", `{"category":"co2","subcategory":"","quantity":1}`, "70200/1 5 5 -"},
		{"missing subkind is null", `{"category":"co2","quantity":1}`, "70200/1 5 5 -"},
		{"no factor of the kind alone", `{"category":"ch4","subcategory":"other","quantity":1}`, `no factor of this year has category "ch4", subcategory "other"`},
		{"kind in other capitals", `{"category":"CO2","quantity":1}`, `no factor of this year has category "CO2"`},
		{"kind that is not a text", `{"category":5,"quantity":1}`, `category 5 is not a text`},
		{"no JSON object", `[1]`, "data is not a JSON object of readable values: json: cannot unmarshal array into Go value of type catalog.Entry"},
		{"JSON null", `null`, "data is null instead of a JSON object"},
		{"NULL", ``, "data is NULL instead of a JSON object"},
	} {
		t.Run(k.name, func(t *testing.T) {
			if got := compute(t, c, k.data, nil); got != k.want {
				t.Errorf("got  %s\nwant %s", got, k.want)
			}
		})
	}
}

// TestMatchByLink covers entries without a kind, where a person has chosen the factor.
func TestMatchByLink(t *testing.T) {
	t.Parallel()
	c := calculator(t, "energy_combustion", factor(t, 5, 60201, `{"name":"Natural gas"}`, `{"ef_kg_co2eq_per_unit":2}`))
	for _, k := range []struct{ name, data, want string }{
		{"the chosen factor", `{"primary_factor_id":5,"quantity":3}`, "60201/1 5 6 -"},
		{"one of another year", `{"primary_factor_id":6,"quantity":3}`, "primary_factor_id 6 is no factor of this data entry type and year"},
		{"not a number", `{"primary_factor_id":"5","quantity":3}`, `primary_factor_id "5" is not a number`},
		{"none", `{"quantity":3}`, "name is missing, so no factor can be matched"},
		{"a kind that is there goes first", `{"name":null,"primary_factor_id":5,"quantity":3}`, "name is empty, so no factor can be matched"},
	} {
		t.Run(k.name, func(t *testing.T) {
			if got := compute(t, c, k.data, nil); got != k.want {
				t.Errorf("got  %s\nwant %s", got, k.want)
			}
		})
	}
}

func TestParseFactor(t *testing.T) {
	t.Parallel()
	f, err := ParseFactor(3, 60200, nil, nil)
	if err != nil || len(f.Classification) != 0 || len(f.Values) != 0 {
		t.Errorf("NULL columns: %+v, %v", f, err)
	}
	_, err = ParseFactor(3, 60200, []byte(`[]`), nil)
	if err == nil || err.Error() != "factor 3: classification is not a JSON object (json: cannot unmarshal array into Go value of type map[string]interface {}); correct the row or delete it" {
		t.Errorf("not an object: %v", err)
	}
}

func TestHaulBands(t *testing.T) {
	t.Parallel()
	class := func(id int, category, values string) Factor {
		return factor(t, id, 50200, `{"category":"`+category+`","cabin_class":"economy"}`, values)
	}
	bands := newBands([]Factor{
		class(4, "c_medium", `{"min_distance":1,"max_distance":2}`), // a later factor of a category defines nothing
		class(1, "c_medium", `{"min_distance":800,"max_distance":3700}`),
		class(2, "d_long", `{"min_distance":3700}`),
		class(3, "b_short", `{"max_distance":800}`),
		class(5, "a_unbounded", `{}`),
		class(6, "e_long_too", `{"min_distance":3700}`),
	})
	for km, want := range map[float64]string{95: "b_short", 799: "b_short", 800: "c_medium", 3699: "c_medium", 3700: "d_long", 20110: "d_long"} {
		if got, err := haulOf(bands, measurement{leg: km}); err != nil || got != want {
			t.Errorf("%v km: %q, %v; want %q", km, got, err, want)
		}
	}
}

func TestGreatCircle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		a, b Airport
		want float64
	}{
		{"nowhere", Airport{46, 6}, Airport{46, 6}, 0},
		{"Geneva to New York", Airport{46.238098, 6.108950}, Airport{40.639801, -73.778900}, 6201},
		{"half a turn", Airport{0, 0}, Airport{0, 180}, 20015},
		{"across the date line", Airport{0, 179.5}, Airport{0, -179.5}, 111},
		// These latitudes come out as exactly 1.5, 2.5 and 6201.5 km.
		{"half to even, up", Airport{}, Airport{0.01348980545586807, 0}, 2},
		{"half to even, down", Airport{}, Airport{0.02248300909311345, 0}, 2},
		{"half to even, far", Airport{}, Airport{55.77135235637723, 0}, 6202},
	} {
		if got := greatCircle(c.a, c.b); got != c.want {
			t.Errorf("%s: %v km, want %v", c.name, got, c.want)
		}
	}
}
