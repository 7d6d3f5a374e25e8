package signal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Worker is a process that takes tasks, as it wrote about itself within the last ten seconds or so.
type Worker struct {
	Host string `json:"host"`
	PID  int    `json:"pid"`
	// Concurrency is how many tasks it works on at once at most, Busy how many it does.
	Concurrency int `json:"concurrency"`
	Busy        int `json:"busy"`
	// Queues are those it takes tasks from.
	Queues []string `json:"queues"`
	// Stopping means that it works on what it has and takes nothing new.
	Stopping bool `json:"stopping"`
	// Started is by its own clock.
	Started time.Time `json:"started_at"`
}

// ReadWorkers returns the living workers, by host and process.
func ReadWorkers(ctx context.Context, rdb redis.UniversalClient) ([]Worker, error) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	now, err := rdb.Time(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("list the workers in Redis: %w", err)
	}
	keys, err := rdb.ZRangeByScore(ctx, "asynq:servers", &redis.ZRangeBy{Min: strconv.FormatInt(now.Unix()-serverTrace, 10), Max: "+inf"}).Result()
	if err != nil {
		return nil, fmt.Errorf("list the workers in Redis: %w", err)
	}
	workers := []Worker{}
	for _, key := range keys {
		info, err := rdb.Get(ctx, key).Bytes()
		if errors.Is(err, redis.Nil) {
			continue // it gives no sign of life any more
		}
		if err != nil {
			return nil, fmt.Errorf("list the workers in Redis: %w", err)
		}
		s, err := parseServer(info)
		if err != nil {
			return nil, err
		}
		slices.Sort(s.queues)
		workers = append(workers, Worker{Host: s.host, PID: s.pid, Concurrency: s.concurrency, Busy: s.busy, Queues: s.queues, Stopping: !s.active, Started: s.started})
	}
	slices.SortFunc(workers, func(a, b Worker) int {
		if c := strings.Compare(a.Host, b.Host); c != 0 {
			return c
		}
		return a.PID - b.PID
	})
	return workers, nil
}
