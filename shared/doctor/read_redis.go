package doctor

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/signal"
)

func readRedis(ctx context.Context, rdb redis.UniversalClient) (Redis, error) {
	text, err := rdb.Info(ctx).Result()
	if err != nil {
		return Redis{}, err
	}
	r := redisOf(text)
	// Many services do not let a client ask; then it is not known.
	if save, err := rdb.ConfigGet(ctx, "save").Result(); err == nil {
		r.Snapshots = new(save["save"] != "")
	}
	r.Skew, r.Exact, err = clockOf(func() (time.Time, error) { return rdb.Time(ctx).Result() })
	return r, err
}

// redisOf reads the answer to INFO.
func redisOf(text string) Redis {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[key] = value
		}
	}
	number := func(key string) int64 {
		n, _ := strconv.ParseInt(info[key], 10, 64) // absent in old versions, and in those of others
		return n
	}
	r := Redis{Version: info["redis_version"], Role: info["role"], Cluster: number("cluster_enabled") == 1, AppendOnly: number("aof_enabled") == 1,
		Memory: number("used_memory"), Limit: number("maxmemory"), Clients: number("connected_clients"), MaxClient: number("maxclients")}
	for _, key := range []string{"rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status"} {
		r.WriteError = r.WriteError || info[key] == "err"
	}
	if r.Limit == 0 {
		r.Limit = number("total_system_memory")
	}
	return r
}

func readEviction(ctx context.Context, rdb redis.UniversalClient) (string, error) {
	return signal.EvictionPolicy(ctx, rdb)
}

func readQueues(ctx context.Context, rdb redis.UniversalClient) (q Queues, err error) {
	q.At, q.Queues, err = signal.ReadQueues(ctx, rdb)
	return q, err
}

// readSignals looks whether the jobs that could be claimed for a while have a signal.
func readSignals(ctx context.Context, db *pgxpool.Pool, rdb redis.UniversalClient, record *ledger.Ledger) (s Signals, err error) {
	sender := signal.NewSender(rdb)
	for _, c := range job.Configs() {
		waiting, err := record.Claimable(ctx, db, c.JobType, claimableSince, 0, claimableLimit)
		if err != nil {
			return s, err
		}
		s.Checked += len(waiting)
		unqueued, err := sender.Unqueued(ctx, c.JobType, waiting)
		if err != nil {
			return s, err
		}
		for _, t := range unqueued {
			s.Missing = append(s.Missing, t.JobID)
		}
	}
	return s, nil
}
