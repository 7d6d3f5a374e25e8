package catalog

import (
	"encoding/json"
	"strings"
	"testing"
)

func typeNamed(t testing.TB, name string) DataEntryType {
	t.Helper()
	d, err := ParseDataEntryType(name, CalculatedTypes())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const planeHeader = "unit_institutional_id,origin_iata,destination_iata,user_institutional_id,departure_date,number_of_trips,cabin_class,note,kg_co2eq"

func TestParseEntryRow(t *testing.T) {
	t.Parallel()
	const (
		equipmentHeader  = "unit_institutional_id,equipment_id,name,equipment_class,sub_class,active_usage_hours_per_week,standby_usage_hours_per_week,note,kg_co2eq,equipment_category"
		combustionHeader = "unit_institutional_id,name,unit,quantity,note,kg_co2eq"
		processHeader    = "unit_institutional_id,category,subcategory,quantity,note"
	)
	for _, c := range []struct{ name, typ, header, record, data, wrong string }{
		{"numbers stay numbers, empty cells go", "plane", planeHeader, "U1, GVA ,CDG,,2025-03-10,2,economy,,",
			`{"cabin_class":"economy","departure_date":"2025-03-10","destination_iata":"CDG","number_of_trips":2,"origin_iata":"GVA"}`, ""},
		{"kg_co2eq becomes the override", "plane", planeHeader, "U1,GVA,CDG,U-1,,,first,a trip,0",
			`{"__kg_co2eq_override__":0,"cabin_class":"first","destination_iata":"CDG","note":"a trip","origin_iata":"GVA","user_institutional_id":"U-1"}`, ""},
		{"every wrong cell is named", "plane", planeHeader, "U1,,CDG,,10.3.2025,1.5,eco,,abc", "",
			`departure_date: "10.3.2025" is not a date; write it like 2025-03-10|number_of_trips: 1.5 is not a whole number|` +
				`cabin_class: "eco" is not possible here; choose one of economy, business, first|kg_co2eq: "abc" is not a number; write it like 1234.5|origin_iata: it is empty`},
		{"trips from one on", "plane", planeHeader, "U1,GVA,CDG,,,0,economy,,", "", `number_of_trips: 0 is less than 1`},
		{"unit is needed", "plane", planeHeader, " ,GVA,CDG,,,1,economy,,", "", `unit_institutional_id: it is empty`},
		{"a short row", "plane", planeHeader, "U1,GVA", "", `the row has 2 cells, the header has 9`},
		{"not UTF-8", "plane", planeHeader, "U1,GVA,CDG,,,1,economy,\xff,", "", `note: "\xff" is not UTF-8 text; save the file with that encoding`},
		{"NUL", "plane", planeHeader, "U1,GVA,CDG,,,1,economy,a\x00b,", "", `note: "a\x00b" contains a NUL character`},
		{"only finite decimal numbers", "energy_combustion", combustionHeader, "U1,Natural gas,kWh,Inf,,0x10", "",
			`quantity: "Inf" is not a number; write it like 1234.5|kg_co2eq: "0x10" is not a number; write it like 1234.5`},
		{"beyond the range of numbers", "energy_combustion", combustionHeader, "U1,Natural gas,kWh,1e999,,", "", `quantity: "1e999" is not a number; write it like 1234.5`},
		{"combustion", "energy_combustion", combustionHeader, "U1,Natural gas,kWh,1000,,", `{"name":"Natural gas","quantity":1000,"unit":"kWh"}`, ""},
		{"an override needs no quantity", "energy_combustion", combustionHeader, "U1,Natural gas,kWh,,,5.5", `{"__kg_co2eq_override__":5.5,"name":"Natural gas","unit":"kWh"}`, ""},
		{"without an override it does", "energy_combustion", combustionHeader, "U1,Natural gas,kWh,,,", "", `quantity: it is empty`},
		{"equipment", "it", equipmentHeader, "U1,INV-1,Laptop A,Laptop,Standard,40,128,,,IT",
			`{"active_usage_hours_per_week":40,"equipment_class":"Laptop","equipment_id":"INV-1","name":"Laptop A","standby_usage_hours_per_week":128,"sub_class":"Standard"}`, ""},
		{"more hours than a week has", "it", equipmentHeader, "U1,INV-1,Laptop A,Laptop,Standard,41,128,,,it", "",
			`standby_usage_hours_per_week: 128 hours in addition to 41 of active use are more than the 168 of a week`},
		{"a row of another type", "it", equipmentHeader, "U1,INV-1,Laptop A,Laptop,Standard,40,128,,,scientific", "",
			`equipment_category: "scientific" is not possible here; choose one of it`},
		{"process", "process_emissions", processHeader, "U1,CO2,industrial,100.5,", `{"category":"CO2","quantity":100.5,"subcategory":"industrial"}`, ""},
		{"unknown gas", "process_emissions", processHeader, "U1,xenon,,1,", "", `category "xenon" is not one of ch4, co2, n2o, refrigerants`},
		{"negative amount of gas", "process_emissions", processHeader, "U1,co2,,-1,", "", `quantity: -1 is less than 0`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := typeNamed(t, c.typ).EntryParser(strings.Split(c.header, ","))
			if err != nil {
				t.Fatal(err)
			}
			row, wrong := p.ParseRow(strings.Split(c.record, ","))
			if got := reasons(wrong); got != c.wrong {
				t.Errorf("wrong:\n%s\nwant\n%s", got, c.wrong)
			}
			if string(row.Data) != c.data {
				t.Errorf("data:\n%s\nwant\n%s", row.Data, c.data)
			}
			if len(wrong) == 0 && row.UnitInstitutionalID != "U1" {
				t.Errorf("unit %q", row.UnitInstitutionalID)
			}
		})
	}
}

