package access_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"tidemark/shared/access"
)

func TestLimiter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, err := access.NewLimiter(6*time.Second, 3)
		if err != nil {
			t.Fatal(err)
		}
		a, b := access.NewPrincipal("a"), access.NewPrincipal("b")
		want := func(p access.Principal, want time.Duration) {
			t.Helper()
			if got := l.Take(p); got.Round(time.Millisecond) != want {
				t.Errorf("%s: wait %s, want %s", p.Name, got, want)
			}
		}
		for range 3 {
			want(a, 0)
		}
		// Asking in vain costs nothing: who keeps trying is let in when he was told.
		for range 10 {
			want(a, 6*time.Second)
		}
		want(b, 0)
		time.Sleep(4 * time.Second)
		want(a, 2*time.Second)
		time.Sleep(2 * time.Second)
		want(a, 0)
		want(a, 6*time.Second)
		time.Sleep(time.Hour)
		for range 3 {
			want(a, 0)
		}
		want(a, 6*time.Second)
	})
}

// TestLimiterForgets: its memory is bounded, and it forgets only who has all of his burst.
func TestLimiterForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, err := access.NewLimiter(time.Minute, 1)
		if err != nil {
			t.Fatal(err)
		}
		principal := func(i int) access.Principal { return access.NewPrincipal(fmt.Sprint(i)) }
		for i := range access.MaxLimited {
			if wait := l.Take(principal(i)); wait != 0 {
				t.Fatalf("principal %d waits %s", i, wait)
			}
		}
		if wait := l.Take(principal(-1)); wait != time.Minute {
			t.Errorf("one more than can be kept in mind waits %s, want a minute", wait)
		}
		if wait := l.Take(principal(0)); wait == 0 {
			t.Error("somebody who used up his burst was forgotten")
		}
		time.Sleep(time.Minute)
		for i := range access.MaxLimited {
			if wait := l.Take(principal(-1 - i)); wait != 0 {
				t.Fatalf("newcomer %d waits %s", i, wait)
			}
		}
	})
}

func TestLimiterOptions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		every time.Duration
		burst int
	}{{0, 1}, {-time.Second, 1}, {time.Second, 0}} {
		if _, err := access.NewLimiter(c.every, c.burst); err == nil {
			t.Errorf("%v is accepted", c)
		}
	}
}
