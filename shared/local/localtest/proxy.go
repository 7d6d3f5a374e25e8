package localtest

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Proxy stands between a client and its PostgreSQL or Redis, to be cut, stalled, delayed and
// watched. It works on Unix sockets, which is where throw-away servers listen; proxies at hand, such
// as toxiproxy, know TCP only, and would have these servers open ports to every user of the machine.
type Proxy struct {
	// URL is the database's, by way of the proxy.
	URL string

	mu   sync.Mutex
	flow *sync.Cond
	// target is the server's socket.
	target string
	// stalled holds every byte back, held those of the server; down closes what is open and refuses
	// what comes.
	stalled, held, down, closed bool
	// left is how many bytes of the server pass before the proxy goes down; -1 is no limit.
	left int
	// delay is how long what the server says is on its way.
	delay time.Duration
	// watch makes a watcher for each connection; nil for none.
	watch func() func([]byte)
	conns map[net.Conn]struct{}
}

// NewProxy returns a proxy in front of a database of these servers.
func NewProxy(t testing.TB, databaseURL string) *Proxy {
	t.Helper()
	// Not t.TempDir: the path of a socket must be short.
	dir, err := os.MkdirTemp("/tmp", "tm-proxy-")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{left: -1, conns: map[net.Conn]struct{}{}}
	p.flow = sync.NewCond(&p.mu)
	u, socket := parseSocketURL(t, databaseURL)
	p.target = socket
	here := filepath.Join(dir, filepath.Base(socket))
	if u.Scheme == "redis-socket" {
		u.Path = here
	} else {
		query := u.Query()
		query.Set("host", dir)
		u.RawQuery = query.Encode()
	}
	p.URL = u.String()
	listener, err := net.Listen("unix", here)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		listener.Close()
		p.Cut()
		p.set(func() { p.closed = true })
		os.RemoveAll(dir)
	})
	go p.accept(listener)
	return p
}

// parseSocketURL returns the URL of a database with the path of its server's socket.
func parseSocketURL(t testing.TB, databaseURL string) (u *url.URL, socket string) {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	if u.Scheme == "redis-socket" {
		return u, u.Path
	}
	return u, filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432")
}

// Cut closes every connection and refuses new ones, as if the client's process had died.
func (p *Proxy) Cut() {
	p.set(func() {
		p.down = true
		for c := range p.conns {
			c.Close()
		}
	})
}

// Stall holds everything back, in both directions, as if the client's process was stopped.
func (p *Proxy) Stall() { p.set(func() { p.stalled = true }) }

// HoldAnswers holds back what the server sends, or lets it go: requests arrive.
func (p *Proxy) HoldAnswers(hold bool) { p.set(func() { p.held = hold }) }

// CutAfter cuts when the server has sent more than n bytes from now on; those n arrive.
func (p *Proxy) CutAfter(n int) { p.set(func() { p.left = n }) }

// Delay makes every answer of the server take this much longer.
func (p *Proxy) Delay(by time.Duration) { p.set(func() { p.delay = by }) }

// Restore ends a cut, a stall or a delay, and forgets about a cut to come.
func (p *Proxy) Restore() {
	p.set(func() { p.stalled, p.held, p.down, p.left, p.delay = false, false, false, -1, 0 })
}

// Watch shows what clients send, chunk by chunk, to a watcher for each connection made from now
// on. A chunk goes on to the server when its watcher returns.
func (p *Proxy) Watch(watcher func() func([]byte)) { p.set(func() { p.watch = watcher }) }

// MoveTo lets new connections reach another server, as a name that is given to it.
func (p *Proxy) MoveTo(t testing.TB, databaseURL string) {
	t.Helper()
	_, socket := parseSocketURL(t, databaseURL)
	p.set(func() { p.target = socket })
}

func (p *Proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	p.flow.Broadcast()
}

func (p *Proxy) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		target, watch := p.target, p.watch
		p.mu.Unlock()
		server, err := net.Dial("unix", target)
		if err != nil || !p.admit(client, server) {
			client.Close()
			if err == nil {
				server.Close()
			}
			continue
		}
		seen := func([]byte) {}
		if watch != nil {
			seen = watch()
		}
		go p.pump(client, server, func() bool { return p.stalled }, func(chunk []byte) int { seen(chunk); return len(chunk) })
		go p.pump(server, client, func() bool { return p.stalled || p.held }, func(chunk []byte) int { return p.answer(len(chunk)) })
	}
}

func (p *Proxy) admit(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return false
	}
	for _, c := range conns {
		p.conns[c] = struct{}{}
	}
	return true
}

// answer delays n bytes of the server and returns how many of them may pass.
func (p *Proxy) answer(n int) int {
	p.mu.Lock()
	delay := p.delay
	p.mu.Unlock()
	time.Sleep(delay)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left < 0 {
		return n
	}
	passing := min(n, p.left)
	p.left -= passing
	return passing
}

// pump carries bytes, as many of a chunk as allow says, when they need not wait.
func (p *Proxy) pump(from, to net.Conn, wait func() bool, allow func([]byte) int) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		for wait() && !p.down && !p.closed {
			p.flow.Wait()
		}
		p.mu.Unlock()
		passing := allow(buf[:n])
		if passing > 0 {
			if _, err := to.Write(buf[:passing]); err != nil {
				break
			}
		}
		if passing < n {
			p.Cut()
			break
		}
		if err != nil {
			break
		}
	}
	from.Close()
	to.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, from)
	delete(p.conns, to)
}
