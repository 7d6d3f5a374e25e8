package doctor

import "fmt"

// Level is how a check ended.
type Level string

const (
	// OK: nothing is wrong.
	OK Level = "ok"
	// Skipped: it was not asked for, or what it is about cannot be reached, which another check says.
	Skipped Level = "skipped"
	// Unknown: it could not be found out.
	Unknown Level = "unknown"
	// Warning: it works, and should be attended to.
	Warning Level = "warning"
	// Failure: something does not work.
	Failure Level = "failure"
)

// Verdict is what a check says.
type Verdict struct {
	Level Level `json:"level"`
	// Text says what is so.
	Text string `json:"text"`
	// Remedy says what to do; "" where nothing has to be done.
	Remedy string `json:"remedy,omitempty"`
}

func ok(format string, args ...any) Verdict {
	return Verdict{Level: OK, Text: fmt.Sprintf(format, args...)}
}

func warn(remedy, format string, args ...any) Verdict {
	return Verdict{Warning, fmt.Sprintf(format, args...), remedy}
}

func fail(remedy, format string, args ...any) Verdict {
	return Verdict{Failure, fmt.Sprintf(format, args...), remedy}
}

// Check looks at one thing.
type Check struct {
	// ID names it for programs, place first: "redis.eviction".
	ID    string
	judge func(Facts) Verdict
}

// Result is a check with its verdict.
type Result struct {
	ID string `json:"id"`
	Verdict
}

// Checks returns every check, in the order in which to read them: what others rest on comes first.
func Checks() []Check {
	var all []Check
	for _, some := range [][]Check{databaseChecks, schemaChecks, sessionChecks, recordChecks, redisChecks, queueChecks, fleetChecks, prometheusChecks} {
		all = append(all, some...)
	}
	return all
}

// Examine lets every check judge the facts.
func Examine(f Facts) []Result {
	var results []Result
	for _, c := range Checks() {
		results = append(results, Result{c.ID, c.judge(f)})
	}
	return results
}

// ExitCode is 0 where everything is in order, 1 where something should be attended to or is not
// known, 2 where something does not work.
func ExitCode(results []Result) int {
	code := 0
	for _, r := range results {
		switch r.Level {
		case Failure:
			return 2
		case Warning, Unknown:
			code = 1
		}
	}
	return code
}

// check is one over a part of the facts. Where the part could not be read, it is not known; the
// checks of reach say why.
func check[T any](id string, part func(Facts) Part[T], judge func(T) Verdict) Check {
	return Check{id, func(f Facts) Verdict {
		switch p := part(f); {
		case !p.Asked:
			return Verdict{Level: Skipped, Text: "not asked for, or out of reach"}
		case p.Err != nil:
			return Verdict{Unknown, "not known: " + p.Err.Error(), "see that the user that asks may read it"}
		default:
			return judge(p.Value)
		}
	}}
}

// reach is the check whether a part can be read at all.
func reach[T any](id, remedy string, part func(Facts) Part[T], text func(T) string) Check {
	return Check{id, func(f Facts) Verdict {
		switch p := part(f); {
		case !p.Asked:
			return Verdict{Level: Skipped, Text: "no address given"}
		case p.Err != nil:
			return fail(remedy, "cannot be asked: %v", p.Err)
		default:
			return ok("%s", text(p.Value))
		}
	}}
}
