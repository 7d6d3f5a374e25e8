package collector_test

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"tidemark/shared/local/localtest"
)

var onlyQueues = []string{"queues"}

// redisFaults happen to one database of a server, or to the way there.
var redisFaults = map[string]fault{
	"down": {
		inject: func(s *site) func() { s.queues.Cut(); return s.queues.Restore },
		failed: onlyQueues, says: "read the queues in Redis",
	},
	"slow": {
		inject: func(s *site) func() { s.queues.Stall(); return s.queues.Restore },
		failed: onlyQueues, says: "timeout", timeout: "3",
	},
	"down like PostgreSQL": {
		inject: func(s *site) func() {
			s.queues.Cut()
			s.database.Cut()
			return func() { s.queues.Restore(); s.database.Restore() }
		},
		failed: []string{"queues", "stale", "pipelines", "jobs"}, says: "read the queues in Redis",
	},
	"wrong type of a list": {
		inject: orders("RENAME asynq:{aggregation}:active kept; SET asynq:{aggregation}:active x", "RENAME kept asynq:{aggregation}:active"),
		failed: onlyQueues, says: "WRONGTYPE",
	},
	"wrong type of a task": {
		inject: orders("RENAME asynq:{aggregation}:t:first kept; SET asynq:{aggregation}:t:first x", "RENAME kept asynq:{aggregation}:t:first"),
		failed: onlyQueues, says: "WRONGTYPE",
	},
	"not Redis": {inject: standIn("HTTP/1.1 400 Bad Request\r\n\r\n"), failed: onlyQueues, says: "read the queues in Redis"},
	"silent":    {inject: standIn(""), failed: onlyQueues, says: "read the queues in Redis"},
}

// redisServerFaults happen to a server as a whole.
var redisServerFaults = map[string]fault{
	"replica": {
		inject: orders("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
		failed: onlyQueues, says: "replica",
	},
	"loading": {inject: load, failed: onlyQueues, says: "LOADING"},
	"busy":    {inject: busy, failed: onlyQueues, says: "BUSY"},
	"wants a password": {
		inject: afresh(orders("CONFIG SET requirepass hunter2", "CONFIG SET requirepass ''")),
		failed: onlyQueues, says: "NOAUTH",
	},
	"permission taken away": {
		inject: orders("ACL SETUSER default -eval", "ACL SETUSER default +@all"),
		failed: onlyQueues, says: "NOPERM",
	},
	"too many clients": {
		inject: afresh(orders("CONFIG SET maxclients 1", "CONFIG SET maxclients 1000")),
		failed: onlyQueues, says: "read the queues in Redis",
	},
	// Nothing can be sent any more, and what is there can be counted as before: no gauge is wrong.
	"out of memory": {
		inject: func(s *site) func() {
			heal := orders("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0")(s)
			if err := s.rdb.Set(context.Background(), "key", "value", 0).Err(); !redis.HasErrorPrefix(err, "OOM") {
				s.t.Errorf("a write ends with %v", err)
			}
			return heal
		},
	},
}

// orders runs commands, and those that take them back; a semicolon is between two.
func orders(commands, back string) func(*site) func() {
	run := func(s *site, commands string) {
		for _, command := range strings.Split(commands, ";") {
			var args []any
			for _, word := range strings.Fields(command) {
				args = append(args, strings.Trim(word, "'"))
			}
			s.redis(args...)
		}
	}
	return func(s *site) func() {
		run(s, commands)
		return func() { run(s, back) }
	}
}

// afresh is a fault that only who connects afterwards runs into.
func afresh(inject func(*site) func()) func(*site) func() {
	return func(s *site) func() {
		heal := inject(s)
		s.queues.Cut()
		s.queues.Restore()
		return heal
	}
}

// standIn puts something in the place of Redis that answers every connection with these bytes.
func standIn(answer string) func(*site) func() {
	return func(s *site) func() {
		socket := filepath.Join(s.t.TempDir(), "s")
		listener, err := net.Listen("unix", socket)
		if err != nil {
			s.t.Fatal(err)
		}
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Write([]byte(answer))
				conn.Close()
			}
		}()
		s.queues.Cut()
		s.queues.MoveTo(s.t, "redis-socket://"+socket)
		s.queues.Restore()
		return func() {
			s.queues.MoveTo(s.t, s.redisURL)
			listener.Close()
		}
	}
}

// once runs a command without trying it again.
func (s *site) once(args ...any) error {
	_, err := s.rdb.Pipelined(context.Background(), func(p redis.Pipeliner) error {
		p.Do(context.Background(), args...)
		return nil
	})
	return err
}

// meanwhile runs a command that keeps Redis from serving until the command end.
func (s *site) meanwhile(prefix string, command []any, end ...any) (heal func()) {
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.once(command...) })
	for !redis.HasErrorPrefix(s.once("PING"), prefix) {
	}
	return func() {
		s.redis(end...)
		wg.Wait()
	}
}

// load lets Redis load its data, at one key in ten milliseconds.
func load(s *site) (heal func()) {
	for i := range 1000 {
		s.redis("SET", "filler:"+string(rune('a'+i%26))+strings.Repeat("x", i), strings.Repeat("x", 2000))
	}
	s.redis("CONFIG", "SET", "key-load-delay", 10_000)
	return s.meanwhile("LOADING", []any{"DEBUG", "RELOAD"}, "CONFIG", "SET", "key-load-delay", 0)
}

// busy lets somebody's script run without end.
func busy(s *site) (heal func()) {
	s.redis("CONFIG", "SET", "busy-reply-threshold", 1)
	return s.meanwhile("BUSY", []any{"EVAL", "while true do end", 0}, "SCRIPT", "KILL")
}

func TestRedisFaults(t *testing.T) {
	t.Parallel()
	for name, f := range redisFaults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newSite(t, "", "").suffer(f)
		})
	}
	for name, f := range redisServerFaults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newSite(t, "", localtest.OwnRedis(t, "--enable-debug-command", "yes", "--loading-process-events-interval-bytes", "1024").URL).suffer(f)
		})
	}
}

// TestFlushedRedis: an empty Redis is no failure. There is nothing in the queues, and that is
// what the page says; the jobs that wait are in the record.
func TestFlushedRedis(t *testing.T) {
	t.Parallel()
	s := newSite(t, "", "")
	s.redis("FLUSHDB")
	empty := s.healthy.without()
	for series := range empty {
		if strings.HasPrefix(series, "tidemark_queue_") {
			empty[series] = "0"
		}
	}
	delete(empty, `tidemark_queue_oldest_pending_timestamp_seconds{queue="aggregation"}`)
	s.wantPage(s.scrape(""), empty)
}

// TestRedisDiesAtAnyByte cuts the connection after every few bytes of what a scrape reads.
func TestRedisDiesAtAnyByte(t *testing.T) {
	t.Parallel()
	s := newSite(t, "", "")
	s.queues.Cut()
	for n := 0; ; n += 11 {
		s.queues.Restore()
		s.queues.CutAfter(n)
		got := s.scrape("")
		if got[success("queues")] == "1" {
			s.wantPage(got, s.healthy)
			if n < 200 {
				t.Errorf("a whole scrape in %d bytes?", n)
			}
			return
		}
		s.wantPage(got, s.healthy.without("queues"))
		if t.Failed() {
			t.Fatalf("the connection was cut after %d bytes", n)
		}
	}
}
