package signal_test

import (
	"testing"

	"github.com/hibiken/asynq"

	"tidemark/shared/job"
	"tidemark/shared/local/localtest"
	"tidemark/shared/signal"
)

// TestSetPausedIsWhatAsynqToolsDo: asynq sees it, and repeating it changes nothing.
func TestSetPausedIsWhatAsynqToolsDo(t *testing.T) {
	t.Parallel()
	rdb, err := signal.Connect(localtest.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	sender, inspector := signal.NewSender(rdb), asynq.NewInspectorFromRedisClient(rdb)
	if err := sender.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ pause, changed bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
		changed, err := sender.SetPaused(t.Context(), job.Aggregation, step.pause)
		if err != nil || changed != step.changed {
			t.Errorf("%+v: changed %v (%v)", step, changed, err)
		}
		info, err := inspector.GetQueueInfo("aggregation")
		if err != nil || info.Paused != step.pause {
			t.Errorf("%+v: asynq has %+v (%v)", step, info, err)
		}
	}
	if _, err := sender.SetPaused(t.Context(), job.CSVIngest, true); err == nil {
		t.Error("a queue that there is not was paused")
	}
}