func reasons(wrong []FieldError) string {
	var all []string
	for _, w := range wrong {
		all = append(all, w.Error())
	}
	return strings.Join(all, "|")
}

func TestParseFactorRow(t *testing.T) {
	t.Parallel()
	const (
		planeHeader     = "category,cabin_class,ef_kg_co2eq_per_km,rfi_adjustment,min_distance,max_distance"
		equipmentHeader = "equipment_category,equipment_class,sub_class,active_power_w,standby_power_w,ef_kg_co2eq_per_kwh"
		unitHeader      = "unit,name,ef_kg_co2eq_per_unit"
		processHeader   = "category,subcategory,unit,ef_kg_co2eq_per_unit"
	)
	for _, c := range []struct {
		name, typ, header, record string
		emissionType              int
		classification, values    string
		wrong                     string
	}{
		{"plane with an open end", "plane", planeHeader, "long_haul,economy,0.15,2,3700,", 50200,
			`{"cabin_class":"economy","category":"long_haul"}`, `{"ef_kg_co2eq_per_km":0.15,"min_distance":3700,"rfi_adjustment":2}`, ""},
		{"distances the wrong way round", "plane", planeHeader, "short_haul,economy,0.15,,800,500", 0, "", "", `max_distance: 500 is less than min_distance 800`},
		{"emission factor missing", "plane", planeHeader, "short_haul,economy,,,,500", 0, "", "", `ef_kg_co2eq_per_km: it is empty`},
		{"empty key is null, blanks go", "scientific", equipmentHeader, " Scientific , Laser ,,100,5,0.1", 80100,
			`{"equipment_class":"Laser","sub_class":null}`, `{"active_power_w":100,"ef_kg_co2eq_per_kwh":0.1,"standby_power_w":5}`, ""},
		{"another kind of equipment", "other", equipmentHeader, "it,Laser,,100,5,0.1", 0, "", "", `equipment_category: "it" is not possible here; choose one of other`},
		{"fuel", "energy_combustion", unitHeader, "kWh,Natural gas,0.2", 60201, `{"name":"Natural gas","unit":"kWh"}`, `{"ef_kg_co2eq_per_unit":0.2}`, ""},
		{"a fuel without a type of its own", "energy_combustion", unitHeader, "kWh,propane,0.2", 60200, `{"name":"propane","unit":"kWh"}`, `{"ef_kg_co2eq_per_unit":0.2}`, ""},
		{"not finite", "energy_combustion", unitHeader, "kWh,propane,NaN", 0, "", "", `ef_kg_co2eq_per_unit: "NaN" is not a number; write it like 1234.5`},
		{"gas", "process_emissions", processHeader, "refrigerant,R-134a,kg,1430", 70400, `{"category":"refrigerant","subcategory":"R-134a","unit":"kg"}`, `{"ef_kg_co2eq_per_unit":1430}`, ""},
		{"unknown gas", "process_emissions", processHeader, "xenon,,kg,1", 0, "", "", `category "xenon" is not one of ch4, co2, n2o, refrigerants`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := typeNamed(t, c.typ).FactorParser(strings.Split(c.header, ","))
			if err != nil {
				t.Fatal(err)
			}
			row, wrong := p.ParseRow(strings.Split(c.record, ","))
			if got := reasons(wrong); got != c.wrong {
				t.Errorf("wrong:\n%s\nwant\n%s", got, c.wrong)
			}
			if string(row.Classification) != c.classification || string(row.Values) != c.values || row.EmissionTypeID != c.emissionType {
				t.Errorf("row: %d %s %s", row.EmissionTypeID, row.Classification, row.Values)
			}
		})
	}
}

