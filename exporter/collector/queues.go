package collector

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"tidemark/shared/signal"
)

var (
	queueTasks = prometheus.NewDesc("tidemark_queue_tasks",
		"Tasks that Redis holds in the queue, by asynq's state. Archived ones failed, and stay until an operator removes them or asynq does.",
		[]string{"queue", "state"}, nil)
	queueOldestPending = prometheus.NewDesc("tidemark_queue_oldest_pending_timestamp_seconds",
		"Since when the oldest pending task waits, by the clock of its sender. Absent when none waits, and when asynq does not know of any (tidemark_queue_undated_tasks).",
		[]string{"queue"}, nil)
	queueUndated = prometheus.NewDesc("tidemark_queue_undated_tasks",
		"Pending tasks ahead of the one that tidemark_queue_oldest_pending_timestamp_seconds is about: handed back by a stopping worker or run again by an operator, "+
			"asynq does not know since when they wait. Counted to 1000.",
		[]string{"queue"}, nil)
	queuePaused = prometheus.NewDesc("tidemark_queue_paused",
		"Whether an operator has paused the queue (1) or not (0): no worker is given its tasks.",
		[]string{"queue"}, nil)
	queueWorkers = prometheus.NewDesc("tidemark_queue_workers",
		"Workers (asynq servers) that take tasks from the queue: alive within asynq's ten seconds, and not stopping.",
		[]string{"queue"}, nil)
)

// queues is Redis. Its one collector shows every queue of ours, also one that Redis does not know.
type queues struct{ rdb redis.UniversalClient }

const queuesName = "queues"

func (queues) collectors() []string { return []string{queuesName} }

// collect implements [source]. It leaves half of the time to the answer: a Redis that takes
// longer to count is as good as away, and the record's gauges need not wait for it.
func (q queues) collect(ctx context.Context) []outcome {
	if half, ok := halfTheTime(ctx); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, half)
		defer cancel()
	}
	o, start := outcome{collector: queuesName}, time.Now()
	o.err = guarded(func() error {
		at, found, err := signal.ReadQueues(ctx, q.rdb)
		if err != nil {
			return err
		}
		o.at = at
		for _, queue := range found {
			o.gauges = append(o.gauges, queueGauges(queue)...)
		}
		return nil
	})
	o.took = time.Since(start)
	return []outcome{o}
}

func queueGauges(q signal.Queue) []prometheus.Metric {
	paused := 0.0
	if q.Paused {
		paused = 1
	}
	gauges := []prometheus.Metric{
		gauge(queueUndated, float64(q.Undated), q.Name),
		gauge(queuePaused, paused, q.Name),
		gauge(queueWorkers, float64(q.Workers), q.Name),
	}
	for state, n := range q.Tasks {
		gauges = append(gauges, gauge(queueTasks, float64(n), q.Name, state))
	}
	if !q.OldestPending.IsZero() {
		gauges = append(gauges, gauge(queueOldestPending, unixSeconds(q.OldestPending), q.Name))
	}
	return gauges
}
