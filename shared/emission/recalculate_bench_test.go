package emission

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/postgres"
)

// BenchmarkRecalculate reports how fast a slice of flights is recalculated, and the
// highest heap of this process while it is: that must not grow with the slice. The
// size is 50,000 entries, or TIDEMARK_BENCH_ENTRIES.
func BenchmarkRecalculate(b *testing.B) {
	entries := 50_000
	if n, err := strconv.Atoi(os.Getenv("TIDEMARK_BENCH_ENTRIES")); err == nil {
		entries = n
	}
	w := newWorld(b)
	module := w.module(w.report("U", 2025), 2, 1)
	w.factor(20, 2025, 50200, `{"category":"short","cabin_class":"economy"}`, `{"ef_kg_co2eq_per_km":0.2,"rfi_adjustment":2,"max_distance":1000}`)
	w.exec(`INSERT INTO data_entries (data_entry_type_id, carbon_report_module_id, data, created_at, updated_at)
		SELECT 20, $1, json_build_object('origin_iata', 'GVA', 'destination_iata', 'CDG', 'cabin_class', 'economy', 'number_of_trips', n % 5 + 1,
		       'user_institutional_id', n::text, 'departure_date', '2025-03-10'), now(), now() FROM generate_series(1, $2::int) n`, module, entries)
	w.exec(`ANALYZE`)
	var peak atomic.Uint64
	stop := watchHeap(&peak)
	for b.Loop() {
		err := postgres.InTx(context.Background(), w.pool, 1, func(tx pgx.Tx) error {
			_, err := Recalculate(context.Background(), tx, planes, nil, ignore)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	stop()
	b.ReportMetric(float64(entries*b.N)/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64(peak.Load())/(1<<20), "peak-heap-MiB")
}

// watchHeap keeps the highest heap in use until stopped.
func watchHeap(peak *atomic.Uint64) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapInuse))
			select {
			case <-quit:
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(quit); <-done }
}
