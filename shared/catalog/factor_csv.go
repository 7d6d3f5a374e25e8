package catalog

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// FactorRow is one parsed row of a factor CSV, as the columns of table factors.
type FactorRow struct {
	// EmissionTypeID is the factor's emission type.
	EmissionTypeID int
	// Classification is a JSON object that holds every key of the type, null where the
	// cell is empty: it is part of the factor's identity.
	Classification json.RawMessage
	// Values is a JSON object of numbers, without the empty cells.
	Values json.RawMessage
}

// FactorParser reads the rows of one factor CSV.
type FactorParser struct {
	calculation *calculation
	layout      layout
}

// FactorParser checks the header of a factor CSV of this type. The error names every
// unknown or missing column and lists the possible ones.
func (t DataEntryType) FactorParser(header []string) (*FactorParser, error) {
	if err := t.CheckCalculated(); err != nil {
		return nil, err
	}
	c := t.calculation
	l, err := newLayout(slices.Concat(c.factorKeys, c.factorValues), header)
	if err != nil {
		return nil, err
	}
	return &FactorParser{calculation: c, layout: l}, nil
}

// ParseRow reads one record, which has as many cells as the header, or says what is
// wrong with each of its cells.
func (p *FactorParser) ParseRow(record []string) (FactorRow, []FieldError) {
	cells, wrong := p.layout.parse(record)
	if cells == nil {
		return FactorRow{}, wrong
	}
	for i, f := range p.layout {
		if f.required && emptyCell(record[i]) {
			wrong = append(wrong, FieldError{Column: f.name, Reason: "it is empty"})
		}
	}
	keys, values := map[string]any{}, map[string]float64{}
	for _, f := range p.calculation.factorKeys {
		if !f.selector {
			keys[f.name] = cells[f.name]
		}
	}
	for _, f := range p.calculation.factorValues {
		if v, ok := cells[f.name].(float64); ok {
			values[f.name] = v
		}
	}
	if p.calculation.checkFactor != nil {
		wrong = append(wrong, p.calculation.checkFactor(values)...)
	}
	emissionType, err := p.calculation.factorType(cells)
	if err != nil && len(wrong) == 0 {
		wrong = append(wrong, FieldError{Reason: err.Error()})
	}
	if len(wrong) > 0 {
		return FactorRow{}, wrong
	}
	return FactorRow{EmissionTypeID: emissionType, Classification: mustJSON(keys), Values: mustJSON(values)}, nil
}

func emptyCell(cell string) bool { return strings.TrimSpace(cell) == "" }

// mustJSON encodes values that came out of cells: texts, finite numbers and nulls.
func mustJSON(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("catalog: parsed cells do not encode: %v", err))
	}
	return b
}
