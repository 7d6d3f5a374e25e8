package verdict

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A history without a fault of its own has no violation; the others would mean nothing.
func TestNothingIsFoundWhereNothingIsWrong(t *testing.T) {
	t.Parallel()
	s := play()
	report := judged(t, s.h)
	for _, v := range report.Violations {
		t.Error(v)
	}
	if report.Requests != 4 || report.Created != 3 || report.Joined != 1 || report.Covered != 4 || report.Runs != 4 || report.GivenBack != 1 {
		t.Errorf("%+v", report)
	}
}

func judged(t *testing.T, h *History) *Report {
	t.Helper()
	report, err := Judge(h)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// Each bug, as the histories show it, is found for what it is.
func TestSeededBugsAreFound(t *testing.T) {
	t.Parallel()
	for name, bug := range map[string]struct {
		seed func(*script)
		kind Kind
		what string
	}{
		"DO NOTHING instead of a join": {func(s *script) {
			// The requester commits after the claim, and holds no lock that the claim would wait for.
			s.request(it)
			id, token := s.claim(it)
			s.begin()
			s.h.Requests = append(s.h.Requests, Request{Nonce: "late", XID: s.xid, At: s.now, Scope: it, JobID: id})
			s.h.Attempts = append(s.h.Attempts, Attempt{Nonce: "late", Scopes: []Scope{it}, Answer: Accepted, Jobs: []int64{id}, End: s.now})
			s.finish(it, token)
			s.run(devices)
		}, Lost, "its run began too early"},
		"a claim that does not wait for the joiner": {func(s *script) {
			// It claims while the joiner's transaction is in progress, though by the clock that began before.
			s.request(it)
			s.request(it)
			joiner := s.xid
			_, token := s.claim(it)
			s.h.Moves[len(s.h.Moves)-1].Snapshot = fmt.Sprintf("%d:%d:%d", joiner, s.xid, joiner)
			s.finish(it, token)
			s.run(devices)
		}, Lost, "its run began too early"},
		"joining the running job": {func(s *script) {
			s.request(it)
			id, token := s.claim(it)
			s.waits[it] = id
			s.request(it)
			delete(s.waits, it)
			s.finish(it, token)
			s.run(devices)
		}, Lost, "its run began too early"},
		"reap without fencing": {func(s *script) {
			s.request(it)
			id, first := s.claim(it)
			s.lose(it, first)
			_, second := s.claim(it)
			// The first worker wakes up, and its finish asks only for the id.
			s.begin()
			s.write(it, first, nil)
			s.move(Move{JobID: id, Scope: it, From: running, To: finished, FromToken: second, ToToken: second, Result: "SUCCESS", Writer: first})
			s.want(devices, nil, first)
			s.run(devices)
		}, StaleWrite, "was finished by the session"},
		"a fenced run keeps its data": {func(s *script) {
			s.request(it)
			_, first := s.claim(it)
			s.lose(it, first)
			_, second := s.claim(it)
			s.begin()
			s.write(it, first, nil)
			s.finish(it, second)
			s.run(devices)
		}, StaleWrite, "which holds no job of that scope"},
		"finish outside the transaction of the data": {func(s *script) {
			s.request(it)
			_, token := s.claim(it)
			s.begin()
			s.write(it, token, nil)
			s.finish(it, token)
			s.h.Writes = s.h.Writes[:len(s.h.Writes)-1]
			s.run(devices)
		}, HalfWritten, ""},
		"acknowledged before the commit": {func(s *script) {
			// The job ends, and then the worker dies with its data.
			s.request(it)
			_, token := s.claim(it)
			s.finish(it, token)
			s.h.Writes = s.h.Writes[:len(s.h.Writes)-1]
			s.h.Final.Entries[0].Emissions[0]--
			s.run(devices)
		}, HalfWritten, "its transaction wrote no result"},
		"lock not freed on archive": {func(s *script) {
			// Redis refuses the signal of the next job for ever, and nothing looks after it.
			s.request(it)
			s.scrape()
		}, Lost, "it never ran"},
		"a relay that skips QUEUED": {func(s *script) {
			s.request(it)
			s.begin()
			s.move(Move{JobID: s.waits[it], Scope: it, From: waiting, To: queued, Writer: "another program"})
		}, Lost, "it never ran"},
		"two leaders that each make the entry of the hour": {func(s *script) {
			// One that did not notice its loss: the schedule's request is there twice.
			s.request(it)
			r := s.h.Requests[len(s.h.Requests)-1]
			s.begin()
			r.XID, r.At, r.Created = s.xid, s.now, false
			s.h.Requests = append(s.h.Requests, r)
			s.run(it)
			s.run(devices)
		}, Doubled, "was recorded twice"},
		"retention drops the latest": {func(s *script) {
			s.begin()
			last := s.h.Moves[len(s.h.Moves)-1]
			s.move(Move{JobID: last.JobID, Scope: last.Scope, From: finished, Writer: "scheduler"})
		}, Lost, "was deleted, the latest of aggregation 4:2025"},
		"retention drops what waits": {func(s *script) {
			s.request(it)
			s.begin()
			s.move(Move{JobID: s.waits[it], Scope: it, From: waiting, Writer: "scheduler"})
		}, Lost, "was deleted while it was NOT_STARTED"},
		"two runs of one scope at one time": {func(s *script) {
			s.request(it)
			_, first := s.claim(it)
			id := s.runs[it]
			s.request(it)
			_, second := s.claim(it)
			s.finish(it, second)
			s.runs[it] = id
			s.finish(it, first)
			s.run(devices)
		}, Doubled, "run at one time"},
		"two jobs of one scope wait": {func(s *script) {
			s.request(it)
			delete(s.waits, it)
			s.request(it)
		}, Doubled, "wait at one time"},
		"a failed calculation is tried again": {func(s *script) {
			s.request(it)
			id, token := s.claim(it)
			s.begin()
			s.move(Move{JobID: id, Scope: it, From: running, To: finished, FromToken: token, ToToken: token, Result: failed, Writer: "worker"})
			s.begin()
			s.move(Move{JobID: id, Scope: it, From: finished, To: waiting, FromToken: token, Writer: "scheduler"})
		}, Unexpected, "nothing that has ended runs again"},
		"a job out of nothing": {func(s *script) {
			s.begin()
			s.want(it, nil, "scheduler")
			s.run(it)
			s.run(devices)
		}, Unexpected, "nobody asked for it"},
		"a redelivered task makes a second request": {func(s *script) {
			s.request(it)
			s.run(it)
			r := s.h.Requests[len(s.h.Requests)-1]
			s.begin()
			r.XID, r.At, r.Created = s.xid, s.now, true
			r.JobID, _ = s.want(it, nil, "worker")
			s.h.Requests = append(s.h.Requests, r)
			s.run(it)
			s.run(devices)
		}, Doubled, "was recorded twice"},
		"a wider request is swallowed by a narrow one": {func(s *script) {
			s.request(it, here)
			s.request(it, there) // joins, and does not widen
			s.run(it)
			s.run(devices)
		}, Lost, "narrowed to other report modules"},
		"accepted, but rolled back": {func(s *script) {
			s.h.Attempts = append(s.h.Attempts, Attempt{Nonce: "lie", Scopes: []Scope{it}, Answer: Accepted, End: s.now})
		}, Lost, "was accepted, and is not in the record"},
		"a recalculation without its aggregation": {func(s *script) {
			s.request(it)
			_, token := s.claim(it)
			s.finish(it, token)
			s.h.Moves = s.h.Moves[:len(s.h.Moves)-1]
		}, Lost, "no aggregation of 4:2025 began after"},
		"emissions are added to the old ones": {func(s *script) {
			e := &s.h.Final.Entries[0]
			e.Emissions = append(e.Emissions, e.Kg)
			s.h.Final.Modules[0].Total += e.Kg
		}, Doubled, "has 2 emissions"},
		"emissions are doubled until the next run": {func(s *script) {
			s.request(it)
			_, token := s.claim(it)
			s.finish(it, token)
			s.h.Writes[len(s.h.Writes)-1].Doubled = 1
			s.run(devices)
		}, Doubled, "got a second emission"},
		"a task vanishes from Redis": {func(s *script) {
			s.h.Attempts = append(s.h.Attempts, Attempt{Nonce: "task", Via: "task", Scopes: []Scope{it}, Answer: Enqueued, Start: s.now, End: s.now})
		}, Lost, "neither in the record nor in Redis"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := play()
			bug.seed(s)
			expect(t, judged(t, s.h), bug.kind, bug.what)
		})
	}
}

