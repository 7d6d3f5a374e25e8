package overview

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/exporter/sse"
	"tidemark/shared/explain"
)

// Options say what a [Watch] reads.
type Options struct {
	// Pool reaches the record. Required. A look takes a connection while it lasts.
	Pool *pgxpool.Pool
	// Limits are what a look judges by. Required.
	Limits explain.Limits
	// Logger receives what keeps the watch from reading. Required.
	Logger *slog.Logger
}

// Watch shares its looks among all subscribers. It looks while there is one, from the first to the last,
// so there is nothing to run or to close. It is safe for concurrent use. Make it with [NewWatch].
type Watch struct {
	logger *slog.Logger
	// read takes a look, position says where in its history the record is.
	read     func(context.Context) (Overview, error)
	position func(context.Context) (string, error)

	mu sync.Mutex
	// latest outlives the subscribers: who comes again is told what has changed since.
	latest      *board
	subscribers map[*Subscription]struct{}
	// live is the looker of the present subscribers; nil while there are none.
	live *looker
}

// NewWatch returns a watch. It reads nothing before the first subscriber comes.
func NewWatch(o Options) *Watch {
	return &Watch{
		logger:   o.Logger,
		read:     func(ctx context.Context) (Overview, error) { return Read(ctx, o.Pool, o.Limits) },
		position: func(ctx context.Context) (string, error) { return readPosition(ctx, o.Pool) },
		latest:   &board{epoch: rand.Text(), gone: map[key]uint64{}}, subscribers: map[*Subscription]struct{}{},
	}
}

// Subscription follows a [Watch].
type Subscription struct {
	watch   *Watch
	live    *looker
	changed chan struct{}
	close   sync.Once
}

// Subscribe follows the overview, from a look that began after the call, or is kept up to date since
// before. The error is [sse.ErrUnavailable], [sse.ErrFull] or the context's. The caller closes
// the subscription.
func (w *Watch) Subscribe(ctx context.Context) (*Subscription, error) {
	s, err := w.add()
	if err != nil {
		return nil, err
	}
	select {
	case <-s.live.seen:
		if !s.Current() {
			err = sse.ErrUnavailable
		}
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("subscribe to the overview: %w", err)
	}
	return s, nil
}

// Look takes a look for one who does not follow yet. The event id, of what one who sees these modules may see of
// it, is what it may follow from: it misses nothing, and is not told everything once more.
func (w *Watch) Look(ctx context.Context) (o Overview, eventID func(sees func(moduleType int) bool) string, err error) {
	w.mu.Lock()
	known := w.latest
	w.mu.Unlock()
	if o, err = w.read(ctx); err != nil {
		return Overview{}, nil, err
	}
	next, err := known.after(o)
	if err != nil {
		return Overview{}, nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	// While somebody follows, what the looker finds comes in order. Who then follows from what was
	// known before this look is told some of it again.
	if w.live == nil && w.latest == known {
		w.latest, known = next, next
	}
	return o, known.eventID, nil
}

func (w *Watch) add() (*Subscription, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.subscribers) >= sse.MaxSubscribers {
		return nil, sse.ErrFull
	}
	if w.live == nil {
		w.live = startLooker(w)
	}
	s := &Subscription{watch: w, live: w.live, changed: make(chan struct{}, 1)}
	w.subscribers[s] = struct{}{}
	return s, nil
}

// board is what the last look that succeeded found.
func (s *Subscription) board() *board {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	return s.watch.latest
}

// Changed receives when there is something new, once for any number of changes.
func (s *Subscription) Changed() <-chan struct{} { return s.changed }

// Current reports whether what was found is what the record says. It is not while the record cannot be read.
func (s *Subscription) Current() bool {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	return s.live.current
}

// Close ends the subscription. The last one to close ends the looks.
func (s *Subscription) Close() {
	s.close.Do(func() {
		w := s.watch
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.subscribers, s)
		if len(w.subscribers) == 0 {
			w.live.stop()
			w.live = nil
		}
	})
}

// publish keeps what a look found, and wakes everybody if that is new, without waiting for anybody.
func (w *Watch) publish(l *looker, o Overview) error {
	w.mu.Lock()
	before := w.latest
	w.mu.Unlock()
	next, err := before.after(o)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.live != l {
		return nil // the last subscriber has left meanwhile; another may have come and found more
	}
	w.latest = next
	l.mark(true)
	if next != before {
		w.wake()
	}
	return nil
}

// wake lets the subscribers look. It is called under the mutex.
func (w *Watch) wake() {
	for s := range w.subscribers {
		select {
		case s.changed <- struct{}{}:
		default: // it has not taken the last one yet
		}
	}
}
