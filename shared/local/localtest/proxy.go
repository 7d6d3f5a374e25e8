package localtest

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Proxy stands between a client and its PostgreSQL, to be cut and stalled.
type Proxy struct {
	// URL is the database's, by way of the proxy.
	URL string

	target string
	mu     sync.Mutex
	flow   *sync.Cond
	// stalled holds every byte back; down closes what is open and refuses what comes.
	stalled, down, closed bool
	conns                 map[net.Conn]struct{}
}

// NewProxy returns a proxy in front of a database of these servers.
func NewProxy(t testing.TB, databaseURL string) *Proxy {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir: the path of a socket must be short.
	dir, err := os.MkdirTemp("/tmp", "tm-proxy-")
	if err != nil {
		t.Fatal(err)
	}
	const socket = ".s.PGSQL.5432"
	query := u.Query()
	p := &Proxy{target: filepath.Join(query.Get("host"), socket), conns: map[net.Conn]struct{}{}}
	p.flow = sync.NewCond(&p.mu)
	query.Set("host", dir)
	u.RawQuery = query.Encode()
	p.URL = u.String()
	listener, err := net.Listen("unix", filepath.Join(dir, socket))
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

// Restore ends a cut or a stall.
func (p *Proxy) Restore() { p.set(func() { p.stalled, p.down = false, false }) }

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
		server, err := net.Dial("unix", p.target)
		if err != nil || !p.admit(client, server) {
			client.Close()
			if err == nil {
				server.Close()
			}
			continue
		}
		go p.pump(client, server)
		go p.pump(server, client)
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

func (p *Proxy) pump(from, to net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		for p.stalled && !p.down && !p.closed {
			p.flow.Wait()
		}
		p.mu.Unlock()
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				break
			}
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
