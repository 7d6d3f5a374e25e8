package cli

import (
	"errors"
	"fmt"
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

// follow shows the pipeline's jobs until nothing of it is active any more. On a terminal
// what is active is one line that changes; elsewhere each change of state is a line.
// A database that is away for a moment is waited for: the jobs go on without us.
func follow(c *cli.Context, record *ledger.Ledger, pool *pgxpool.Pool, pipeline uuid.UUID) error {
	v := &followView{c: c, live: isTerminal(c.App.Writer), seen: map[int64]string{}}
	ticker := time.NewTicker(followInterval)
	defer ticker.Stop()
	for {
		p, err := record.Pipeline(c.Context, pool, pipeline)
		switch {
		case c.Context.Err() != nil:
			v.clear()
			return errors.New("stopped waiting; the jobs go on, `tidemark jobs --pipeline " + pipeline.String() + "` shows them")
		case postgres.Unavailable(err):
			v.status("the database is away: " + err.Error())
		case err != nil:
			return err
		default:
			v.show(p)
			if p.Status.Done() {
				return v.end(p)
			}
		}
		select {
		case <-ticker.C:
		case <-c.Context.Done():
		}
	}
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

func (v *followView) show(p ledger.PipelineState) {
	var active []string
	for _, j := range p.Jobs {
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

// end says how the pipeline ended.
func (v *followView) end(p ledger.PipelineState) error {
	v.clear()
	fmt.Fprintf(v.c.App.Writer, "pipeline %s\n", p.Status)
	if p.Status == ledger.StatusSuccess {
		return nil
	}
	return quietError{fmt.Errorf("pipeline %s", p.Status)}
}

func jobName(j ledger.Job) string {
	s := job.Scope{Type: job.Type(j.Type)}
	for to, from := range map[*int]*int{&s.ModuleType: j.ModuleType, &s.DataEntryType: j.DataEntryType, &s.Year: j.Year} {
		if from != nil {
			*to = *from
		}
	}
	return scopeName(s)
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
