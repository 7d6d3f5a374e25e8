package chaos

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"strings"
	"sync"
	"time"

	"tidemark/shared/local/localtest"
)

// The steps of a worker; the package comment says how they are recognised.
const (
	claim   = "claim"
	compute = "compute"
	commit  = "commit"
	ack     = "ack"
	idle    = "idle"
)

var points = []string{claim, compute, commit, ack, idle}

// frontend reads what a client sends to PostgreSQL on one connection.
type frontend struct {
	started   bool
	rest      []byte
	named     map[string]string
	finishing bool
}

// read takes the next chunk and returns the steps in it.
func (f *frontend) read(chunk []byte) []string {
	var steps []string
	f.rest = append(f.rest, chunk...)
	for {
		kind, body, ok := f.next()
		if !ok {
			return steps
		}
		switch kind {
		case 'P':
			name, rest, _ := bytes.Cut(body, []byte{0})
			sql, _, _ := bytes.Cut(rest, []byte{0})
			f.named[string(name)] = string(sql)
		case 'B':
			_, rest, _ := bytes.Cut(body, []byte{0})
			name, _, _ := bytes.Cut(rest, []byte{0})
			steps = f.statement(steps, f.named[string(name)])
		case 'Q':
			steps = f.statement(steps, string(bytes.TrimRight(body, "\x00")))
		}
	}
}

// next takes a whole message off what has come; a connection's first one has no kind.
func (f *frontend) next() (kind byte, body []byte, ok bool) {
	head := 5
	if !f.started {
		head = 4
	}
	if len(f.rest) < head {
		return 0, nil, false
	}
	length := int(binary.BigEndian.Uint32(f.rest[head-4:])) + head - 4
	if len(f.rest) < length {
		return 0, nil, false
	}
	if f.started {
		kind = f.rest[0]
	}
	f.started = true
	body, f.rest = f.rest[head:length], f.rest[length:]
	return kind, body, true
}

func (f *frontend) statement(steps []string, sql string) []string {
	switch {
	case strings.Contains(sql, "UPDATE data_ingestion_jobs") && strings.Contains(sql, "SET state = 'RUNNING'"):
		return append(steps, claim)
	case strings.HasPrefix(sql, "DELETE FROM data_entry_emissions"), strings.Contains(sql, "UPDATE carbon_report_modules"):
		return append(steps, compute)
	case strings.Contains(sql, "SET state = 'FINISHED', result = $"):
		f.finishing = true
	case sql == "commit" && f.finishing:
		f.finishing = false
		return append(steps, commit)
	case sql == "commit", sql == "rollback", strings.HasPrefix(sql, "begin"):
		f.finishing = false
	}
	return steps
}

// acknowledgement is how asynq's scripts begin that end a delivery: their keys are the active
// list, the leases, and then the task, or the set of the archived ones or those to be tried again.
var acknowledgement = regexp.MustCompile(`asynq:\{[^}]+\}:active\r\n\$\d+\r\nasynq:\{[^}]+\}:lease\r\n\$\d+\r\nasynq:\{[^}]+\}:(t:|archived|retry)`)

// trap waits for a worker to come to a step.
type trap struct {
	step string
	// late lets the message pass and holds the answer back.
	late    bool
	sprung  chan struct{}
	release chan struct{}
	// proxy is the one that holds the answer back.
	proxy *localtest.Proxy
}

// trapdoor is where traps are set for one process.
type trapdoor struct {
	mu  sync.Mutex
	set *trap
}

// arm sets a trap.
func (d *trapdoor) arm(step string, late bool) *trap {
	t := &trap{step: step, late: late, sprung: make(chan struct{}), release: make(chan struct{})}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.set = t
	return t
}

// await reports whether the trap is sprung in time; if not, it is taken away.
func (d *trapdoor) await(t *trap, patience time.Duration) bool {
	select {
	case <-t.sprung:
		return true
	case <-time.After(patience):
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.set == t {
		d.set = nil
		return false
	}
	return true
}

// open lets go what the trap holds.
func (t *trap) open() {
	close(t.release)
	if t.late {
		t.proxy.HoldAnswers(false)
	}
}

// pass is called with each step before the message goes on.
func (d *trapdoor) pass(step string, proxy *localtest.Proxy) {
	d.mu.Lock()
	t := d.set
	if t == nil || t.step != step {
		d.mu.Unlock()
		return
	}
	d.set = nil
	t.proxy = proxy
	d.mu.Unlock()
	if t.late {
		proxy.HoldAnswers(true)
		close(t.sprung)
		return
	}
	close(t.sprung)
	<-t.release
}

// watch lets a process's proxies tell of its steps.
func (d *trapdoor) watch(database, queues *localtest.Proxy) {
	database.Watch(func() func([]byte) {
		f := &frontend{named: map[string]string{}}
		return func(chunk []byte) {
			for _, step := range f.read(chunk) {
				d.pass(step, database)
			}
		}
	})
	queues.Watch(func() func([]byte) {
		return func(chunk []byte) {
			if acknowledgement.Match(chunk) {
				d.pass(ack, queues)
			}
		}
	})
}
