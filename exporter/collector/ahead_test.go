package collector

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// counter makes numbered pages, each in the given time.
type counter struct {
	pages atomic.Int64
	takes atomic.Int64
	// broken makes pages of failed collectors.
	broken atomic.Bool
}

func (c *counter) take(d time.Duration) { c.takes.Store(int64(d)) }

func (c *counter) render(*http.Request) *page {
	p := &page{begun: time.Now(), whole: !c.broken.Load(), header: http.Header{"Content-Type": {"text/plain"}}, status: http.StatusOK}
	fmt.Fprint(p, c.pages.Add(1))
	time.Sleep(time.Duration(c.takes.Load()))
	return p
}

// serve answers as ServeHTTP does, and says whether the page was there.
func (c *counter) serve(a *ahead, r *http.Request) (body string, ready bool) {
	answer := a.take(r)
	ready = answer != nil
	if !ready {
		answer = c.render(r)
	}
	w := httptest.NewRecorder()
	answer.send(w)
	return w.Body.String(), ready
}

// inMind counts the scrapers that are kept.
func (a *ahead) inMind() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.known)
}

func scrapeOf(agent string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("User-Agent", agent)
	return r
}

// TestRegularScraperFindsItsPageReady: from the fourth scrape on, made a second before it comes.
func TestRegularScraperFindsItsPageReady(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &counter{}
		c.take(300 * time.Millisecond)
		a := newAhead(t.Context(), c.render)
		defer a.close()
		begin := time.Now()
		for n := range 8 {
			time.Sleep(time.Until(begin.Add(time.Duration(n) * 15 * time.Second)))
			before := time.Now()
			_, ready := c.serve(a, scrapeOf("Prometheus"))
			if ready != (n > 2) || ready && time.Since(before) != 0 {
				t.Errorf("scrape %d: ready %t, in %s", n, ready, time.Since(before))
			}
		}
		if c.pages.Load() != 8 {
			t.Errorf("%d pages for 8 scrapes", c.pages.Load())
		}
	})
}

// TestPageMadeAheadIsNeverOld: whoever comes late, early, irregularly or after a failure is
// answered by a collection of its own.
func TestPageMadeAheadIsNeverOld(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]struct {
		after  time.Duration
		broken bool
		ready  bool
	}{
		"on time":                     {after: 10 * time.Second, ready: true},
		"a little late":               {after: 10*time.Second + 400*time.Millisecond, ready: true},
		"late":                        {after: 10*time.Second + 501*time.Millisecond},
		"early":                       {after: 8 * time.Second},
		"while the page is made":      {after: 9*time.Second + 100*time.Millisecond},
		"much later":                  {after: time.Hour},
		"after a collector's failure": {after: 10 * time.Second, broken: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := &counter{}
				c.take(200 * time.Millisecond)
				a := newAhead(t.Context(), c.render)
				defer a.close()
				for range 3 {
					c.take(0)
					c.serve(a, scrapeOf("Prometheus"))
					c.take(200 * time.Millisecond)
					time.Sleep(10 * time.Second)
				}
				// The page for this one was taken; the next is what is looked at.
				c.serve(a, scrapeOf("Prometheus"))
				c.broken.Store(last.broken)
				time.Sleep(last.after)
				if _, ready := c.serve(a, scrapeOf("Prometheus")); ready != last.ready {
					t.Errorf("ready: %t, want %t", ready, last.ready)
				}
			})
		})
	}
}

// TestScrapersAreKeptApart: two at their own times both find their pages ready, each what it asked for.
func TestScrapersAreKeptApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &counter{}
		a := newAhead(t.Context(), c.render)
		defer a.close()
		for n := range 6 {
			for _, agent := range []string{"one", "other"} {
				if _, ready := c.serve(a, scrapeOf(agent)); ready != (n > 2) {
					t.Errorf("scrape %d of %s: ready %t", n, agent, ready)
				}
				time.Sleep(5 * time.Second)
			}
		}
	})
}

// TestScrapersAreForgotten: those that stay away cost one page, and no more than a few are kept in mind.
func TestScrapersAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &counter{}
		a := newAhead(t.Context(), c.render)
		defer a.close()
		for range 3 {
			c.serve(a, scrapeOf("gone"))
			time.Sleep(10 * time.Second)
		}
		time.Sleep(time.Hour)
		if c.pages.Load() != 4 || a.inMind() != 0 {
			t.Errorf("%d pages, %d scrapers in mind", c.pages.Load(), a.inMind())
		}
		for n := range 100 {
			c.serve(a, scrapeOf(fmt.Sprint(n)))
		}
		if a.inMind() != maxScrapers {
			t.Errorf("%d scrapers in mind", a.inMind())
		}
	})
}

// TestNothingIsMadeAheadAfterTheEnd: what is planned is dropped, what is under way is waited for.
func TestNothingIsMadeAheadAfterTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &counter{}
		c.take(time.Second)
		a := newAhead(t.Context(), c.render)
		for range 3 {
			c.take(0)
			c.serve(a, scrapeOf("Prometheus"))
			c.take(time.Second)
			time.Sleep(10 * time.Second)
		}
		c.serve(a, scrapeOf("Prometheus"))
		time.Sleep(9*time.Second + time.Millisecond)
		before, made := time.Now(), c.pages.Load()
		a.close()
		if time.Since(before) != 999*time.Millisecond {
			t.Errorf("closed after %s", time.Since(before))
		}
		time.Sleep(time.Minute)
		if c.pages.Load() != made {
			t.Error("a page was made after the end")
		}
	})
}
