package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"tidemark/shared/catalog"
	"tidemark/shared/ledger"
	"tidemark/shared/web"
)

// Bounds of a page. What is further away than maxOffset is found by until.
const (
	defaultLimit = 50
	maxLimit     = 200
	maxOffset    = 10_000
)

// pipelinesAnswer is a page of pipelines.
type pipelinesAnswer struct {
	Items  []itemAnswer `json:"items"`
	Total  int          `json:"total"`
	Limit  int          `json:"limit"`
	Offset int          `json:"offset"`
	// TotalExact is there, and false, where Total was not counted to the end.
	TotalExact *bool `json:"total_exact,omitempty"`
}

// itemAnswer is a pipeline of the list, or a job without one.
type itemAnswer struct {
	PipelineID  *uuid.UUID      `json:"pipeline_id"`
	IsOrphan    bool            `json:"is_orphan"`
	Progress    ledger.Progress `json:"progress"`
	Type        *string         `json:"job_type"`
	EntityType  *int            `json:"entity_type"`
	Unit        *string         `json:"unit_institutional_id"`
	ModuleType  *int            `json:"module_type_id"`
	ModuleLabel *string         `json:"module_label"`
	Year        *int            `json:"year"`
	Message     *string         `json:"status_message"`
	Author      *string         `json:"author"`
	StartedAt   *time.Time      `json:"started_at"`
	FinishedAt  *time.Time      `json:"finished_at"`
	LatestJobID int64           `json:"latest_job_id"`
	JobCount    int             `json:"job_count"`
	ErrorCount  int             `json:"error_count"`
	Jobs        []itemJobAnswer `json:"jobs"`
}

// itemJobAnswer is a job of an item.
type itemJobAnswer struct {
	JobID              int64           `json:"job_id"`
	Type               *string         `json:"job_type"`
	State              *string         `json:"state"`
	Result             *string         `json:"result"`
	Message            *string         `json:"status_message"`
	ModuleType         *int            `json:"module_type_id"`
	DataEntryType      *int            `json:"data_entry_type_id"`
	DataEntryTypeLabel *string         `json:"data_entry_type_label"`
	Year               *int            `json:"year"`
	StartedAt          *time.Time      `json:"started_at"`
	FinishedAt         *time.Time      `json:"finished_at"`
	Attempts           int             `json:"attempts"`
	Meta               json.RawMessage `json:"meta"`
}

