// Package monitor serves asynqmon, the console of asynq's queues.
//
// asynqmon is a page with an API of its own that works on Redis alone. What its buttons do is what
// any asynq client may do at any time, so the record has to bear it, and does: see package worker
// and the scheduler's relay. Here it is fitted in:
//
//   - Payloads and results are words ([formatPayload], [formatResult]).
//   - Its page loads nothing from other hosts, and a strict policy keeps it to that ([page]).
//   - While Redis does not answer it says so at once, instead of half a minute later.
//   - What is not there is answered as such; asynqmon answers with its page.
//
// It asks nobody who he is: who may look, and who may press buttons, is for the caller to say.
package monitor

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hibiken/asynqmon"
	"github.com/redis/go-redis/v9"

	"tidemark/shared/web"
)

// pingTimeout is how long Redis has to answer before a request is refused. asynqmon's own commands
// know no deadline.
const pingTimeout = 3 * time.Second

// Monitor is asynqmon on a Redis. Make it with [New].
type Monitor struct {
	rdb   redis.UniversalClient
	root  string
	inner http.Handler
	// asIs is asynqmon's page, with which it answers whatever it does not know, page what we make of it.
	asIs []byte
	page page
}

// New returns asynqmon for whoever sees it at root, a path as the browser has it without a slash at
// its end, for example /asynqmon. readOnly hides and refuses what changes something. The
// connection, of signal.Connect, stays the caller's to close.
func New(rdb redis.UniversalClient, root string, readOnly bool) *Monitor {
	m := &Monitor{rdb: rdb, root: root}
	m.inner = asynqmon.New(asynqmon.Options{
		RootPath:         root,
		RedisConnOpt:     shared{rdb},
		PayloadFormatter: asynqmon.PayloadFormatterFunc(formatPayload),
		ResultFormatter:  asynqmon.ResultFormatterFunc(formatResult),
		ReadOnly:         readOnly,
	})
	m.asIs = kept(m.inner, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: root + "/"}}).body.Bytes()
	m.page = newPage(m.asIs)
	return m
}

// shared gives asynqmon a connection that is there already.
type shared struct{ redis.UniversalClient }

// MakeRedisClient is asynq's way to ask for it.
func (s shared) MakeRedisClient() any { return s.UniversalClient }

const (
	apiPath    = "/api/"
	staticPath = "/static/"
)

// ServeHTTP answers a request whose path is relative to the root and begins with a slash.
func (m *Monitor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	isAPI, isStatic := strings.HasPrefix(path, apiPath), strings.HasPrefix(path, staticPath)
	if isAPI && !m.redisAnswers(r.Context()) {
		web.Problem(w, http.StatusServiceUnavailable, "Redis does not answer, so nothing was done: try again later; /-/ready of a worker says more")
		return
	}
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	asked := r.Clone(r.Context())
	asked.URL.Path, asked.URL.RawPath = m.root+path, ""
	if reads {
		asked.Method = http.MethodGet
	}
	got := kept(m.inner, asked)
	switch isPage := bytes.Equal(got.body.Bytes(), m.asIs); {
	case isPage && (isAPI || isStatic || !reads):
		web.Problem(w, http.StatusNotFound, "asynqmon has nothing at "+r.Method+" "+path)
	case isPage:
		m.page.serve(w)
	default:
		if isStatic { // the names change with what is in them
			w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
		}
		if isAPI && got.header.Get("Content-Type") == "" {
			got.header.Set("Content-Type", "application/json")
		}
		got.copyTo(w)
	}
}

// redisAnswers is asked in a pipeline, because single commands are tried again for half a minute.
func (m *Monitor) redisAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	_, err := m.rdb.Pipelined(ctx, func(p redis.Pipeliner) error { return p.Ping(ctx).Err() })
	return err == nil
}

// answer is one that can still be looked at before it goes out.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// kept lets a handler answer.
func kept(h http.Handler, r *http.Request) *answer {
	a := &answer{header: http.Header{}, status: http.StatusOK}
	h.ServeHTTP(a, r)
	return a
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

func (a *answer) copyTo(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes()) // An error here means that the caller is gone.
}
