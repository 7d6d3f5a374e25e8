package model

import (
	"flag"
	"testing"
	"time"
)

var show = flag.Bool("show", false, "print the counterexample of each broken variant")

// check explores a world and reports what does not hold in it.
func check(t *testing.T, w world) *violation {
	start := time.Now()
	g, v := explore(&w)
	if v == nil {
		v = g.eventually()
	}
	t.Logf("%d states, %d steps, %s", len(g.states), len(g.edges), time.Since(start).Round(time.Millisecond))
	return v
}

// TestProtocolHolds: every property, in every world.
func TestProtocolHolds(t *testing.T) {
	t.Parallel()
	for _, w := range worlds() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			if v := check(t, w); v != nil {
				t.Errorf("does not hold: %s\n%s", v.property, v.trace)
			}
		})
	}
}

// TestBrokenProtocolIsNoticed: the same properties tell of each way to break the protocol.
func TestBrokenProtocolIsNoticed(t *testing.T) {
	t.Parallel()
	for _, variant := range variants {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			w := variant.in
			w.broken = variant.broken
			v := check(t, w)
			switch {
			case v == nil && variant.property == "":
			case v == nil:
				t.Errorf("not noticed in %q, want: %s", w.name, variant.property)
			case v.property != variant.property:
				t.Errorf("does not hold: %s; want %q\n%s", v.property, variant.property, v.trace)
			case *show:
				t.Logf("in %q does not hold: %s\n%s", w.name, v.property, v.trace)
			}
		})
	}
}
