package ledger_test

import (
	"testing"

	"github.com/google/uuid"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

// members makes jobs of these words, by ascending id: type, state, result.
func members(words ...[3]string) (jobs []ledger.Member) {
	text := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	for i, w := range words {
		jobs = append(jobs, ledger.Member{JobID: int64(i + 1), Type: text(w[0]), State: text(w[1]), Result: text(w[2])})
	}
	return jobs
}

// TestProgress has the original's cases, by what its tests expect.
func TestProgress(t *testing.T) {
	t.Parallel()
	const load, recalc, aggregation = "csv_ingest", "emission_recalc", "aggregation"
	done := func(kind string) [3]string { return [3]string{kind, "FINISHED", "SUCCESS"} }
	for name, c := range map[string]struct {
		kind, status string
		expected     *int
		jobs         []ledger.Member
		phase        int
		done, failed bool
		shown        ledger.Status
	}{
		"root not started":                {load, "NOT_STARTED", nil, members([3]string{load, "NOT_STARTED"}), 1, false, false, ledger.StatusNotStarted},
		"root runs":                       {load, "NOT_STARTED", nil, members([3]string{load, "RUNNING"}), 1, false, false, ledger.StatusRunning},
		"one expected and no child":       {load, "RUNNING", new(1), members(done(load)), 2, false, false, ledger.StatusRunning},
		"none expected":                   {load, "SUCCESS", new(0), members(done(load)), 3, true, false, ledger.StatusSuccess},
		"one of two recalculations":       {load, "RUNNING", new(2), members(done(load), done(recalc), [3]string{recalc, "RUNNING"}), 2, false, false, ledger.StatusRunning},
		"more than were expected":         {load, "RUNNING", new(1), members(done(load), done(recalc), [3]string{recalc, "NOT_STARTED"}), 2, false, false, ledger.StatusRunning},
		"aggregation waits":               {load, "RUNNING", new(1), members(done(load), done(recalc), [3]string{aggregation, "NOT_STARTED"}), 3, false, false, ledger.StatusRunning},
		"all finished":                    {load, "SUCCESS", new(1), members(done(load), done(recalc), done(aggregation)), 3, true, false, ledger.StatusSuccess},
		"the row says done, a job lags":   {load, "SUCCESS", new(1), members(done(load), done(recalc), [3]string{aggregation, "RUNNING"}), 3, true, false, ledger.StatusSuccess},
		"the row says running, none does": {load, "RUNNING", new(1), members(done(load), done(recalc), done(aggregation)), 3, false, false, ledger.StatusRunning},
		"failed":                          {load, "FAILED", nil, members([3]string{load, "FINISHED", "ERROR"}), 3, true, true, ledger.StatusFailed},
		"partial":                         {load, "PARTIAL", new(1), members(done(load), [3]string{recalc, "FINISHED", "ERROR"}), 3, true, true, ledger.StatusPartial},
		// O-5: a failure is not the end while others run.
		"one failed, one runs":           {load, "RUNNING", nil, members(done(load), [3]string{recalc, "FINISHED", "ERROR"}, [3]string{recalc, "RUNNING"}), 2, false, false, ledger.StatusRunning},
		"a recalculation brings no data": {recalc, "RUNNING", nil, members([3]string{recalc, "NOT_STARTED"}), 2, false, false, ledger.StatusRunning},
		"an aggregation alone":           {aggregation, "RUNNING", nil, members([3]string{aggregation, "NOT_STARTED"}), 3, false, false, ledger.StatusRunning},
		"the joined job is not the root": {load, "RUNNING", nil, members([3]string{recalc, "NOT_STARTED"}, done(load)), 2, false, false, ledger.StatusRunning},
		"the original's module job":      {"", "NOT_STARTED", nil, members([3]string{"module_emission_recalc", "RUNNING"}), 2, false, false, ledger.StatusRunning},
		"the original's, state NULL":     {"", "NOT_STARTED", nil, members([3]string{"", ""}), 1, false, false, ledger.StatusNotStarted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := ledger.PipelineMembers{ID: uuid.New(), Stored: c.status, ExpectedRecalc: c.expected, Jobs: c.jobs}
			if c.kind != "" {
				p.Kind = &c.kind
			}
			got := p.Progress()
			if got.Phase != c.phase || got.Done != c.done || got.HasError != c.failed || got.Status != c.shown || got.PhasesTotal != 3 ||
				got.PhaseLabel != [...]string{"data", "emissions", "aggregation"}[c.phase-1] {
				t.Errorf("got %+v", got)
			}
			if want := p.Root().Type; p.Kind == nil && got.Kind != want || p.Kind != nil && *got.Kind != c.kind {
				t.Errorf("kind %v", got.Kind)
			}
		})
	}
}

// TestProgressOfAnOrphan is what the job itself says.
func TestProgressOfAnOrphan(t *testing.T) {
	t.Parallel()
	for words, want := range map[[3]string]ledger.Status{
		{"unit_sync", "NOT_STARTED"}: ledger.StatusNotStarted, {"unit_sync", "QUEUED"}: ledger.StatusNotStarted, {"unit_sync", "RUNNING"}: ledger.StatusRunning,
		{"unit_sync", "FINISHED", "WARNING"}: ledger.StatusSuccess, {"unit_sync", "FINISHED", "ERROR"}: ledger.StatusFailed, {"unit_sync", "NOT_STARTED", "ERROR"}: ledger.StatusNotStarted,
	} {
		p := ledger.PipelineMembers{Jobs: members(words)}
		if got := p.Progress(); got.Status != want || got.Done != want.Done() || *got.Kind != "unit_sync" {
			t.Errorf("%q: %+v, want %s", words, got, want)
		}
	}
}

// TestProgressOfOurOwn follows a request to its end, as the ledger keeps it.
func TestProgressOfOurOwn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.open(job.EmissionRecalc)
	b.request(id, planes)
	progress := func(phase int, status ledger.Status) {
		t.Helper()
		found, err := b.Members(b.ctx, b.pool, id, uuid.New())
		b.must(err)
		if got := found[id].Progress(); len(found) != 1 || got.Phase != phase || got.Status != status {
			t.Errorf("%d pipelines, %+v, want phase %d, %s", len(found), got, phase, status)
		}
	}
	progress(2, ledger.StatusRunning)
	b.finish(b.claim(planes), job.Success)
	progress(3, ledger.StatusRunning)
	b.finish(b.claim(travel), job.Success)
	progress(3, ledger.StatusSuccess)
}
