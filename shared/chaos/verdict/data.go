package verdict

import (
	"math"
	"time"
)

// judgeData compares results with the data they were computed from. What the last run that
// covers it failed to compute says so in the record, and is left out.
func (j *judge) judgeData() {
	never := time.Time{}
	sums, counts := map[int]float64{}, map[int]int{}
	for _, e := range j.h.Final.Entries {
		counts[e.ReportModule]++
		for _, kg := range e.Emissions {
			sums[e.ReportModule] += kg
		}
		if !j.computed(e.Scope, e.ReportModule) {
			continue
		}
		switch {
		case len(e.Emissions) == 0:
			j.found(Lost, never, "entry %d of %s has no emission", e.ID, e.Scope)
		case len(e.Emissions) > 1:
			j.found(Doubled, never, "entry %d of %s has %d emissions", e.ID, e.Scope, len(e.Emissions))
		case !near(e.Emissions[0], e.Kg):
			j.found(Lost, never, "entry %d of %s says %g kg, its emission %g", e.ID, e.Scope, e.Kg, e.Emissions[0])
		}
	}
	for _, m := range j.h.Final.Modules {
		if !j.computed(m.Scope, 0) {
			continue
		}
		if m.Entries != counts[m.ID] {
			j.found(Doubled, never, "report module %d counts %d entries, and has %d", m.ID, m.Entries, counts[m.ID])
		}
		if !near(m.Total, sums[m.ID]) {
			j.found(Lost, never, "report module %d says %g kg, its emissions add up to %g", m.ID, m.Total, sums[m.ID])
		}
	}
}

// computed reports whether the last run of a scope that covers a report module went well.
func (j *judge) computed(s Scope, reportModule int) bool {
	ok := false
	for _, c := range j.jobs.ends[s] {
		if s.Type == 0 || wideEnough(c.move.Filter, []int{reportModule}) {
			ok = c.end.Result != failed
		}
	}
	return ok
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-6*max(1, math.Abs(a), math.Abs(b)) }
