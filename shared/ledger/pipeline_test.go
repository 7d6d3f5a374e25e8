package ledger_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

func TestPipelineOfARecalculationRunsUntilItsAggregationIsDone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.open(job.EmissionRecalc)
	b.request(p, planes)
	b.wantStatus(p, ledger.StatusRunning)
	c := b.claim(planes)
	b.wantStatus(p, ledger.StatusRunning)
	// early FINISHED: there is no moment at which the pipeline looks done without its follow-up.
	b.finish(c, job.Warning)
	b.wantStatus(p, ledger.StatusRunning)
	b.finish(b.claim(travel), job.Success)
	b.wantStatus(p, ledger.StatusSuccess)
	if !value[bool](b, `SELECT job_count = 2 AND error_count = 0 AND expected_recalc = 1 AND finished_at >= started_at AND last_error IS NULL
		FROM pipelines WHERE id = $1`, p) {
		t.Error("the pipeline's counts do not fit its jobs")
	}
}

// O-5: an error does not end a pipeline whose other jobs go on. "Success" lie: the last error
// is the message of the job that failed.
func TestPipelineStatusTellsWhoFailed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		kind           job.Type
		first, second  job.Result
		aggregation    job.Result
		want           ledger.Status
		wantErrorCount int
	}{
		"every root failed":      {job.EmissionRecalc, job.Error, job.Error, "", ledger.StatusFailed, 2},
		"one root failed":        {job.EmissionRecalc, job.Error, job.Success, job.Success, ledger.StatusPartial, 1},
		"the aggregation failed": {job.EmissionRecalc, job.Success, job.Warning, job.Error, ledger.StatusPartial, 1},
		"all failed after load":  {job.CSVIngest, job.Error, job.Error, "", ledger.StatusPartial, 2},
		"all went well":          {job.CSVIngest, job.Warning, job.Success, job.Warning, ledger.StatusSuccess, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			p := b.open(tc.kind)
			if tc.kind == job.CSVIngest {
				b.load(ledger.Load{Pipeline: p, Type: tc.kind, ModuleType: 2, Year: 2025, Result: job.Success, Message: "loaded"})
			}
			b.request(p, planes, trains)
			b.finish(b.claim(planes), tc.first)
			b.wantStatus(p, ledger.StatusRunning)
			b.finish(b.claim(trains), tc.second)
			if tc.aggregation != "" {
				b.wantStatus(p, ledger.StatusRunning)
				b.finish(b.claim(travel), tc.aggregation)
			}
			b.wantStatus(p, tc.want)
			errorCount := value[int](b, `SELECT error_count FROM pipelines WHERE id = $1`, p)
			lastError := value[string](b, `SELECT coalesce(last_error, '') FROM pipelines WHERE id = $1`, p)
			if errorCount != tc.wantErrorCount || (lastError == "said ERROR") != (errorCount > 0) {
				t.Errorf("%d errors, the last one %q", errorCount, lastError)
			}
		})
	}
}

// A load that is followed by requests in its transaction was never done in between.
func TestLoadWithRequestsIsNeverSeenDone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tx := b.begin()
	p, opened, err := b.OpenPipeline(b.ctx, tx, ledger.NewPipeline{Kind: job.CSVIngest, ModuleType: 2, Year: 2025})
	b.must(err)
	_, err = b.RecordLoad(b.ctx, tx, ledger.Load{Pipeline: p, Type: job.CSVIngest, ModuleType: 2, Year: 2025, Result: job.Success})
	b.must(err)
	b.requestIn(tx, p, planes)
	b.commit(tx)
	b.wantStatus(p, ledger.StatusRunning)
	if !opened {
		t.Error("a new pipeline was there before")
	}
	if _, again, err := b.OpenPipeline(b.ctx, b.begin(), ledger.NewPipeline{ID: p, Kind: job.Aggregation}); again || err != nil {
		t.Errorf("opened twice: %t, %v", again, err)
	}
}

// #1219-2b: a joined job counts for the pipeline that joined, and it is not done before the job is.
func TestJoinersAreMembersAndFollowIntoTheAggregation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, second, late := b.open(job.EmissionRecalc), b.open(job.EmissionRecalc), b.open(job.EmissionRecalc)
	recalc := b.request(first, planes)[0]
	b.request(second, planes)
	b.request(second, planes)
	c := b.claim(planes)
	next := b.request(late, planes)[0]
	up := b.finish(c, job.Success)[0]
	for _, p := range []uuid.UUID{first, second} {
		b.wantMember(p, recalc.JobID, true)
		b.wantMember(p, up.JobID, true)
		b.wantMember(p, next.JobID, false)
		b.wantStatus(p, ledger.StatusRunning)
	}
	b.wantMember(late, recalc.JobID, false)
	b.wantMember(late, up.JobID, false)
	b.finish(b.claim(planes), job.Success)
	b.finish(b.claim(travel), job.Success)
	for _, p := range []uuid.UUID{first, second, late} {
		b.wantStatus(p, ledger.StatusSuccess)
	}
	state, err := b.Pipeline(b.ctx, b.pool, late)
	b.must(err)
	if len(state.Jobs) != 2 || state.Jobs[0].ID != up.JobID && state.Jobs[1].ID != up.JobID || state.Kind != "emission_recalc" {
		t.Errorf("pipeline %+v", state)
	}
}

