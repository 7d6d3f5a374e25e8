package cost

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// durations are how long something took each time, in order of length.
type durations []time.Duration

// inTurns runs all functions, then all again, and so on, so that what else the machine does
// meanwhile concerns each of them alike. A first round, of empty caches, does not count.
func inTurns(b *testing.B, rounds int, functions ...func() error) []durations {
	b.Helper()
	times := make([]durations, len(functions))
	for round := range rounds + 1 {
		for i, f := range functions {
			start := time.Now()
			must(b, f())
			if round > 0 {
				times[i] = append(times[i], time.Since(start))
			}
		}
	}
	for _, d := range times {
		slices.Sort(d)
	}
	return times
}

// sorted puts them in order of length, which the others need.
func (d durations) sorted() durations {
	slices.Sort(d)
	return d
}

// quantile returns the duration that a part of them does not exceed.
func (d durations) quantile(part float64) time.Duration {
	return d[min(int(part*float64(len(d))), len(d)-1)]
}

func (d durations) median() time.Duration { return d.quantile(0.5) }

// over is how many times as long as the others these take, by their medians.
func (d durations) over(others durations) float64 {
	return float64(d.median()) / float64(others.median())
}

func (d durations) String() string {
	return fmt.Sprintf("%s (median of %d, %s to %s)", millis(d.median()), len(d), millis(d[0]), millis(d[len(d)-1]))
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
