package freshness

import (
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/local/localtest"
)

// TestTxSnapshotSeesWhatPostgresSees asks both about random snapshots and transactions in and around them.
func TestTxSnapshotSeesWhatPostgresSees(t *testing.T) {
	t.Parallel()
	rows, err := localtest.Pool(t).Query(t.Context(), `
WITH bounds AS (
    SELECT n, xmin, xmin + (random() * 12)::int AS xmax
      FROM generate_series(1, 2000) n, LATERAL (SELECT 3 + (random() * 20 + n * 0)::bigint + (n % 2) * 8000000000 AS xmin) AS low
), snapshots AS (
    SELECT n, xmin, format('%s:%s:%s', xmin, xmax, (
               SELECT string_agg(open::text, ',' ORDER BY open) FROM generate_series(xmin, xmax - 1) AS open WHERE random() < 0.4))::pg_snapshot AS snapshot
      FROM bounds
)
SELECT snapshot::text, xid, pg_visible_in_snapshot(xid, snapshot)
  FROM snapshots, LATERAL (SELECT (xmin - 2 + (random() * 16 + n * 0)::int)::text::xid8 AS xid FROM generate_series(1, 5)) AS asked`)
	if err != nil {
		t.Fatal(err)
	}
	var (
		text    string
		xid     uint64
		visible bool
		count   = map[bool]int{}
	)
	_, err = pgx.ForEachRow(rows, []any{&text, &xid, &visible}, func() error {
		s, err := parseTxSnapshot(text)
		if err != nil {
			return err
		}
		if s.sees(xid) != visible {
			t.Errorf("%s sees %d: %t, PostgreSQL says %t", text, xid, !visible, visible)
		}
		count[visible]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if count[true] < 1000 || count[false] < 1000 {
		t.Errorf("compared only %v", count)
	}
}

func TestTxSnapshotRefusesWhatIsNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "10", "10:20", "10:20:30:40", "a:20:", "10:b:", "10:20:c", "10:20:11,", "-1:20:", strconv.Quote("10:20:")} {
		if s, err := parseTxSnapshot(text); err == nil {
			t.Errorf("%q is read as %+v", text, s)
		}
	}
}
