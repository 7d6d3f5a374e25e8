package freshness

import (
	"time"

	"tidemark/shared/job"
)

// Why names the reason why a scope is stale: one of four buckets, or [Fresh].
type Why string

// The buckets, in the order in which [Classify] tries them.
const (
	// NoAggregationEver means the scope has no aggregation.
	NoAggregationEver Why = "no_aggregation_ever"
	// PendingAggregationStuck means the latest aggregation is not finished, at any age.
	PendingAggregationStuck Why = "pending_aggregation_stuck"
	// LastAggregationFailed means the latest aggregation ended in ERROR, at any age.
	LastAggregationFailed Why = "last_aggregation_failed"
	// LastAggregationTooOld means the latest aggregation wrote its data before the cutoff,
	// or does not say when.
	LastAggregationTooOld Why = "last_aggregation_too_old"
)

// Fresh is the Why of a scope that is not stale.
const Fresh Why = ""

// Whys lists the four buckets in order, for output that must show zeros too.
func Whys() []Why {
	return []Why{NoAggregationEver, PendingAggregationStuck, LastAggregationFailed, LastAggregationTooOld}
}

// Classify decides from the latest aggregation of a scope, nil when there is
// none. One that finished exactly at the cutoff is fresh.
func Classify(latest *Aggregation, cutoff time.Time) Why {
	switch {
	case latest == nil:
		return NoAggregationEver
	case !latest.finished():
		return PendingAggregationStuck
	case latest.Result != nil && *latest.Result == job.Error:
		return LastAggregationFailed
	case latest.FinishedAt == nil || latest.FinishedAt.Before(cutoff):
		return LastAggregationTooOld
	default:
		return Fresh
	}
}
