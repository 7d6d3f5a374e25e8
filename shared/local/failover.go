package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// Failover is a throw-away Redis with a replica, and a sentinel that puts the replica in its
// place when it dies. Sentinel knows no Unix sockets: they listen on the loopback interface.
type Failover struct {
	// URL asks the sentinel for the master.
	URL string

	master, replica *Redis
	sentinel        *process
	dir             *dir
}

// masterName is what the sentinel calls the master.
const masterName = "tidemark"

// StartFailover starts the three and waits until the sentinel could fail over.
func StartFailover(ctx context.Context) (f *Failover, err error) {
	f = &Failover{}
	defer func() {
		if err != nil {
			f.Stop()
		}
	}()
	ports, err := freePorts(3)
	if err != nil {
		return f, err
	}
	if f.master, err = StartRedis(ctx, "--bind", "127.0.0.1", "--port", ports[0], "--repl-diskless-sync-delay", "0"); err != nil {
		return f, err
	}
	if f.master.Substitute {
		return f, errors.New("redis-server is not installed: run `apt-get install redis-server`, or `make setup`")
	}
	if f.replica, err = StartRedis(ctx, "--bind", "127.0.0.1", "--port", ports[1], "--replicaof", "127.0.0.1", ports[0]); err != nil {
		return f, err
	}
	synced := func(ctx context.Context) error {
		info, err := ask(ports[1], func(rdb *redis.Client) (string, error) { return rdb.Info(ctx, "replication").Result() })
		if err == nil && !strings.Contains(info, "master_link_status:up") {
			err = errors.New("the replica has not synchronised")
		}
		return err
	}
	if err := f.replica.server.await(ctx, synced); err != nil {
		return f, err
	}
	return f, f.watch(ctx, ports[2], ports[0])
}

// watch starts the sentinel.
func (f *Failover) watch(ctx context.Context, port, master string) (err error) {
	if f.dir, err = newDir("sentinel"); err != nil {
		return err
	}
	config := filepath.Join(f.dir.path, "sentinel.conf") // which it writes as well
	text := fmt.Sprintf("bind 127.0.0.1\nport %[1]s\nsentinel monitor %[2]s 127.0.0.1 %[3]s 1\n"+
		"sentinel down-after-milliseconds %[2]s 300\nsentinel failover-timeout %[2]s 3000\n", port, masterName, master)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	if f.dir.user != nil {
		if err := os.Chown(config, int(f.dir.user.Uid), int(f.dir.user.Gid)); err != nil {
			return err
		}
	}
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		return err
	}
	knows := func(ctx context.Context) error {
		replicas, err := ask(port, func(rdb *redis.Client) (string, error) {
			reply, err := rdb.Do(ctx, "SENTINEL", "replicas", masterName).Result()
			return fmt.Sprint(reply), err
		})
		if err == nil && !strings.Contains(replicas, "master-link-status:ok") {
			err = errors.New("the sentinel does not know the replica")
		}
		return err
	}
	f.sentinel, err = start(ctx, f.dir, syscall.SIGTERM, knows, bin, config, "--sentinel")
	f.URL = "redis-sentinel://127.0.0.1:" + port + "?master=" + masterName
	return err
}

// KillMaster kills the first master as kill -9 does.
func (f *Failover) KillMaster() {
	_ = f.master.server.cmd.Process.Kill()
	<-f.master.server.exited
}

// Stop ends what runs still and removes everything.
func (f *Failover) Stop() {
	if f.sentinel != nil {
		f.sentinel.Stop()
	}
	if f.dir != nil {
		f.dir.remove()
	}
	for _, r := range []*Redis{f.replica, f.master} {
		if r != nil {
			r.Stop()
		}
	}
}

// ask puts a question to the server on a port.
func ask(port string, question func(*redis.Client) (string, error)) (string, error) {
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port, MaxRetries: -1})
	defer rdb.Close()
	return question(rdb)
}

// freePorts returns ports that nobody listened on a moment ago.
func freePorts(n int) (ports []string, err error) {
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		_, port, err := net.SplitHostPort(listener.Addr().String())
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}
