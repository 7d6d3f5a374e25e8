package catalog

import (
	"encoding/json"
	"slices"
)

// Columns that every entry CSV has beside those of its data entry type.
const (
	unitColumn     = "unit_institutional_id"
	overrideColumn = "kg_co2eq"
)

// EntryRow is one parsed row of an entry CSV.
type EntryRow struct {
	// UnitInstitutionalID names the unit by units.institutional_id.
	UnitInstitutionalID string
	// Data is the JSON object for data_entries.data. Numbers are numbers, empty cells
	// are left out, kg_co2eq has become the override.
	Data json.RawMessage
}

// EntryParser reads the rows of one entry CSV.
type EntryParser struct {
	calculation *calculation
	layout      layout
}

// EntryParser checks the header of an entry CSV of this type. The error names every
// unknown or missing column and lists the possible ones.
func (t DataEntryType) EntryParser(header []string) (*EntryParser, error) {
	if err := t.CheckCalculated(); err != nil {
		return nil, err
	}
	c := t.calculation
	fields := slices.Concat(
		[]field{{name: unitColumn, required: true}},
		c.entryFields,
		[]field{{name: overrideColumn, kind: number}})
	l, err := newLayout(fields, header)
	if err != nil {
		return nil, err
	}
	return &EntryParser{calculation: c, layout: l}, nil
}

// ParseRow reads one record, which has as many cells as the header, or says what is
// wrong with each of its cells.
func (p *EntryParser) ParseRow(record []string) (EntryRow, []FieldError) {
	values, wrong := p.layout.parse(record)
	if values == nil {
		return EntryRow{}, wrong
	}
	override, given := values[overrideColumn]
	for i, f := range p.layout {
		if f.required && emptyCell(record[i]) && !(given && f.numeric()) {
			wrong = append(wrong, FieldError{Column: f.name, Reason: "it is empty"})
		}
		if f.selector {
			delete(values, f.name)
		}
	}
	if p.calculation.checkEntry != nil {
		wrong = append(wrong, p.calculation.checkEntry(values)...)
	}
	if _, err := p.calculation.entryType(values); err != nil && len(wrong) == 0 {
		wrong = append(wrong, FieldError{Reason: err.Error()})
	}
	if len(wrong) > 0 {
		return EntryRow{}, wrong
	}
	row := EntryRow{UnitInstitutionalID: values[unitColumn].(string)}
	delete(values, unitColumn)
	delete(values, overrideColumn)
	if given {
		values[overrideKey] = override
	}
	row.Data = mustJSON(values)
	return row, nil
}
