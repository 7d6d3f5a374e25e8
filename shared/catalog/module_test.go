package catalog

import (
	"strings"
	"testing"
)

func TestModulesAndTypesAreUnique(t *testing.T) {
	t.Parallel()
	ids, names := map[int]bool{}, map[string]bool{}
	for _, m := range Modules() {
		if ids[m.ID] || names[m.Name] {
			t.Errorf("module %d %s occurs twice", m.ID, m.Name)
		}
		ids[m.ID], names[m.Name] = true, true
	}
	ids, names = map[int]bool{}, map[string]bool{}
	for _, d := range DataEntryTypes() {
		if ids[d.ID] || names[d.Name] {
			t.Errorf("data entry type %d %s occurs twice", d.ID, d.Name)
		}
		ids[d.ID], names[d.Name] = true, true
		if m, ok := ModuleByID(d.ModuleID); !ok || !strings.Contains(typeList(m.DataEntryTypes), d.Name) {
			t.Errorf("%s names module %d, which does not hold it", d.Name, d.ModuleID)
		}
	}
	if len(Modules()) != 8 || len(ids) != 23 {
		t.Errorf("%d modules and %d types, want 8 and 23", len(Modules()), len(ids))
	}
}

func TestParseModule(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"professional_travel", "2"} {
		m, err := ParseModule(text)
		if err != nil || m.ID != 2 {
			t.Errorf("ParseModule(%q) = %d, %v", text, m.ID, err)
		}
	}
	for _, text := range []string{"", "9", "Headcount", "2 "} {
		_, err := ParseModule(text)
		if err == nil || !strings.Contains(err.Error(), "process_emissions (8)") {
			t.Errorf("ParseModule(%q): %v", text, err)
		}
	}
	if m, ok := ModuleByName("equipment"); !ok || m.ID != 4 {
		t.Errorf("ModuleByName: %v %v", m.ID, ok)
	}
	if _, ok := ModuleByName("4"); ok {
		t.Error("an id is not a name")
	}
}

func TestParseDataEntryType(t *testing.T) {
	t.Parallel()
	travel, _ := ModuleByID(2)
	for _, text := range []string{"plane", "20"} {
		d, err := ParseDataEntryType(text, travel.DataEntryTypes)
		if err != nil || d.ID != 20 || d.ModuleID != 2 || !d.Calculated() {
			t.Errorf("ParseDataEntryType(%q) = %+v, %v", text, d, err)
		}
	}
	_, err := ParseDataEntryType("scientific", travel.DataEntryTypes)
	if err == nil || !strings.HasSuffix(err.Error(), "choose one of plane (20), train (21)") {
		t.Errorf("a type of another module: %v", err)
	}
	if got := typeList(CalculatedTypes()); got != "plane (20), energy_combustion (31), scientific (10), it (11), other (12), process_emissions (50)" {
		t.Errorf("calculated: %s", got)
	}
	train, _ := DataEntryTypeByID(21)
	if _, err := train.EntryParser(nil); err == nil || !strings.Contains(err.Error(), "train (21): Tidemark has no calculation") {
		t.Errorf("train has columns: %v", err)
	}
}
