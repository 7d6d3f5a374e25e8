package verdict

import (
	"slices"
	"time"
)

// grace is how much later than its commit a transaction may become visible to others.
const grace = 2 * time.Second

// The collectors of the record whose gauges are compared with it, and the reasons for staleness.
const (
	staleCollector = "stale"
	jobsCollector  = "jobs"

	fresh   = ""
	noneYet = "no_aggregation_ever"
	pending = "pending_aggregation_stuck"
	broken  = "last_aggregation_failed"
)

// judgeScrapes is the third promise.
func (j *judge) judgeScrapes() {
	tl := j.timelines()
	for _, s := range j.h.Scrapes {
		if s.Error != "" {
			continue
		}
		for _, collector := range []string{staleCollector, jobsCollector, "pipelines"} {
			if _, said := s.Success[collector]; !said {
				j.found(UntrueScrape, s.Start, "the scrape does not say whether the collector %s worked", collector)
			}
		}
		if j.dated(s, staleCollector, s.Scopes != nil || len(s.Buckets) > 0 || len(s.Stale) > 0 || len(s.Drifted) > 0) {
			j.judgeBuckets(s)
			j.judgeFreshness(s, tl)
			j.judgeDrift(s, tl)
		}
		if j.dated(s, jobsCollector, len(s.Jobs) > 0) {
			j.judgeJobs(s, tl)
		}
	}
}

// dated sees that a collector has gauges exactly if it says that it worked, and that they are of
// now. It reports whether they are to be compared.
func (j *judge) dated(s Scrape, collector string, gauges bool) bool {
	at, has := s.At[collector]
	switch {
	case !s.Success[collector]:
		if gauges || has {
			j.found(UntrueScrape, s.Start, "the collector %s says that it failed, and has gauges", collector)
		}
		return false
	case !gauges || !has:
		j.found(UntrueScrape, s.Start, "the collector %s says that it worked, and has no gauges", collector)
		return false
	case at.Before(s.Start.Add(-s.Patience)) || at.After(s.End):
		j.found(UntrueScrape, s.Start, "the gauges of %s are of %s, the scrape was from %s to %s", collector, at.UTC().Format("15:04:05.000"),
			s.Start.UTC().Format("15:04:05.000"), s.End.UTC().Format("15:04:05.000"))
		return false
	}
	return true
}

// judgeBuckets compares the gauges of one scrape with one another.
func (j *judge) judgeBuckets(s Scrape) {
	counts := map[string]int{}
	for _, series := range s.Stale {
		counts[series.Why]++
	}
	for _, why := range []string{noneYet, pending, broken, "last_aggregation_too_old"} {
		n, has := s.Buckets[why]
		if !has || n != counts[why] {
			j.found(UntrueScrape, s.Start, "%d scopes are in the bucket %s, and %d have a series", n, why, counts[why])
		}
	}
	declared := map[Scope]bool{}
	for _, m := range j.h.Final.Modules {
		declared[m.Scope] = true
	}
	if s.Scopes == nil || *s.Scopes != len(declared) {
		j.found(UntrueScrape, s.Start, "the exporter does not know of all %d scopes", len(declared))
	}
}

// judgeFreshness compares the reason shown for each scope with those that were true.
func (j *judge) judgeFreshness(s Scrape, tl *timelines) {
	shown := map[Scope]string{}
	for _, series := range s.Stale {
		shown[series.Scope] = series.Why
	}
	from, to := s.At[staleCollector].Add(-grace), s.End
	for scope, line := range tl.freshness {
		if truth := between(line, noneYet, from, to); !slices.Contains(truth, shown[scope]) {
			j.found(UntrueScrape, s.Start, "%s is shown as %q; between %s and the answer it was %q", scope, named(shown[scope]), stamp(s.At[staleCollector]), trueOnes(truth))
		}
	}
}

// judgeDrift sees that a scope is shown neither as current while it is older than its data, nor
// the reverse.
func (j *judge) judgeDrift(s Scrape, tl *timelines) {
	at := s.At[staleCollector]
	for scope, changes := range tl.changes {
		drifted := slices.Contains(s.Drifted, scope)
		stale := slices.ContainsFunc(s.Stale, func(x StaleSeries) bool { return x.Scope == scope })
		if !drifted && !stale {
			// An aggregation that ended since the last change ended since all of them.
			if c, ok := lastBefore(changes, at.Add(-grace)); ok && !j.aggregatedBetween(scope, c.at, s.End) {
				j.found(UntrueScrape, s.Start, "%s is shown as fresh and current; it changed at %s (transaction %d), and no aggregation has ended since", scope, stamp(c.at), c.xid)
			}
		}
		if drifted && j.currentBetween(scope, changes, at.Add(-grace), s.End) {
			j.found(UntrueScrape, s.Start, "%s is shown as drifted; its last aggregation had seen every change", scope)
		}
	}
}

// lastBefore returns the last change that was committed before a moment.
func lastBefore(changes []change, moment time.Time) (last change, ok bool) {
	for _, c := range changes {
		if c.at.Before(moment) && c.at.After(last.at) {
			last, ok = c, true
		}
	}
	return last, ok
}

// aggregatedBetween reports whether an aggregation that wrote its data ended after one moment
// and up to another.
func (j *judge) aggregatedBetween(scope Scope, after, to time.Time) bool {
	return slices.ContainsFunc(j.jobs.ends[scope], func(c *claim) bool {
		return c.end.Result != failed && c.end.At.After(after) && !c.end.At.After(to)
	})
}

// currentBetween reports whether, all the time between two moments, the last aggregation that
// wrote its data had seen every change there was.
func (j *judge) currentBetween(scope Scope, changes []change, from, to time.Time) bool {
	var last *claim
	for _, c := range j.jobs.ends[scope] {
		if c.end.Result != failed && !c.end.At.After(from) {
			last = c
		}
	}
	if last == nil {
		return false
	}
	return !slices.ContainsFunc(changes, func(c change) bool { return !c.at.After(to) && !last.saw.sees(c.xid) })
}

func (j *judge) judgeJobs(s Scrape, tl *timelines) {
	from, to := s.At[jobsCollector].Add(-grace), s.End
	for _, g := range s.Jobs {
		if truth := between(tl.jobs[jobKind{g.Type, g.State}], 0, from, to); !slices.Contains(truth, g.Count) {
			j.found(UntrueScrape, s.Start, "%d jobs of %s are shown as %s; between %s and the answer there were %d", g.Count, g.Type, g.State, stamp(s.At[jobsCollector]), truth)
		}
	}
}

func named(why string) string {
	if why == fresh {
		return "fresh"
	}
	return why
}

func trueOnes(whys []string) []string {
	names := make([]string, len(whys))
	for i, w := range whys {
		names[i] = named(w)
	}
	return names
}

func stamp(t time.Time) string { return t.UTC().Format("15:04:05.000") }
