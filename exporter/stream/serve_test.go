package stream

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tidemark/exporter/sse"
)

// client is the writing end of a connection.
type client struct {
	mu     sync.Mutex
	head   http.Header
	status int
	text   strings.Builder
	// deadline is the one that the last write had.
	deadline time.Time
	flushed  bool
	err      error
}

func (c *client) Header() http.Header             { return c.head }
func (c *client) WriteHeader(status int)          { c.status = status }
func (c *client) SetReadDeadline(time.Time) error { return nil }

func (c *client) FlushError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flushed = true
	return c.err
}

func (c *client) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return nil
}

func (c *client) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flushed = false
	return c.text.Write(b)
}

func (c *client) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// take returns what came since the last time, and whether the last of it was flushed in time.
func (c *client) take() (text string, inTime bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text = c.text.String()
	c.text.Reset()
	left := time.Until(c.deadline)
	return text, c.flushed && left > 0 && left <= sse.WriteTimeout
}

// source is a subscription without a record.
type source struct {
	mu      sync.Mutex
	latest  *Snapshot
	current bool
	changed chan struct{}
}

func (s *source) Changed() <-chan struct{} { return s.changed }

func (s *source) Current() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

func (s *source) Latest() (Snapshot, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest == nil {
		return Snapshot{}, false
	}
	return *s.latest, true
}

func (s *source) set(latest *Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest = latest
	s.changed <- struct{}{}
}

func (s *source) show(data string, done bool) { s.set(new(NewSnapshot([]byte(data), done, nil))) }

func (s *source) setCurrent(current bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = current
	s.changed <- struct{}{}
}

func newSource(data string) *source {
	s := &source{current: true, changed: make(chan struct{}, 1)}
	s.show(data, false)
	return s
}

func version(data string) string { return NewSnapshot([]byte(data), false, nil).Version }

func event(data string) string {
	return "event: pipeline-update\nid: " + version(data) + "\ndata: " + data + "\n\n"
}

func everything(Snapshot) bool { return true }

const (
	ping   = "event: ping\ndata: {}\n\n"
	unread = "event: unread\ndata: {}\n\n"
)

func TestStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		from, to := newSource(`{"a":1}`), &client{}
		ended := make(chan error, 1)
		go func() { ended <- Serve(t.Context(), to, from, "", everything) }()
		wait := func(d time.Duration, want string) {
			t.Helper()
			time.Sleep(d) // the bubble's time
			synctest.Wait()
			if got, inTime := to.take(); got != want || !inTime && want != "" {
				t.Errorf("after %s more: %q, flushed in time %v, want %q", d, got, inTime, want)
			}
		}
		wait(0, event(`{"a":1}`))
		wait(sse.PingAfter-time.Millisecond, "")
		wait(time.Millisecond, ping)
		wait(sse.PingAfter, ping)
		wait(sse.PingAfter/2, "")
		from.show(`{"a":2}`, false)
		wait(0, event(`{"a":2}`))
		// The silence begins anew.
		wait(sse.PingAfter-time.Millisecond, "")
		wait(time.Millisecond, ping)
		from.changed <- struct{}{} // nothing is different
		wait(sse.PingAfter-time.Millisecond, "")
		wait(time.Millisecond, ping)
		from.setCurrent(false)
		wait(0, unread)
		wait(sse.PingAfter, unread)
		from.setCurrent(true)
		wait(0, ping)
		wait(sse.PingAfter, ping)
		from.show(`{"a":3,"stream_closed":true}`, true)
		wait(0, event(`{"a":3,"stream_closed":true}`))
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestStreamIsResumed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ lastEventID, want string }{
		"nothing has changed":   {version(`{"a":1}`), ping},
		"something has changed": {version(`{"a":0}`), event(`{"a":1}`)},
		"an unknown id":         {"0", event(`{"a":1}`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), sse.PingAfter+time.Second)
				defer cancel()
				to := &client{}
				if err := Serve(ctx, to, newSource(`{"a":1}`), c.lastEventID, everything); err != nil {
					t.Error(err)
				}
				if got, _ := to.take(); !strings.HasPrefix(got, c.want) {
					t.Errorf("got %q, want %q", got, c.want)
				}
			})
		})
	}
}

func TestStreamEnds(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	for name, c := range map[string]struct {
		end     func(cancel func(), from *source, to *client)
		visible func(Snapshot) bool
		after   time.Duration
		want    error
	}{
		"the client leaves or the server drains": {end: func(cancel func(), _ *source, _ *client) { cancel() }},
		"the pipeline is gone": {end: func(_ func(), from *source, _ *client) {
			from.set(nil)
		}},
		"it touches what may not be seen": {
			end: func(_ func(), from *source, _ *client) {
				from.set(&Snapshot{Version: "secret", Data: []byte("secret"), Modules: []int{7}})
			},
			visible: func(s Snapshot) bool { return s.Modules == nil },
		},
		"the client takes nothing": {
			end: func(_ func(), from *source, to *client) {
				to.fail(broken)
				from.show("next", false)
			},
			want: broken,
		},
		"the client does not take a ping": {end: func(_ func(), _ *source, to *client) { to.fail(broken) }, after: sse.PingAfter, want: broken},
		"half an hour is over":            {end: func(func(), *source, *client) {}, after: sse.Longest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				from, to := newSource("first"), &client{}
				visible := c.visible
				if visible == nil {
					visible = everything
				}
				start, ended := time.Now(), make(chan error, 1)
				go func() { ended <- Serve(ctx, to, from, "", visible) }()
				synctest.Wait()
				c.end(cancel, from, to)
				if err := <-ended; !errors.Is(err, c.want) {
					t.Errorf("ended with %v, want %v", err, c.want)
				}
				if took := time.Since(start); took != c.after {
					t.Errorf("ended after %s, want %s", took, c.after)
				}
				if text, _ := to.take(); strings.Contains(text, "secret") {
					t.Error("it sent what may not be seen")
				}
			})
		})
	}
}

func TestVersionStandsForData(t *testing.T) {
	t.Parallel()
	// A process that is newly started gives the same id to the same data.
	if got := version("a"); got != "ca978112ca1bbdcafac231b39a23dc4d" || got == version("b") {
		t.Errorf("%s %s", got, version("b"))
	}
}
