package catalog

import (
	"slices"
	"testing"
)

func TestEmissionTreeIsConsistent(t *testing.T) {
	t.Parallel()
	names, roots := map[string]bool{}, 0
	for _, n := range EmissionTypes() {
		if names[n.Name] {
			t.Errorf("%s occurs twice", n.Name)
		}
		names[n.Name] = true
		if n.Scope < 0 || n.Scope > 3 {
			t.Errorf("%s has scope %d", n.Name, n.Scope)
		}
		if n.Depth == 0 {
			roots++
			if n.Parent != 0 {
				t.Errorf("root %s has a parent", n.Name)
			}
			continue
		}
		parent, ok := EmissionTypeByID(n.Parent)
		if !ok || parent.Depth != n.Depth-1 || !slices.Contains(parent.Children(), n.ID) {
			t.Errorf("%s: parent %d does not fit", n.Name, n.Parent)
		}
		if n.Leaf() && n.Scope == 0 {
			t.Errorf("leaf %s has no scope", n.Name)
		}
		if parent.Scope != 0 && parent.Scope != n.Scope {
			t.Errorf("%s has scope %d below scope %d", n.Name, n.Scope, parent.Scope)
		}
	}
	if len(names) != 121 || roots != 11 {
		t.Errorf("%d nodes with %d roots, want 121 and 11", len(names), roots)
	}
}

// TestEmissionRootsDoNotOverlap pins the end of the original's double count of 60300.
func TestEmissionRootsDoNotOverlap(t *testing.T) {
	t.Parallel()
	owner := map[int]string{}
	for _, m := range Modules() {
		for _, id := range m.EmissionTypes() {
			if owner[id] != "" {
				t.Errorf("emission type %d counts for %s and %s", id, owner[id], m.Name)
			}
			owner[id] = m.Name
		}
	}
	// Only headcount's own roll-up type counts for nobody.
	if len(owner) != 120 || owner[40000] != "" || owner[60300] != "buildings" {
		t.Errorf("%d emission types count", len(owner))
	}
}

func TestSubtreeAndPath(t *testing.T) {
	t.Parallel()
	travel, _ := EmissionTypeByID(50000)
	if got, want := travel.Subtree(), []int{50000, 50100, 50101, 50102, 50200, 50201, 50202, 50203}; !slices.Equal(got, want) {
		t.Errorf("subtree %v", got)
	}
	office, _ := EmissionTypeByID(6010101)
	if got, want := office.Path(), []int{6010101, 60101, 60100, 60000}; !slices.Equal(got, want) {
		t.Errorf("path %v", got)
	}
	for _, c := range []struct{ first, second, want int }{
		{50203, 50200, 50203}, {50200, 50203, 50203}, {60201, 60203, 60201}, {80100, 7, 80100}, {7, 80100, 80100},
	} {
		if got := deeper(c.first, c.second); got != c.want {
			t.Errorf("deeper(%d, %d) = %d", c.first, c.second, got)
		}
	}
}
