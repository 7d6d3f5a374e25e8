package signal_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/signal"
)

func TestSignalIsTheScopeUnderTheJobsID(t *testing.T) {
	t.Parallel()
	b := setup(t)
	planes := ledger.Ticket{Scope: job.RecalcOf(2, 20, 2025), JobID: 1235, SignalSeq: 1}
	b.must(b.sender.Send(b.ctx, travel, planes))
	for want, info := range map[string]*asynq.TaskInfo{
		"aggregation aggregation:2:2025:1234 1234":              b.info(travel),
		"emission_recalc emission_recalc:2:20:2025:1235.2 1235": b.info(planes),
	} {
		if got := info.Queue + " " + info.ID + " " + info.Headers["tidemark-job"]; got != want || info.Type != info.Queue {
			t.Errorf("task %s, want %s", got, want)
		}
		// No retry by construction; and asynq's own limit of half an hour is out of the way.
		if info.MaxRetry != 0 || info.Timeout < 24*time.Hour || !info.Deadline.IsZero() || info.Retention != 0 || info.State != asynq.TaskStatePending {
			t.Errorf("task %s: max retry %d, timeout %s, state %s", info.ID, info.MaxRetry, info.Timeout, info.State)
		}
	}
	if got := string(b.info(planes).Payload); got != `{"module_type_id":2,"data_entry_type_id":20,"year":2025}` {
		t.Errorf("payload %s", got)
	}
	// asynq's Unique lock would outlive a failure and refuse the operator's next request.
	if keys, err := b.rdb.Keys(b.ctx, "*unique*").Result(); err != nil || len(keys) != 0 {
		t.Errorf("unique locks %v, %v", keys, err)
	}
}

func TestScopeThatIsNoneIsNotSignalled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	err := b.sender.Send(b.ctx, ledger.Ticket{Scope: job.AggregationOf(2, 0), JobID: 1})
	if err == nil || !strings.Contains(err.Error(), "scope keys must be set") {
		t.Errorf("got %v", err)
	}
}

func TestParseTellsOurTasksFromForeignOnes(t *testing.T) {
	t.Parallel()
	payload := []byte(`{"year": 2025, "module_type_id": 2}`)
	for name, tc := range map[string]struct {
		task *asynq.Task
		want int64
	}{
		"ours":    {asynq.NewTaskWithHeaders("aggregation", payload, map[string]string{"tidemark-job": "77"}), 77},
		"foreign": {asynq.NewTaskWithHeaders("aggregation", payload, map[string]string{"trace": "77"}), 0},
		"bare":    {asynq.NewTask("aggregation", payload), 0},
	} {
		d, err := signal.Parse("aggregation", "x", tc.task)
		if err != nil || d != (signal.Delivery{Queue: "aggregation", TaskID: "x", Scope: job.AggregationOf(2, 2025), JobID: tc.want}) {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}

func TestParseRefusalsNameTheTaskAndTheReason(t *testing.T) {
	t.Parallel()
	good := `{"module_type_id":2,"year":2025}`
	for want, task := range map[string]*asynq.Task{
		`job type "unit_sync"`:      asynq.NewTask("unit_sync", []byte(good)),
		`year must be set`:          asynq.NewTask("aggregation", []byte(`{"module_type_id":2}`)),
		`"12a" is not a job id`:     asynq.NewTaskWithHeaders("aggregation", []byte(good), map[string]string{"tidemark-job": "12a"}),
		`"-3" is not a job id`:      asynq.NewTaskWithHeaders("aggregation", []byte(good), map[string]string{"tidemark-job": "-3"}),
		`not a JSON object of inte`: asynq.NewTask("emission_recalc", nil),
	} {
		if _, err := signal.Parse("q", "the-task", task); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "task the-task: ") {
			t.Errorf("got %v, want it to say %s", err, want)
		}
	}
}
