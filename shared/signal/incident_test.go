package signal_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"

	"tidemark/shared/signal"
)

// What an operator's "Run" rests on: a task keeps its last failure and the answer to it
// through archive and re-run.
func TestIncidentAndAnswerStayWithTheTask(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.must(b.sender.Send(b.ctx, travel))
	d := signal.Delivery{Queue: "aggregation", TaskID: "aggregation:2:2025:1234"}
	if incident, answer, err := b.sender.History(b.ctx, d); err != nil || answer != nil || incident.Error != "" {
		t.Fatalf("a fresh task has a history: %+v, %v, %v", incident, answer, err)
	}
	b.process(travel, errors.New("job 1234 failed: boom"), asynq.TaskStateArchived)
	incident, answer, err := b.sender.History(b.ctx, d)
	b.must(err)
	if answer != nil || incident.Error != "job 1234 failed: boom" || time.Since(incident.At) > time.Minute {
		t.Fatalf("%+v, %v", incident, answer)
	}

	given := signal.Answer{Pipeline: uuid.New(), Incident: incident}
	b.must(b.inspector.RunTask(d.Queue, d.TaskID))
	answered := make(chan error, 1)
	started, stop := b.server(func(_ context.Context, task *asynq.Task) error {
		answered <- given.Record(task)
		return errors.New("job 1235 failed: boom")
	})
	<-started
	b.must(<-answered)
	stop()
	next, kept, err := b.sender.History(b.ctx, d)
	b.must(err)
	if kept == nil || kept.Pipeline != given.Pipeline || !kept.Incident.Same(incident) {
		t.Errorf("kept %+v, given %+v", kept, given)
	}
	if next.Same(incident) {
		t.Error("the second failure is taken for the first")
	}
}

func TestFlushedTaskHasNoHistory(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, queue := range []string{"aggregation", "no such queue"} {
		incident, answer, err := b.sender.History(b.ctx, signal.Delivery{Queue: queue, TaskID: "gone"})
		if err != nil || answer != nil || incident != (signal.Incident{}) {
			t.Errorf("%s: %+v, %v, %v", queue, incident, answer, err)
		}
	}
}

// The result of a foreign task may be anything.
func TestForeignResultIsNoAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, result := range []string{"done", "{}", `{"pipeline_id": 7}`, "null"} {
		b.must(b.sender.Send(b.ctx, travel))
		wrote := make(chan error, 1)
		started, stop := b.server(func(_ context.Context, task *asynq.Task) error {
			_, err := task.ResultWriter().Write([]byte(result))
			wrote <- err
			return errors.New("no")
		})
		<-started
		b.must(<-wrote)
		stop()
		if _, answer, err := b.sender.History(b.ctx, signal.Delivery{Queue: "aggregation", TaskID: "aggregation:2:2025:1234"}); answer != nil || err != nil {
			t.Errorf("%s: %+v, %v", result, answer, err)
		}
		b.must(b.inspector.DeleteTask("aggregation", "aggregation:2:2025:1234"))
	}
}
