package local

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// Redis is a throw-away Redis server.
type Redis struct {
	// URL reaches its database 0.
	URL string
	// Substitute is true for the in-process stand-in of a missing redis-server.
	Substitute bool

	// server is the running redis-server, and start starts another in its place; nil for a substitute.
	server *process
	start  func(context.Context) (*process, error)
	stop   func()
}

// redisDatabases is how many numbered databases the server has: the tests take
// one each, as asynq's keys have a fixed prefix.
const redisDatabases = 4096

// StartRedis starts redis-server, or the in-process substitute where it is not installed.
// Settings are more arguments for redis-server, such as "--maxclients", "9".
func StartRedis(ctx context.Context, settings ...string) (*Redis, error) {
	bin, err := exec.LookPath("redis-server")
	if errors.Is(err, exec.ErrNotFound) {
		return startSubstitute()
	}
	if err != nil {
		return nil, err
	}
	d, err := newDir("redis")
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(d.path, "redis.sock")
	ping := func(ctx context.Context) error {
		rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, MaxRetries: -1})
		defer rdb.Close()
		return rdb.Ping(ctx).Err()
	}
	args := []string{"--port", "0", "--unixsocket", socket, "--unixsocketperm", "700", "--dir", d.path,
		"--save", "", "--appendonly", "no", "--databases", fmt.Sprint(redisDatabases), "--maxmemory-policy", "noeviction"}
	run := func(ctx context.Context) (*process, error) {
		return start(ctx, d, syscall.SIGTERM, ping, bin, append(args, settings...)...)
	}
	r := &Redis{URL: "redis-socket://" + socket}
	if r.server, err = run(ctx); err != nil {
		d.remove()
		return nil, err
	}
	r.start = run
	r.stop = func() { r.server.Stop(); d.remove() }
	return r, nil
}

// Database returns the URL of a numbered database of this server.
func (r *Redis) Database(n int) string {
	if r.Substitute {
		return fmt.Sprintf("%s/%d", r.URL, n)
	}
	return fmt.Sprintf("%s?db=%d", r.URL, n)
}

// Restart stops the server and starts an empty one in its place. A substitute cannot do that.
func (r *Redis) Restart(ctx context.Context) (err error) {
	r.server.Stop()
	return r.Start(ctx)
}

// Crash kills the server; what it held is gone. A substitute cannot do that.
func (r *Redis) Crash() { r.server.end(syscall.SIGKILL) }

// Start starts a server that has crashed, empty.
func (r *Redis) Start(ctx context.Context) (err error) {
	r.server, err = r.start(ctx)
	return err
}

// Stop ends the server; what it held is gone.
func (r *Redis) Stop() { r.stop() }

// startSubstitute runs miniredis. Its clock does not run by itself, so locks and
// heartbeats would never expire: a ticker moves it.
func startSubstitute() (*Redis, error) {
	m, err := miniredis.Run()
	if err != nil {
		return nil, err
	}
	const tick = 100 * time.Millisecond
	ticker, done := time.NewTicker(tick), make(chan struct{})
	go func() {
		for {
			select {
			case <-ticker.C:
				m.FastForward(tick)
			case <-done:
				return
			}
		}
	}()
	stop := func() {
		ticker.Stop()
		close(done)
		m.Close()
	}
	return &Redis{URL: "redis://" + m.Addr(), Substitute: true, stop: stop}, nil
}
