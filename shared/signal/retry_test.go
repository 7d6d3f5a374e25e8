package signal_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"tidemark/shared/local/localtest"
	"tidemark/shared/signal"
)

// TestCommandSurvivesDyingConnections: the first connections are accepted and die at the
// first word, as behind a balancer whose Redis is down. The command goes through as soon as
// one lives, and no attempt is spent on more than one connection.
func TestCommandSurvivesDyingConnections(t *testing.T) {
	t.Parallel()
	const dying = 4
	u, err := url.Parse(localtest.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "r")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var accepted atomic.Int32
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			if accepted.Add(1) <= dying {
				client.Close()
				continue
			}
			server, err := net.Dial("unix", u.Path)
			if err != nil {
				t.Error(err)
				client.Close()
				return
			}
			go func() { _, _ = io.Copy(server, client); server.Close() }()
			go func() { _, _ = io.Copy(client, server); client.Close() }()
		}
	}()
	rdb, err := signal.Connect("redis-socket://" + socket + "?" + u.RawQuery)
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := rdb.Set(ctx, "key", "value", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n := accepted.Load(); n != dying+1 {
		t.Errorf("it took %d connections, want %d", n, dying+1)
	}
	// An answer is not tried again, even a bad one.
	if err := rdb.Get(ctx, "none").Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("a missing key: %v", err)
	}
	if err := rdb.LPush(ctx, "key", "x").Err(); err == nil || ctx.Err() != nil {
		t.Errorf("a wrong type: %v", err)
	}
}

// TestCommandGivesUpWithItsCaller: the caller's deadline bounds the tries.
func TestCommandGivesUpWithItsCaller(t *testing.T) {
	t.Parallel()
	rdb, err := signal.Connect("redis-socket://" + filepath.Join(t.TempDir(), "nobody"))
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := rdb.Set(ctx, "key", "value", 0).Err(); err == nil || ctx.Err() == nil {
		t.Errorf("error %v, context %v", err, ctx.Err())
	}
}

// TestUntilEndsTheTries: whoever leaves does not wait for a Redis that is away.
func TestUntilEndsTheTries(t *testing.T) {
	t.Parallel()
	rdb, err := signal.Connect("redis-socket://" + filepath.Join(t.TempDir(), "nobody"))
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	ctx, cancel := context.WithCancel(t.Context())
	signal.Until(ctx, rdb)
	ended := make(chan error)
	go func() { ended <- rdb.Set(t.Context(), "key", "value", 0).Err() }()
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(15 * time.Second):
		t.Error("still tried")
	}
}
