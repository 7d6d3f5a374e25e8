package stream

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	// shortPause and longPause bound the time between two looks at pipelines for which
	// notifications are not to be relied on (yet).
	shortPause = 100 * time.Millisecond
	longPause  = 2 * time.Second
	// anyhow is how often everything is looked at, whatever was or was not notified.
	anyhow = 30 * time.Second
)

// watch is what one session has done to be notified, and when it has to look all the same.
type watch struct {
	// listening is false where no notifications will come, for this reason.
	listening bool
	reason    string
	// held has the pipelines whose locks are held, each with the transaction id below which
	// all must have ended before notifications are complete: from then on it is settled.
	held map[uuid.UUID]int64
	// settling are those that the look under way will settle.
	settling []uuid.UUID
	// open tells whether there are pipelines that are not settled after the look under way.
	open bool
	// next is when to look at these, full when to look at everything.
	next, full time.Time
	pause      time.Duration
}

// settled is less than every transaction id.
const settled = 0

const announced = `
SELECT count(*) = 4 FROM pg_trigger
 WHERE tgrelid IN (to_regclass('data_ingestion_jobs'), to_regclass('pipeline_joins'), to_regclass('pipelines'))
   AND tgname IN ('tidemark_announce_created', 'tidemark_announce_changed', 'tidemark_announce_joined', 'tidemark_announce_settled')
   AND tgenabled IN ('O', 'A')`

const listen = `LISTEN tidemark_pipeline`

// newWatch makes the session listen, where that is of use.
func newWatch(ctx context.Context, conn *pgx.Conn) (*watch, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	w := &watch{held: map[uuid.UUID]int64{}}
	if err := conn.QueryRow(ctx, announced).Scan(&w.listening); err != nil {
		return nil, fmt.Errorf("look for the triggers: %w", err)
	}
	if !w.listening {
		w.reason = "the triggers of 00006_api.sql are missing or disabled: run `tidemark migrate up`"
		return w, nil
	}
	if _, err := conn.Exec(ctx, listen); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return w, nil
}

const release = `SELECT pg_advisory_unlock_shared(1953064039, tidemark_pipeline_slot(p)) FROM unnest(@pipelines::uuid[]) AS p`

// A lock cannot be had at the very moment in which a writer tries it; then the next look does.
const acquire = `SELECT p FROM unnest(@pipelines::uuid[]) AS p WHERE pg_try_advisory_lock_shared(1953064039, tidemark_pipeline_slot(p))`

// A writer that found no lock has a transaction id below the one that is taken after the
// lock. (The upper end of a snapshot is not that: it is next to the newest that has ended.)
const horizon = `SELECT pg_current_xact_id()::text::bigint`

// Once the oldest transaction that runs is not below the horizon, that writer has ended.
const oldest = `SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint`

// prepare holds the locks of exactly these pipelines and returns which of them are to be
// looked at now, marked or not.
func (w *watch) prepare(ctx context.Context, conn *pgx.Conn, topics map[uuid.UUID]*topic) (due func(uuid.UUID) bool, err error) {
	now := time.Now()
	nextIsDue, fullIsDue := !now.Before(w.next), !now.Before(w.full)
	if fullIsDue {
		w.full = now.Add(anyhow)
	}
	w.settling, w.open = nil, len(topics) > 0
	if w.listening {
		if err := w.hold(ctx, conn, topics); err != nil {
			return nil, err
		}
	}
	return func(id uuid.UUID) bool {
		since, held := w.held[id]
		unsettled := !held || since != settled
		return fullIsDue || unsettled && nextIsDue || slices.Contains(w.settling, id)
	}, nil
}

func (w *watch) hold(ctx context.Context, conn *pgx.Conn, topics map[uuid.UUID]*topic) error {
	var gone, missing []uuid.UUID
	for id := range w.held {
		if topics[id] == nil {
			gone = append(gone, id)
			delete(w.held, id)
		}
	}
	for id := range topics {
		if _, ok := w.held[id]; !ok {
			missing = append(missing, id)
		}
	}
	if len(gone) > 0 {
		if _, err := conn.Exec(ctx, release, pgx.StrictNamedArgs{"pipelines": gone}); err != nil {
			return fmt.Errorf("release the locks of pipelines: %w", err)
		}
	}
	var got []uuid.UUID
	if len(missing) > 0 {
		rows, _ := conn.Query(ctx, acquire, pgx.StrictNamedArgs{"pipelines": missing})
		var err error
		if got, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID]); err != nil {
			return fmt.Errorf("take the locks of pipelines: %w", err)
		}
		w.pause = shortPause
	}
	w.open = len(got) < len(missing)
	return w.settle(ctx, conn, got)
}

// settle finds out for which pipelines notifications are complete.
func (w *watch) settle(ctx context.Context, conn *pgx.Conn, got []uuid.UUID) error {
	if len(got) > 0 {
		var id int64
		if err := conn.QueryRow(ctx, horizon).Scan(&id); err != nil {
			return fmt.Errorf("take a transaction id: %w", err)
		}
		for _, pipeline := range got {
			w.held[pipeline] = id
		}
	}
	var running int64
	for pipeline, id := range w.held {
		if id == settled {
			continue
		}
		if running == 0 {
			if err := conn.QueryRow(ctx, oldest).Scan(&running); err != nil {
				return fmt.Errorf("look at the running transactions: %w", err)
			}
		}
		if id <= running {
			w.settling = append(w.settling, pipeline)
		} else {
			w.open = true
		}
	}
	return nil
}

// looked says that what was due has been read.
func (w *watch) looked() {
	for _, id := range w.settling {
		w.held[id] = settled
	}
	now := time.Now()
	switch {
	case !w.open:
		w.next = w.full
		return
	case !w.listening:
		w.pause = longPause
	}
	w.next = earlier(w.full, now.Add(w.pause))
	w.pause = min(2*w.pause, longPause)
}
