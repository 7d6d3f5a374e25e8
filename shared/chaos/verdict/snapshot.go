package verdict

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// snapshot is what a transaction saw: everything below min, nothing from max on, and between
// them what was not in progress.
type snapshot struct {
	min, max   uint64
	inProgress []uint64
}

// parseSnapshot reads PostgreSQL's spelling: min:max:xid,xid.
func parseSnapshot(text string) (s snapshot, err error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return s, fmt.Errorf("%q is not a snapshot", text)
	}
	if s.min, err = strconv.ParseUint(parts[0], 10, 64); err != nil {
		return s, err
	}
	if s.max, err = strconv.ParseUint(parts[1], 10, 64); err != nil {
		return s, err
	}
	for xid := range strings.SplitSeq(parts[2], ",") {
		if xid == "" {
			continue
		}
		n, err := strconv.ParseUint(xid, 10, 64)
		if err != nil {
			return s, err
		}
		s.inProgress = append(s.inProgress, n)
	}
	return s, nil
}

// sees reports whether what a committed transaction did is visible.
func (s snapshot) sees(xid uint64) bool {
	return xid < s.min || xid < s.max && !slices.Contains(s.inProgress, xid)
}
