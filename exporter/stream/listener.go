package stream

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/exporter/sse"
)

// Patience of the listener.
const (
	connectTimeout = 5 * time.Second
	queryTimeout   = 5 * time.Second
	// reconnectPause keeps a database that is away from being knocked at all the time.
	reconnectPause = time.Second
	// spacing lets a burst of changes be one look, and bounds the looks to ten a second.
	spacing = 100 * time.Millisecond
)

// listener works for the subscribers from the first to the last. The hub's mutex guards its
// fields.
type listener struct {
	hub    *Hub
	stop   context.CancelFunc
	topics map[uuid.UUID]*topic
	// dirty are the pipelines to be looked at next.
	dirty map[uuid.UUID]struct{}
	// wake ends the wait for notifications, if there is one; nil before the first.
	wake context.CancelFunc
	// current is false until the first look and while the record cannot be read.
	current bool
}

// startListener is called under the hub's mutex.
func startListener(h *Hub) *listener {
	ctx, stop := context.WithCancel(context.Background())
	l := &listener{hub: h, stop: stop, topics: map[uuid.UUID]*topic{}, dirty: map[uuid.UUID]struct{}{}}
	go l.run(ctx)
	return l
}

// mark has a pipeline looked at. It is called under the hub's mutex.
func (l *listener) mark(pipeline uuid.UUID) {
	l.dirty[pipeline] = struct{}{}
	if l.wake != nil {
		l.wake()
	}
}

// run keeps a connection up until the last subscriber has left.
func (l *listener) run(ctx context.Context) {
	for said := false; ; {
		looked, err := l.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if looked || !said { // once for each time that it goes away
			l.hub.opts.Logger.Warn("the streams cannot read the record; they try again every second", "err", err)
			said = true
		}
		l.lose()
		select {
		case <-ctx.Done():
			return
		case <-time.After(reconnectPause):
		}
	}
}

// lose says that what is known may be out of date. Who waits for a first look is told.
func (l *listener) lose() {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	l.setCurrent(false)
	for _, t := range l.topics {
		if t.latest == nil {
			t.err = sse.ErrUnavailable
			t.markSeen()
		}
	}
}

// markSeen is called under the hub's mutex.
func (t *topic) markSeen() {
	select {
	case <-t.seen:
	default:
		close(t.seen)
	}
}

// session reads on one connection until that breaks. It reports whether it could at all.
func (l *listener) session(ctx context.Context) (looked bool, err error) {
	connecting, cancel := context.WithTimeout(ctx, connectTimeout)
	conn, err := pgx.ConnectConfig(connecting, l.hub.opts.Connection.Copy())
	cancel()
	if err != nil {
		return false, err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing)
	}()
	w, err := newWatch(ctx, conn)
	if err != nil {
		return false, err
	}
	if !w.listening {
		l.hub.deaf.Do(func() {
			l.hub.opts.Logger.Warn("the database does not announce changes, so streams look for them every two seconds", "reason", w.reason)
		})
	}
	for ; ; looked = true {
		if err := l.look(ctx, conn, w); err != nil {
			return looked, err
		}
		if err := l.await(ctx, conn, w.next); err != nil {
			return true, err
		}
	}
}

// look reads what has to be read and tells the subscribers.
func (l *listener) look(ctx context.Context, conn *pgx.Conn, w *watch) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	topics, ids := l.take()
	due, err := w.prepare(ctx, conn, topics)
	if err != nil {
		return err
	}
	for id := range topics {
		if _, dirty := ids[id]; !dirty && !due(id) {
			delete(topics, id)
		}
	}
	var found map[uuid.UUID]Snapshot
	if len(topics) > 0 {
		if found, err = l.hub.opts.Read(ctx, conn, slices.Collect(maps.Keys(topics))...); err != nil {
			return err
		}
	}
	w.looked()
	l.publish(topics, found)
	return nil
}

// take returns the topics, and the pipelines that somebody marked since the last time.
func (l *listener) take() (topics map[uuid.UUID]*topic, dirty map[uuid.UUID]struct{}) {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	topics, dirty = maps.Clone(l.topics), l.dirty
	l.dirty = map[uuid.UUID]struct{}{}
	return topics, dirty
}

// publish keeps what was found and wakes whom it concerns, without waiting for anybody.
func (l *listener) publish(looked map[uuid.UUID]*topic, found map[uuid.UUID]Snapshot) {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	l.setCurrent(true)
	for id, t := range looked {
		before := t.latest
		t.latest, t.err = nil, nil
		if s, ok := found[id]; ok {
			t.latest = &s
		}
		t.markSeen()
		if before != nil && t.latest != nil && before.Version == t.latest.Version {
			continue
		}
		t.wake()
	}
}

// setCurrent says whether the record can be read, and tells everybody when that has changed. It is called
// under the hub's mutex.
func (l *listener) setCurrent(current bool) {
	if l.current == current {
		return
	}
	l.current = current
	for _, t := range l.topics {
		t.wake()
	}
}

// wake lets the subscribers look. It is called under the hub's mutex.
func (t *topic) wake() {
	for s := range t.subscriptions {
		select {
		case s.changed <- struct{}{}:
		default: // it has not taken the last one yet
		}
	}
}

// await waits for notifications until there is something to look at, or the time for a look
// has come anyhow.
func (l *listener) await(ctx context.Context, conn *pgx.Conn, next time.Time) error {
	looked := time.Now()
	for {
		waiting, wake := context.WithCancel(ctx)
		until := next
		if l.setWake(wake) {
			until = earlier(next, looked.Add(spacing))
		}
		timed, cancel := context.WithDeadline(waiting, until)
		n, err := conn.WaitForNotification(timed)
		timeUp, woken := timed.Err() != nil, waiting.Err() != nil
		cancel()
		wake()
		switch {
		case err == nil:
			l.notified(n.Payload)
		case ctx.Err() != nil:
			return ctx.Err()
		case woken: // by a new subscriber: wait for the spacing only
		case timeUp:
			return nil
		default:
			return err
		}
	}
}

// setWake says how to end the wait that begins. It reports whether there is something to look
// at already.
func (l *listener) setWake(wake context.CancelFunc) bool {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	l.wake = wake
	return len(l.dirty) > 0
}

// notified notes which pipeline has changed. Those that nobody watches here are others'.
func (l *listener) notified(payload string) {
	id, err := uuid.Parse(payload)
	if err != nil {
		return // not from our triggers
	}
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	if l.topics[id] != nil {
		l.dirty[id] = struct{}{}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
