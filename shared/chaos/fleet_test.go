package chaos

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tidemark/shared/local/localtest"
)

// process is a member of the fleet: something starts it again whenever it ends, until it is told
// to stop.
type process struct {
	name string
	args []string
	env  []string
	log  *os.File
	// database and queues are its own ways to the servers.
	database, queues *localtest.Proxy
	traps            trapdoor
	// gate is held by who does not want it to be started again.
	gate sync.Mutex

	mu  sync.Mutex
	cmd *exec.Cmd
	// exited is closed when what runs now has ended.
	exited   chan struct{}
	stopping bool
	done     chan struct{}
}

// restartPause is how long a service manager takes.
const restartPause = 200 * time.Millisecond

// startProcess starts a member behind proxies of its own.
func (w *world) startProcess(t testing.TB, name string, args ...string) *process {
	t.Helper()
	log, err := os.Create(filepath.Join(w.dir, name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	p := &process{name: name, args: args, log: log, database: localtest.NewProxy(t, w.postgres.URL), queues: localtest.NewProxy(t, w.redis.URL), done: make(chan struct{})}
	p.traps.watch(p.database, p.queues)
	user := "user=tidemark"
	if name == "exporter" {
		user = "user=exporter"
	}
	p.env = append(os.Environ(), "TIDEMARK_DATABASE_URL="+strings.Replace(p.database.URL, "user=tidemark", user, 1), "TIDEMARK_REDIS_URL="+p.queues.URL,
		"TIDEMARK_WORKER_WEB_LISTEN_ADDRESS=", "TIDEMARK_SCHEDULER_WEB_LISTEN_ADDRESS=")
	go p.supervise(w.binary)
	t.Cleanup(func() { p.stop(); log.Close() })
	return p
}

func (p *process) supervise(binary string) {
	defer close(p.done)
	// The kernel ends the child with this thread, and the thread with this process.
	runtime.LockOSThread()
	for {
		cmd, exited, err := p.launch(binary)
		if cmd == nil {
			return
		}
		if err == nil {
			err = cmd.Wait()
		}
		fmt.Fprintf(p.log, "%s chaos: ended: %v\n", time.Now().UTC().Format(time.RFC3339Nano), err)
		close(exited)
		time.Sleep(restartPause)
	}
}

// launch starts it once more, unless it is to stop: then there is no command.
func (p *process) launch(binary string) (cmd *exec.Cmd, exited chan struct{}, err error) {
	p.gate.Lock()
	defer p.gate.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return nil, nil, nil
	}
	cmd, exited = exec.Command(binary, p.args...), make(chan struct{})
	cmd.Env, cmd.Stdout, cmd.Stderr = p.env, p.log, p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = cmd.Start()
	p.cmd, p.exited = cmd, exited
	return cmd, exited, err
}

// pid is that of what runs now, 0 for none yet.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.cmd.Process == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// signal sends a signal to what runs now, and returns what tells that it has ended.
func (p *process) signal(s syscall.Signal) (exited <-chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.cmd.Process == nil {
		return nil, fmt.Errorf("%s does not run", p.name)
	}
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	return p.exited, nil
}

// stopPatience is how long a process may take to stop: beyond the drain and every retry.
const stopPatience = 40 * time.Second

// stop ends the process in an orderly way, for good. The error says that it had to be forced.
func (p *process) stop() error {
	p.mu.Lock()
	p.stopping = true
	p.mu.Unlock()
	if _, err := p.signal(syscall.SIGCONT); err == nil {
		_, _ = p.signal(syscall.SIGTERM)
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(stopPatience):
		_, _ = p.signal(syscall.SIGKILL)
		<-p.done
		return fmt.Errorf("%s did not stop within %s of SIGTERM", p.name, stopPatience)
	}
}
