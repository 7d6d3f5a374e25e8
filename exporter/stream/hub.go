package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/exporter/sse"
)

// ErrNotFound means that there is no such pipeline.
var ErrNotFound = errors.New("there is no such pipeline")

// Options say where a hub reads.
type Options struct {
	// Connection is how to reach the record, as in pgxpool.Config.ConnConfig. Required.
	Connection *pgx.ConnConfig
	// Read makes the snapshots. Required.
	Read Reader
	// Logger receives what keeps the hub from reading. Required.
	Logger *slog.Logger
}

// Hub shares one connection among all subscribers. It is safe for concurrent use. Make it
// with [NewHub].
type Hub struct {
	opts Options
	// deaf has it said once that no changes are announced.
	deaf sync.Once

	mu          sync.Mutex
	subscribers int
	// live is the listener of the present subscribers; nil while there are none.
	live *listener
}

// NewHub returns a hub. It opens nothing before the first subscriber comes.
func NewHub(o Options) *Hub {
	o.Connection = o.Connection.Copy()
	o.Connection.RuntimeParams["application_name"] += " streams"
	return &Hub{opts: o}
}

// topic is a pipeline that somebody watches. The hub's mutex guards it.
type topic struct {
	subscriptions map[*Subscription]struct{}
	// seen is closed when the first look has ended, well or not.
	seen chan struct{}
	// latest is what the last look that succeeded found; nil when that was nothing.
	latest *Snapshot
	// err says why the first look failed; nil once one succeeded.
	err error
}

// Subscription follows one pipeline.
type Subscription struct {
	hub      *Hub
	listener *listener
	pipeline uuid.UUID
	topic    *topic
	changed  chan struct{}
	close    sync.Once
}

// Subscribe follows a pipeline, from a look at it that began after the call, or is kept up to
// date since before. The error is [ErrNotFound], [sse.ErrUnavailable], [sse.ErrFull] or the context's.
// The caller closes the subscription.
func (h *Hub) Subscribe(ctx context.Context, pipeline uuid.UUID) (*Subscription, error) {
	s, err := h.add(pipeline)
	if err != nil {
		return nil, err
	}
	select {
	case <-s.topic.seen:
		err = s.check()
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("subscribe to pipeline %s: %w", pipeline, err)
	}
	return s, nil
}

func (h *Hub) add(pipeline uuid.UUID) (*Subscription, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subscribers >= sse.MaxSubscribers {
		return nil, sse.ErrFull
	}
	h.subscribers++
	if h.live == nil {
		h.live = startListener(h)
	}
	t := h.live.topics[pipeline]
	if t == nil {
		t = &topic{subscriptions: map[*Subscription]struct{}{}, seen: make(chan struct{})}
		h.live.topics[pipeline] = t
		h.live.mark(pipeline)
	}
	s := &Subscription{hub: h, listener: h.live, pipeline: pipeline, topic: t, changed: make(chan struct{}, 1)}
	t.subscriptions[s] = struct{}{}
	return s, nil
}

// check says what a new subscriber has to know.
func (s *Subscription) check() error {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	switch {
	case s.topic.err != nil:
		return s.topic.err
	case !s.listener.current:
		return sse.ErrUnavailable
	case s.topic.latest == nil:
		return ErrNotFound
	}
	return nil
}

// Changed receives when [Subscription.Latest] has changed, once for any number of changes.
func (s *Subscription) Changed() <-chan struct{} { return s.changed }

// Latest returns what the last look found; false when the pipeline is there no more.
func (s *Subscription) Latest() (Snapshot, bool) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if s.topic.latest == nil {
		return Snapshot{}, false
	}
	return *s.topic.latest, true
}

// Current reports whether Latest is what the record says. It is not while the record cannot
// be read.
func (s *Subscription) Current() bool {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return s.listener.current
}

// Close ends the subscription. The last one to close ends the hub's connection.
func (s *Subscription) Close() {
	s.close.Do(func() {
		h := s.hub
		h.mu.Lock()
		defer h.mu.Unlock()
		h.subscribers--
		delete(s.topic.subscriptions, s)
		if len(s.topic.subscriptions) > 0 {
			return
		}
		delete(s.listener.topics, s.pipeline)
		if len(s.listener.topics) == 0 {
			s.listener.stop()
			h.live = nil
		}
	})
}
