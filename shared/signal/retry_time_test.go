package signal

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

// How long a Redis may be away without that a command, an acknowledgement above all, is lost.
func TestCommandOutlastsACutOfTheLink(t *testing.T) {
	t.Parallel()
	for cut, want := range map[time.Duration]error{6 * time.Second: nil, 25 * time.Second: nil, time.Minute: io.EOF} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			process := retry{}.ProcessHook(func(context.Context, redis.Cmder) error {
				if time.Since(start) < cut {
					return io.EOF
				}
				return nil
			})
			if err := process(t.Context(), redis.NewCmd(t.Context(), "evalsha")); err != want {
				t.Errorf("a cut of %s: %v after %s, want %v", cut, err, time.Since(start), want)
			}
		})
	}
}
