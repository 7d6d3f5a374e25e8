package overview

import (
	"context"
	"time"

	"tidemark/shared/postgres"
)

const (
	// lookTimeout bounds a look.
	lookTimeout = 10 * time.Second
	// spacing is the shortest time between the beginnings of two looks, share the part of its time that
	// a watch may spend looking: where a look takes long there are fewer.
	spacing = time.Second
	share   = 10
	// positionPause is how soon it notices that there may be something new.
	positionPause = 250 * time.Millisecond
	// anyhow is how often it looks whatever happened: scopes grow old by themselves.
	anyhow = 10 * time.Second
)

// positionQuery names the transactions that are visible. While the answer is the same
// no transaction has ended, so no look could find anything else. It costs next to nothing.
const positionQuery = `SELECT pg_current_snapshot()::text`

func readPosition(ctx context.Context, db postgres.Querier) (position string, err error) {
	err = db.QueryRow(ctx, positionQuery).Scan(&position)
	return position, err
}

// looker works for the subscribers from the first to the last. The watch's mutex guards current.
type looker struct {
	watch *Watch
	stop  context.CancelFunc
	// seen is closed when the first look has ended, well or not.
	seen chan struct{}
	// current is false until the first look and while the record cannot be read.
	current bool
}

// startLooker is called under the watch's mutex.
func startLooker(w *Watch) *looker {
	ctx, stop := context.WithCancel(context.Background())
	l := &looker{watch: w, stop: stop, seen: make(chan struct{})}
	go l.run(ctx)
	return l
}

// mark says whether the last look succeeded, and tells everybody when that has changed. It is called
// under the watch's mutex.
func (l *looker) mark(current bool) {
	if l.current != current {
		l.current = current
		l.watch.wake()
	}
	select {
	case <-l.seen:
	default:
		close(l.seen)
	}
}

// run looks until the last subscriber has left.
func (l *looker) run(ctx context.Context) {
	var (
		position string
		looked   time.Time
		said     bool
	)
	for {
		pause := positionPause
		begun := time.Now()
		now, fresh, err := l.look(ctx, position, begun.Sub(looked) >= anyhow)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if !said { // once for each time that it goes away
				l.watch.logger.Warn("the overview's streams cannot read the record; they try again every second", "err", err)
				said = true
			}
			l.watch.mu.Lock()
			l.mark(false)
			l.watch.mu.Unlock()
			position, pause = "", spacing
		case fresh:
			position, looked, said = now, begun, false
			took := time.Since(begun)
			pause = max(spacing-took, (share-1)*took)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// look looks if something may have changed since a position, or if it must. It returns the position
// at which it began, and whether it looked.
func (l *looker) look(ctx context.Context, since string, must bool) (position string, looked bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	position, err = l.watch.position(ctx)
	if err != nil || position == since && !must {
		return position, false, err
	}
	o, err := l.watch.read(ctx)
	if err == nil {
		err = l.watch.publish(l, o)
	}
	return position, err == nil, err
}
