package catalog

import (
	"fmt"
	"strings"
)

// gasTypes are the emission types of the gases.
var gasTypes = map[string]int{"ch4": 70100, "co2": 70200, "n2o": 70300, "refrigerant": 70400, "refrigerants": 70400}

var process = calculation{
	entryFields: []field{
		{name: "category", required: true},
		{name: "subcategory"},
		{name: "quantity", kind: number, required: true, min: bound(0)},
		{name: "note"},
	},
	factorKeys: []field{
		{name: "category", required: true},
		{name: "subcategory"},
		{name: "unit"},
	},
	factorValues: []field{
		{name: "ef_kg_co2eq_per_unit", kind: number, required: true},
	},
	factorType: gasType,
	kind:       "category",
	subkind:    "subcategory",
	entryType:  gasType,
	formula:    quantityTimesFactor,
}

// gasType reads the gas in any spelling of capitals.
func gasType(e Entry) (int, error) {
	gas, err := e.text("category")
	if err != nil {
		return 0, err
	}
	id, ok := gasTypes[strings.ToLower(gas)]
	if !ok {
		return 0, fmt.Errorf("category %q is not one of ch4, co2, n2o, refrigerants", gas)
	}
	return id, nil
}
