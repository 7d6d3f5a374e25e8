package emission

import (
	"encoding/json"
	"fmt"
	"strconv"

	"tidemark/shared/job"
)

// maxDetails bounds the lists in an outcome; the rest is counted.
const maxDetails = 100

// tally counts what became of the entries of a slice.
type tally struct {
	recalculated int
	failed       int
	// failures are the first maxDetails of the failed.
	failures []failure
}

type failure struct {
	DataEntryID int32  `json:"data_entry_id"`
	Reason      string `json:"reason"`
}

func (t *tally) entries() int { return t.recalculated + t.failed }

func (t *tally) fail(id int32, err error) {
	t.failed++
	if len(t.failures) < maxDetails {
		t.failures = append(t.failures, failure{DataEntryID: id, Reason: shorten(err.Error())})
	}
}

// outcome tells the operator how the slice went. Nothing but failures is an error:
// a slice that lost all its emissions at once has a cause of its own.
func (t *tally) outcome() (job.Outcome, error) {
	detail, err := json.Marshal(struct {
		Recalculated int       `json:"recalculated"`
		Errors       int       `json:"errors"`
		Details      []failure `json:"error_details"`
		Omitted      int       `json:"error_details_omitted"`
	}{t.recalculated, t.failed, append([]failure{}, t.failures...), t.failed - len(t.failures)})
	if err != nil {
		return job.Outcome{}, err
	}
	out := job.Outcome{Result: job.Success, Detail: detail}
	switch {
	case t.entries() == 0:
		out.Message = "no entries, nothing to recalculate"
	case t.failed == 0:
		out.Message = fmt.Sprintf("recalculated %s", counted(t.recalculated, "entry", "entries"))
	case t.recalculated == 0:
		return job.Outcome{}, fmt.Errorf("none of %s could be computed, first: %s; nothing was changed", counted(t.failed, "entry", "entries"), t.failures[0])
	default:
		out.Result = job.Warning
		out.Message = fmt.Sprintf("recalculated %s of %s; %s could not be computed, first: %s",
			thousands(t.recalculated), counted(t.entries(), "entry", "entries"), thousands(t.failed), t.failures[0])
	}
	return out, nil
}

func (f failure) String() string { return fmt.Sprintf("data entry %d: %s", f.DataEntryID, f.Reason) }

// shorten keeps a reason that quotes a long text from filling the record.
func shorten(reason string) string {
	const most = 300
	if runes := []rune(reason); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return reason
}

// counted writes a number with its noun: "1 entry", "5,000 entries".
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

// thousands writes a count with commas.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
