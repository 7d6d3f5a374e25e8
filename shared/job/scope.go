package job

import (
	"cmp"
	"fmt"
)

// Scope is what one job covers. The zero value of a column means "not given";
// [DedupConfig.Check] says which columns a job type needs.
type Scope struct {
	Type Type
	// ModuleType is a module_type_id, 1 or more.
	ModuleType int
	// DataEntryType is a data_entry_type_id, 1 or more; 0 where the job type has none.
	DataEntryType int
	// Year is a calendar year.
	Year int
}

// AggregationOf returns the scope that aggregates one module and year.
func AggregationOf(moduleType, year int) Scope {
	return Scope{Type: Aggregation, ModuleType: moduleType, Year: year}
}

// RecalcOf returns the scope that recalculates one data entry type and year.
func RecalcOf(moduleType, dataEntryType, year int) Scope {
	return Scope{Type: EmissionRecalc, ModuleType: moduleType, DataEntryType: dataEntryType, Year: year}
}

// Aggregation returns the aggregation this scope's emissions flow into.
func (s Scope) Aggregation() Scope { return AggregationOf(s.ModuleType, s.Year) }

// String gives the scope as in task ids: "aggregation:7:2025".
func (s Scope) String() string {
	if s.DataEntryType == 0 {
		return fmt.Sprintf("%s:%d:%d", s.Type, s.ModuleType, s.Year)
	}
	return fmt.Sprintf("%s:%d:%d:%d", s.Type, s.ModuleType, s.DataEntryType, s.Year)
}

// Compare orders scopes: the one order in which locks on several are taken.
func (s Scope) Compare(o Scope) int {
	return cmp.Or(
		cmp.Compare(s.Type, o.Type),
		cmp.Compare(s.ModuleType, o.ModuleType),
		cmp.Compare(s.DataEntryType, o.DataEntryType),
		cmp.Compare(s.Year, o.Year),
	)
}

// Field returns where the scope keeps one of its columns, to read or to set it.
func (s *Scope) Field(c Column) *int {
	switch c {
	case ModuleType:
		return &s.ModuleType
	case DataEntryType:
		return &s.DataEntryType
	case Year:
		return &s.Year
	default:
		panic("job: unknown scope column " + string(c))
	}
}
