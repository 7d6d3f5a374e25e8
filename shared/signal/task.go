package signal

import (
	"fmt"
	"strconv"
	"time"

	"github.com/hibiken/asynq"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

// jobHeader marks a task as ours and names the job it was sent for.
const jobHeader = "tidemark-job"

// taskTimeout only keeps asynq's own clock (30 minutes unless told otherwise) out of the
// way: how long a job may run is the worker's to say.
const taskTimeout = 30 * 24 * time.Hour

// newTask is the one place where tasks are made.
func newTask(t ledger.Ticket) (*asynq.Task, error) {
	if err := t.Scope.Check(); err != nil {
		return nil, err
	}
	c, err := job.ConfigOf(t.Scope.Type)
	if err != nil {
		return nil, err
	}
	return asynq.NewTaskWithHeaders(string(c.JobType), c.Payload(t.Scope),
		map[string]string{jobHeader: strconv.FormatInt(t.JobID, 10)},
		asynq.TaskID(taskID(c, t)), asynq.Queue(c.Queue()), asynq.MaxRetry(0), asynq.Timeout(taskTimeout)), nil
}

func taskID(c job.DedupConfig, t ledger.Ticket) string {
	return c.TaskID(t.Scope, t.JobID, t.SignalSeq)
}

// Delivery is a task that reached a worker.
type Delivery struct {
	// Queue and TaskID address the task in Redis.
	Queue, TaskID string
	Scope         job.Scope
	// JobID is the job the task was sent for; 0 for a task that is not ours.
	JobID int64
}

// Parse reads a task, ours or not. The error says what is wrong with it.
func Parse(queue, taskID string, task *asynq.Task) (Delivery, error) {
	d := Delivery{Queue: queue, TaskID: taskID}
	t, err := job.ParseType(task.Type())
	if err != nil {
		return d, fmt.Errorf("task %s: %w", taskID, err)
	}
	c, err := job.ConfigOf(t)
	if err != nil {
		return d, err
	}
	if d.Scope, err = c.ParsePayload(task.Payload()); err != nil {
		return d, fmt.Errorf("task %s: %w", taskID, err)
	}
	if mark, ours := task.Headers()[jobHeader]; ours {
		if d.JobID, err = strconv.ParseInt(mark, 10, 64); err != nil || d.JobID <= 0 {
			return d, fmt.Errorf("task %s: header %s = %q is not a job id", taskID, jobHeader, mark)
		}
	}
	return d, nil
}
