package freshness

import "time"

// Drift says how the data of a scope stands to its last successful aggregation: the one whose
// numbers people see.
type Drift string

const (
	// NothingAggregated means that no aggregation wrote data yet, so none can have drifted.
	NothingAggregated Drift = ""
	// Current means that nothing has changed since that aggregation began to read.
	Current Drift = "current"
	// Drifted means that entries, emissions, factors or airports changed, or vanished, in a
	// transaction that committed after it began to read.
	Drifted Drift = "drifted"
	// DriftUnknown means that it began to read before the database kept marks of changes, and
	// that none has been made since; or that the database keeps none.
	DriftUnknown Drift = "unknown"
)

// driftOf decides from whether a run says what it had read, and the first change that is not
// among that. A change that was marked counts in any case: marks are younger than runs which do
// not say.
func driftOf(saysWhatItRead bool, changed *time.Time) Drift {
	switch {
	case changed != nil:
		return Drifted
	case saysWhatItRead:
		return Current
	default:
		return DriftUnknown
	}
}

// Drifts returns how many scopes of a snapshot there are of each drift.
func Drifts(s Snapshot) map[Drift]int {
	counts := map[Drift]int{}
	for _, scope := range s.Scopes {
		counts[scope.Drift]++
	}
	return counts
}
