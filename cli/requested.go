package cli

import (
	"fmt"
	"io"
	"slices"

	"github.com/google/uuid"
	"github.com/urfave/cli/v2"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

// requestedPipeline is a module and year as `recalc -o json` and `aggregate -o json` print it. Fields
// are added, never changed.
type requestedPipeline struct {
	// ID is nil (null) with --dry-run.
	ID         *uuid.UUID `json:"pipeline_id"`
	ModuleType int        `json:"module_type_id"`
	Year       int        `json:"year"`
	// Status is how it ended; nil (null) without --wait.
	Status *ledger.Status `json:"status"`
	Jobs   []requestedJob `json:"jobs"`
}

// requestedJob is a job of one. State, Result and Message are nil (null) without --wait.
type requestedJob struct {
	// ID is nil (null) where --dry-run would create it.
	ID            *int64   `json:"job_id"`
	Type          job.Type `json:"job_type"`
	ModuleType    int      `json:"module_type_id"`
	DataEntryType *int     `json:"data_entry_type_id"`
	Year          int      `json:"year"`
	// Outcome is created or joined; followed where the job came from another one of the pipeline.
	Outcome string  `json:"outcome"`
	State   *string `json:"state"`
	Result  *string `json:"result"`
	Message *string `json:"status_message"`
}

func requestedOf(s job.Scope, id *int64, outcome string) requestedJob {
	r := requestedJob{ID: id, Type: s.Type, ModuleType: s.ModuleType, Year: s.Year, Outcome: outcome}
	if s.DataEntryType != 0 {
		r.DataEntryType = &s.DataEntryType
	}
	return r
}

// requestedTickets is what became of a target.
func requestedTickets(t target, started ledger.Started) requestedPipeline {
	p := requestedPipeline{ID: &started.Pipeline, ModuleType: t.module.ID, Year: t.year, Jobs: []requestedJob{}}
	for _, ticket := range started.Tickets {
		p.Jobs = append(p.Jobs, requestedOf(ticket.Scope, &ticket.JobID, ticket.Outcome()))
	}
	return p
}

// ended adds how the pipeline and its jobs ended.
func (p *requestedPipeline) ended(state ledger.PipelineState) {
	asked := p.Jobs
	p.Status, p.Jobs = &state.Status, []requestedJob{}
	for _, j := range state.Jobs {
		r := requestedOf(scopeOf(j), &j.ID, "followed")
		if i := slices.IndexFunc(asked, func(a requestedJob) bool { return *a.ID == j.ID }); i >= 0 {
			r.Outcome = asked[i].Outcome
		}
		r.State, r.Result, r.Message = &j.State, j.Result, j.Message
		p.Jobs = append(p.Jobs, r)
	}
}

// progressBeside is a view for a person while stdout is a program's.
func progressBeside(c *cli.Context) *followView {
	if isTerminal(c.App.ErrWriter) {
		return newFollowView(c.App.ErrWriter)
	}
	return newFollowView(io.Discard)
}

func printTickets(w io.Writer, pipeline uuid.UUID, tickets []ledger.Ticket) {
	fmt.Fprintf(w, "pipeline %s\n", pipeline)
	for _, t := range tickets {
		how := "joined, it was waiting already"
		if t.Created {
			how = "created"
		}
		fmt.Fprintf(w, "job %d  %s  %s\n", t.JobID, scopeName(t.Scope), how)
	}
}
