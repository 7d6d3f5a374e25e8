package chaos

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"tidemark/shared/chaos/verdict"
)

// lastSignals kills all workers, lets the last requests pile up, and takes their signals away:
// nobody asks again who would send new ones by the way. Some bear the mark of another program.
func (w *world) lastSignals(ctx context.Context, stopRequesters func()) error {
	last := verdict.Fault{Name: "the last signals are lost", Kills: len(w.workers), Struck: time.Now(), EmptiesRedis: true}
	for _, p := range w.workers {
		p.gate.Lock()
		defer p.gate.Unlock()
		if exited, err := p.signal(syscall.SIGKILL); err == nil {
			<-exited
		}
	}
	pause(ctx, time.Second)
	stopRequesters()
	err := errors.Join(w.directly(ctx, `UPDATE data_ingestion_jobs SET state = 'QUEUED' WHERE state = 'NOT_STARTED' AND id % 2 = 0`),
		w.rdb.FlushAll(ctx).Err())
	last.Ended = time.Now()
	w.faults = append(w.faults, last)
	return err
}

// quietPatience is how long may pass until everything that was accepted is done: longer than any
// lease, hold and retry.
const quietPatience = 90 * time.Second

// workOff waits until no job waits or runs, and stops the workers. What they still took from Redis
// as they stopped is worked off by new ones.
func (w *world) workOff(ctx context.Context, t testing.TB, patience time.Duration) {
	t.Helper()
	deadline := time.Now().Add(patience)
	active := func() (n int) {
		if err := w.pool.QueryRow(ctx, `SELECT count(*) FROM data_ingestion_jobs WHERE state <> 'FINISHED'`).Scan(&n); err != nil {
			return -1
		}
		return n
	}
	inspector := asynq.NewInspectorFromRedisClient(w.rdb)
	for time.Now().Before(deadline) {
		// asynq would try these again in some minutes; they stay visible.
		for _, queue := range []string{"aggregation", "emission_recalc"} {
			_, _ = inspector.ArchiveAllRetryTasks(queue)
		}
		if active() != 0 || !w.nothingPends(inspector) {
			pause(ctx, 50*time.Millisecond)
			continue
		}
		for _, p := range w.workers {
			if err := p.stop(); err != nil {
				t.Error(err)
			}
		}
		if active() == 0 {
			return
		}
		w.startWorker(t)
	}
}

// nothingPends reports whether no task waits for a worker.
func (w *world) nothingPends(inspector *asynq.Inspector) bool {
	for _, queue := range []string{"aggregation", "emission_recalc"} {
		if info, err := inspector.GetQueueInfo(queue); err == nil && info.Pending > 0 {
			return false
		}
	}
	return true
}

// tasks are the ids of all tasks that Redis holds.
func (w *world) tasks(ctx context.Context, t testing.TB) []string {
	t.Helper()
	var ids []string
	keys := w.rdb.Scan(ctx, 0, "asynq:*:t:*", 1000).Iterator()
	for keys.Next(ctx) {
		_, id, _ := strings.Cut(keys.Val(), "}:t:")
		ids = append(ids, id)
	}
	must(t, keys.Err())
	return ids
}
