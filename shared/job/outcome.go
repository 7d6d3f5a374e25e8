package job

import (
	"encoding/json"
	"slices"
)

// Outcome is what a calculation that did not fail says of its run. A failed one
// returns an error instead, and the record turns that into [Error].
type Outcome struct {
	// Result is [Success] or [Warning].
	Result Result
	// Message is one sentence for the operator: counts, and the first reason of a warning.
	Message string
	// Detail is kept as meta.recalculation or meta.aggregation of the job: bounded lists of what
	// could not be computed. Nil for none.
	Detail json.RawMessage
}

// Progress receives how far a calculation is: units done of total. It may be
// called often and never blocks.
type Progress func(done, total int)

// Percent is how much of its work a job has done, 0 to 100, nil where it does not say.
func Percent(done, total *int64) *int {
	if done == nil || total == nil || *total <= 0 {
		return nil
	}
	return new(int(min(100**done / *total, 100)))
}

// Filter narrows a recalculation to some report modules, by
// carbon_report_modules.id in ascending order. Nil means the whole scope.
type Filter []int32

// Covers reports whether a run with this filter does everything the other asks for.
func (f Filter) Covers(other Filter) bool {
	if f == nil {
		return true
	}
	if other == nil {
		return false
	}
	for _, id := range other {
		if _, ok := slices.BinarySearch(f, id); !ok {
			return false
		}
	}
	return true
}

// Union returns the filter that covers both: all wins.
func (f Filter) Union(other Filter) Filter {
	if f == nil || other == nil {
		return nil
	}
	return NewFilter(append(slices.Clone(f), other...)...)
}

// NewFilter returns the filter of these report modules; without any it matches nothing.
func NewFilter(ids ...int32) Filter {
	f := append(Filter{}, ids...)
	slices.Sort(f)
	return slices.Compact(f)
}
