package signal_test

import (
	"strings"
	"testing"

	"tidemark/shared/signal"
)

func TestConnectErrorsNeverShowAPassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "hunter2", "redis://:hunter2@host:port/0", "redis://user:hunter2@host:6379/zero", "http://user:hunter2@host:6379",
		"redis://user:hunter2@host:6379/0/1", "redis-sentinel://:hunter2@[::1/0", "redis-socket://:hunter2@", "rediss://%zz:hunter2@host",
		"://hunter2",
	} {
		rdb, err := signal.Connect(url)
		if err == nil {
			// It is a URL after all; then the trouble comes later, and must not show it either.
			rdb.Close()
			continue
		}
		if strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "TIDEMARK_REDIS_URL") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestConnectTakesEveryKindOfURL(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"redis://localhost:6379/3", "rediss://:secret@localhost:6379", "redis-socket:///run/redis.sock?db=3",
		"redis-sentinel://localhost:26379,localhost:26380?master=mymaster"} {
		rdb, err := signal.Connect(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		rdb.Close()
	}
}
