package emission

import (
	"math"
	"time"

	"tidemark/shared/catalog"
)

// stats are the sums of one report module, as stored in carbon_report_modules.stats.
// All sums are kg CO2-eq, those of ByAdditionalValue km or kg by type.
type stats struct {
	Scope1 float64 `json:"scope1"`
	Scope2 float64 `json:"scope2"`
	Scope3 float64 `json:"scope3"`
	Total  float64 `json:"total"`
	// ByEmissionType and ByAdditionalValue hold a type's own rows plus all rows below
	// it; types without any are absent.
	ByEmissionType    map[string]float64 `json:"by_emission_type"`
	ByAdditionalValue map[string]float64 `json:"by_additional_value"`
	// ComputedAt is an instant in UTC, with offset.
	ComputedAt string `json:"computed_at"`
	// EntryCount counts entries with and without emissions.
	EntryCount int `json:"entry_count"`
}

// sum is what the emissions of one report module, type and stored scope add up to.
type sum struct {
	EmissionType int
	// Scope is the one stored with the rows, nil for none.
	Scope *int
	Kg    float64
	// Additional is nil where no row has an additional value.
	Additional *float64
}

// leftOut is a sum that is not, or not fully, part of the stats.
type leftOut struct {
	EmissionType int
	Reason       string
	Kg           float64
}

// The reasons for leaving a sum out.
const (
	foreignType = "is not an emission type of this module"
	noScope     = "has no scope, so it is in no total"
	notFinite   = "adds up to no finite number"
)

// moduleStats adds up one report module. Every type counts once, however the
// module's roots are written down.
func moduleStats(m catalog.Module, sums []sum, entries int, now time.Time) (stats, []leftOut) {
	s := stats{
		ByEmissionType:    map[string]float64{},
		ByAdditionalValue: map[string]float64{},
		ComputedAt:        now.UTC().Format(isoOffset),
		EntryCount:        entries,
	}
	own := map[int]bool{}
	for _, id := range m.EmissionTypes() {
		own[id] = true
	}
	var out []leftOut
	leave := func(r sum, reason string) {
		out = append(out, leftOut{EmissionType: r.EmissionType, Reason: reason, Kg: r.Kg})
	}
	for _, r := range sums {
		node, _ := catalog.EmissionTypeByID(r.EmissionType)
		switch {
		case math.IsNaN(r.Kg) || math.IsInf(r.Kg, 0):
			leave(r, notFinite)
			continue
		case !own[r.EmissionType]:
			leave(r, foreignType)
			continue
		case !s.addToScope(node.Scope, r):
			leave(r, noScope)
		}
		for _, id := range node.Path() {
			addTo(s.ByEmissionType, id, r.Kg)
			if r.Additional != nil {
				addTo(s.ByAdditionalValue, id, *r.Additional)
			}
		}
	}
	s.Total = s.Scope1 + s.Scope2 + s.Scope3
	return s, out
}

// addToScope adds a sum to the scope of its type, else to the one stored with it. It
// is false where there is neither, though there is something to add.
func (s *stats) addToScope(scope int, r sum) bool {
	if scope == 0 && r.Scope != nil {
		scope = *r.Scope
	}
	switch scope {
	case 1:
		s.Scope1 += r.Kg
	case 2:
		s.Scope2 += r.Kg
	case 3:
		s.Scope3 += r.Kg
	default:
		return r.Kg == 0
	}
	return true
}
