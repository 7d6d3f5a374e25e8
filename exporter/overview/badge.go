package overview

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"tidemark/shared/catalog"
	"tidemark/shared/explain"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

// badgeOf says what is under way among the jobs of a module and year at a moment, or what failed; nil
// where there are none. maxHold is how long an aggregation waits for recalculations.
func badgeOf(at time.Time, maxHold time.Duration, rows []jobRow) *Badge {
	if len(rows) == 0 {
		return nil
	}
	jobs := make([]explain.Job, len(rows))
	for i, r := range rows {
		jobs[i] = r.Job
	}
	b := &Badge{}
	var about []explain.Job
	b.Kind, about = leading(jobs)
	b.Pipeline = about[0].Pipeline
	switch b.Kind {
	case Running:
		b.Text = runningText(about)
	case Waiting:
		b.Text = step(about[0]) + ", waiting for " + waitsFor(about[0], at, maxHold, jobs)
	case Failed:
		b.Text = failedText(about)
	}
	slices.SortStableFunc(jobs, func(a, b explain.Job) int {
		return cmp.Or(cmp.Compare(phase(a), phase(b)), cmp.Compare(a.DataEntryType, b.DataEntryType))
	})
	for _, j := range jobs {
		line := lineOf(j)
		if j.State.Waiting() {
			line.WaitsFor = new(waitsFor(j, at, maxHold, jobs))
		}
		b.Jobs = append(b.Jobs, line)
	}
	return b
}

// leading are the jobs that a badge's text is about: of what runs, else what waits, else what
// failed, those of the first step, by ascending id.
func leading(jobs []explain.Job) (Kind, []explain.Job) {
	of := func(fits func(explain.Job) bool) (found []explain.Job) {
		for _, j := range jobs {
			if !fits(j) {
				continue
			}
			if len(found) > 0 && phase(j) < phase(found[0]) {
				found = nil
			}
			if len(found) == 0 || phase(j) == phase(found[0]) {
				found = append(found, j)
			}
		}
		return found
	}
	if running := of(func(j explain.Job) bool { return j.State == job.Running }); running != nil {
		return Running, running
	}
	if waiting := of(func(j explain.Job) bool { return j.State.Waiting() }); waiting != nil {
		return Waiting, waiting
	}
	return Failed, of(func(explain.Job) bool { return true })
}

func phase(j explain.Job) int {
	n, _ := ledger.PhaseOf(j.Type)
	return n
}

// step is the place of a job in what an upload or a button sets off.
func step(j explain.Job) string {
	n, of := ledger.PhaseOf(j.Type)
	return fmt.Sprintf("Step %d/%d", n, of)
}

// runningText says how far jobs of one step are, taken together, as far as they tell.
func runningText(jobs []explain.Job) string {
	text := step(jobs[0]) + ", " + [...]string{"bringing data in", "recalculating", "aggregating"}[phase(jobs[0])-1]
	if !slices.ContainsFunc(jobs, func(j explain.Job) bool { return !j.Expired }) {
		return text + ", no sign of life from its worker"
	}
	var sum explain.Job
	sum.Done, sum.Total = new(int64), new(int64)
	for _, j := range jobs {
		if j.Percent() != nil {
			*sum.Done += *j.Done
			*sum.Total += *j.Total
		}
	}
	if percent := sum.Percent(); percent != nil {
		text += fmt.Sprintf(", %d %%", *percent)
	}
	return text
}

// failedText names the jobs of one step that failed.
func failedText(jobs []explain.Job) string {
	noun := [...]string{"load", "recalculation", "aggregation"}[phase(jobs[0])-1]
	if len(jobs) > 1 {
		return fmt.Sprintf("%s, %d %ss failed", step(jobs[0]), len(jobs), noun)
	}
	return step(jobs[0]) + ", " + noun + " failed"
}

// waitsFor says in words what keeps a waiting job from running.
func waitsFor(j explain.Job, at time.Time, maxHold time.Duration, jobs []explain.Job) string {
	switch explain.Waits(j, at, jobs, maxHold) {
	case explain.JobPostponed:
		return "its time, " + j.RunAfter.Format("2006-01-02 15:04:05Z")
	case explain.JobBehindAnother:
		return "the job that runs in its scope"
	case explain.JobHeld:
		return "the recalculations of its module and year"
	default:
		return "a worker"
	}
}

// lineOf is a job as people look at it.
func lineOf(j explain.Job) Job {
	line := Job{ID: j.ID, Type: string(j.Type), State: string(j.State), StartedAt: j.StartedAt, FinishedAt: j.EndedAt}
	if j.DataEntryType != 0 {
		line.DataEntryType = new(catalog.DataEntryTypeName(j.DataEntryType))
	}
	if j.Result != "" {
		line.Result = new(string(j.Result))
	}
	if j.Message != "" {
		line.Message = &j.Message
	}
	if j.State == job.Running {
		line.Percent = j.Percent()
	}
	return line
}