// Each lie of the exporter is found.
func TestUntrueScrapesAreFound(t *testing.T) {
	t.Parallel()
	for name, lie := range map[string]struct {
		tell func(*script)
		what string
	}{
		"an old page, dated as it was": {func(s *script) {
			old := *s.scrape()
			s.now = s.now.Add(10 * time.Second)
			s.request(it)
			old.Start, old.End = s.now.Add(3*time.Second), s.now.Add(3*time.Second)
			s.h.Scrapes = append(s.h.Scrapes, old)
			s.run(it)
			s.run(devices)
		}, "the gauges of stale are of"},
		"an old page, dated anew": {func(s *script) {
			page := *s.scrape()
			s.request(it)
			s.run(it)
			at := s.now.Add(3 * time.Second)
			page.Start, page.End, page.At = at, at, map[string]time.Time{"stale": at, "jobs": at, "pipelines": at, "queues": at}
			s.h.Scrapes = append(s.h.Scrapes, page)
			s.now = at
			s.run(devices)
		}, `shown as "fresh"`},
		"fresh and current though an entry has changed": {func(s *script) {
			s.request(it)
			s.scrape().Drifted = nil
			s.run(it)
			s.run(devices)
		}, "shown as fresh and current"},
		"drifted though nothing has changed": {func(s *script) {
			s.scrape().Drifted = []Scope{devices}
		}, "had seen every change"},
		"failed collector with gauges": {func(s *script) {
			s.scrape().Success["stale"] = false
		}, "says that it failed, and has gauges"},
		"zeros instead of gauges": {func(s *script) {
			page := s.scrape()
			page.Scopes, page.Buckets, page.At["stale"] = nil, nil, time.Time{}
			delete(page.At, "stale")
		}, "says that it worked, and has no gauges"},
		"a collector that says nothing": {func(s *script) {
			delete(s.scrape().Success, "jobs")
		}, "does not say whether the collector jobs worked"},
		"a bucket that differs from its series": {func(s *script) {
			s.scrape().Buckets[pending] = 1
		}, "1 scopes are in the bucket"},
		"a scope is forgotten": {func(s *script) {
			*s.scrape().Scopes = 0
		}, "does not know of all"},
		"jobs that are not there": {func(s *script) {
			s.scrape().Jobs[0].Count = 3
		}, "3 jobs of aggregation are shown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := play()
			lie.tell(s)
			expect(t, judged(t, s.h), UntrueScrape, lie.what)
		})
	}
}

