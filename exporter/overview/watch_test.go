package overview

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tidemark/exporter/exportertest"
	"tidemark/exporter/sse"
	"tidemark/shared/job"
	"tidemark/shared/local/localtest"
)

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

func everything(int) bool { return true }

// client is one that gets what a feed has, and forgets it never.
type client struct {
	*testing.T
	feed sse.Feed
	// has is the scopes as the client knows them.
	has map[string]string
	// id is of the last event.
	id     string
	events int
	last   message
}

func (c *client) take() {
	c.Helper()
	e, more := c.feed.Next()
	if !more {
		c.Fatal("the feed has ended")
	}
	if e == nil {
		return
	}
	c.events, c.id = c.events+1, e.ID
	c.last = message{}
	if err := json.Unmarshal(e.Data, &c.last); err != nil {
		c.Fatal(err)
	}
	if c.last.Full {
		c.has = map[string]string{}
	}
	for _, text := range c.last.Scopes {
		var s Scope
		if err := json.Unmarshal(text, &s); err != nil {
			c.Fatal(err)
		}
		badge := ""
		if s.Badge != nil {
			badge = s.Badge.Text
		}
		c.has[fmt.Sprint(s.ModuleType, " ", s.Year)] = strings.TrimSpace(s.State + " " + badge)
	}
	for _, g := range c.last.Gone {
		delete(c.has, fmt.Sprint(g[0], " ", g[1]))
	}
}

// await takes what comes until the client has this of a scope, "" for nothing.
func (c *client) await(scope, want string) {
	c.Helper()
	deadline := time.After(patience)
	for c.take(); c.has[scope] != want; c.take() {
		select {
		case <-c.feed.Changed():
		case <-deadline:
			c.Fatalf("it has %q of %s, want %q", c.has[scope], scope, want)
		}
	}
}

// counted counts the looks of a watch.
func counted(w *Watch) *atomic.Int64 {
	var looks atomic.Int64
	inner := w.read
	w.read = func(ctx context.Context) (Overview, error) {
		looks.Add(1)
		return inner(ctx)
	}
	return &looks
}

func (r record) watch() *Watch {
	return NewWatch(Options{Pool: r.pool, Limits: limits, Logger: slog.New(slog.DiscardHandler)})
}

func (r record) subscribe(w *Watch) *Subscription {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	s, err := w.Subscribe(ctx)
	r.must(err)
	r.Cleanup(s.Close)
	return s
}

func (r record) client(s *Subscription, lastEventID string, sees func(int) bool) *client {
	c := &client{T: r.T, feed: s.Feed(lastEventID, sees), has: map[string]string{}}
	c.take()
	return c
}

// TestWhateverChangesIsSeen changes the record as its programs do.
func TestWhateverChangesIsSeen(t *testing.T) {
	t.Parallel()
	r := newRecord(t)
	c := r.client(r.subscribe(r.watch()), "", everything)
	if !c.last.Full || c.has["2 2025"] != "no_aggregation_ever" || c.last.Counts["no_aggregation_ever"] != 1 {
		t.Fatalf("it begins with %+v", c.last)
	}
	r.request(travel)
	c.await("2 2025", "pending_aggregation_stuck Step 3/3, waiting for a worker")
	r.run(travel, job.Success)
	c.await("2 2025", Fresh)
	if c.last.Full || c.last.Counts[Fresh] != 1 || c.last.Drifted == nil {
		t.Errorf("the change is told as %+v", c.last)
	}
	r.exec(`INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) VALUES (3, 0, 1)`)
	c.await("3 2025", "no_aggregation_ever")
	r.exec(`DELETE FROM carbon_report_modules WHERE module_type_id = 3`)
	c.await("3 2025", "")
	if c.has["2 2025"] != Fresh || len(c.has) != 1 {
		t.Errorf("left is %v", c.has)
	}
}

