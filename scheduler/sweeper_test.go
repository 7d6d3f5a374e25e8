package scheduler

import (
	"context"
	"errors"
	"testing"

	"github.com/hibiken/asynq"

	"tidemark/shared/job"
)

func (f *field) sweeper() *sweeper {
	return &sweeper{opts: f.opts, db: f.pool, signals: f.sender, metrics: f.metrics, offsets: map[job.Type]int{}}
}

// archiveAll lets every task of the recalculations' queue end in the archive.
func (f *field) archiveAll() {
	f.t.Helper()
	stop := f.serve(func(context.Context, *asynq.Task) error { return errors.New("failed") })
	defer stop()
	f.await("all tasks are archived", func() bool {
		for _, state := range f.tasks("emission_recalc") {
			if state != "archived" {
				return false
			}
		}
		return true
	})
}

// The archive shows what failed until it is settled: by a later end, whatever that was, by an
// end that turns out to be good, or by retention.
func TestSweeperRemovesWhatIsSettled(t *testing.T) {
	t.Parallel()
	f := setup(t)
	trains, heating := job.RecalcOf(2, 21, 2025), job.RecalcOf(3, 30, 2025)
	f.must(f.sender.Send(f.ctx, f.request(planes, trains, heating)...))
	_, err := asynq.NewClientFromRedisClient(f.rdb).Enqueue(asynq.NewTask("emission_recalc", []byte("?")), asynq.TaskID("theirs"), asynq.Queue("emission_recalc"), asynq.MaxRetry(0))
	f.must(err)
	f.archiveAll()
	all := []string{"emission_recalc:2:20:2025:1", "archived", "emission_recalc:2:21:2025:2", "archived", "emission_recalc:3:30:2025:3", "archived", "theirs", "archived"}
	s := f.sweeper()
	f.must(s.tick(f.ctx))
	f.wantTasks("while the jobs wait, they are the relay's", "emission_recalc", all...)
	f.exec(`UPDATE data_ingestion_jobs SET state = 'FINISHED', result = 'ERROR'`)
	f.must(s.tick(f.ctx))
	f.wantTasks("the jobs have failed", "emission_recalc", all...)
	f.exec(`UPDATE data_ingestion_jobs SET result = 'SUCCESS' WHERE id = 2`) // An acknowledgement got lost.
	f.exec(`DELETE FROM data_ingestion_jobs WHERE id = 3`)
	f.request(planes)
	f.must(s.tick(f.ctx))
	f.wantTasks("another job waits", "emission_recalc", "emission_recalc:2:20:2025:1", "archived", "theirs", "archived")
	f.exec(`UPDATE data_ingestion_jobs SET state = 'FINISHED', result = 'SUCCESS' WHERE state = 'NOT_STARTED'`)
	f.must(s.tick(f.ctx))
	f.wantTasks("and is done", "emission_recalc", "theirs", "archived")
	f.wantCount(3, f.metrics.swept.WithLabelValues("emission_recalc"))
}