// Of two jobs of one pipeline that finish at the same moment neither sees the other's end;
// the second one to settle counts the first.
func TestLastOfTwoConcurrentFinishesSettles(t *testing.T) {
	t.Parallel()
	for _, results := range [][2]job.Result{{job.Error, job.Error}, {job.Success, job.Success}, {job.Error, job.Success}} {
		b := setup(t)
		p := b.open(job.Aggregation)
		b.request(p, travel, heating.Aggregation())
		one, other := b.claim(travel), b.claim(heating.Aggregation())
		tx := b.begin()
		_, err := b.Finish(b.ctx, tx, one, job.Outcome{Result: results[0]})
		b.must(err)
		second := inBackground(func() (bool, error) {
			return true, pgx.BeginFunc(b.ctx, b.pool, func(tx pgx.Tx) error {
				_, err := b.Finish(b.ctx, tx, other, job.Outcome{Result: results[1]})
				return err
			})
		})
		b.awaitBlocked(1)
		b.commit(tx)
		receive(b, second)
		want := ledger.StatusSuccess
		if slices.Contains(results[:], job.Error) {
			want = ledger.StatusPartial
			if results[0] == results[1] {
				want = ledger.StatusFailed
			}
		}
		b.wantStatus(p, want)
	}
}

// early FINISHED: a request for an open pipeline that is not committed yet keeps it from
// being settled as done by the end of its other jobs.
func TestRequestInFlightKeepsItsPipelineOpen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.open(job.Aggregation)
	b.request(p, travel)
	c := b.claim(travel)
	tx := b.begin()
	b.requestIn(tx, p, heating.Aggregation())
	finished := inBackground(func() (bool, error) {
		return true, pgx.BeginFunc(b.ctx, b.pool, func(tx pgx.Tx) error {
			_, err := b.Finish(b.ctx, tx, c, job.Outcome{Result: job.Success})
			return err
		})
	})
	b.await("the finish is committed or waits", func() bool {
		return value[bool](b, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')
			OR EXISTS (SELECT FROM data_ingestion_jobs WHERE state = 'FINISHED')`)
	})
	b.commit(tx)
	receive(b, finished)
	b.wantStatus(p, ledger.StatusRunning)
	b.finish(b.claim(heating.Aggregation()), job.Success)
	b.wantStatus(p, ledger.StatusSuccess)
}

func TestUnknownPipelineAndJobAreNotFound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if _, err := b.Pipeline(b.ctx, b.pool, uuid.New()); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("pipeline: %v", err)
	}
	if _, err := b.Job(b.ctx, b.pool, 77); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("job: %v", err)
	}
}

func TestJobsAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.open(job.EmissionRecalc)
	failed := b.request(p, planes)[0].JobID
	b.finish(b.claim(planes), job.Error)
	waiting, other := b.request(p, planes)[0].JobID, b.request(uuid.Nil, heating)[0].JobID
	for name, tc := range map[string]struct {
		filter ledger.JobFilter
		want   []int64
	}{
		"all":      {ledger.JobFilter{}, []int64{other, waiting, failed}},
		"active":   {ledger.JobFilter{Active: true}, []int64{other, waiting}},
		"failed":   {ledger.JobFilter{Failed: true}, []int64{failed}},
		"pipeline": {ledger.JobFilter{Pipeline: p}, []int64{waiting, failed}},
		"scope":    {ledger.JobFilter{Type: job.EmissionRecalc, ModuleType: 3, DataEntryType: 30, Year: 2025}, []int64{other}},
		"limit":    {ledger.JobFilter{Limit: 1}, []int64{other}},
		"none":     {ledger.JobFilter{Year: 1999}, nil},
	} {
		jobs, err := b.Jobs(b.ctx, b.pool, tc.filter)
		b.must(err)
		var ids []int64
		for _, j := range jobs {
			ids = append(ids, j.ID)
		}
		if !slices.Equal(ids, tc.want) {
			t.Errorf("%s: %v, want %v", name, ids, tc.want)
		}
	}
	if j := b.job(failed); !j.Finished() || !j.Failed() {
		t.Errorf("%+v", j)
	}
}
