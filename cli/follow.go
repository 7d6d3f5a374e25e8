package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/urfave/cli/v2"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/postgres"
)

// followInterval is how often a followed pipeline is looked at.
const followInterval = 250 * time.Millisecond

// follow shows the jobs of pipelines until nothing of them is active any more. On a terminal
// what is active is one line that changes; elsewhere each change of state is a line.
// A database that is away for a moment is waited for: the jobs go on without us.
func follow(c *cli.Context, record *ledger.Ledger, pool *pgxpool.Pool, pipelines ...uuid.UUID) error {
	v := &followView{c: c, live: isTerminal(c.App.Writer), seen: map[int64]string{}}
	ticker := time.NewTicker(followInterval)
	defer ticker.Stop()
	for {
		states, err := statesOf(c, record, pool, pipelines)
		switch {
		case c.Context.Err() != nil:
			v.clear()
			return errors.New("stopped waiting; the jobs go on, `tidemark jobs --pipeline " + pipelines[0].String() + "` shows them")
		case postgres.Unavailable(err):
			v.status("the database is away: " + err.Error())
		case err != nil:
			return err
		default:
			v.show(states)
			if !slices.ContainsFunc(states, func(p ledger.PipelineState) bool { return !p.Status.Done() }) {
				return v.end(states)
			}
		}
		select {
		case <-ticker.C:
		case <-c.Context.Done():
		}
	}
}

func statesOf(c *cli.Context, record *ledger.Ledger, pool *pgxpool.Pool, pipelines []uuid.UUID) ([]ledger.PipelineState, error) {
	var states []ledger.PipelineState
	for _, id := range pipelines {
		p, err := record.Pipeline(c.Context, pool, id)
		if err != nil {
			return nil, err
		}
		states = append(states, p)
	}
	return states, nil
}

// followView prints what changed.
type followView struct {
	c *cli.Context
	// live is true on a terminal.
	live bool
	// seen is the last state printed of each job.
	seen map[int64]string
	line string
}

func (v *followView) show(pipelines []ledger.PipelineState) {
	var active []string
	for _, j := range jobsOf(pipelines) {
		state := j.State
		if j.Finished() {
			state = textOr(j.Result)
		} else {
			active = append(active, jobName(j)+" "+progressOf(j))
		}
		// What waits has been announced; what runs changes too often for lines on a terminal.
		if v.seen[j.ID] == state || !j.Finished() && (v.live || j.State != string(job.Running)) {
			continue
		}
		v.seen[j.ID] = state
		v.clear()
		text := fmt.Sprintf("job %d  %s  %s", j.ID, jobName(j), state)
		if j.Finished() && j.Message != nil {
			text += "  " + *j.Message
		}
		fmt.Fprintln(v.c.App.Writer, text)
	}
	v.status(strings.Join(active, ", "))
}

// status replaces the changing line of a terminal.
func (v *followView) status(line string) {
	if !v.live || line == v.line {
		return
	}
	v.clear()
	v.line = line
	fmt.Fprint(v.c.App.Writer, oneLine(line))
}

func (v *followView) clear() {
	if v.line != "" {
		fmt.Fprint(v.c.App.Writer, "\r\x1b[K")
		v.line = ""
	}
}

// jobsOf are the jobs of pipelines, each once: one may be of several.
func jobsOf(pipelines []ledger.PipelineState) []ledger.Job {
	var jobs []ledger.Job
	for _, p := range pipelines {
		jobs = append(jobs, p.Jobs...)
	}
	slices.SortFunc(jobs, func(a, b ledger.Job) int { return cmp.Compare(a.ID, b.ID) })
	return slices.CompactFunc(jobs, func(a, b ledger.Job) bool { return a.ID == b.ID })
}

// end says how the pipelines ended.
func (v *followView) end(pipelines []ledger.PipelineState) error {
	v.clear()
	bad := 0
	for _, p := range pipelines {
		if p.Status != ledger.StatusSuccess {
			bad++
		}
		if len(pipelines) > 1 {
			fmt.Fprintf(v.c.App.Writer, "pipeline %s  %s\n", p.ID, p.Status)
		} else {
			fmt.Fprintf(v.c.App.Writer, "pipeline %s\n", p.Status)
		}
	}
	if bad == 0 {
		return nil
	}
	return quietError{fmt.Errorf("%d of %d pipelines did not succeed", bad, len(pipelines)), exitFailed}
}

func jobName(j ledger.Job) string { return scopeName(scopeOf(j)) }

// scopeOf is what a job covers; a column that the row lacks is 0.
func scopeOf(j ledger.Job) job.Scope {
	s := job.Scope{Type: job.Type(j.Type)}
	for to, from := range map[*int]*int{&s.ModuleType: j.ModuleType, &s.DataEntryType: j.DataEntryType, &s.Year: j.Year} {
		if from != nil {
			*to = *from
		}
	}
	return s
}

// progressOf is how far an active job is.
func progressOf(j ledger.Job) string {
	switch {
	case j.State != string(job.Running):
		return "waiting"
	case j.Total == nil || j.Done == nil || *j.Total == 0:
		return "running"
	default:
		return fmt.Sprintf("%d of %d (%d %%)", *j.Done, *j.Total, 100**j.Done / *j.Total)
	}
}
