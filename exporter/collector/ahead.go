package collector

import (
	"bytes"
	"context"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// lead is how long before the next scrape of a regular scraper its page is begun; half of
	// the interval where that is shorter.
	lead = time.Second
	// minInterval is the shortest that is foreseen: whoever comes more often finds collections under way.
	minInterval = 500 * time.Millisecond
	// maxScrapers bounds how many scrapers are kept in mind.
	maxScrapers = 16
)

// ahead has the page ready as a regular scraper comes. Prometheus scrapes by the clock, so
// when it comes next is known. Where all processors are at work a collection waits its turn for tenths
// of a second, and the scrape with it; a page that is begun a second early is there.
//
// What a page says does not become less true by it: it names the moment that it describes, and one
// that is older than one and a half times the lead, or on which any collector failed, is not given
// out; then the scrape collects for itself. A scraper that stays away costs one collection.
type ahead struct {
	// ctx ends all work ahead.
	ctx context.Context
	// render collects and makes the page for a request.
	render func(*http.Request) *page
	// preparing are the pages being made.
	preparing sync.WaitGroup

	mu     sync.Mutex
	closed bool
	known  map[string]*scraper
}

// scraper is one that came before.
type scraper struct {
	// last is when it came last, interval the time since it had come before; 0 for the first time.
	last     time.Time
	interval time.Duration
	// next begins its page, or forgets it; nil where nothing is planned.
	next *time.Timer
	// ready is its page, nil if there is none.
	ready *page
}

// unplan drops what is planned for the scraper.
func (s *scraper) unplan() {
	if s.next != nil {
		s.next.Stop()
		s.next = nil
	}
}

func newAhead(ctx context.Context, render func(*http.Request) *page) *ahead {
	return &ahead{ctx: ctx, render: render, known: map[string]*scraper{}}
}

// identity tells scrapers apart, and what they want of a page. Two that look alike come at irregular
// times and are answered as they come.
func identity(r *http.Request) string {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	h := r.Header
	return strings.Join([]string{r.Method, host, h.Get("User-Agent"), h.Get("Accept"), h.Get("Accept-Encoding")}, "\x00")
}

// take returns the page that is ready for a request, nil if none is, and plans the next.
func (a *ahead) take(r *http.Request) *page {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, id := time.Now(), identity(r)
	s := a.known[id]
	if s == nil {
		a.forgetOldest()
		a.known[id] = &scraper{last: now}
		return nil
	}
	interval := now.Sub(s.last)
	regular := interval >= minInterval && (interval-s.interval).Abs() <= interval/10
	ready := s.ready
	s.last, s.interval, s.ready = now, interval, nil
	s.unplan()
	if regular {
		wants := &http.Request{Method: r.Method, URL: r.URL, Header: r.Header.Clone(), RemoteAddr: r.RemoteAddr}
		s.next = time.AfterFunc(interval-leadOf(interval), func() { a.prepare(id, wants) })
	}
	if ready != nil && now.Sub(ready.begun) > leadOf(interval)*3/2 {
		return nil
	}
	return ready
}

func leadOf(interval time.Duration) time.Duration { return min(lead, interval/2) }

// prepare makes the page of a scraper that is about to come.
func (a *ahead) prepare(id string, wants *http.Request) {
	if !a.begin() {
		return
	}
	defer a.preparing.Done()
	a.keep(id, a.render(wants.WithContext(a.ctx)))
}

// begin reports whether a page may still be made, and has it waited for.
func (a *ahead) begin() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.preparing.Add(1)
	}
	return !a.closed
}

// keep holds a page ready for the scraper it was made for, unless that came meanwhile.
func (a *ahead) keep(id string, ready *page) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.known[id]
	if s == nil || !s.last.Before(ready.begun) {
		return
	}
	if ready.whole {
		s.ready = ready
	}
	s.next = time.AfterFunc(2*s.interval, func() { a.forget(id, ready.begun) })
}

// forget drops a scraper that has not come since its page was begun.
func (a *ahead) forget(id string, begun time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.known[id]; s != nil && s.last.Before(begun) {
		delete(a.known, id)
	}
}

// forgetOldest makes room for one more.
func (a *ahead) forgetOldest() {
	if len(a.known) < maxScrapers {
		return
	}
	oldest := ""
	for id, s := range a.known {
		if oldest == "" || s.last.Before(a.known[oldest].last) {
			oldest = id
		}
	}
	a.known[oldest].unplan()
	delete(a.known, oldest)
}

// close drops what is planned and waits for what is under way.
func (a *ahead) close() {
	a.mu.Lock()
	a.closed = true
	for id, s := range a.known {
		s.unplan()
		delete(a.known, id)
	}
	a.mu.Unlock()
	a.preparing.Wait()
}

// page is a rendered answer. It implements [http.ResponseWriter] for whoever renders it.
type page struct {
	// begun is when its collection was asked for.
	begun time.Time
	// whole says that every collector could read its source.
	whole  bool
	header http.Header
	status int
	body   bytes.Buffer
}

func (p *page) Header() http.Header { return p.header }

func (p *page) WriteHeader(status int) { p.status = status }

func (p *page) Write(b []byte) (int, error) { return p.body.Write(b) }

// send answers with the page.
func (p *page) send(w http.ResponseWriter) {
	maps.Copy(w.Header(), p.header)
	w.WriteHeader(p.status)
	_, _ = w.Write(p.body.Bytes()) // the scraper left: there is nobody to tell
}
