package cost

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/freshness"
)

// BenchmarkQuery compares a look at freshness, decoded, with the original's: on the same database,
// where that has Tidemark's indexes to its advantage, and on its own.
func BenchmarkQuery(b *testing.B) {
	d := data(b)
	ours, theirs, own := session(b, d.migrated), session(b, d.migrated), session(b, d.original)
	var stale [2]int
	times := inTurns(b, 15,
		func() error { return look(b, ours, &stale[0]) },
		func() (err error) { stale[1], err = lookAsOriginal(b.Context(), theirs); return err },
		func() error { _, err := lookAsOriginal(b.Context(), own); return err })
	// Between the two an hour may have gone by for a scope or two.
	if diff := stale[0] - stale[1]; diff < -50 || diff > 50 {
		b.Fatalf("%d scopes are stale, the original says %d", stale[0], stale[1])
	}
	b.Logf("%s", large)
	b.Logf("a look at freshness      %s", times[0])
	b.Logf("the original's queries   %s   %.0f times as long", times[1], times[1].over(times[0]))
	b.Logf("on its own database      %s   %.0f times as long", times[2], times[2].over(times[0]))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(times[0].over(times[1]), "of-the-original's-time")
}

// BenchmarkGrowth compares a look with one where there is a tenth of the report modules and jobs.
func BenchmarkGrowth(b *testing.B) {
	d := data(b)
	all, some := session(b, d.migrated), session(b, d.tenth)
	times := inTurns(b, 30,
		func() error { return look(b, all, nil) },
		func() error { return look(b, some, nil) })
	b.Logf("%s   %s", large, times[0])
	b.Logf("%s   %s", tenth, times[1])
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(times[0].over(times[1]), "times-as-long-with-ten-times-the-history")
}

// look takes a snapshot and counts what is stale.
func look(b *testing.B, conn *pgx.Conn, stale *int) error {
	s, err := freshness.TakeSnapshot(b.Context(), conn)
	if err != nil {
		return err
	}
	if !s.Kept || len(s.Scopes) != 5000 {
		b.Errorf("kept %t, %d scopes", s.Kept, len(s.Scopes))
	}
	if n := len(freshness.Stale(s, time.Hour)); stale != nil {
		*stale = n
	}
	return nil
}
