package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

// serve serves the API as the exporter does, with deadlines that a stream has to outlive.
func (b *bundle) serve() *httptest.Server {
	b.t.Helper()
	server := httptest.NewServer(b.h)
	b.t.Cleanup(server.Close)
	return server
}

// serverDeadline is that of a server which is impatient, but not with a busy machine.
const serverDeadline = 3 * time.Second

// serveImpatiently is serve with deadlines that are shorter than a stream.
func (b *bundle) serveImpatiently() *httptest.Server {
	b.t.Helper()
	server := httptest.NewUnstartedServer(b.h)
	server.Config.ReadTimeout, server.Config.WriteTimeout = serverDeadline, serverDeadline
	server.Start()
	b.t.Cleanup(server.Close)
	return server
}

// event is a server-sent event.
type event struct{ name, id, data string }

// watcher is a client of a stream.
type watcher struct {
	t      *testing.T
	answer *http.Response
	leave  context.CancelFunc
	events chan event
}

// watch opens the stream of a pipeline.
func (b *bundle) watch(server *httptest.Server, id uuid.UUID, lastEventID string) *watcher {
	b.t.Helper()
	return b.stream(server, "viewer", pipelinesPath+"/"+id.String()+"/stream", lastEventID)
}

// stream opens a stream as the owner of a token.
func (b *bundle) stream(server *httptest.Server, token, path, lastEventID string) *watcher {
	b.t.Helper()
	ctx, leave := context.WithTimeout(b.t.Context(), patience)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if lastEventID != "" {
		r.Header.Set("Last-Event-ID", lastEventID)
	}
	answer, err := server.Client().Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	w := &watcher{t: b.t, answer: answer, leave: leave, events: make(chan event)}
	b.t.Cleanup(w.close)
	go w.read(ctx)
	return w
}

func (w *watcher) close() {
	w.leave()
	w.answer.Body.Close()
}

func (w *watcher) read(ctx context.Context) {
	defer close(w.events)
	var e event
	for lines := bufio.NewScanner(w.answer.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		case "":
			select {
			case w.events <- e:
			case <-ctx.Done():
				return
			}
			e = event{}
		}
	}
}

// next waits for the next event.
func (w *watcher) next() (event, pipelineAnswer) {
	w.t.Helper()
	e, ok := <-w.events
	if !ok {
		w.t.Fatal("the stream has ended")
	}
	var p pipelineAnswer
	if err := json.Unmarshal([]byte(e.data), &p); err != nil || e.name != "pipeline-update" {
		w.t.Fatalf("%+v: %v", e, err)
	}
	conformsToPipeline(w.t, e.data)
	return e, p
}

// conformsToPipeline checks the data of an event against the document.
func conformsToPipeline(t *testing.T, data string) {
	t.Helper()
	doc, err := spec()
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal([]byte(data), &v); err != nil {
		t.Fatal(err)
	}
	if err := doc.Components.Schemas["Pipeline"].Value.VisitJSON(v); err != nil {
		t.Errorf("%s is not as documented: %v", data, err)
	}
}

// end waits until the server ends the stream.
func (w *watcher) end() {
	w.t.Helper()
	if e, ok := <-w.events; ok {
		w.t.Errorf("%+v comes where the end was due", e)
	}
}

func state(p pipelineAnswer, i int) string { return *p.Jobs[i].State }

// TestStreamFollowsAPipelineToItsEnd, worked on by the ledger itself.
func TestStreamFollowsAPipelineToItsEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.declare(2025, 2)
	id := into[scheduledAnswer](b.ask("operator", http.MethodPost, recalculatePath+"/2/20?year=2025", "")).PipelineID
	w := b.watch(b.serve(), id, "")
	if got := w.answer.Header.Get("Content-Type"); w.answer.StatusCode != http.StatusOK || got != "text/event-stream" {
		t.Fatalf("%s %s", w.answer.Status, got)
	}
	first, p := w.next()
	if state(p, 0) != "NOT_STARTED" || *p.Jobs[0].DataEntryType != 20 || p.Jobs[0].ID != p.Jobs[0].JobID || p.Progress.Phase != 2 || first.id == "" {
		t.Fatalf("%+v", p)
	}
	record := ledger.New(ledger.DefaultMaxHold)
	work := func(s job.Scope) {
		t.Helper()
		claim, sight, err := record.Claim(t.Context(), b.pool, s, time.Hour)
		if err != nil || claim == nil {
			t.Fatal(sight, err)
		}
		tx, err := b.pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := record.Finish(t.Context(), tx, claim, job.Outcome{Result: job.Success, Message: "done"}); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	work(job.RecalcOf(2, 20, 2025))
	// What was in between may be left out, the latest not.
	for p.Progress.Phase != 3 || len(p.Jobs) != 2 || state(p, 1) != "NOT_STARTED" {
		_, p = w.next()
		if p.StreamClosed {
			t.Fatalf("closed with %+v", p)
		}
	}
	work(job.AggregationOf(2, 2025))
	var last event
	for !p.StreamClosed {
		last, p = w.next()
	}
	if !p.Progress.Done || p.Progress.Status != ledger.StatusSuccess || state(p, 1) != "FINISHED" {
		t.Errorf("closed with %+v", p)
	}
	w.end()

	// Who has seen the end is told that there is no more; who has not gets it.
	if again := b.watch(b.serve(), id, last.id); again.answer.StatusCode != http.StatusNoContent {
		t.Errorf("%s after the end", again.answer.Status)
	}
	for _, lastEventID := range []string{"", first.id, "no id of ours"} {
		again := b.watch(b.serve(), id, lastEventID)
		if e, p := again.next(); e.id != last.id || !p.StreamClosed {
			t.Errorf("after %q: %+v", lastEventID, e)
		}
		again.end()
	}
}