func expect(t *testing.T, r *Report, kind Kind, what string) {
	t.Helper()
	for _, v := range r.Violations {
		if v.Kind == kind && strings.Contains(v.What, what) {
			return
		}
	}
	t.Errorf("%s with %q was not found, but %v", kind, what, r.Violations)
}

// A failed run, a superseded one, a rolled back request, a task that went down with Redis: all of
// that may be.
func TestWhatMayHappenIsNotFound(t *testing.T) {
	t.Parallel()
	s := play()
	s.request(it)
	id, token := s.claim(it)
	s.begin()
	s.move(Move{JobID: id, Scope: it, From: running, To: finished, FromToken: token, ToToken: token, Result: failed, Writer: "worker"})
	delete(s.runs, it)
	s.h.Attempts = append(s.h.Attempts,
		Attempt{Nonce: "back", Scopes: []Scope{it}, Answer: Refused}, Attempt{Nonce: "gone", Scopes: []Scope{it}, Answer: Unknown},
		Attempt{Nonce: "task", Scopes: []Scope{it}, Answer: Enqueued, Start: s.now})
	s.h.Faults = append(s.h.Faults, Fault{Name: "Redis FLUSHALL", EmptiesRedis: true, Struck: s.now, Ended: s.now.Add(time.Second)})
	s.request(science)
	id, token = s.claim(science)
	s.request(science)
	s.begin()
	s.move(Move{JobID: id, Scope: science, From: running, To: finished, FromToken: token, ToToken: token, Result: failed, SupersededBy: s.waits[science], Writer: "scheduler"})
	delete(s.runs, science)
	s.run(science)
	s.run(devices)
	report := judged(t, s.h)
	for _, v := range report.Violations {
		t.Error(v)
	}
	if report.Failed != 1 {
		t.Errorf("%d runs failed", report.Failed)
	}
}
