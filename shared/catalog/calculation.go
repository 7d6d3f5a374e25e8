package catalog

import (
	"fmt"
	"math"
)

// calculation describes one data entry type that Tidemark computes: the columns of
// its files and the steps from an entry to kg CO2-eq.
type calculation struct {
	// entryFields are the columns of the entry CSV beside unit_institutional_id and
	// kg_co2eq, and so the keys of data_entries.data.
	entryFields []field
	// checkEntry checks what only several fields together can say; nil for nothing.
	checkEntry func(Entry) []FieldError

	// factorKeys are the columns that make up a factor's classification.
	factorKeys []field
	// factorValues are the columns with a factor's numbers.
	factorValues []field
	// checkFactor checks what only several values together can say; nil for nothing.
	checkFactor func(values map[string]float64) []FieldError
	// factorType gives the emission type of a factor from its classification.
	factorType func(Entry) (int, error)

	// kind and subkind are the classification keys by which entries and factors are
	// matched, and the entry's fields of the same names; subkind is "" for types without one.
	kind, subkind string
	// entryType gives the emission type of an entry.
	entryType func(Entry) (int, error)
	// measure derives what no field of the entry says; nil for types that need nothing.
	measure func(Entry, Airports) (measurement, error)
	// deriveKind gives the kind of a measured entry; nil where it is a field of the entry.
	deriveKind func([]band, measurement) (string, error)
	// formula gives what is multiplied with the emission factor, and the product.
	formula func(Entry, measurement, *Factor) (quantity, kg float64, err error)
}

// measurement is what [calculation.measure] derives.
type measurement struct {
	// amount is reported beside the kg, for example the km of a journey.
	amount float64
	// leg is the part of amount that decides about the factor, for example the km of one flight.
	leg float64
	// context is kept with the emission for the person who asks where a number comes from.
	context map[string]any
}

// Emission is the result of one entry.
type Emission struct {
	// EmissionType is the emission_type_id of the row.
	EmissionType int
	// Scope is the scope of the emission type, 0 for none.
	Scope int
	// Factor is what the formula used, nil where none was.
	Factor *Factor
	// Kg is the emission in kg CO2-eq, not rounded.
	Kg float64
	// Quantity is what was multiplied with the emission factor, in the factor's unit; nil without a formula.
	Quantity *float64
	// Additional is the km of travel, nil for types that report none.
	Additional *float64
	// Context holds derived values for whoever asks where the number comes from.
	Context map[string]any
}

// Calculator computes the entries of one data entry type and year. It keeps no
// state between entries and may be used by several goroutines.
type Calculator struct {
	calculation *calculation
	factors     factorIndex
	bands       []band
	airports    Airports
}

// NewCalculator returns the calculator of a type with the factors of one year. The
// airports are asked for types that [DataEntryType.NeedsAirports]; others take nil.
func NewCalculator(t DataEntryType, factors []Factor, airports Airports) (*Calculator, error) {
	if err := t.CheckCalculated(); err != nil {
		return nil, err
	}
	c := t.calculation
	x := newFactorIndex(factors, c.kind, c.subkind)
	return &Calculator{calculation: c, factors: x, bands: newBands(factors), airports: airports}, nil
}

// NeedsAirports reports whether the type's calculation measures flights.
func (t DataEntryType) NeedsAirports() bool {
	return t.calculation != nil && t.calculation.measure != nil
}

// Compute returns the emission of an entry, or the reason why there is none.
// previousKg is what the matching entry of the base year emitted; it is used where
// the entry asks for a share of it, and nil where there is none.
//
// A share of the base year comes before an override, which comes before the
// formula. The first two need no factor.
func (c *Calculator) Compute(e Entry, previousKg *float64) (Emission, error) {
	emissionType, err := c.calculation.entryType(e)
	if err != nil {
		return Emission{}, err
	}
	share, wanted, err := e.number(shareKey)
	if err != nil {
		return Emission{}, err
	}
	if wanted && previousKg != nil {
		return finished(Emission{EmissionType: emissionType, Kg: *previousKg * share / 100, Context: map[string]any{shareKey: share}})
	}
	kg, given, err := e.override()
	if err != nil {
		return Emission{}, err
	}
	if given {
		return c.overridden(e, emissionType, kg)
	}
	return c.computed(e, emissionType)
}

// overridden returns the emission of an entry that brings its kg along. What can
// still be measured is reported with it.
func (c *Calculator) overridden(e Entry, emissionType int, kg float64) (Emission, error) {
	row := Emission{EmissionType: emissionType, Kg: kg}
	if c.calculation.measure != nil {
		if m, err := c.calculation.measure(e, c.airports); err == nil {
			row.Additional, row.Context = &m.amount, m.context
		}
	}
	return finished(row)
}

// computed returns the emission by formula.
func (c *Calculator) computed(e Entry, emissionType int) (Emission, error) {
	if err := e.check(c.calculation.entryFields); err != nil {
		return Emission{}, err
	}
	if c.calculation.checkEntry != nil {
		if wrong := c.calculation.checkEntry(e); len(wrong) > 0 {
			return Emission{}, wrong[0]
		}
	}
	var (
		row Emission
		m   measurement
		err error
	)
	if c.calculation.measure != nil {
		if m, err = c.calculation.measure(e, c.airports); err != nil {
			return Emission{}, err
		}
		row.Additional, row.Context = &m.amount, m.context
	}
	if row.Factor, err = c.match(e, m); err != nil {
		return Emission{}, err
	}
	quantity, kg, err := c.calculation.formula(e, m, row.Factor)
	if err != nil {
		return Emission{}, err
	}
	row.EmissionType, row.Quantity, row.Kg = deeper(emissionType, row.Factor.EmissionType), &quantity, kg
	return finished(row)
}

// finished adds the scope. A result beyond the range of numbers is none.
func finished(row Emission) (Emission, error) {
	if math.IsInf(row.Kg, 0) || math.IsNaN(row.Kg) {
		return Emission{}, fmt.Errorf("the result is not a finite number of kg")
	}
	row.Scope = emissionTree.nodes[row.EmissionType].Scope
	return row, nil
}
