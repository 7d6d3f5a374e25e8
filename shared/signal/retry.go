package signal

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// How long a command is tried: about half a minute. asynq gives up on an acknowledgement
// when its only try fails, and then archives a task that succeeded; the client's own
// default, about a second, is too short for a cut of the link or a failover.
const (
	retries    = 30
	minBackoff = 100 * time.Millisecond
	maxBackoff = time.Second
)

// retry is a hook that tries a command again while Redis cannot be reached or cannot
// serve. It stands in for the client's own retries, which nest: each attempt sets its
// connection up with commands that are tried as often again, so that one connection which
// dies at its first word takes half a minute, thirty times over.
type retry struct{}

func (retry) DialHook(next redis.DialHook) redis.DialHook { return next }

func (retry) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (retry) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if slices.Contains(setupCommands, cmd.Name()) {
			return next(ctx, cmd)
		}
		backoff := minBackoff
		for n := 0; ; n++ {
			err := next(ctx, cmd)
			if n == retries || !passing(err) {
				return err
			}
			select {
			case <-ctx.Done():
				return err
			case <-time.After(backoff):
			}
			backoff = min(2*backoff, maxBackoff)
		}
	}
}

// setupCommands begin a connection; they are part of another command's attempt.
var setupCommands = []string{"hello", "auth", "select", "client", "readonly"}

// passing reports whether an error may go away by itself.
func passing(err error) bool {
	var reply redis.Error
	var timeout net.Error
	switch {
	case err == nil:
		return false
	case errors.As(err, &reply):
		return slices.ContainsFunc([]string{"LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "ERR max number of clients"},
			func(prefix string) bool { return redis.HasErrorPrefix(err, prefix) })
	case errors.Is(err, redis.ErrClosed), errors.Is(err, context.Canceled):
		return false
	case errors.Is(err, context.DeadlineExceeded):
		// The caller's own deadline; a dial that took too long says so as a network error.
		return errors.As(err, &timeout) && timeout.Timeout() && isDial(err)
	default:
		return true
	}
}

func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// Until makes every command of the client fail at once when ctx has ended, also one that is
// being tried again. Closing the client would do that as well, but makes an asynq server that
// uses it panic.
func Until(ctx context.Context, rdb redis.UniversalClient) { rdb.AddHook(until{ctx}) }

type until struct{ ctx context.Context }

func (until) DialHook(next redis.DialHook) redis.DialHook { return next }

func (until) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (u until) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := u.ctx.Err(); err != nil {
			cmd.SetErr(err)
			return err
		}
		return next(ctx, cmd)
	}
}
