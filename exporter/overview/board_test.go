package overview

import (
	"fmt"
	"slices"
	"testing"
)

// scopesOf makes fresh scopes of module 2 in these years.
func scopesOf(years ...int) []Scope {
	var scopes []Scope
	for _, y := range years {
		scopes = append(scopes, Scope{ModuleType: 2, Year: y, State: Fresh})
	}
	return scopes
}

func next(t *testing.T, b *board, kept bool, scopes []Scope) *board {
	t.Helper()
	n, err := b.after(newOverview(noon, kept, scopes))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestBoardTellsWhatChanged(t *testing.T) {
	t.Parallel()
	empty := &board{epoch: "e", gone: map[key]uint64{}}
	one := next(t, empty, true, scopesOf(2023, 2024, 2025))
	if same := next(t, one, true, scopesOf(2023, 2024, 2025)); same != one {
		t.Error("it changed without a change")
	}
	changed := scopesOf(2023, 2024)
	changed[1].State = "no_aggregation_ever"
	two := next(t, one, true, changed)
	three := next(t, two, true, scopesOf(2023, 2024, 2025))
	unknown := next(t, three, false, scopesOf(2023, 2024, 2025))
	for _, c := range []struct {
		b      *board
		after  uint64
		scopes int
		gone   [][2]int
		news   bool
	}{
		{one, 0, 3, nil, true}, {one, 1, 0, nil, false},
		{two, 1, 1, [][2]int{{2, 2025}}, true}, {two, 2, 0, nil, false},
		{three, 2, 2, nil, true}, {three, 1, 2, nil, true}, // back as it was, which the number tells from never away
		{unknown, 3, 0, nil, true}, {unknown, 4, 0, nil, false},
	} {
		m, news := c.b.changes(c.after, everything)
		if len(m.Scopes) != c.scopes || !slices.Equal(m.Gone, c.gone) || news != c.news {
			t.Errorf("%d after %d: %d scopes, gone %v, news %v, want %+v", c.b.seq, c.after, len(m.Scopes), m.Gone, news, c)
		}
		if m.Counts[Fresh]+m.Counts["no_aggregation_ever"] != len(c.b.scopes) || (m.Drifted == nil) != (c.b == unknown) {
			t.Errorf("%d: counts %v, drifted %v", c.b.seq, m.Counts, m.Drifted)
		}
	}
	if len(one.gone) != 0 {
		t.Error("a board was changed after it was made")
	}
}

// TestGoneScopesAreForgotten: then who does not know it gets everything.
func TestGoneScopesAreForgotten(t *testing.T) {
	t.Parallel()
	var years []int
	for y := range maxGone + 1 {
		years = append(years, y)
	}
	one := next(t, &board{epoch: "e", gone: map[key]uint64{}}, true, scopesOf(years...))
	few := next(t, one, true, scopesOf(years[1:]...))
	none := next(t, few, true, scopesOf(1))
	if few.since != 0 || len(few.gone) != 1 || none.since != 0 || len(none.gone) != maxGone {
		t.Fatalf("%d gone since %d, then %d since %d", len(few.gone), few.since, len(none.gone), none.since)
	}
	none = next(t, none, true, nil)
	if none.since != none.seq || len(none.gone) != 0 {
		t.Errorf("%d gone since %d", len(none.gone), none.since)
	}
	w := &Watch{latest: none}
	for id, full := range map[string]bool{fmt.Sprint(few.epochOf(everything), "-", few.seq): true, fmt.Sprint(none.epochOf(everything), "-", none.seq): false} {
		e, _ := (&Subscription{watch: w}).Feed(id, everything).Next()
		if (e != nil) != full {
			t.Errorf("%s: %v", id, e)
		}
	}
}
