package job_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tidemark/shared/job"
)

// filters draws "all" (nil), nothing, and small sets, so that they often meet.
func filters(t *rapid.T, label string) job.Filter {
	if rapid.Bool().Draw(t, label+" is all") {
		return nil
	}
	return job.NewFilter(rapid.SliceOfN(rapid.Int32Range(1, 6), 0, 4).Draw(t, label)...)
}

func same(a, b job.Filter) bool { return (a == nil) == (b == nil) && slices.Equal(a, b) }

// A narrower request never swallows a wider one: that hangs on these laws.
func TestFilterLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := filters(t, "a"), filters(t, "b"), filters(t, "c")
		u := a.Union(b)
		if !u.Covers(a) || !u.Covers(b) {
			t.Errorf("%v does not cover both %v and %v", u, a, b)
		}
		if !same(u, b.Union(a)) || !same(a.Union(b.Union(c)), u.Union(c)) || !same(a.Union(a), a) {
			t.Errorf("union of %v, %v, %v depends on the order", a, b, c)
		}
		if c.Covers(a) && c.Covers(b) && !c.Covers(u) {
			t.Errorf("%v covers %v and %v, not %v: the union is too wide", c, a, b, u)
		}
		if a.Covers(b) != same(u, a) {
			t.Errorf("%v covers %v: %t, their union is %v", a, b, a.Covers(b), u)
		}
		if !slices.IsSorted(u) || len(slices.Compact(slices.Clone(u))) != len(u) {
			t.Errorf("%v is not a sorted set", u)
		}
	})
}

func TestFilterOfNothingIsNotAll(t *testing.T) {
	t.Parallel()
	nothing := job.NewFilter()
	if nothing == nil {
		t.Fatal("a filter without modules means everything")
	}
	if nothing.Covers(nil) || nothing.Covers(job.NewFilter(1)) || !nothing.Covers(nothing) || !job.NewFilter(1).Covers(nothing) {
		t.Error("a filter without modules covers nothing but itself")
	}
	if got := job.NewFilter(9, 3, 9); !slices.Equal(got, job.Filter{3, 9}) {
		t.Errorf("got %v", got)
	}
}

func TestUnionDoesNotWriteIntoItsOperands(t *testing.T) {
	t.Parallel()
	backing := make(job.Filter, 1, 8)
	backing[0] = 5
	_ = backing.Union(job.NewFilter(1, 2))
	if !slices.Equal(backing[:1], job.Filter{5}) {
		t.Errorf("the operand became %v", backing)
	}
}
