package signal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
)

// Incident is the last time a task failed; the zero value means never. A task that
// carries one was archived and then run again by somebody.
type Incident struct {
	Error string    `json:"error,omitempty"`
	At    time.Time `json:"at,omitzero"`
}

// Same reports whether the two are one failure.
func (i Incident) Same(o Incident) bool { return i.Error == o.Error && i.At.Equal(o.At) }

// Answer is kept with a task that was made into a request: which pipeline the request
// is for, and which incident it answers. A task that is delivered a second time
// without a new incident must not make a second request.
type Answer struct {
	Pipeline uuid.UUID `json:"pipeline_id"`
	Incident Incident  `json:"incident"`
}

// History returns what happened to a delivered task before, nil for an answer that was
// never given.
func (s *Sender) History(ctx context.Context, d Delivery) (Incident, *Answer, error) {
	info, err := s.inspector.GetTaskInfo(d.Queue, d.TaskID)
	if errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound) {
		return Incident{}, nil, nil // Redis was flushed after the delivery.
	}
	if err != nil {
		return Incident{}, nil, fmt.Errorf("history of task %s: %w", d.TaskID, err)
	}
	incident := Incident{Error: info.LastErr, At: info.LastFailedAt.UTC()}
	var answer Answer
	if len(info.Result) == 0 || json.Unmarshal(info.Result, &answer) != nil || answer.Pipeline == uuid.Nil {
		return incident, nil, nil
	}
	return incident, &answer, nil
}

// Record keeps the answer with the task that is being processed, where asynqmon shows it too.
func (a Answer) Record(task *asynq.Task) error {
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if _, err := task.ResultWriter().Write(text); err != nil {
		return fmt.Errorf("record the answer with task %s: %w", task.ResultWriter().TaskID(), err)
	}
	return nil
}
