package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
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

// follow shows the jobs of pipelines until nothing of them is active any more, then how they ended. On
// a terminal each that is active is a line that changes; elsewhere each change of state is a line.
func follow(c *cli.Context, record *ledger.Ledger, pool *pgxpool.Pool, pipelines ...uuid.UUID) error {
	v := newFollowView(c.App.Writer)
	states, err := await(c, record, pool, v, pipelines)
	if err != nil {
		return err
	}
	v.end(states)
	return endOf(states)
}

// await returns the pipelines when nothing of them is active any more. A database that is away for
// a moment is waited for: the jobs go on without us.
func await(c *cli.Context, record *ledger.Ledger, pool *pgxpool.Pool, v *followView, pipelines []uuid.UUID) ([]ledger.PipelineState, error) {
	ticker := time.NewTicker(followInterval)
	defer ticker.Stop()
	for {
		states, err := statesOf(c, record, pool, pipelines)
		switch {
		case c.Context.Err() != nil:
			v.clear()
			return nil, errors.New("stopped waiting; the jobs go on, `tidemark jobs --pipeline " + pipelines[0].String() + "` shows them")
		case postgres.Unavailable(err):
			v.status(oneLine("the database is away: " + err.Error()))
		case err != nil:
			v.clear()
			return nil, err
		default:
			v.show(states)
			if !slices.ContainsFunc(states, func(p ledger.PipelineState) bool { return !p.Status.Done() }) {
				return states, nil
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
	w io.Writer
	// live is true on a terminal.
	live bool
	// seen is the last state printed of each job.
	seen map[int64]string
	// block is what stands below everything else on a terminal, and changes.
	block []string
}

func newFollowView(w io.Writer) *followView {
	return &followView{w: w, live: isTerminal(w), seen: map[int64]string{}}
}

func (v *followView) show(pipelines []ledger.PipelineState) {
	var ended, active []string
	for _, j := range jobsOf(pipelines) {
		state := j.State
		if j.Finished() {
			state = textOr(j.Result)
		} else {
			active = append(active, fmt.Sprintf("job %d  %s  %s", j.ID, jobName(j), progressOf(j)))
		}
		// What waits has been announced; what runs changes too often for lines that stay on a terminal.
		if v.seen[j.ID] == state || !j.Finished() && (v.live || j.State != string(job.Running)) {
			continue
		}
		v.seen[j.ID] = state
		text := fmt.Sprintf("job %d  %s  %s", j.ID, jobName(j), state)
		if j.Finished() && j.Message != nil {
			text += "  " + *j.Message
		}
		ended = append(ended, text)
	}
	if len(ended) > 0 {
		v.clear()
	}
	for _, text := range ended {
		fmt.Fprintln(v.w, text)
	}
	v.status(active...)
}

// status replaces the changing lines of a terminal, one for each job that waits or runs. Where they are
// too many for it, the last one says how many more there are.
func (v *followView) status(lines ...string) {
	if !v.live {
		return
	}
	columns, height := sizeOf(v.w)
	var block []string
	for i, line := range lines {
		if room := max(height-2, 1); i == room && len(lines) > room {
			block = append(block, fmt.Sprintf("and %d more", len(lines)-i))
			break
		}
		block = append(block, cut(line, columns-1)) // a line that wraps could not be replaced
	}
	if slices.Equal(block, v.block) {
		return
	}
	v.clear()
	v.block = block
	for _, line := range block {
		fmt.Fprintln(v.w, line)
	}
}

// cut shortens a text to so many characters.
func cut(text string, length int) string {
	if r := []rune(text); len(r) > length {
		return string(r[:max(length-1, 0)]) + "…"
	}
	return text
}

func (v *followView) clear() {
	if len(v.block) > 0 {
		fmt.Fprintf(v.w, "\x1b[%dA\r\x1b[J", len(v.block)) // up to its first line, and erase from there on
		v.block = nil
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
func (v *followView) end(pipelines []ledger.PipelineState) {
	v.clear()
	for _, p := range pipelines {
		if len(pipelines) > 1 {
			fmt.Fprintf(v.w, "pipeline %s  %s\n", p.ID, p.Status)
		} else {
			fmt.Fprintf(v.w, "pipeline %s\n", p.Status)
		}
	}
}

// endOf is the command's own end after waiting.
func endOf(pipelines []ledger.PipelineState) error {
	bad := 0
	for _, p := range pipelines {
		if p.Status != ledger.StatusSuccess {
			bad++
		}
	}
	if bad == 0 {
		return nil
	}
	return quietError{fmt.Errorf("%d of %d pipelines did not succeed", bad, len(pipelines)), exitFailed}
}

func jobName(j ledger.Job) string { return scopeName(scopeOf(j)) }

// scopeOf is what a job covers.
func scopeOf(j ledger.Job) job.Scope {
	return scopeWith(job.Type(j.Type), j.ModuleType, j.DataEntryType, j.Year)
}

// scopeWith makes a scope of what a row has; a column that it lacks is 0.
func scopeWith(t job.Type, module, dataEntryType, year *int) job.Scope {
	s := job.Scope{Type: t}
	for to, from := range map[*int]*int{&s.ModuleType: module, &s.DataEntryType: dataEntryType, &s.Year: year} {
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
