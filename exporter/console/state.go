package console

import (
	"cmp"
	"fmt"
	"slices"

	"tidemark/exporter/overview"
	"tidemark/shared/freshness"
)

// drifted is a mark beside the states, and a place in the legend.
const drifted = string(freshness.Drifted)

// states lists what a scope can be, in the order of the legend.
func states() []string {
	all := []string{overview.Fresh}
	for _, why := range freshness.Whys() {
		all = append(all, string(why))
	}
	return all
}

// tally counts the scopes that somebody sees.
type tally struct {
	total, stale int
	of           map[string]int
	// drifted is nil where nobody knows.
	drifted *int
	// failures are scopes that are not in the bucket of failed ones, and have a failure to repair all the same.
	failures         int
	running, waiting int
}

func tallyOf(scopes []overview.Scope, kept bool) tally {
	t := tally{total: len(scopes), of: map[string]int{}}
	driftedNow := 0
	for _, s := range scopes {
		t.of[s.State]++
		if s.State != overview.Fresh {
			t.stale++
		}
		if s.Drift == freshness.Drifted {
			driftedNow++
		}
		switch {
		case s.Badge == nil:
		case s.Badge.Kind == overview.Running:
			t.running++
		case s.Badge.Kind == overview.Waiting:
			t.waiting++
		case s.State != string(freshness.LastAggregationFailed):
			t.failures++
		}
	}
	if kept {
		t.drifted = &driftedNow
	}
	return t
}

// verdict is the sentence that answers whether anything is wrong. The script's of the same name
// (assets/verdict.js) says the same.
func (t tally) verdict() string {
	if t.total == 0 {
		return say("verdict.none")
	}
	var text string
	quiet := t.stale == 0 && t.failures == 0 && (t.drifted == nil || *t.drifted == 0)
	switch {
	case t.stale > 0:
		text = count("verdict.stale", t.stale, "total", t.total)
	case quiet:
		text = count("verdict.fresh", t.total)
	default:
		text = count("verdict.unstale", t.total)
	}
	switch {
	case t.drifted == nil:
		text += say("verdict.drift.unknown")
	case *t.drifted > 0:
		text += count("verdict.drift", *t.drifted)
	}
	if t.failures > 0 {
		text += count("verdict.failures", t.failures)
	}
	return text + "."
}

// underWay says what is being done.
func (t tally) underWay() string {
	if t.running+t.waiting == 0 {
		return say("underway.none")
	}
	return say("underway", "running", t.running, "waiting", t.waiting)
}

// What is wrong with a scope, worst first.
const (
	rankFailed = iota
	rankFailure
	rankStuck
	rankNever
	rankOld
	rankDrifted
	rankRunning
	rankNothing
)

// rank says how bad a scope is.
func rank(s overview.Scope) int {
	kind := overview.Kind("")
	if s.Badge != nil {
		kind = s.Badge.Kind
	}
	switch {
	case s.State == string(freshness.LastAggregationFailed):
		return rankFailed
	case kind == overview.Failed:
		return rankFailure
	case s.State == string(freshness.PendingAggregationStuck) && kind == overview.Running:
		return rankRunning
	case s.State == string(freshness.PendingAggregationStuck):
		return rankStuck
	case s.State == string(freshness.NoAggregationEver):
		return rankNever
	case s.State == string(freshness.LastAggregationTooOld):
		return rankOld
	case s.Drift == freshness.Drifted:
		return rankDrifted
	}
	return rankNothing
}

// wrong lists what is wrong, worst first and then the longest.
func wrong(scopes []overview.Scope) []overview.Scope {
	found := slices.DeleteFunc(slices.Clone(scopes), func(s overview.Scope) bool { return rank(s) == rankNothing })
	slices.SortStableFunc(found, func(a, b overview.Scope) int {
		if c := cmp.Compare(rank(a), rank(b)); c != 0 {
			return c
		}
		switch {
		case a.Since == nil || b.Since == nil:
			return cmp.Compare(known(b), known(a))
		default:
			return a.Since.Compare(*b.Since)
		}
	})
	return found
}

// known sorts what has a time before what has none.
func known(s overview.Scope) int {
	if s.Since == nil {
		return 0
	}
	return 1
}

// shows reports whether a scope is among those that a choice of the legend shows.
func shows(s overview.Scope, show string) bool {
	return show == "" || s.State == show || show == drifted && s.Drift == freshness.Drifted
}

func cellID(module, year int) string { return fmt.Sprintf("c%d-%d", module, year) }