func TestHeader(t *testing.T) {
	t.Parallel()
	plane := typeNamed(t, "plane")
	for _, c := range []struct{ name, header, wrong string }{
		{"optional columns may be left out, order is free", " cabin_class,destination_iata,origin_iata,unit_institutional_id", ""},
		{"unknown, double and missing columns are named", "unit_institutional_id,origin_iata,origin_iata,cabin,destination_iata",
			`header: column "origin_iata" occurs twice, unknown column "cabin", column "cabin_class" is missing; the columns are ` +
				`unit_institutional_id (required), origin_iata (required), destination_iata (required), user_institutional_id, departure_date, number_of_trips, cabin_class (required), note, kg_co2eq`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := plane.EntryParser(strings.Split(c.header, ","))
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.wrong {
				t.Errorf("got  %s\nwant %s", got, c.wrong)
			}
		})
	}
}

// FuzzParseRow feeds cells to every parser: a row is either refused with reasons or
// becomes JSON that the calculation can read.
func FuzzParseRow(f *testing.F) {
	f.Add("U1", "GVA", "CDG", "2", "economy", "0")
	f.Add("", "\xff", "a\x00", "1e308", "IT", "-0")
	f.Fuzz(func(t *testing.T, a, b, c, d, e, g string) {
		cells := []string{a, b, c, d, e, g}
		for _, typ := range CalculatedTypes() {
			entries, header := fullParser(t, typ)
			record := make([]string, len(header))
			for i := range record {
				record[i] = cells[i%len(cells)]
			}
			row, wrong := entries.ParseRow(record)
			if (row.Data == nil) != (len(wrong) > 0) {
				t.Fatalf("%s: data %s with errors %v", typ.Name, row.Data, wrong)
			}
			if row.Data == nil {
				continue
			}
			entry, err := ParseEntry(row.Data)
			if err != nil {
				t.Fatalf("%s: %v", typ.Name, err)
			}
			if err := entry.check(typ.calculation.entryFields); err != nil {
				t.Fatalf("%s: loaded, yet refused: %v", typ.Name, err)
			}
			if !json.Valid(row.Data) || row.UnitInstitutionalID == "" {
				t.Fatalf("%s: %q %s", typ.Name, row.UnitInstitutionalID, row.Data)
			}
		}
	})
}

func fullParser(t testing.TB, typ DataEntryType) (*EntryParser, []string) {
	t.Helper()
	header := []string{unitColumn, overrideColumn}
	for _, f := range typ.calculation.entryFields {
		header = append(header, f.name)
	}
	p, err := typ.EntryParser(header)
	if err != nil {
		t.Fatal(err)
	}
	return p, header
}
