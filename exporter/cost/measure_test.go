package cost

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// durations are how long something took each time.
type durations []time.Duration

// timed runs f and says how long it took.
func timed(f func() error) (time.Duration, error) {
	start := time.Now()
	err := f()
	return time.Since(start), err
}

// inTurns runs all functions, then all again, and so on, so that what else the machine does
// meanwhile concerns each of them alike. They return how long what counts of them took. A first
// round, of empty caches, does not count.
func inTurns(b *testing.B, rounds int, functions ...func() (time.Duration, error)) []durations {
	b.Helper()
	times := make([]durations, len(functions))
	for round := range rounds + 1 {
		for i, f := range functions {
			took, err := f()
			must(b, err)
			if round > 0 {
				times[i] = append(times[i], took)
			}
		}
	}
	return times
}

// quantile returns the duration that a part of them does not exceed.
func (d durations) quantile(part float64) time.Duration {
	ordered := slices.Sorted(slices.Values(d))
	return ordered[min(int(part*float64(len(d))), len(d)-1)]
}

func (d durations) median() time.Duration { return d.quantile(0.5) }

// over is how many times as long as the others these take, by their medians.
func (d durations) over(others durations) float64 {
	return float64(d.median()) / float64(others.median())
}

func (d durations) String() string {
	return fmt.Sprintf("%s (median of %d, %s to %s)", millis(d.median()), len(d), millis(slices.Min(d)), millis(slices.Max(d)))
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
