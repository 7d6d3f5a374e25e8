package catalog

import (
	"fmt"
	"strings"
)

// haulCategory is the classification key that is derived from a flight's distance.
const haulCategory = "category"

// detourKm is added to every great circle: take-off, landing and waiting loops.
const detourKm = 95

// cabinTypes are the emission types of the cabin classes.
var cabinTypes = map[string]int{"first": 50201, "business": 50202, "economy": 50203}

var cabinClass = field{name: "cabin_class", required: true, oneOf: []string{"economy", "business", "first"}}

var plane = calculation{
	entryFields: []field{
		{name: "origin_iata", required: true},
		{name: "destination_iata", required: true},
		{name: "user_institutional_id"},
		{name: "departure_date", kind: date},
		{name: "number_of_trips", kind: integer, min: bound(1)},
		cabinClass,
		{name: "note"},
	},
	factorKeys: []field{
		{name: haulCategory, required: true},
		cabinClass,
	},
	factorValues: []field{
		{name: "ef_kg_co2eq_per_km", kind: number, required: true},
		{name: "rfi_adjustment", kind: number, min: bound(0)},
		{name: "min_distance", kind: number, min: bound(0)},
		{name: "max_distance", kind: number, min: bound(0)},
	},
	checkFactor: func(v map[string]float64) []FieldError {
		from, hasFrom := v["min_distance"]
		to, hasTo := v["max_distance"]
		if hasFrom && hasTo && from > to {
			return []FieldError{{Column: "max_distance", Reason: fmt.Sprintf("%s is less than min_distance %s", decimal(to), decimal(from))}}
		}
		return nil
	},
	factorType: func(Entry) (int, error) { return 50200, nil },
	kind:       haulCategory,
	subkind:    cabinClass.name,
	entryType:  cabinType,
	measure:    flight,
	deriveKind: haulOf,
	formula: func(_ Entry, m measurement, f *Factor) (float64, float64, error) {
		ef, err := f.need("ef_kg_co2eq_per_km")
		kg := m.amount * ef
		// Radiative forcing, 0 like absent. Only the kg grow with it: the reported km stay km.
		if rfi := f.Values["rfi_adjustment"]; rfi != 0 {
			kg *= rfi
		}
		return m.amount, kg, err
	},
}

func cabinType(e Entry) (int, error) {
	cabin, err := e.text(cabinClass.name)
	if err != nil {
		return 0, err
	}
	id, ok := cabinTypes[strings.ToLower(cabin)]
	if !ok {
		return 0, fmt.Errorf("cabin_class %q is not one of %s", cabin, strings.Join(cabinClass.oneOf, ", "))
	}
	return id, nil
}

// flight measures the km of all trips of an entry.
func flight(e Entry, airports Airports) (measurement, error) {
	var ends [2]Airport
	for i, key := range []string{"origin_iata", "destination_iata"} {
		code, err := e.text(key)
		if err != nil {
			return measurement{}, err
		}
		if code == "" {
			return measurement{}, fmt.Errorf("%s is missing", key)
		}
		known := false
		if ends[i], known = airports(code); !known {
			return measurement{}, fmt.Errorf("%s %q is not a known airport", key, code)
		}
	}
	trips, given, err := e.number("number_of_trips")
	if err != nil {
		return measurement{}, err
	}
	if !given {
		trips = 1
	}
	leg := greatCircle(ends[0], ends[1]) + detourKm
	km := leg * trips
	return measurement{amount: km, leg: leg, context: map[string]any{"distance_km": km, "number_of_trips": trips}}, nil
}
