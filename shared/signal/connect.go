package signal

import (
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// Connect returns a client for a Redis URL: redis://, rediss://, redis-socket:// or
// redis-sentinel://. It dials lazily.
//
// The client retries a command for about half a minute. asynq gives up on an
// acknowledgement when the first try fails, and then archives a task that succeeded;
// with its default of one second a short cut of the link is enough for that.
// Who cannot wait that long bounds the call by its context.
func Connect(url string) (redis.UniversalClient, error) {
	const (
		retries    = 30
		minBackoff = 100 * time.Millisecond
		maxBackoff = time.Second
	)
	if url == "" {
		return nil, errors.New("no Redis given: set TIDEMARK_REDIS_URL, for example redis://localhost:6379")
	}
	opt, err := asynq.ParseRedisURI(url)
	if err != nil {
		// The parser's message quotes the URL, which may hold a password.
		return nil, errors.New("TIDEMARK_REDIS_URL: not a Redis URL; expected redis://host:port/db, rediss://, redis-socket:///path?db=0 or redis-sentinel://")
	}
	switch o := opt.(type) {
	case asynq.RedisClientOpt:
		return redis.NewClient(&redis.Options{Network: o.Network, Addr: o.Addr, Username: o.Username, Password: o.Password, DB: o.DB,
			TLSConfig: o.TLSConfig, MaxRetries: retries, MinRetryBackoff: minBackoff, MaxRetryBackoff: maxBackoff,
			ContextTimeoutEnabled: true}), nil
	case asynq.RedisFailoverClientOpt:
		return redis.NewFailoverClient(&redis.FailoverOptions{MasterName: o.MasterName, SentinelAddrs: o.SentinelAddrs,
			SentinelPassword: o.SentinelPassword, Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLSConfig,
			MaxRetries: retries, MinRetryBackoff: minBackoff, MaxRetryBackoff: maxBackoff, ContextTimeoutEnabled: true}), nil
	default:
		return nil, fmt.Errorf("TIDEMARK_REDIS_URL: unsupported kind of connection %T", opt)
	}
}
