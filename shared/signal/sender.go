package signal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

// sendTimeout bounds one signal. The request is recorded by then, so it is better to let
// the relay send it later than to keep the requester waiting.
const sendTimeout = 3 * time.Second

// Sender sends signals. It is safe for concurrent use.
type Sender struct {
	rdb       redis.UniversalClient
	client    *asynq.Client
	inspector *asynq.Inspector
}

// NewSender returns a sender on a connection, which stays the caller's to close.
func NewSender(rdb redis.UniversalClient) *Sender {
	return &Sender{rdb: rdb, client: asynq.NewClientFromRedisClient(rdb), inspector: asynq.NewInspectorFromRedisClient(rdb)}
}

// Send signals the jobs of the tickets. It is called after the transaction of the
// requests has committed. An error names the first job whose signal could not be sent; it
// costs only time, because the relay finds every waiting job without a signal.
func (s *Sender) Send(ctx context.Context, tickets ...ledger.Ticket) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	for _, t := range tickets {
		if _, err := s.enqueue(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// enqueue reports whether the task is new; false means that one with its id exists.
func (s *Sender) enqueue(ctx context.Context, t ledger.Ticket) (bool, error) {
	task, err := newTask(t)
	if err != nil {
		return false, err
	}
	_, err = s.client.EnqueueContext(ctx, task)
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("signal job %d: %w", t.JobID, err)
	}
	return true, nil
}

// Presence is what became of a waiting job's signal.
type Presence string

const (
	// Sent: there was none, and now there is.
	Sent Presence = "sent"
	// Queued: it waits for a worker.
	Queued Presence = "queued"
	// Rerun: it was archived although its job waits; it was sent anew.
	Rerun Presence = "rerun"
	// InFlight: asynq takes it for being processed. That is so for a moment at every delivery,
	// and for minutes when the worker died with the task in its hands.
	InFlight Presence = "in_flight"
	// Blocked: the id is taken by something that will never be delivered.
	Blocked Presence = "blocked"
)

// Ensure makes sure that a waiting job's signal is alive.
func (s *Sender) Ensure(ctx context.Context, t ledger.Ticket) (Presence, error) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	fresh, err := s.enqueue(ctx, t)
	if err != nil {
		return "", err
	}
	if fresh {
		return Sent, nil
	}
	c, err := job.ConfigOf(t.Scope.Type)
	if err != nil {
		return "", err
	}
	queue, id := c.Queue(), taskID(c, t)
	info, err := s.inspector.GetTaskInfo(queue, id)
	switch {
	case errors.Is(err, asynq.ErrTaskNotFound):
		// It ended between our try and our look.
		return InFlight, nil
	case err != nil:
		return "", fmt.Errorf("look for the signal of job %d: %w", t.JobID, err)
	}
	switch info.State {
	case asynq.TaskStatePending:
		return Queued, nil
	case asynq.TaskStateActive:
		return InFlight, nil
	case asynq.TaskStateArchived, asynq.TaskStateScheduled, asynq.TaskStateRetry:
		// Not RunTask: a task that carries a failure and is delivered again must have been run by a
		// person, who thereby makes a request.
		if err := s.inspector.DeleteTask(queue, id); err != nil && !errors.Is(err, asynq.ErrTaskNotFound) {
			return "", fmt.Errorf("remove the archived signal of job %d: %w", t.JobID, err)
		}
		_, err := s.enqueue(ctx, t)
		return Rerun, err
	default:
		return Blocked, nil
	}
}

// queueSet is asynq's list of queues.
const queueSet = "asynq:queues"

// Publish makes our queues known to asynq's tools. A client does so once in its life; after
// Redis was flushed its tasks would be worked on, but no tool would show them.
func (s *Sender) Publish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	var queues []any
	for _, c := range job.Configs() {
		queues = append(queues, c.Queue())
	}
	if err := s.rdb.SAdd(ctx, queueSet, queues...).Err(); err != nil {
		return fmt.Errorf("publish the queues: %w", err)
	}
	return nil
}
