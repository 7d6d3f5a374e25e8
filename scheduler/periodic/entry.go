package periodic

import (
	"time"

	"tidemark/shared/catalog"
	"tidemark/shared/job"
)

// Entry is one line of an operator's calendar.
type Entry struct {
	// Name tells the entry from others, in the file and in the record.
	Name     string
	Schedule Schedule
	// Request is what to request: [job.Aggregation] or [job.EmissionRecalc].
	Request job.Type
	Module  catalog.Module
	// Types are what a recalculation covers.
	Types []catalog.DataEntryType
	// Year is a calendar year, 0 for the one that it is at the due time.
	Year int
	// Reason is recorded with each request.
	Reason string
	// CatchUp is how long after a due time it is still worth to make up for it.
	CatchUp time.Duration
}

// yearAt is the year that is meant at a due time, which is in the zone of the schedule.
func (e Entry) yearAt(due time.Time) int {
	if e.Year != 0 {
		return e.Year
	}
	return due.Year()
}

// scopes are what is to be requested for a year.
func (e Entry) scopes(year int) []job.Scope {
	if e.Request == job.Aggregation {
		return []job.Scope{job.AggregationOf(e.Module.ID, year)}
	}
	var scopes []job.Scope
	for _, t := range e.Types {
		scopes = append(scopes, job.RecalcOf(e.Module.ID, t.ID, year))
	}
	return scopes
}

// mostMissed bounds how many due times are counted one by one: a minutely entry passes it after a week.
const mostMissed = 10_000

// decision is what is to be done about an entry.
type decision struct {
	// due is the due time to request; zero for none.
	due time.Time
	// missed are the due times that are not requested.
	missed int
	// until is how far the entry is afterwards.
	until time.Time
}

// decide says what has become due since a state, at a moment of the database.
func (e Entry) decide(s State, now time.Time) decision {
	if s.Schedule != e.Schedule.String() {
		d := decision{until: now}
		// One that this program cannot read had nothing that it could have missed.
		if former, err := scheduleOf(s.Schedule); err == nil {
			_, d.missed = dues(former, s.HandledUntil, now)
		}
		return d
	}
	last, n := dues(e.Schedule, s.HandledUntil, now)
	switch {
	case n == 0:
		return decision{until: s.HandledUntil}
	case now.Sub(last) > e.CatchUp:
		return decision{missed: n, until: last}
	default:
		return decision{due: last, missed: n - 1, until: last}
	}
}

// dues returns the last due time in (after, until], and how many there are: mostMissed or so
// where there are more.
func dues(s Schedule, after, until time.Time) (last time.Time, n int) {
	for due := s.Next(after); !due.IsZero() && !due.After(until); due = s.Next(due) {
		last = due
		if n++; n == mostMissed {
			// What is left is not counted; the last one is looked for from near the end.
			if near := until.Add(-24 * time.Hour); near.After(due) {
				due = near
			}
		}
	}
	return last, n
}
