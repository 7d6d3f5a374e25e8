package freshness

import "time"

// StaleScope is one element of the stale-stats answer. Its JSON fields are the
// contract of the original; nothing may be added, since clients may be strict.
type StaleScope struct {
	// ModuleType is a module_type_id.
	ModuleType int `json:"module_type_id"`
	// Year is a calendar year.
	Year int `json:"year"`
	// LastFinishedAt is when the latest aggregation finished, in UTC; nil (null) when that
	// one is pending, also where an earlier one finished.
	LastFinishedAt *time.Time `json:"last_finished_aggregation_at"`
	// Why is never [Fresh] here.
	Why Why `json:"why_stale"`
	// LastJobID is the id of the latest aggregation, nil (null) when there never was one.
	LastJobID *int64 `json:"last_aggregation_job_id"`
}

// Stale returns the stale scopes of a snapshot in its order: those whose latest
// aggregation is missing, pending, failed or finished more than olderThan before
// the snapshot. The result is never nil, so that none encodes as [].
func Stale(s Snapshot, olderThan time.Duration) []StaleScope {
	cutoff := s.At.Add(-olderThan)
	stale := []StaleScope{}
	for _, scope := range s.Scopes {
		why := Classify(scope.Latest, cutoff)
		if why == Fresh {
			continue
		}
		entry := StaleScope{ModuleType: scope.ModuleType, Year: scope.Year, Why: why}
		if scope.Latest != nil {
			entry.LastJobID = &scope.Latest.ID
			// A pending row may carry a finished_at left over from an earlier attempt.
			if scope.Latest.finished() {
				entry.LastFinishedAt = scope.Latest.FinishedAt
			}
		}
		stale = append(stale, entry)
	}
	return stale
}

// Counts returns how many scopes are in each bucket; all four are present.
func Counts(stale []StaleScope) map[Why]int {
	counts := make(map[Why]int, len(Whys()))
	for _, why := range Whys() {
		counts[why] = 0
	}
	for _, s := range stale {
		counts[s.Why]++
	}
	return counts
}
