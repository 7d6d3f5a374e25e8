package ledger_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

// audit reads the record of requests, oldest first.
func audit(b *bundle) []string {
	b.t.Helper()
	rows, err := b.pool.Query(b.ctx, `
SELECT concat_ws(' ', actor, via, coalesce(reason, '-'), request_id, job_id, created, job_type, module_type_id, coalesce(data_entry_type_id, 0), year)
  FROM job_requests ORDER BY id`)
	b.must(err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	b.must(err)
	return lines
}

func TestEveryRequestIsRecorded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	by := ledger.Origin{Actor: "anna", Via: ledger.ViaHTTP, Reason: "factors \x00corrected", RequestID: "r-1"}
	b.requestAll(ledger.Batch{By: by, Requests: whole(planes, heating)})
	b.requestAll(ledger.Batch{By: tester, Requests: whole(planes)})
	// What follows from a finished job was asked for by nobody.
	b.finish(b.claim(planes), job.Success)
	got, want := strings.Join(audit(b), "\n"), strings.Join([]string{
		"anna http factors \uFFFDcorrected r-1 1 t emission_recalc 2 20 2025",
		"anna http factors \uFFFDcorrected r-1 2 t emission_recalc 3 30 2025",
		"tester cli - test 1 f emission_recalc 2 20 2025",
	}, "\n")
	if got != want {
		t.Errorf("recorded:\n%s\nwant:\n%s", got, want)
	}
	if n := value[int](b, `SELECT count(*) FROM data_ingestion_jobs WHERE job_type = 'aggregation'`); n != 1 {
		t.Errorf("%d aggregations follow", n)
	}
}

func TestRequestWithoutOriginIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, by := range []ledger.Origin{{}, {Via: ledger.ViaCLI, RequestID: "r"}, {Actor: "a", RequestID: "r"}, {Actor: "a", Via: ledger.ViaCLI}} {
		_, err := b.Request(b.ctx, b.begin(), ledger.Batch{By: by, Requests: whole(planes)})
		if err == nil || !strings.Contains(err.Error(), "must be given") {
			t.Errorf("%+v: %v", by, err)
		}
	}
}

// TestRolledBackRequestLeavesNoTrace: request and audit are one.
func TestRolledBackRequestLeavesNoTrace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tx := b.begin()
	b.requestIn(tx, uuid.Nil, planes)
	b.must(tx.Rollback(b.ctx))
	if lines := audit(b); len(lines) != 0 {
		t.Errorf("recorded: %q", lines)
	}
}

// start starts a pipeline with this id.
func (b *bundle) start(tx pgx.Tx, id uuid.UUID, scopes ...job.Scope) (ledger.Started, error) {
	return b.Start(b.ctx, tx, ledger.NewPipeline{ID: id, Kind: scopes[0].Type, ModuleType: 2, Year: 2025}, tester, scopes...)
}

func TestStartingTwiceIsOneRequest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.request(uuid.Nil, trains) // the pipeline will join this one
	id := uuid.New()
	tx := b.begin()
	first, err := b.start(tx, id, trains, planes)
	b.must(err)
	if first.Replayed || first.Pipeline != id || len(first.Tickets) != 2 || !first.Tickets[0].Created || first.Tickets[1].Created {
		t.Fatalf("first: %+v", first)
	}
	// The second comes while the first has not committed: it waits and gets the same answer.
	second := inBackground(func() (s ledger.Started, err error) {
		err = pgx.BeginFunc(b.ctx, b.pool, func(tx pgx.Tx) error {
			s, err = b.start(tx, id, planes, trains, planes)
			return err
		})
		return s, err
	})
	b.awaitBlocked(1)
	b.commit(tx)
	got := <-second
	b.must(got.err)
	if !got.v.Replayed || got.v.Pipeline != id || len(got.v.Tickets) != 2 ||
		got.v.Tickets[0] != first.Tickets[0] || got.v.Tickets[1] != first.Tickets[1] {
		t.Errorf("second: %+v, want the first one's answer %+v", got.v, first)
	}
	// Nor does a repetition after the run request another one.
	b.finish(b.claim(planes), job.Success)
	again, err := b.start(b.begin(), id, planes, trains)
	if err != nil || !again.Replayed || again.Tickets[0].JobID != first.Tickets[0].JobID {
		t.Errorf("after the run: %+v, %v", again, err)
	}
	if n := len(audit(b)); n != 3 {
		t.Errorf("%d requests recorded, want the joined one's and two of the first start", n)
	}
	for name, scopes := range map[string][]job.Scope{"fewer": {planes}, "others": {planes, heating}, "more": {planes, trains, heating}} {
		if _, err := b.start(b.begin(), id, scopes...); !errors.Is(err, ledger.ErrConflictingReplay) {
			t.Errorf("%s scopes under the same id: %v", name, err)
		}
	}
}

func TestPipelineOfALoadCannotBeStarted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.open(job.CSVIngest)
	if _, err := b.start(b.begin(), id, planes); !errors.Is(err, ledger.ErrConflictingReplay) {
		t.Errorf("got %v", err)
	}
	if _, err := b.Replay(b.ctx, b.pool, uuid.New()); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("replay of nothing: %v", err)
	}
}
