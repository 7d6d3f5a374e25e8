package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// process is a child that does not outlive this process.
type process struct {
	cmd    *exec.Cmd
	stop   os.Signal
	exited chan struct{}
	output lockedBuffer
}

// startTimeout bounds how long a server may take until it answers.
const startTimeout = 30 * time.Second

// start runs a command under the user of the directory's owner and waits until
// ready succeeds. stop is the signal for an orderly stop; the kernel sends it too
// when this process dies.
func start(ctx context.Context, d *dir, stop syscall.Signal, ready func(context.Context) error, name string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(name, args...), stop: stop, exited: make(chan struct{})}
	p.cmd.Dir = d.path
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	// A group of its own keeps a terminal's Ctrl-C from reaching the server before us.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: d.user, Pdeathsig: stop, Setpgid: true}
	started := make(chan error, 1)
	go func() {
		// The kernel watches the thread that forked, not the process: it has to live on.
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
		}
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := p.await(ctx, ready); err != nil {
		p.Stop()
		return nil, fmt.Errorf("%s did not come up: %w\n%s", name, err, p.output.tail())
	}
	return p, nil
}

// await polls ready: the servers offer no other way to tell.
func (p *process) await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return errors.New("it exited")
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends the server and waits for it. It may be called more than once.
func (p *process) Stop() { p.end(p.stop) }

// end stops the server by this signal, or by force if that does not help, and waits for it.
func (p *process) end(by os.Signal) {
	_ = p.cmd.Process.Signal(by)
	select {
	case <-p.exited:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// lockedBuffer keeps what a server printed, for the error that quotes it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const maxOutput = 64 << 10

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buf.Len() > maxOutput {
		b.buf.Reset()
	}
	return b.buf.Write(p)
}

func (b *lockedBuffer) tail() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.buf.Bytes()
	return string(out[max(0, len(out)-2000):])
}
