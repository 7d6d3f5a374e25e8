package worker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidemark/shared/ledger"
)

// heartbeat renews the lease of a run and publishes its progress.
type heartbeat struct {
	// done and total are what the calculation said last. counted is how much of done has been
	// counted as processed; a transaction that is tried again begins at 0.
	done, total, counted atomic.Int64
	processed            prometheus.Counter
	// mu is held during a renewal. paused is true from when the finish writes the job's row to the end
	// of its transaction: a renewal that waited for the row would take it for a loss. Whatever
	// else a finish waits for comes before, or a healthy run would lose its lease over it.
	mu      sync.Mutex
	paused  bool
	quit    context.CancelFunc
	stopped chan struct{}
}

// startHeartbeat renews until stop. When the job is lost, or could not be renewed for a whole
// lease, it ends the run with [ledger.ErrLost].
func (w *Worker) startHeartbeat(ctx context.Context, c *ledger.Claim, end context.CancelCauseFunc) *heartbeat {
	ctx, quit := context.WithCancel(ctx)
	h := &heartbeat{quit: quit, stopped: make(chan struct{}), processed: w.metrics.processed.WithLabelValues(string(c.Scope.Type))}
	go func() {
		defer close(h.stopped)
		ticker := time.NewTicker(w.opts.Heartbeat)
		defer ticker.Stop()
		// The lease runs from before the statement that grants it, so we give up no later
		// than the reaper may act.
		good := time.Now()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			sent := time.Now()
			err := w.renew(ctx, c, h, good)
			switch {
			case ctx.Err() != nil:
				return
			case err == nil:
				good = sent
			case errors.Is(err, ledger.ErrLost), time.Since(good) >= c.Lease:
				end(ledger.ErrLost)
				return
			}
		}
	}()
	return h
}

// renew gives a renewal as long as one heartbeat: a later one may get through. The lease
// runs since good.
func (w *Worker) renew(ctx context.Context, c *ledger.Claim, h *heartbeat, good time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.paused {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, w.opts.Heartbeat)
	defer cancel()
	err := w.ledger.Renew(ctx, w.control, c, int(h.done.Load()), int(h.total.Load()))
	switch {
	case err == nil:
		w.metrics.leaseMargin.Observe((c.Lease - time.Since(good)).Seconds())
	case errors.Is(err, ledger.ErrLost):
		w.metrics.refused(c.Scope, fencedRenewal)
	}
	return err
}

// progress is the calculation's side. What is done counts as processed at once, whatever
// becomes of the run: it tells how fast the worker works, not what is in the record.
func (h *heartbeat) progress(done, total int) {
	h.done.Store(int64(done))
	h.total.Store(int64(total))
	if more := int64(done) - h.counted.Swap(int64(done)); more > 0 {
		h.processed.Add(float64(more))
	}
}

// pause returns when no renewal is under way, and keeps off further ones.
func (h *heartbeat) pause() { h.setPaused(true) }

// resume lets renewals go on, when a transaction that lost a deadlock is tried again.
func (h *heartbeat) resume() {
	h.counted.Store(0)
	h.setPaused(false)
}

func (h *heartbeat) setPaused(paused bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.paused = paused
}

func (h *heartbeat) stop() {
	h.quit()
	<-h.stopped
}
