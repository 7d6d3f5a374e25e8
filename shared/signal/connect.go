package signal

import (
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// maxLifetime is when a connection is left for a new one. Behind a name or a virtual address
// Redis may have moved; the old one, a replica by now, would keep who only reads for ever.
const maxLifetime = time.Minute

// Connect returns a client for a Redis URL: redis://, rediss://, redis-socket:// or
// redis-sentinel://. It dials lazily, and tries a command for about half a minute (see
// [retry]). Who cannot wait that long bounds the call by its context.
func Connect(url string) (redis.UniversalClient, error) {
	if url == "" {
		return nil, errors.New("no Redis given: set TIDEMARK_REDIS_URL, for example redis://localhost:6379")
	}
	opt, err := asynq.ParseRedisURI(url)
	if err != nil {
		// The parser's message quotes the URL, which may hold a password.
		return nil, errors.New("TIDEMARK_REDIS_URL: not a Redis URL; expected redis://host:port/db, rediss://, redis-socket:///path?db=0 or redis-sentinel://")
	}
	const noRetries, oneDial = -1, 1
	// A new connection takes a round trip for each of these, and over a slow link the time that a
	// signal has. Nobody reads the one, and for the other's cuts there is retry.
	noNotifications := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	var client redis.UniversalClient
	switch o := opt.(type) {
	case asynq.RedisClientOpt:
		client = redis.NewClient(&redis.Options{Network: o.Network, Addr: o.Addr, Username: o.Username, Password: o.Password, DB: o.DB,
			TLSConfig: o.TLSConfig, MaxRetries: noRetries, DialerRetries: oneDial, ConnMaxLifetime: maxLifetime, ContextTimeoutEnabled: true,
			DisableIdentity: true, MaintNotificationsConfig: noNotifications})
	case asynq.RedisFailoverClientOpt:
		client = redis.NewFailoverClient(&redis.FailoverOptions{MasterName: o.MasterName, SentinelAddrs: o.SentinelAddrs,
			SentinelPassword: o.SentinelPassword, Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLSConfig,
			MaxRetries: noRetries, DialerRetries: oneDial, ConnMaxLifetime: maxLifetime, ContextTimeoutEnabled: true,
			DisableIdentity: true})
	default:
		return nil, fmt.Errorf("TIDEMARK_REDIS_URL: unsupported kind of connection %T", opt)
	}
	client.AddHook(retry{})
	return client, nil
}
