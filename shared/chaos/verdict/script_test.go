package verdict

import (
	"fmt"
	"slices"
	"time"
)

// script makes a history as a deployment without faults of its own would leave it. Each step is
// a transaction, a tenth of a second after the one before, which sees all that came before it.
type script struct {
	h   *History
	now time.Time
	xid uint64
	job int64
	// open are jobs that wait or run, by scope.
	waits, runs map[Scope]int64
	kg          map[int64]float64
}

var (
	day     = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	it      = Scope{Module: 4, Type: 11, Year: 2025}
	science = Scope{Module: 4, Type: 10, Year: 2025}
	devices = Scope{Module: 4, Year: 2025}
)

// The report modules of the scopes, and an entry of each type in each.
const here, there = 1, 2

func newScript() *script {
	s := &script{h: &History{}, now: day, xid: 1000, waits: map[Scope]int64{}, runs: map[Scope]int64{}, kg: map[int64]float64{}}
	for id, e := range []Entry{{ReportModule: here, Scope: it}, {ReportModule: there, Scope: it}, {ReportModule: here, Scope: science}} {
		e.ID, e.Kg = int64(id), 10
		s.h.Final.Entries = append(s.h.Final.Entries, e)
	}
	s.h.Final.Modules = []ReportModule{{ID: here, Scope: devices}, {ID: there, Scope: devices}}
	return s
}

// begin is the next transaction.
func (s *script) begin() string {
	s.now = s.now.Add(100 * time.Millisecond)
	s.xid++
	return fmt.Sprintf("%d:%d:", s.xid, s.xid)
}

func (s *script) move(m Move) {
	m.Seq, m.XID, m.At = int64(len(s.h.Moves)+1), s.xid, s.now
	s.h.Moves = append(s.h.Moves, m)
}

// want is the waiting job of a scope, made where there is none.
func (s *script) want(scope Scope, filter []int, writer string) (id int64, created bool) {
	if id := s.waits[scope]; id != 0 {
		return id, false
	}
	s.job++
	s.waits[scope] = s.job
	s.move(Move{JobID: s.job, Scope: scope, To: waiting, Filter: filter, Writer: writer, Snapshot: fmt.Sprintf("%d:%d:", s.xid, s.xid)})
	return s.job, true
}

// request is an accepted one that changes an entry, 1 kg more.
func (s *script) request(scope Scope, filter ...int) {
	s.begin()
	nonce := fmt.Sprintf("n%d", s.xid)
	id, created := s.want(scope, filter, "requester")
	for i, e := range s.h.Final.Entries {
		if e.Scope == scope && (filter == nil || slices.Contains(filter, e.ReportModule)) {
			s.h.Final.Entries[i].Kg++
			break
		}
	}
	s.h.Requests = append(s.h.Requests, Request{Nonce: nonce, XID: s.xid, At: s.now, Scope: scope, JobID: id, Created: created})
	s.h.Attempts = append(s.h.Attempts, Attempt{Nonce: nonce, Via: "library", Start: s.now, End: s.now, Scopes: []Scope{scope}, Filter: filter,
		Changes: true, Answer: Accepted, Jobs: []int64{id}, XID: s.xid})
}

func (s *script) filterOf(id int64) []int {
	var filter []int
	for _, m := range s.h.Moves {
		if m.JobID == id {
			filter = m.Filter
		}
	}
	return filter
}

// claim lets a worker take the waiting job of a scope.
func (s *script) claim(scope Scope) (id int64, token string) {
	saw := s.begin()
	id, token = s.waits[scope], fmt.Sprintf("w-%d", s.xid)
	delete(s.waits, scope)
	s.runs[scope] = id
	s.move(Move{JobID: id, Scope: scope, From: waiting, To: running, ToToken: token, Filter: s.filterOf(id), Writer: "worker", Snapshot: saw})
	return id, token
}

// lose lets the reaper give a running job back.
func (s *script) lose(scope Scope, token string) {
	s.begin()
	id := s.runs[scope]
	delete(s.runs, scope)
	s.waits[scope] = id
	s.move(Move{JobID: id, Scope: scope, From: running, To: waiting, FromToken: token, Filter: s.filterOf(id), Writer: "scheduler"})
}