// pipelines answers GET /v1/sync/pipelines.
func (a *API) pipelines(w http.ResponseWriter, r *http.Request, c caller) error {
	filter, err := pipelineFilter(r)
	if err != nil {
		return err
	}
	if all, modules := c.Modules(); !all {
		filter.Modules = append([]int{}, modules...)
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	page, err := a.ledger.Pipelines(ctx, a.opts.Pool, filter)
	if err != nil {
		return err
	}
	answer := pipelinesAnswer{Items: []itemAnswer{}, Total: page.Total, Limit: filter.Limit, Offset: filter.Offset}
	if page.More {
		answer.TotalExact = new(false)
	}
	for _, item := range page.Items {
		answer.Items = append(answer.Items, itemAnswerOf(item))
	}
	web.JSON(w, http.StatusOK, answer)
	return nil
}

func pipelineFilter(r *http.Request) (f ledger.PipelineFilter, err error) {
	query, err := parametersOf(r)
	if err != nil {
		return f, err
	}
	for _, read := range []func() error{
		func() (err error) { f.Status, err = status(query); return err },
		func() (err error) { f.Type, err = query.text("job_type"); return err },
		func() (err error) { f.ModuleType, err = query.integer("module_type_id"); return err },
		func() (err error) { f.Year, err = query.integer("year"); return err },
		func() (err error) { f.HasErrors, err = query.boolean("has_errors"); return err },
		func() (err error) { f.Since, err = query.moment("since"); return err },
		func() (err error) { f.Until, err = query.moment("until"); return err },
		func() (err error) { f.Text, err = query.text("q"); return err },
		func() (err error) { f.Limit, err = query.integerIn("limit", 1, maxLimit, defaultLimit); return err },
		func() (err error) { f.Offset, err = query.integerIn("offset", 0, maxOffset, 0); return err },
	} {
		if err := read(); err != nil {
			return f, err
		}
	}
	return f, nil
}

// status reads the state of a pipeline, in any case of letters.
func status(query parameters) (ledger.Status, error) {
	if !query.Has("state") {
		return "", nil
	}
	s := ledger.Status(strings.ToUpper(query.Get("state")))
	if !slices.Contains(ledger.Statuses(), s) {
		return "", invalid(fmt.Sprintf("state = %.80q: it must be one of %s", query.Get("state"), strings.Trim(fmt.Sprint(ledger.Statuses()), "[]")))
	}
	return s, nil
}

func itemAnswerOf(item ledger.PipelineItem) itemAnswer {
	root := item.Root()
	answer := itemAnswer{
		IsOrphan: item.ID == uuid.Nil, Progress: item.Progress(), Author: item.Author, JobCount: len(item.Jobs),
		EntityType: number(entityNumbers, root.EntityType),
	}
	if !answer.IsOrphan {
		answer.PipelineID = &item.ID
	}
	answer.Type = answer.Progress.Kind
	answer.ModuleType = common(item.Jobs, func(m ledger.Member) *int { return m.ModuleType })
	answer.ModuleLabel = moduleLabel(answer.ModuleType)
	answer.Year = common(item.Jobs, func(m ledger.Member) *int { return m.Year })
	for i, m := range item.Jobs {
		answer.Jobs = append(answer.Jobs, itemJobAnswerOf(m, item.Details[i]))
		if m.JobID == root.JobID {
			answer.Unit = item.Details[i].Unit
		}
		answer.LatestJobID = max(answer.LatestJobID, m.JobID)
		if answer.ErrorCount == 0 && m.Message != nil {
			answer.Message = m.Message // the first failure's, else the latest
		}
		if m.Failed() {
			answer.ErrorCount++
		}
		answer.StartedAt = extreme(answer.StartedAt, m.StartedAt, time.Time.Before)
		answer.FinishedAt = extreme(answer.FinishedAt, m.FinishedAt, time.Time.After)
	}
	if !answer.Progress.Done {
		answer.FinishedAt = nil
	}
	return answer
}

func itemJobAnswerOf(m ledger.Member, d ledger.MemberDetail) itemJobAnswer {
	j := itemJobAnswer{JobID: m.JobID, Type: m.Type, State: m.State, Result: m.Result, Message: m.Message, ModuleType: m.ModuleType,
		DataEntryType: m.DataEntryType, Year: m.Year, StartedAt: utc(m.StartedAt), FinishedAt: utc(m.FinishedAt), Attempts: m.Attempts,
		Meta: withoutNulls(d.Meta)}
	if m.DataEntryType != nil {
		if t, ok := catalog.DataEntryTypeByID(*m.DataEntryType); ok {
			j.DataEntryTypeLabel = &t.Name
		}
	}
	return j
}

// common is the value that all jobs of a pipeline share that have one; nil where they differ.
func common(jobs []ledger.Member, of func(ledger.Member) *int) (value *int) {
	for _, m := range jobs {
		v := of(m)
		switch {
		case v == nil:
		case value == nil:
			value = v
		case *value != *v:
			return nil
		}
	}
	return value
}

func moduleLabel(id *int) *string {
	if id == nil {
		return nil
	}
	m, ok := catalog.ModuleByID(*id)
	if !ok {
		return nil
	}
	return &m.Name
}

// extreme keeps the earlier or the later of two times.
func extreme(a, b *time.Time, better func(b, a time.Time) bool) *time.Time {
	if b != nil && (a == nil || better(*b, *a)) {
		return utc(b)
	}
	return a
}

// withoutNulls drops the keys that a job's meta does not have.
func withoutNulls(meta json.RawMessage) json.RawMessage {
	keys := map[string]json.RawMessage{}
	if json.Unmarshal(meta, &keys) != nil {
		return json.RawMessage("{}")
	}
	for key, value := range keys {
		if string(value) == "null" {
			delete(keys, key)
		}
	}
	slim, err := json.Marshal(keys)
	if err != nil {
		return json.RawMessage("{}")
	}
	return slim
}