// TestStreamIsResumed: who comes again is told what has changed since, though nobody watched meanwhile.
func TestStreamIsResumed(t *testing.T) {
	t.Parallel()
	r := newRecord(t)
	r.exec(`INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) SELECT m, 0, 1 FROM generate_series(3, 7) m;
		INSERT INTO carbon_reports (year, unit_id, overall_status) VALUES (2024, 1, 0);
		INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) VALUES (3, 0, 2)`)
	w := r.watch()
	s := r.subscribe(w)
	c := r.client(s, "", everything)
	s.Close()
	r.request(travel)
	r.exec(`DELETE FROM carbon_report_modules WHERE carbon_report_id = 2`)

	again := r.client(r.subscribe(w), c.id, everything)
	if again.last.Full || len(again.last.Scopes) != 1 || !slices.Equal(again.last.Gone, [][2]int{{3, 2024}}) {
		t.Errorf("resumed with %+v", again.last)
	}
	r.run(travel, job.Success)
	again.await("2 2025", Fresh)
	if again.last.Full || len(again.last.Scopes) != 1 {
		t.Errorf("the change is told as %+v", again.last)
	}
	for name, id := range map[string]string{
		"one of another process": strings.Repeat("0", 16) + "-1",
		"one that is to come":    again.id + "9",
		"no id":                  "x",
	} {
		if got := r.client(r.subscribe(w), id, everything); !got.last.Full || len(got.has) != 6 {
			t.Errorf("%s: resumed with %+v", name, got.last)
		}
	}
	if got := r.client(r.subscribe(w), again.id, everything); got.events != 0 {
		t.Errorf("sent again: %+v", got.last)
	}
}

// TestSubscribersShareALook: however many watch, one look is taken for all, and none once they have left.
func TestSubscribersShareALook(t *testing.T) {
	t.Parallel()
	r := newRecord(t)
	w := r.watch()
	looks := counted(w)
	// Nothing else happens: only the record tells when to look again.
	var frozen atomic.Value
	frozen.Store("before")
	w.position = func(context.Context) (string, error) { return frozen.Load().(string), nil }
	clients := make([]*client, 200)
	var coming sync.WaitGroup
	for i := range clients {
		coming.Go(func() {
			s, err := w.Subscribe(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(s.Close)
			clients[i] = r.client(s, "", everything)
		})
	}
	coming.Wait()
	if t.Failed() {
		return
	}
	if n := looks.Load(); n != 1 {
		t.Errorf("%d looks for 200 subscribers", n)
	}
	r.request(travel)
	frozen.Store("after")
	for _, c := range clients {
		c.await("2 2025", "pending_aggregation_stuck Step 3/3, waiting for a worker")
		if c.events != 2 {
			t.Errorf("%d events for one change", c.events)
		}
	}
	if n := looks.Load(); n != 2 {
		t.Errorf("%d looks for two states", n)
	}
	live := w.live
	for _, c := range clients {
		c.feed.(*feed).Close()
	}
	if w.live != nil || live == nil {
		t.Error("it still looks, for nobody")
	}
}

// TestLooksAreSpaced runs a watch for a minute of the bubble's time.
func TestLooksAreSpaced(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		takes   time.Duration
		changes bool
		want    int64
	}{
		"nothing happens: every ten seconds":         {0, false, 7},
		"something happens always: once a second":    {100 * time.Millisecond, true, 61},
		"a look that takes long is taken less often": {2 * time.Second, true, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := NewWatch(Options{Logger: slog.New(slog.DiscardHandler)})
				var n int
				w.position = func(context.Context) (string, error) {
					if c.changes {
						n++
					}
					return fmt.Sprint(n), nil
				}
				w.read = func(context.Context) (Overview, error) {
					time.Sleep(c.takes)
					return newOverview(noon, true, nil), nil
				}
				looks := counted(w)
				s, err := w.Subscribe(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute + time.Second/2 - c.takes)
				s.Close()
				if got := looks.Load(); got != c.want {
					t.Errorf("%d looks in a minute, want %d", got, c.want)
				}
				time.Sleep(c.takes) // until the last one has ended
				synctest.Wait()
			})
		})
	}
}