// finish ends a run with its result in one transaction.
func (s *script) finish(scope Scope, token string) {
	s.begin()
	id := s.runs[scope]
	delete(s.runs, scope)
	s.write(scope, token, s.filterOf(id))
	s.move(Move{JobID: id, Scope: scope, From: running, To: finished, FromToken: token, ToToken: token, Result: "SUCCESS", Filter: s.filterOf(id), Writer: token})
	if scope.Type != 0 {
		s.want(scope.aggregation(), nil, token)
	}
}

func (s *script) write(scope Scope, token string, filter []int) {
	s.h.Writes = append(s.h.Writes, Write{XID: s.xid, At: s.now, Writer: token, Scope: scope, Rows: 1})
	f := &s.h.Final
	for i := range f.Entries {
		if e := &f.Entries[i]; e.Scope == scope && wideEnough(filter, []int{e.ReportModule}) {
			e.Emissions = []float64{e.Kg}
		}
	}
	if scope.Type != 0 {
		return
	}
	for i := range f.Modules {
		m := &f.Modules[i]
		m.Total, m.Entries = 0, 0
		for _, e := range f.Entries {
			if e.ReportModule == m.ID {
				m.Entries++
				for _, kg := range e.Emissions {
					m.Total += kg
				}
			}
		}
	}
}

// run is a claim with its finish.
func (s *script) run(scope Scope) {
	_, token := s.claim(scope)
	s.finish(scope, token)
}

// scrape is a full and true answer.
func (s *script) scrape() *Scrape {
	s.now = s.now.Add(2500 * time.Millisecond)
	scopes, why, drifted := 1, "", []Scope(nil)
	newest := map[Scope]Move{}
	jobs := map[string]int{}
	for _, m := range s.h.Moves {
		newest[m.Scope] = m
	}
	for scope := range s.waits {
		jobs[kindOf(scope)+waiting]++
	}
	for scope := range s.runs {
		jobs[kindOf(scope)+running]++
	}
	switch last, known := newest[devices]; {
	case !known:
		why = noneYet
	case last.To != finished:
		why = pending
	}
	if s.waits[it] != 0 || s.waits[science] != 0 || s.waits[devices] != 0 {
		drifted = []Scope{devices}
	}
	shown := Scrape{Start: s.now.Add(-10 * time.Millisecond), End: s.now.Add(10 * time.Millisecond), Patience: 4 * time.Second,
		Success: map[string]bool{"stale": true, "jobs": true, "pipelines": true, "queues": true},
		At:      map[string]time.Time{"stale": s.now, "jobs": s.now, "pipelines": s.now, "queues": s.now},
		Scopes:  &scopes, Buckets: map[string]int{noneYet: 0, pending: 0, broken: 0, "last_aggregation_too_old": 0}, Drifted: drifted}
	if why != "" {
		shown.Stale = []StaleSeries{{devices, why}}
		shown.Buckets[why] = 1
	}
	for _, kind := range []string{"aggregation", "emission_recalc"} {
		for _, state := range []string{waiting, queued, running} {
			shown.Jobs = append(shown.Jobs, JobsGauge{kind, state, jobs[kind+state]})
		}
	}
	s.h.Scrapes = append(s.h.Scrapes, shown)
	s.now = s.now.Add(2500 * time.Millisecond)
	return &s.h.Scrapes[len(s.h.Scrapes)-1]
}

func kindOf(s Scope) string {
	if s.Type == 0 {
		return "aggregation"
	}
	return "emission_recalc"
}

// play is a history in which everything happens that may: creations and joins, narrow and wide,
// a run that is lost and made once more, requests beside running jobs, scrapes in between.
func play() *script {
	s := newScript()
	s.scrape()
	s.request(it)
	s.request(it)
	s.scrape()
	_, token := s.claim(it)
	s.request(it)
	s.scrape()
	s.finish(it, token)
	s.request(science, here)
	s.run(it)
	s.run(science)
	_, token = s.claim(devices)
	s.lose(devices, token)
	s.run(devices)
	s.scrape()
	return s
}
