package stream

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/local/localtest"
	"tidemark/shared/postgres"
)

// TestWatchRestsWhenEveryEarlierWriterHasEnded goes through the looks of one session.
func TestWatchRestsWhenEveryEarlierWriterHasEnded(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	// Transactions of other databases of a server count too, so it has one to itself.
	pg := localtest.OwnPostgres(t)
	if _, err := postgres.Migrate(ctx, pg.URL); err != nil {
		t.Fatal(err)
	}
	pool := localtest.Connect(t, pg.URL)
	b := setupOn(t, pool, pool.Config().ConnConfig)
	id := b.pipeline(1)
	conn, err := pgx.ConnectConfig(ctx, b.pool.Config().ConnConfig)
	b.must(err)
	defer conn.Close(ctx)
	w, err := newWatch(ctx, conn)
	b.must(err)
	if !w.listening {
		t.Fatal("it does not listen: ", w.reason)
	}
	topics := map[uuid.UUID]*topic{id: {}}
	look := func() (due bool) {
		t.Helper()
		isDue, err := w.prepare(ctx, conn, topics)
		b.must(err)
		w.looked()
		return isDue(id)
	}
	writer, err := b.pool.Begin(ctx)
	b.must(err)
	_, err = writer.Exec(ctx, `UPDATE pipelines SET status = 'FAILED'`)
	b.must(err)
	if !look() || !w.next.Before(w.full) || w.pause != 2*shortPause {
		t.Errorf("while a writer is on its way: next look at %s of %s, pause %s", w.next, w.full, w.pause)
	}
	w.next = time.Now()
	if !look() || w.pause != 4*shortPause {
		t.Errorf("the time has come and it does not look again, or not at longer and longer intervals (%s)", w.pause)
	}
	if look() {
		t.Error("it looks although neither the time has come nor anything was notified")
	}
	b.must(writer.Commit(ctx))
	if !look() || w.next != w.full {
		t.Errorf("after the commit: next look at %s, want one now and then one at %s", w.next, w.full)
	}
	if look() {
		t.Error("it looks although notifications are complete")
	}
	w.full = time.Now()
	if !look() {
		t.Error("it does not look twice a minute")
	}
	// A lock that cannot be had is tried again.
	other := b.pipeline(2)
	topics[other] = &topic{}
	blocker, err := b.pool.Acquire(ctx)
	b.must(err)
	defer blocker.Release()
	_, err = blocker.Exec(ctx, `SELECT pg_advisory_lock(1953064039, tidemark_pipeline_slot($1))`, other)
	b.must(err)
	look()
	if _, held := w.held[other]; held || w.next == w.full {
		t.Errorf("held %v, next look at %s: want it tried again soon", held, w.next)
	}
	_, err = blocker.Exec(ctx, `SELECT pg_advisory_unlock(1953064039, tidemark_pipeline_slot($1))`, other)
	b.must(err)
	look()
	if w.held[other] != settled || w.next != w.full {
		t.Errorf("it is not settled once the lock can be had")
	}
}
