package verdict

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what there is to tell of a history.
type Report struct {
	// Violations are in order of time; without any, the promises were kept.
	Violations []Violation

	// Attempts counts what requesters tried, by way in and answer.
	Attempts map[string]map[Answer]int
	// Requests are committed ones, a scope each; Created and Joined are parts of them.
	Requests, Created, Joined, Covered int
	// Runs came to their end, of which Failed failed and say so, GivenUp of those because their job
	// had been lost too often; GivenBack lost or released their job.
	Runs, Failed, GivenUp, GivenBack int
	// Scrapes answered in full; Partial said that collectors failed; Unanswered had no answer.
	Scrapes, Partial, Unanswered int
	// Faults, and the processes killed by them.
	Faults, Kills int
	// Matrix counts faults by name and point.
	Matrix map[string]map[string]int
	// Recovery is how long it took by name, ascending: from the fault until the last request that
	// it met was covered, or for the exporter until its next full answer.
	Recovery map[string][]time.Duration
}

func (j *judge) report() *Report {
	r := &Report{Violations: j.violations, Attempts: map[string]map[Answer]int{}, Matrix: map[string]map[string]int{}, Recovery: map[string][]time.Duration{}}
	for _, a := range j.h.Attempts {
		if r.Attempts[a.Via] == nil {
			r.Attempts[a.Via] = map[Answer]int{}
		}
		r.Attempts[a.Via][a.Answer]++
	}
	for i, q := range j.h.Requests {
		r.Requests++
		if q.Created {
			r.Created++
		} else {
			r.Joined++
		}
		if !j.coveredAt[i].IsZero() {
			r.Covered++
		}
	}
	for _, claims := range j.jobs.claims {
		for _, c := range claims {
			switch {
			case c.end == nil || c.end.SupersededBy != 0:
				r.GivenBack++
			default:
				r.Runs++
				if c.end.Result == failed {
					r.Failed++
				}
				if c.end.Result == failed && strings.Contains(c.end.Message, "given up after") {
					r.GivenUp++
				}
			}
		}
	}
	for _, s := range j.h.Scrapes {
		switch {
		case s.Error != "":
			r.Unanswered++
		case full(s):
			r.Scrapes++
		default:
			r.Partial++
		}
	}
	for _, f := range j.h.Faults {
		r.Faults++
		r.Kills += f.Kills
		if r.Matrix[f.Name] == nil {
			r.Matrix[f.Name] = map[string]int{}
		}
		r.Matrix[f.Name][f.Point]++
		if took, ok := j.recovery(f); ok {
			r.Recovery[f.Name] = append(r.Recovery[f.Name], took)
		}
	}
	for _, took := range r.Recovery {
		slices.Sort(took)
	}
	return r
}

// full reports whether every collector worked.
func full(s Scrape) bool {
	for _, ok := range s.Success {
		if !ok {
			return false
		}
	}
	return s.Error == "" && len(s.Success) > 0
}

// recovery is how long a fault was felt; false where nothing was under way that it could have
// held up.
func (j *judge) recovery(f Fault) (time.Duration, bool) {
	if f.Exporter {
		for _, s := range j.h.Scrapes {
			if s.Start.After(f.Struck) && full(s) {
				return s.End.Sub(f.Struck), true
			}
		}
		return 0, false
	}
	last := time.Time{}
	for i, r := range j.h.Requests {
		if !r.At.After(f.Struck) && j.coveredAt[i].After(f.Struck) && j.coveredAt[i].After(last) {
			last = j.coveredAt[i]
		}
	}
	return last.Sub(f.Struck), !last.IsZero()
}

// Count is how many violations are of a kind.
func (r *Report) Count(k Kind) int {
	n := 0
	for _, v := range r.Violations {
		if v.Kind == k {
			n++
		}
	}
	return n
}

// Empty lists the cells of the matrix, fault and point, that no fault was counted in.
func (r *Report) Empty(names, points []string) []string {
	var empty []string
	for _, name := range names {
		for _, point := range points {
			if r.Matrix[name][point] == 0 {
				empty = append(empty, name+" at "+point)
			}
		}
	}
	return empty
}

// Text is the report for people, with the matrix of these faults and points.
func (r *Report) Text(names, points []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "requests   %d committed: %d created, %d joined; %d covered\n", r.Requests, r.Created, r.Joined, r.Covered)
	for _, via := range slices.Sorted(maps.Keys(r.Attempts)) {
		fmt.Fprintf(&b, "           %s:", via)
		for _, answer := range []Answer{Accepted, Enqueued, Refused, Unknown} {
			if n := r.Attempts[via][answer]; n > 0 {
				fmt.Fprintf(&b, " %d %s", n, answer)
			}
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "runs       %d ended, %d of them failed and say so (%d given up: lost too often); %d more lost or gave back their job\n", r.Runs, r.Failed, r.GivenUp, r.GivenBack)
	fmt.Fprintf(&b, "scrapes    %d in full, %d with collectors that said they failed, %d without an answer\n", r.Scrapes, r.Partial, r.Unanswered)
	fmt.Fprintf(&b, "faults     %d, %d processes killed\n", r.Faults, r.Kills)
	for _, k := range Kinds() {
		fmt.Fprintf(&b, "%-15s%d\n", k, r.Count(k))
	}
	b.WriteString("\n")
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "fault\t%s\trecovery p50\tp99\t\n", strings.Join(points, "\t"))
	for _, name := range names {
		fmt.Fprintf(w, "%s\t", name)
		for _, point := range points {
			fmt.Fprintf(w, "%d\t", r.Matrix[name][point])
		}
		fmt.Fprintf(w, "%s\t%s\t\n", percentile(r.Recovery[name], 50), percentile(r.Recovery[name], 99))
	}
	_ = w.Flush()
	return b.String()
}

// percentile reads one off ascending durations.
func percentile(of []time.Duration, p int) string {
	if len(of) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f s", of[(len(of)*p+99)/100-1].Seconds())
}
