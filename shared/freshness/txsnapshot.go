package freshness

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// txSnapshot is a pg_snapshot: which transactions had committed.
type txSnapshot struct {
	// Every transaction below xmin had ended, none from xmax on had.
	xmin, xmax uint64
	// open had not ended either.
	open []uint64
}

// parseTxSnapshot reads PostgreSQL's spelling, for example "10:20:10,14,15".
func parseTxSnapshot(text string) (s txSnapshot, err error) {
	fail := func() (txSnapshot, error) { return txSnapshot{}, fmt.Errorf("%q is no pg_snapshot", text) }
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return fail()
	}
	if s.xmin, err = strconv.ParseUint(parts[0], 10, 64); err != nil {
		return fail()
	}
	if s.xmax, err = strconv.ParseUint(parts[1], 10, 64); err != nil {
		return fail()
	}
	if parts[2] == "" {
		return s, nil
	}
	for xid := range strings.SplitSeq(parts[2], ",") {
		n, err := strconv.ParseUint(xid, 10, 64)
		if err != nil {
			return fail()
		}
		s.open = append(s.open, n)
	}
	return s, nil
}

// sees is pg_visible_in_snapshot for a transaction that committed at some time.
func (s txSnapshot) sees(xid uint64) bool {
	return xid < s.xmin || xid < s.xmax && !slices.Contains(s.open, xid)
}
