package signal_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"tidemark/shared/local/localtest"
	"tidemark/shared/signal"
)

// answered is a hook that tells when Redis has answered a command.
type answered chan struct{}

func (answered) DialHook(next redis.DialHook) redis.DialHook { return next }

func (answered) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (a answered) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if cmd.Name() == "info" {
			close(a)
		}
		return err
	}
}

// A Redis that throws keys away is warned of, one that does not is not.
func TestEvictionIsWarnedOf(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string]float64{"noeviction": 0, "allkeys-lru": 1, "volatile-ttl": 1} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			rdb, err := signal.Connect(localtest.OwnRedis(t, "--maxmemory-policy", policy).URL)
			if err != nil {
				t.Fatal(err)
			}
			defer rdb.Close()
			looked := make(answered)
			rdb.AddHook(looked)
			warned := prometheus.NewCounter(prometheus.CounterOpts{Name: "warned"})
			var log bytes.Buffer
			ctx, cancel := context.WithCancel(t.Context())
			var watch sync.WaitGroup
			watch.Go(func() { signal.WatchEviction(ctx, rdb, slog.New(slog.NewTextHandler(&log, nil)), warned) })
			<-looked
			for deadline := time.Now().Add(10 * time.Second); testutil.ToFloat64(warned) != want && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			}
			cancel()
			watch.Wait()
			if got := testutil.ToFloat64(warned); got != want || strings.Contains(log.String(), "policy="+policy) != (want > 0) {
				t.Errorf("%v warnings, want %v; the log: %s", got, want, &log)
			}
		})
	}
}