// TestStreamOutlivesTheServersDeadlines and holds no connection of the pool meanwhile.
func TestStreamOutlivesTheServersDeadlines(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, recalc, _ := b.family(p1, 2)
	w := b.watch(b.serveImpatiently(), p1, "")
	w.next()
	if n := b.pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections of the pool are held", n)
	}
	for start, n := time.Now(), 0; time.Since(start) < serverDeadline*3/2; n++ {
		message := fmt.Sprintf("%d of many", n)
		b.exec(`UPDATE data_ingestion_jobs SET status_message = $1 WHERE id = $2`, message, recalc)
		for _, p := w.next(); *p.Jobs[1].Message != message; {
			_, p = w.next()
		}
	}
}

func TestStreamIsResumed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, recalc, _ := b.family(p1, 2)
	server := b.serve()
	w := b.watch(server, p1, "")
	first, _ := w.next()
	w.leave()
	resumed := b.watch(server, p1, first.id)
	b.exec(`UPDATE data_ingestion_jobs SET status_message = '2 of 3' WHERE id = $1`, recalc)
	// Nothing was sent twice: the first event is the change.
	if e, p := resumed.next(); *p.Jobs[1].Message != "2 of 3" || e.id == first.id {
		t.Errorf("%+v", e)
	}
	late := b.watch(server, p1, first.id)
	if _, p := late.next(); *p.Jobs[1].Message != "2 of 3" {
		t.Errorf("%+v", p)
	}
}

func TestStreamEndsWithItsClientAndItsServer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.family(p1, 2)
	drain, drained := context.WithCancel(t.Context())
	server := httptest.NewUnstartedServer(b.h)
	server.Config.BaseContext = func(net.Listener) context.Context { return drain }
	server.Start()
	t.Cleanup(server.Close)
	listening := func(want int) {
		t.Helper()
		for deadline := time.Now().Add(patience); ; {
			n := value[int](b, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'test streams'`)
			if n == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d connections listen, want %d", n, want)
			}
		}
	}
	w := b.watch(server, p1, "")
	w.next()
	listening(1)
	w.leave()
	listening(0)
	w = b.watch(server, p1, "")
	w.next()
	drained()
	w.end()
	listening(0)
}

// TestStreamEndsWhenItTouchesWhatMayNotBeSeen while it goes on for others.
func TestStreamEndsWhenItTouchesWhatMayNotBeSeen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.family(p1, 2)
	accounts := b.serve()
	all := b.watch(accounts, p1, "")
	all.next()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, accounts.URL+pipelinesPath+"/"+p1.String()+"/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer traveller")
	answer, err := accounts.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	some := &watcher{t: t, answer: answer, leave: cancel, events: make(chan event)}
	go some.read(ctx)
	some.next()
	b.job("job_type, module_type_id, year, state, pipeline_id", fmt.Sprintf("'aggregation', 3, 2025, 'NOT_STARTED', '%s'", p1))
	some.end()
	if _, p := all.next(); len(p.Jobs) != 4 {
		t.Errorf("%+v", p)
	}
}

func TestStreamWithoutARecord(t *testing.T) {
	t.Parallel()
	setupAway(t).get(pipelinesPath+"/"+p1.String()+"/stream").problem(http.StatusServiceUnavailable, "try again later")
}

func TestStreamHead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.family(p1, 2)
	server := b.serve()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, server.URL+pipelinesPath+"/"+p1.String()+"/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer viewer")
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%s %v", answer.Status, answer.Header)
	}
}

// quiet is the writing end of a connection that keeps the first event.
type quiet struct {
	head  http.Header
	mu    sync.Mutex
	text  strings.Builder
	first chan struct{}
	once  sync.Once
}

func (q *quiet) Header() http.Header              { return q.head }
func (q *quiet) WriteHeader(int)                  {}
func (q *quiet) FlushError() error                { return nil }
func (q *quiet) SetReadDeadline(time.Time) error  { return nil }
func (q *quiet) SetWriteDeadline(time.Time) error { return nil }
func (q *quiet) Write(b []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.text.Write(b)
	q.once.Do(func() { close(q.first) })
	return len(b), nil
}

// TestThousandStreams: all of them get the end, on one connection, with none of the pool held.
func TestThousandStreams(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.family(p1, 2)
	b.family(p2, 3)
	clients := make([]*quiet, 1000)
	var streams sync.WaitGroup
	for n := range clients {
		clients[n] = &quiet{head: http.Header{}, first: make(chan struct{})}
		id := p1
		if n%2 == 1 {
			id = p2
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, pipelinesPath+"/"+id.String()+"/stream", nil)
		r.Header.Set("Authorization", "Bearer viewer")
		streams.Go(func() { b.h.ServeHTTP(clients[n], r) })
	}
	for _, c := range clients {
		<-c.first
	}
	if n := value[int](b, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'test streams'`); n != 1 {
		t.Errorf("%d connections listen", n)
	}
	if n := b.pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections of the pool are held", n)
	}
	b.exec(`UPDATE pipelines SET status = 'SUCCESS'`)
	streams.Wait()
	for n, c := range clients {
		if text := c.text.String(); !strings.Contains(text, `"stream_closed":true`) {
			t.Fatalf("stream %d ended with %s", n, text)
		}
	}
}
