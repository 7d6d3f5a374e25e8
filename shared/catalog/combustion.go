package catalog

import "strings"

// combustionType is the emission type of a fuel that has none of its own.
const combustionType = 60200

// fuelTypes are the emission types of the fuels.
var fuelTypes = map[string]int{
	"natural_gas": 60201, "heating_oil": 60202, "biomethane": 60203,
	"pellets": 60204, "forest_chips": 60205, "wood_logs": 60206,
}

var combustion = calculation{
	entryFields: []field{
		{name: "name", required: true},
		{name: "unit"},
		{name: "quantity", kind: number, required: true},
		{name: "note"},
	},
	factorKeys: []field{
		{name: "unit"},
		{name: "name", required: true},
	},
	factorValues: []field{
		{name: "ef_kg_co2eq_per_unit", kind: number, required: true},
	},
	factorType: fuelType,
	kind:       "name",
	entryType:  fuelType,
	formula:    quantityTimesFactor,
}

// fuelType reads the fuel in any spelling of capitals and blanks.
func fuelType(e Entry) (int, error) {
	name, err := e.text("name")
	if id, ok := fuelTypes[strings.ReplaceAll(strings.ToLower(name), " ", "_")]; ok {
		return id, err
	}
	return combustionType, err
}

// quantityTimesFactor is the formula of types whose entries give an amount in the
// unit of the factor.
func quantityTimesFactor(e Entry, _ measurement, f *Factor) (quantity, kg float64, err error) {
	if quantity, err = e.needNumber("quantity"); err != nil {
		return 0, 0, err
	}
	ef, err := f.need("ef_kg_co2eq_per_unit")
	return quantity, quantity * ef, err
}
