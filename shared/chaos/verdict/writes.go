package verdict

import (
	"strings"
	"time"
)

// judgeWrites sees that results and the end of their run became visible together.
func (j *judge) judgeWrites() {
	wrote := map[uint64]bool{}
	for _, w := range j.h.Writes {
		if w.Doubled > 0 {
			j.found(Doubled, w.At, "%d entries of %s got a second emission from %q", w.Doubled, w.Scope, w.Writer)
		}
		end := j.jobs.endOf[w.XID]
		if end != nil && end.move.Scope == w.Scope && end.end.Result != failed {
			wrote[w.XID] = true
			continue
		}
		if j.holds(w.Writer, w.At) {
			j.found(HalfWritten, w.At, "%d rows of %s were committed by %q without the end of its job", w.Rows, w.Scope, w.Writer)
		} else {
			j.found(StaleWrite, w.At, "%d rows of %s were committed by %q, which holds no job of that scope", w.Rows, w.Scope, w.Writer)
		}
	}
	for _, m := range j.h.Moves {
		end := j.jobs.endOf[m.XID]
		if m.To == finished && m.From == running && m.SupersededBy == 0 && m.Result != failed && end != nil && !wrote[m.XID] {
			j.found(HalfWritten, m.At, "job %d of %s ended with %s, and its transaction wrote no result", m.JobID, m.Scope, m.Result)
		}
	}
}

// holds reports whether a session's claim was good at some moment.
func (j *judge) holds(token string, at time.Time) bool {
	if strings.TrimSpace(token) == "" {
		return false
	}
	for _, claims := range j.jobs.claims {
		for i, c := range claims {
			until := at
			if i+1 < len(claims) {
				until = claims[i+1].move.At
			}
			if c.move.ToToken == token && !c.move.At.After(at) && !until.Before(at) {
				return true
			}
		}
	}
	return false
}
