package access

import (
	"slices"
	"strings"
	"testing"

	"tidemark/shared/catalog"
)

func TestPrincipal(t *testing.T) {
	t.Parallel()
	const professionalTravel, buildings, unknown = 2, 3, 99
	for _, c := range []struct {
		permissions                []Permission
		all, some, request         bool
		travel, buildings, unknown bool
		modules                    []int
	}{
		{permissions: nil},
		{permissions: []Permission{"", "modules.nothing.view", "backoffice.data_management", "modules.*.view", "modules.buildings.VIEW"}},
		{permissions: []Permission{ViewAll}, all: true, some: true, travel: true, buildings: true, unknown: true},
		{permissions: []Permission{SyncAll}, all: true, some: true, request: true, travel: true, buildings: true, unknown: true},
		{permissions: []Permission{ModuleView("buildings")}, some: true, buildings: true, modules: []int{3}},
		{permissions: []Permission{ModuleView("buildings"), ModuleView("professional_travel"), ModuleView("buildings")}, some: true, travel: true, buildings: true, modules: []int{2, 3}},
		{permissions: []Permission{ModuleView("buildings"), ViewAll}, all: true, some: true, travel: true, buildings: true, unknown: true},
	} {
		p := NewPrincipal("x", c.permissions...)
		all, modules := p.Modules()
		if p.MayViewAll() != c.all || all != c.all || p.MayViewSome() != c.some || p.MayRequest() != c.request || p.MayView(professionalTravel) != c.travel ||
			p.MayView(buildings) != c.buildings || p.MayView(unknown) != c.unknown || !slices.Equal(modules, c.modules) {
			t.Errorf("%v: %+v", c.permissions, p)
		}
	}
	if p := Anonymous(); !p.MayViewAll() || p.MayRequest() || checkAccountName(p.Name) == nil {
		t.Errorf("anonymous: %+v", p)
	}
}

// TestModulesIsACopy: a caller that sorts or appends does not change what is allowed.
func TestModulesIsACopy(t *testing.T) {
	t.Parallel()
	p := NewPrincipal("x", ModuleView("buildings"))
	_, modules := p.Modules()
	modules[0] = 2
	if p.MayView(2) || !p.MayView(3) {
		t.Error("the principal's modules can be written through Modules")
	}
}

func TestParsePermission(t *testing.T) {
	t.Parallel()
	every := []Permission{ViewAll, SyncAll}
	for _, m := range catalog.Modules() {
		every = append(every, ModuleView(m.Name))
	}
	if len(every) != 10 {
		t.Errorf("%d permissions", len(every))
	}
	for _, p := range every {
		if got, err := ParsePermission(string(p)); got != p || err != nil {
			t.Errorf("%s: got %q, %v", p, got, err)
		}
	}
	_, err := ParsePermission("modules.travel.view")
	if err == nil || !strings.HasPrefix(err.Error(), `permission "modules.travel.view": there is none; choose one of backoffice.data_management.sync, backoffice.data_management.view, modules.headcount.view, `) {
		t.Errorf("got %v", err)
	}
}

// FuzzParsePermission: what is accepted allows something and is spelled as it was given;
// what is refused allows nothing, and is quoted on one short line.
func FuzzParsePermission(f *testing.F) {
	for _, seed := range []string{"", " ", string(ViewAll), string(SyncAll), "modules.buildings.view", "modules..view", "modules.buildings.view\n", "MODULES.BUILDINGS.VIEW", "modules.\xff.view"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePermission(text)
		allows := NewPrincipal("x", Permission(text)).MayViewSome()
		switch {
		case err == nil && (string(p) != text || !allows):
			t.Errorf("%q: accepted as %q, allows %v", text, p, allows)
		case err != nil && (p != "" || allows || strings.Contains(err.Error(), "\n") || len(err.Error()) > 1000):
			t.Errorf("%q: refused with %q and %v, allows %v", text, p, err, allows)
		}
	})
}
