package ledger_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

func (b *bundle) narrowed(f job.Filter) ledger.Batch {
	return ledger.Batch{By: tester, Requests: []ledger.Request{{Scope: planes, Filter: f}}}
}

// O-1 (a, b): whatever the order, the job that is claimed covers every request that joined it.
func TestFiltersAreUnitedAndAllWins(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, tc := range map[string]struct {
		requests []job.Filter
		want     job.Filter
	}{
		"one":                    {[]job.Filter{{7}}, job.Filter{7}},
		"two":                    {[]job.Filter{{9}, {7}}, job.Filter{7, 9}},
		"overlapping":            {[]job.Filter{{7, 9}, {8, 9}}, job.Filter{7, 8, 9}},
		"narrower joins wider":   {[]job.Filter{{7, 9}, {9}}, job.Filter{7, 9}},
		"narrow, then all":       {[]job.Filter{{7}, nil}, nil},
		"all, then narrow":       {[]job.Filter{nil, {7}}, nil},
		"nothing, then narrow":   {[]job.Filter{{}, {7}}, job.Filter{7}},
		"narrow, then nothing":   {[]job.Filter{{7}, {}}, job.Filter{7}},
		"nothing stays nothing":  {[]job.Filter{{}, {}}, job.Filter{}},
		"all of three is united": {[]job.Filter{{1}, {2}, {3}}, job.Filter{1, 2, 3}},
	} {
		for i, f := range tc.requests {
			if ticket := b.requestAll(b.narrowed(f))[0]; ticket.Created != (i == 0) {
				t.Errorf("%s: request %d: %+v", name, i, ticket)
			}
		}
		c := b.claim(planes)
		if (c.Filter == nil) != (tc.want == nil) || !slices.Equal(c.Filter, tc.want) {
			t.Errorf("%s: claimed with %v, want %v", name, c.Filter, tc.want)
		}
		b.finish(c, job.Success)
	}
}

// Joiners that widen nothing do not wait for one another; one that widens waits for them.
func TestWideningWaitsForJoinersThatHoldTheRow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.requestAll(b.narrowed(job.Filter{1}))
	joiner, other := b.begin(), b.begin()
	for _, tx := range []pgx.Tx{joiner, other} {
		_, err := b.Request(b.ctx, tx, b.narrowed(job.Filter{1}))
		b.must(err)
	}
	two, three := b.requestInBackground(b.narrowed(job.Filter{2})), b.requestInBackground(b.narrowed(job.Filter{3}))
	b.awaitBlocked(2)
	b.commit(joiner)
	b.commit(other)
	receive(b, two)
	receive(b, three)
	if c := b.claim(planes); !slices.Equal(c.Filter, job.Filter{1, 2, 3}) {
		t.Errorf("claimed with %v: a widening was lost", c.Filter)
	}
}

// A widening that is rolled back leaves the job as narrow as it was.
func TestRolledBackWideningLeavesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.requestAll(b.narrowed(job.Filter{1}))
	tx := b.begin()
	b.requestIn(tx, uuid.Nil, planes)
	b.must(tx.Rollback(b.ctx))
	if c := b.claim(planes); !slices.Equal(c.Filter, job.Filter{1}) {
		t.Errorf("claimed with %v", c.Filter)
	}
}
