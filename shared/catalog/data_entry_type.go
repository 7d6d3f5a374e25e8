package catalog

import (
	"fmt"
	"strconv"
	"strings"
)

// DataEntryType is a kind of row inside a module.
type DataEntryType struct {
	// ID is the data_entry_type_id.
	ID int
	// Name is the spelling in commands, unique among all types, for example "plane".
	Name string
	// ModuleID is the module_type_id of the module it belongs to.
	ModuleID int
	// calculation is nil for types that Tidemark knows by name only.
	calculation *calculation
}

// Calculated reports whether Tidemark can load and recalculate this type.
func (t DataEntryType) Calculated() bool { return t.calculation != nil }

// DataEntryTypes returns every data entry type, module by module.
func DataEntryTypes() []DataEntryType {
	var all []DataEntryType
	for _, m := range Modules() {
		all = append(all, m.DataEntryTypes...)
	}
	return all
}

// CalculatedTypes returns the data entry types that Tidemark can load and recalculate.
func CalculatedTypes() []DataEntryType {
	var calculated []DataEntryType
	for _, t := range DataEntryTypes() {
		if t.Calculated() {
			calculated = append(calculated, t)
		}
	}
	return calculated
}

// DataEntryTypeByID returns the type with this data_entry_type_id.
func DataEntryTypeByID(id int) (DataEntryType, bool) {
	for _, t := range DataEntryTypes() {
		if t.ID == id {
			return t, true
		}
	}
	return DataEntryType{}, false
}

// DataEntryTypeName is the name of the type, or its number where the catalogue has none.
func DataEntryTypeName(id int) string {
	if t, known := DataEntryTypeByID(id); known {
		return t.Name
	}
	return strconv.Itoa(id)
}

// ParseDataEntryType reads a data entry type as an operator names it, by name or
// by id, among the given ones: [Module.DataEntryTypes], [CalculatedTypes] or
// [DataEntryTypes].
func ParseDataEntryType(text string, among []DataEntryType) (DataEntryType, error) {
	for _, t := range among {
		if text == t.Name || text == strconv.Itoa(t.ID) {
			return t, nil
		}
	}
	return DataEntryType{}, fmt.Errorf("data entry type %q: not possible here; choose one of %s", text, typeList(among))
}

// CheckCalculated is [DataEntryType.Calculated] as an error that says which types are.
func (t DataEntryType) CheckCalculated() error {
	if t.Calculated() {
		return nil
	}
	return fmt.Errorf("data entry type %s (%d): Tidemark has no calculation for it; it has one for %s", t.Name, t.ID, typeList(CalculatedTypes()))
}

func typeList(types []DataEntryType) string {
	var words []string
	for _, t := range types {
		words = append(words, fmt.Sprintf("%s (%d)", t.Name, t.ID))
	}
	return strings.Join(words, ", ")
}
