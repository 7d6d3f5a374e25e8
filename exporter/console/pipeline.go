package console

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"tidemark/shared/access"
	"tidemark/shared/catalog"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

// pipelineData is what the page of a pipeline shows.
type pipelineData struct {
	ID       uuid.UUID
	Kind     string
	Progress ledger.Progress
	Jobs     []pipelineJob
	Asked    []ledger.Asked
	MayAbort bool
	// Foreseen is what an abort would do now, none where it would do nothing.
	Foreseen []ledger.AbortedJob
}

// pipelineJob is a job with the address of its scope's page, "" where it has none.
type pipelineJob struct {
	ledger.Job
	Module, Href string
	// Percent is how far a running job is, nil where it does not say.
	Percent *int
}

// pipeline answers GET /pipelines/{id}.
func (c *Console) pipeline(r *http.Request, who viewer) (view, error) {
	text := r.PathValue("id")
	nothing := &refusal{http.StatusNotFound, say("pipeline.none.title"), say("pipeline.none.text", "id", text)}
	id, err := uuid.Parse(text)
	if err != nil {
		return view{}, nothing
	}
	found, err := c.ledger.Members(r.Context(), c.opts.Pool, id)
	if err != nil {
		return view{}, err
	}
	members, ok := found[id]
	if !ok {
		return view{}, nothing
	}
	for _, m := range members.Jobs {
		if m.ModuleType == nil && !who.MayViewAll() || m.ModuleType != nil && !who.MayView(*m.ModuleType) {
			return view{}, &refusal{http.StatusForbidden, say("denied.title"), say("denied.pipeline", "name", who.Name, "permission", string(access.ViewAll))}
		}
	}
	state, err := c.ledger.Pipeline(r.Context(), c.opts.Pool, id)
	if errors.Is(err, ledger.ErrNotFound) {
		return view{}, nothing
	}
	if err != nil {
		return view{}, err
	}
	d := pipelineData{ID: id, Kind: state.Kind, Progress: members.Progress(), MayAbort: who.MayRequest()}
	for _, j := range state.Jobs {
		d.Jobs = append(d.Jobs, pipelineJobOf(j, rootOf(r)))
	}
	if len(state.Jobs) > 0 {
		if d.Asked, err = c.askedFor(r, id, state.Jobs); err != nil {
			return view{}, err
		}
	}
	if !d.Progress.Done {
		if d.Foreseen, err = c.ledger.ForeseeAbort(r.Context(), c.opts.Pool, id); err != nil {
			return view{}, err
		}
	}
	at, err := c.now(r)
	return view{page: "pipeline", title: say("pipeline.title", "id", id.String()[:8]), at: at, data: d}, err
}

// askedFor finds who asked for the pipeline: of its first job those requests that are its own.
func (c *Console) askedFor(r *http.Request, id uuid.UUID, jobs []ledger.Job) ([]ledger.Asked, error) {
	all, err := c.ledger.RequestsOf(r.Context(), c.opts.Pool, jobs[0].ID)
	var own []ledger.Asked
	for _, a := range all {
		if a.Pipeline != nil && *a.Pipeline == id {
			own = append(own, a)
		}
	}
	return own, err
}

func pipelineJobOf(j ledger.Job, root string) pipelineJob {
	p := pipelineJob{Job: j}
	if j.ModuleType != nil {
		p.Module = catalog.ModuleName(*j.ModuleType)
		if j.Year != nil {
			p.Href = root + "scopes/" + p.Module + "/" + strconv.Itoa(*j.Year)
		}
	}
	if !j.Finished() {
		p.Percent = job.Percent(j.Done, j.Total)
	}
	return p
}

// now is the record's clock, which all times on a page are compared with.
func (c *Console) now(r *http.Request) (at time.Time, err error) {
	err = c.opts.Pool.QueryRow(r.Context(), `SELECT now()`).Scan(&at)
	return at, err
}
