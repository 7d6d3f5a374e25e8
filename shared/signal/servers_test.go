package signal_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"tidemark/shared/local/localtest"
	"tidemark/shared/signal"
)

// TestReadWorkers starts a server of asynq's own: what it writes about itself is what is read.
func TestReadWorkers(t *testing.T) {
	t.Parallel()
	rdb, err := signal.Connect(localtest.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	if workers, err := signal.ReadWorkers(t.Context(), rdb); err != nil || len(workers) != 0 {
		t.Fatalf("without a server: %v (%v)", workers, err)
	}
	server := asynq.NewServerFromRedisClient(rdb, asynq.Config{Concurrency: 7, Queues: map[string]int{"emission_recalc": 1, "aggregation": 2}, LogLevel: asynq.FatalLevel})
	if err := server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error { return nil })); err != nil {
		t.Fatal(err)
	}
	defer server.Shutdown()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		workers, err := signal.ReadWorkers(t.Context(), rdb)
		if err != nil {
			t.Fatal(err)
		}
		if len(workers) == 1 {
			w := workers[0]
			if w.Host == "" || w.PID == 0 || w.Concurrency != 7 || w.Busy != 0 || w.Stopping || time.Since(w.Started).Abs() > time.Hour ||
				!slices.Equal(w.Queues, []string{"aggregation", "emission_recalc"}) {
				t.Errorf("%+v", w)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the server did not write about itself")
		}
	}
}
