package verdict

import (
	"fmt"
	"slices"
	"time"
)

// Kind is what is wrong.
type Kind string

// The kinds of violations; the package comment says what each is.
const (
	Lost         Kind = "lost"
	Unexpected   Kind = "unexpected"
	Doubled      Kind = "doubled"
	StaleWrite   Kind = "stale write"
	HalfWritten  Kind = "half written"
	UntrueScrape Kind = "untrue scrape"
)

// Kinds lists them in the order of the report.
func Kinds() []Kind {
	return []Kind{Lost, Unexpected, Doubled, StaleWrite, HalfWritten, UntrueScrape}
}

// Violation is one thing that must not happen.
type Violation struct {
	Kind Kind
	// At is when it was committed or scraped; zero for what shows in the end only.
	At   time.Time
	What string
}

func (v Violation) String() string {
	if v.At.IsZero() {
		return fmt.Sprintf("%s: %s", v.Kind, v.What)
	}
	return fmt.Sprintf("%s, %s: %s", v.Kind, v.At.UTC().Format("15:04:05.000"), v.What)
}

// judge collects what is wrong with a history.
type judge struct {
	h          *History
	attempts   map[string]Attempt
	jobs       *jobs
	violations []Violation
	// coveredAt is when the run that covers a request ended, by place in h.Requests.
	coveredAt []time.Time
}

func (j *judge) found(k Kind, at time.Time, format string, args ...any) {
	j.violations = append(j.violations, Violation{k, at, fmt.Sprintf(format, args...)})
}

// Judge says what is wrong with a history, the earliest first, and what else there is to tell of
// it. A history that cannot be read is an error.
func Judge(h *History) (*Report, error) {
	j := &judge{h: h, attempts: map[string]Attempt{}}
	for _, a := range h.Attempts {
		j.attempts[a.Nonce] = a
	}
	if err := j.replay(); err != nil {
		return nil, err
	}
	j.judgeWrites()
	j.judgeAnswers()
	j.judgeTasks()
	j.judgeCoverage()
	j.judgeFollowUps()
	j.judgeData()
	j.judgeScrapes()
	slices.SortStableFunc(j.violations, func(a, b Violation) int {
		switch {
		case a.At.IsZero() != b.At.IsZero():
			if a.At.IsZero() {
				return 1
			}
			return -1
		default:
			return a.At.Compare(b.At)
		}
	})
	return j.report(), nil
}
