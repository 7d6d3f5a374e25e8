package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"tidemark/exporter/stream"
	"tidemark/shared/ledger"
	"tidemark/shared/postgres"
	"tidemark/shared/web"
)

// pipelineAnswer is a pipeline with its jobs: one form for the single answer and the stream.
type pipelineAnswer struct {
	PipelineID uuid.UUID       `json:"pipeline_id"`
	Jobs       []jobAnswer     `json:"jobs"`
	Progress   ledger.Progress `json:"progress"`
	// StreamClosed marks the last event of a stream.
	StreamClosed bool `json:"stream_closed,omitempty"`
}

// jobAnswer is a job of a pipeline.
type jobAnswer struct {
	JobID int64 `json:"job_id"`
	// ID is JobID again, as the original's stream has it.
	ID            int64      `json:"id"`
	Type          *string    `json:"job_type"`
	TargetType    *int       `json:"target_type"`
	ModuleType    *int       `json:"module_type_id"`
	DataEntryType *int       `json:"data_entry_type_id"`
	Year          *int       `json:"year"`
	State         *string    `json:"state"`
	Result        *string    `json:"result"`
	Message       *string    `json:"status_message"`
	StartedAt     *time.Time `json:"started_at"`
	FinishedAt    *time.Time `json:"finished_at"`
}

// targetNumbers and entityNumbers are the original's.
var (
	targetNumbers = map[string]int{"DATA_ENTRIES": 0, "FACTORS": 1, "REDUCTION_OBJECTIVES": 2, "REFERENCE_DATA": 3}
	entityNumbers = map[string]int{"MODULE_PER_YEAR": 1, "MODULE_UNIT_SPECIFIC": 2, "GLOBAL_PER_YEAR": 3}
)

func pipelineAnswerOf(p ledger.PipelineMembers) pipelineAnswer {
	answer := pipelineAnswer{PipelineID: p.ID, Progress: p.Progress()}
	for _, m := range p.Jobs {
		j := jobAnswer{JobID: m.JobID, ID: m.JobID, Type: m.Type, ModuleType: m.ModuleType, DataEntryType: m.DataEntryType, Year: m.Year,
			State: m.State, Result: m.Result, Message: m.Message, StartedAt: utc(m.StartedAt), FinishedAt: utc(m.FinishedAt)}
		if m.TargetType != nil {
			j.TargetType = number(targetNumbers, *m.TargetType)
		}
		answer.Jobs = append(answer.Jobs, j)
	}
	return answer
}

// number is nil for a label that the original did not have when this was written.
func number(numbers map[string]int, label string) *int {
	n, ok := numbers[label]
	if !ok {
		return nil
	}
	return &n
}

// utc takes a time out of the zone of this machine, which means nothing to the reader.
func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return new(t.UTC())
}

// modulesOf lists the module types that a pipeline touches; 0 stands for a job without one.
func modulesOf(p ledger.PipelineMembers) []int {
	var modules []int
	for _, m := range p.Jobs {
		if m.ModuleType == nil {
			modules = append(modules, 0)
		} else {
			modules = append(modules, *m.ModuleType)
		}
	}
	slices.Sort(modules)
	return slices.Compact(modules)
}

// mayViewAll reports whether the caller may see every one of these modules.
func (c caller) mayViewAll(modules []int) bool {
	return !slices.ContainsFunc(modules, func(m int) bool { return !c.MayView(m) })
}

// notYours refuses a pipeline that touches what the caller may not see.
func notYours(c caller, id uuid.UUID) error {
	return &refusal{http.StatusForbidden, fmt.Sprintf("pipeline %s touches modules that %s may not see: it needs %s, or %s of each", id, c.Name, oneOf(viewAll.names), anyModuleView)}
}

func noPipeline(id uuid.UUID) error {
	return &refusal{http.StatusNotFound, fmt.Sprintf("No jobs found for pipeline_id %s", id)}
}

// pipeline answers GET /v1/sync/pipelines/{id}.
func (a *API) pipeline(w http.ResponseWriter, r *http.Request, c caller) error {
	id, err := pipelineID(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	found, err := a.ledger.Members(ctx, a.opts.Pool, id)
	if err != nil {
		return err
	}
	p, ok := found[id]
	if !ok {
		return noPipeline(id)
	}
	if !c.mayViewAll(modulesOf(p)) {
		return notYours(c, id)
	}
	web.JSON(w, http.StatusOK, pipelineAnswerOf(p))
	return nil
}

// snapshots reads pipelines for the streams, in the form of the single answer.
func (a *API) snapshots(ctx context.Context, db postgres.Querier, ids ...uuid.UUID) (map[uuid.UUID]stream.Snapshot, error) {
	found, err := a.ledger.Members(ctx, db, ids...)
	if err != nil {
		return nil, err
	}
	snapshots := make(map[uuid.UUID]stream.Snapshot, len(found))
	for id, p := range found {
		answer := pipelineAnswerOf(p)
		answer.StreamClosed = answer.Progress.Done
		data, err := json.Marshal(answer)
		if err != nil {
			return nil, fmt.Errorf("pipeline %s: %w", id, err)
		}
		snapshots[id] = stream.NewSnapshot(data, answer.StreamClosed, modulesOf(p))
	}
	return snapshots, nil
}