// TestNobodySeesMoreThanMay: neither scopes nor counts nor that something has gone or changed.
func TestNobodySeesMoreThanMay(t *testing.T) {
	t.Parallel()
	r := newRecord(t)
	r.exec(`INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) VALUES (3, 0, 1);
		INSERT INTO carbon_reports (year, unit_id, overall_status) VALUES (2024, 1, 0);
		INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) VALUES (3, 0, 2)`)
	w := r.watch()
	all := r.client(r.subscribe(w), "", everything)
	mine := r.client(r.subscribe(w), "", func(m int) bool { return m == 2 })
	if len(all.has) != 3 || len(mine.has) != 1 || mine.last.Counts["no_aggregation_ever"] != 1 {
		t.Fatalf("all see %v, one sees %v, counts %v", all.has, mine.has, mine.last.Counts)
	}
	buildings := job.AggregationOf(3, 2025)
	r.request(buildings)
	all.await("3 2025", "pending_aggregation_stuck Step 3/3, waiting for a worker")
	r.exec(`DELETE FROM carbon_report_modules WHERE carbon_report_id = 2`)
	all.await("3 2024", "")
	mine.take()
	if mine.events != 1 {
		t.Errorf("told of others' scopes: %+v", mine.last)
	}
	r.request(travel)
	all.await("2 2025", "pending_aggregation_stuck Step 3/3, waiting for a worker")
	mine.await("2 2025", "pending_aggregation_stuck Step 3/3, waiting for a worker")
	if len(mine.last.Gone) != 0 || len(mine.has) != 1 || mine.events != 2 {
		t.Errorf("told %+v", mine.last)
	}
	// The id that others got is of no use to one who sees other modules.
	if got := r.client(r.subscribe(w), all.id, func(m int) bool { return m == 3 }); !got.last.Full || len(got.has) != 1 {
		t.Errorf("resumed with others' id: %+v", got.last)
	}
}

// TestSlowClientGetsTheLatest: it misses what was in between.
func TestSlowClientGetsTheLatest(t *testing.T) {
	t.Parallel()
	r := newRecord(t)
	w := r.watch()
	slow, quick := r.client(r.subscribe(w), "", everything), r.client(r.subscribe(w), "", everything)
	r.request(travel)
	quick.await("2 2025", "pending_aggregation_stuck Step 3/3, waiting for a worker")
	r.run(travel, job.Success)
	quick.await("2 2025", Fresh)
	slow.await("2 2025", Fresh)
	if slow.events != 2 {
		t.Errorf("%d events, want 2", slow.events)
	}
}

// TestBrokenRecordIsSaid: an open stream says that it knows nothing, a new one is refused; when the
// record is back everything goes on.
func TestBrokenRecordIsSaid(t *testing.T) {
	t.Parallel()
	url := localtest.Database(t)
	proxy := localtest.NewProxy(t, url)
	r := record{t, nil, localtest.Connect(t, url)}
	r.declare()
	behind := record{t, nil, localtest.Connect(t, proxy.URL)}
	w := behind.watch()
	s := r.subscribe(w)
	c := r.client(s, "", everything)
	until := func(current bool) {
		t.Helper()
		for deadline := time.Now().Add(patience); s.Current() != current; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("current is not %v", current)
			}
		}
	}
	until(true)
	select {
	case <-s.Changed(): // of the first look
	default:
	}
	proxy.Cut()
	r.exec(`INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) VALUES (3, 0, 1)`)
	until(false)
	select {
	case <-s.Changed():
	case <-time.After(patience):
		t.Error("nobody is told that the record cannot be read")
	}
	if _, err := w.Subscribe(t.Context()); !errors.Is(err, sse.ErrUnavailable) {
		t.Errorf("subscribed without a record: %v", err)
	}
	proxy.Restore()
	c.await("3 2025", "no_aggregation_ever")
	until(true)
}

func TestRecordThatWasNeverThere(t *testing.T) {
	t.Parallel()
	w := record{t, nil, exportertest.Away(t)}.watch()
	if _, err := w.Subscribe(t.Context()); !errors.Is(err, sse.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Subscribe(gone); err == nil {
		t.Error("subscribed for nobody")
	}
	if len(w.subscribers) != 0 || w.live != nil {
		t.Errorf("%d subscribers are left", len(w.subscribers))
	}
	for range sse.MaxSubscribers {
		w.subscribers[&Subscription{}] = struct{}{}
	}
	if _, err := w.Subscribe(t.Context()); !errors.Is(err, sse.ErrFull) {
		t.Errorf("got %v", err)
	}
}
