package signal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// policyInterval is how often Redis is asked for its policy: an operator may change it at any
// time, and after a failover it is another server's.
const policyInterval = time.Minute

// SafePolicy is the one under which Redis refuses what it has no memory for, and throws nothing away.
const SafePolicy = "noeviction"

// WatchEviction looks, now and then until ctx ends, whether Redis throws keys away when its
// memory is full. Signals that it throws away are sent again by the relay, but what asynq's
// tools and the gauges of the queues say is wrong from then on. Each look that finds so is
// counted; the log says it when that changes.
func WatchEviction(ctx context.Context, rdb redis.UniversalClient, log *slog.Logger, warned prometheus.Counter) {
	ticker := time.NewTicker(policyInterval)
	defer ticker.Stop()
	for said := SafePolicy; ; {
		policy, err := EvictionPolicy(ctx, rdb)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			// Redis is away, which others say, or does not let us ask.
			policy = said
			log.Debug("whether Redis throws signals away is not known", "err", err)
		case policy != SafePolicy:
			warned.Inc()
		}
		if policy != said && policy != SafePolicy {
			log.Warn("Redis throws signals away when its memory is full: set its maxmemory-policy to "+SafePolicy, "policy", policy)
		}
		said = policy
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// EvictionPolicy returns what Redis does when its memory is full. It asks with INFO, which more users may run than CONFIG.
func EvictionPolicy(ctx context.Context, rdb redis.UniversalClient) (string, error) {
	info, err := rdb.Info(ctx, "memory").Result()
	if err != nil {
		return "", fmt.Errorf("read the eviction policy of Redis: %w", err)
	}
	for line := range strings.Lines(info) {
		if policy, ok := strings.CutPrefix(strings.TrimSpace(line), "maxmemory_policy:"); ok {
			return policy, nil
		}
	}
	return "", errors.New("read the eviction policy of Redis: it does not tell")
}
