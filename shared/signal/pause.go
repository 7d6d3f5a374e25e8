package signal

import (
	"context"
	"fmt"
	"time"

	"tidemark/shared/job"
)

// SetPaused makes workers take no tasks from the queue of a job type, or take them again, as
// asynq's tools do. It reports whether that is a change. What waits in the record waits on.
func (s *Sender) SetPaused(ctx context.Context, t job.Type, paused bool) (changed bool, err error) {
	c, err := job.ConfigOf(t)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	key := queuePrefix(c.Queue()) + "paused"
	if paused {
		// asynq keeps since when.
		changed, err = s.rdb.SetNX(ctx, key, time.Now().Unix(), 0).Result()
	} else {
		var gone int64
		gone, err = s.rdb.Del(ctx, key).Result()
		changed = gone == 1
	}
	if err != nil {
		return false, fmt.Errorf("pause or resume queue %s: %w", c.Queue(), err)
	}
	return changed, nil
}
