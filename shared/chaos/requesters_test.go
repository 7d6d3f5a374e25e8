package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"

	"tidemark/shared/chaos/verdict"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
	"tidemark/shared/signal"
)

// journal is what requesters note of their attempts.
type journal struct {
	mu       sync.Mutex
	attempts []verdict.Attempt
}

func (j *journal) note(a verdict.Attempt, answer verdict.Answer, err error) {
	a.End, a.Answer = time.Now(), answer
	if err != nil {
		a.Error = err.Error()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.attempts = append(j.attempts, a)
}

// request lets requesters of all kinds go on until ctx ends; the result waits for them.
func (w *world) request(ctx context.Context, t testing.TB, rng *rand.Rand) (wait func()) {
	t.Helper()
	pool := localtest.Connect(t, w.database.URL)
	rdb, err := signal.Connect(w.queues.URL)
	must(t, err)
	t.Cleanup(func() { _ = rdb.Close() })
	byLibrary := library{world: w, pool: pool, ledger: ledger.New(2 * time.Second), signals: signal.NewSender(rdb)}
	tasks := asynq.NewClientFromRedisClient(rdb)

	var all sync.WaitGroup
	goOn := func(every time.Duration, attempt func(context.Context, *rand.Rand)) {
		own := rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64()))
		all.Go(func() {
			for pause(ctx, time.Duration(own.Int64N(int64(2*every)))) {
				// What has begun is ended, with a limit of its own.
				attempt(context.WithoutCancel(ctx), own)
			}
		})
	}
	for range 3 {
		goOn(150*time.Millisecond, byLibrary.attempt)
	}
	goOn(600*time.Millisecond, w.attemptHTTP)
	goOn(3*time.Second, w.attemptCLI)
	goOn(time.Second, func(ctx context.Context, rng *rand.Rand) { w.attemptTask(ctx, rng, tasks) })
	goOn(500*time.Millisecond, w.queue)
	return all.Wait
}

// pause reports whether ctx goes on after it.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// attemptAt begins an attempt at the scope of a random entry. Half of them meet in a fourth of the
// scopes, so that there is always something to join.
func (w *world) attemptAt(via string, rng *rand.Rand) (verdict.Attempt, verdict.Entry) {
	e := w.entries[rng.IntN(len(w.entries))]
	for hot := rng.IntN(2) == 0; hot && (e.Scope.Module != 4 || e.Scope.Year != 2025); {
		e = w.entries[rng.IntN(len(w.entries))]
	}
	return verdict.Attempt{Nonce: uuid.NewString(), Via: via, Start: time.Now(), Scopes: []verdict.Scope{e.Scope}}, e
}

// attemptLimit bounds one attempt.
const attemptLimit = 8 * time.Second

// client gives up before the API does: then nobody knows.
var client = &http.Client{Timeout: 4 * time.Second}

// attemptHTTP asks the API, again with the same key while it does not know the answer.
func (w *world) attemptHTTP(ctx context.Context, rng *rand.Rand) {
	a, _ := w.attemptAt("http", rng)
	token := w.tokens[rng.IntN(len(w.tokens))]
	ctx, cancel := context.WithTimeout(ctx, 2*attemptLimit)
	defer cancel()
	answer := verdict.Refused
	var err error
	for range 3 {
		var status int
		var id int64
		status, id, err = w.post(ctx, a, token)
		switch {
		case status == http.StatusAccepted:
			a.Jobs = []int64{id}
			w.journal.note(a, verdict.Accepted, nil)
			return
		case status >= 400 && status < 500:
			// Of an earlier try nobody knows still.
			w.journal.note(a, answer, err)
			return
		}
		answer = verdict.Unknown
		pause(ctx, 200*time.Millisecond)
	}
	w.journal.note(a, answer, err)
}

func (w *world) post(ctx context.Context, a verdict.Attempt, token string) (status int, id int64, err error) {
	s := a.Scopes[0]
	url := fmt.Sprintf("http://%s/v1/sync/recalculate-emissions/%d/%d?year=%d", w.address, s.Module, s.Type, s.Year)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(fmt.Sprintf(`{"reason": %q}`, a.Nonce)))
	if err != nil {
		return 0, 0, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", a.Nonce)
	resp, err := client.Do(r)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, 0, err
	}
	if resp.StatusCode != http.StatusAccepted {
		return resp.StatusCode, 0, errors.New(string(body))
	}
	var scheduled struct {
		JobID int64 `json:"job_id"`
	}
	err = json.Unmarshal(body, &scheduled)
	return resp.StatusCode, scheduled.JobID, err
}

// attemptCLI runs the command line.
func (w *world) attemptCLI(ctx context.Context, rng *rand.Rand) {
	a, _ := w.attemptAt("cli", rng)
	s := a.Scopes[0]
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.binary, "recalc", "--module="+strconv.Itoa(s.Module), "--type="+strconv.Itoa(s.Type), "--year="+strconv.Itoa(s.Year), "--reason="+a.Nonce)
	cmd.Env = append(os.Environ(), "TIDEMARK_DATABASE_URL="+w.database.URL, "TIDEMARK_REDIS_URL="+w.queues.URL)
	out, err := cmd.CombinedOutput()
	answer := verdict.Accepted
	if err != nil {
		answer, err = verdict.Unknown, fmt.Errorf("%w: %s", err, out)
		if cmd.ProcessState != nil && cmd.ProcessState.ExitCode() == 2 {
			answer = verdict.Refused
		}
	}
	w.journal.note(a, answer, err)
}

// attemptTask puts a task into a queue as any asynq client may, sometimes for an aggregation.
func (w *world) attemptTask(ctx context.Context, rng *rand.Rand, tasks *asynq.Client) {
	a, e := w.attemptAt("task", rng)
	kind, payload := "emission_recalc", fmt.Sprintf(`{"year": %d, "module_type_id": %d, "data_entry_type_id": %d}`, e.Scope.Year, e.Scope.Module, e.Scope.Type)
	if rng.IntN(4) == 0 {
		a.Scopes[0].Type = 0
		kind, payload = "aggregation", fmt.Sprintf(`{"year": %d, "module_type_id": %d}`, e.Scope.Year, e.Scope.Module)
	}
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	_, err := tasks.EnqueueContext(ctx, asynq.NewTask(kind, []byte(payload)), asynq.Queue(kind), asynq.TaskID(a.Nonce))
	answer := verdict.Enqueued
	if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
		answer = verdict.Unknown
	}
	w.journal.note(a, answer, err)
}

// queue marks some waiting job as other programs on the table do. It is no request.
func (w *world) queue(ctx context.Context, _ *rand.Rand) {
	_, _ = w.pool.Exec(ctx, `UPDATE data_ingestion_jobs SET state = 'QUEUED' WHERE id = (
		SELECT id FROM data_ingestion_jobs WHERE state = 'NOT_STARTED' ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED)`)
}
