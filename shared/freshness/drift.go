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

// drift compares what a run had read, nil where it does not say, with the changes that are marked.
// Of a run that does not say, any mark counts: marks are younger than such runs. So does a mark of
// after the run's end: where a dump was restored, the run's snapshot is of another server, whose
// transactions had other numbers.
func drift(read []byte, ended time.Time, changes []change) (Drift, *time.Time, error) {
	saw := func(uint64) bool { return false }
	if read != nil && len(changes) > 0 {
		snapshot, err := parseTxSnapshot(string(read))
		if err != nil {
			return "", nil, err
		}
		saw = snapshot.sees
	}
	var first *change
	for i, c := range changes {
		if (!saw(c.xid) || c.at.After(ended)) && (first == nil || c.at.Before(first.at)) {
			first = &changes[i]
		}
	}
	switch {
	case first != nil:
		return Drifted, &first.at, nil
	case read != nil:
		return Current, nil, nil
	default:
		return DriftUnknown, nil, nil
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
