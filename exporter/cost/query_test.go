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
		looking(b, ours, &stale[0]),
		lookingAsOriginal(b, theirs, &stale[1]),
		lookingAsOriginal(b, own, new(int)))
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
		looking(b, all, new(int)),
		looking(b, some, new(int)))
	b.Logf("%s   %s", large, times[0])
	b.Logf("%s   %s", tenth, times[1])
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(times[0].over(times[1]), "times-as-long-with-ten-times-the-history")
}

// looking takes a snapshot and counts what is stale.
func looking(b *testing.B, conn *pgx.Conn, stale *int) func() (time.Duration, error) {
	look := func() error {
		s, err := freshness.TakeSnapshot(b.Context(), conn)
		if err != nil {
			return err
		}
		if !s.Kept || len(s.Scopes) != 5000 {
			b.Errorf("kept %t, %d scopes", s.Kept, len(s.Scopes))
		}
		*stale = len(freshness.Stale(s, time.Hour))
		return nil
	}
	return func() (time.Duration, error) { return timed(look) }
}

// lookingAsOriginal counts them with the original's queries.
func lookingAsOriginal(b *testing.B, conn *pgx.Conn, stale *int) func() (time.Duration, error) {
	look := func() (err error) { *stale, err = lookAsOriginal(b.Context(), conn); return err }
	return func() (time.Duration, error) { return timed(look) }
}
