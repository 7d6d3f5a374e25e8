package emission

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"tidemark/shared/catalog"
)

var noon = time.Date(2025, 3, 10, 13, 0, 0, 120_000_000, time.FixedZone("CET", 3600))

// kg is a sum with the scope its type has.
func kg(emissionType int, kg float64) sum { return sum{EmissionType: emissionType, Kg: kg} }

func (s sum) km(v float64) sum  { s.Additional = &v; return s }
func (s sum) inScope(n int) sum { s.Scope = &n; return s }

// TestModuleStats holds the original's cases, with those of its results that were
// wrong put right.
func TestModuleStats(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		module int
		sums   []sum
		scopes string
		by     string
		out    string
	}{
		{"nothing", 4, nil, "0 0 0 = 0", "map[]", ""},
		{"headcount", 1, []sum{kg(10001, 100), kg(20002, 60), kg(30005, 40)}, "0 0 200 = 200",
			"map[10000:100 10001:100 20000:60 20002:60 30000:40 30005:40]", ""},
		{"equipment", 4, []sum{kg(80100, 60), kg(80200, 40)}, "0 100 0 = 100", "map[80000:100 80100:60 80200:40]", ""},
		{"travel", 2, []sum{kg(50203, 60), kg(50102, 40)}, "0 0 100 = 100",
			"map[50000:100 50100:40 50102:40 50200:60 50203:60]", ""},
		{"research", 6, []sum{kg(100100, 100), kg(10020001, 40)}, "0 0 140 = 140",
			"map[100000:140 100100:100 100200:40 10020001:40]", ""},
		{"embodied energy counts once", 3, []sum{kg(60300, 100)}, "0 0 100 = 100", "map[60000:100 60300:100]", ""},
		{"own value of combustion stays", 3, []sum{kg(60200, 7), kg(60201, 3)}, "10 0 0 = 10", "map[60000:10 60200:10 60201:3]", ""},
		{"own value of a root stays", 1, []sum{kg(10000, 7), kg(10001, 3)}, "0 0 10 = 10", "map[10000:10 10001:3]", ""},
		{"rooms without a type", 3, []sum{kg(60101, 10), kg(60102, 5)}, "0 15 0 = 15", "map[60000:15 60100:15 60101:10 60102:5]", ""},
		{"rooms with a type", 3, []sum{kg(6010101, 10), kg(6010201, 5)}, "0 15 0 = 15",
			"map[60000:15 60100:15 60101:10 6010101:10 60102:5 6010201:5]", ""},
		{"own value of additional purchases stays", 5, []sum{kg(90900, 7), kg(90901, 3)}, "10 0 0 = 10", "map[90000:10 90900:10 90901:3]", ""},
		{"leaves that cancel each other out", 4, []sum{kg(80100, 5), kg(80200, -5)}, "0 0 0 = 0", "map[80000:0 80100:5 80200:-5]", ""},
		{"a sum of zero leaves no trace", 4, []sum{kg(80100, 0)}, "0 0 0 = 0", "map[]", ""},
		{"scopes side by side", 3, []sum{kg(60105, 1), kg(60101, 2), kg(60300, 4)}, "1 2 4 = 7", "map[60000:7 60100:3 60101:2 60105:1 60300:4]", ""},

		{"scope of the rows where the type has none", 2, []sum{kg(50200, 8).inScope(3)}, "0 0 8 = 8", "map[50000:8 50200:8]", ""},
		{"scope of the type goes first", 4, []sum{kg(80100, 8).inScope(3)}, "0 8 0 = 8", "map[80000:8 80100:8]", ""},
		{"no scope at all", 2, []sum{kg(50200, 8), kg(50203, 1)}, "0 0 1 = 1", "map[50000:9 50200:9 50203:1]", "50200 has no scope, so it is in no total 8;"},
		{"type of another module", 2, []sum{kg(80100, 8), kg(50203, 1)}, "0 0 1 = 1", "map[50000:1 50200:1 50203:1]", "80100 is not an emission type of this module 8;"},
		{"unknown type", 2, []sum{kg(7, 8)}, "0 0 0 = 0", "map[]", "7 is not an emission type of this module 8;"},
		{"not a number", 4, []sum{kg(80100, math.NaN()), kg(80200, 1)}, "0 1 0 = 1", "map[80000:1 80200:1]", "80100 adds up to no finite number NaN;"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, _ := catalog.ModuleByID(c.module)
			s, out := moduleStats(m, c.sums, 3, noon)
			if got := fmt.Sprintf("%v %v %v = %v", s.Scope1, s.Scope2, s.Scope3, s.Total); got != c.scopes {
				t.Errorf("scopes %s, want %s", got, c.scopes)
			}
			if got := fmt.Sprint(s.ByEmissionType); got != c.by {
				t.Errorf("by type\n%s, want\n%s", got, c.by)
			}
			left := ""
			for _, o := range out {
				left += fmt.Sprintf("%d %s %v;", o.EmissionType, o.Reason, o.Kg)
			}
			if left != c.out {
				t.Errorf("left out %q, want %q", left, c.out)
			}
		})
	}
}

func TestModuleStatsAddsKilometres(t *testing.T) {
	t.Parallel()
	travel, _ := catalog.ModuleByID(2)
	s, _ := moduleStats(travel, []sum{kg(50203, 60).km(1000), kg(50102, 40).km(200)}, 2, noon)
	if got := fmt.Sprint(s.ByAdditionalValue); got != "map[50000:1200 50100:200 50102:200 50200:1000 50203:1000]" {
		t.Errorf("additional values %s", got)
	}
}

// TestStatsDocuments pins the stored JSON, keys and spelling of the time included.
func TestStatsDocuments(t *testing.T) {
	t.Parallel()
	equipment, _ := catalog.ModuleByID(4)
	s, _ := moduleStats(equipment, []sum{kg(80200, 2.5)}, 3, noon)
	const module = `{"scope1":0,"scope2":2.5,"scope3":0,"total":2.5,"by_emission_type":{"80000":2.5,"80200":2.5},"by_additional_value":{},` +
		`"computed_at":"2025-03-10T12:00:00.12+00:00","entry_count":3}`
	b, err := json.Marshal(s)
	if err != nil || string(b) != module {
		t.Errorf("module: %s, %v", b, err)
	}
	r, err := reportStats([]reportModule{{ID: 1, ModuleType: 4, Status: 2, Stats: b}}, noon)
	if err != nil {
		t.Fatal(err)
	}
	b, err = json.Marshal(r)
	const report = `{"scope1":0,"scope2":2.5,"scope3":0,"total":2.5,"by_emission_type":{"80000":2.5,"80200":2.5},"by_additional_value":{},` +
		`"computed_at":"2025-03-10T12:00:00.12+00:00","entry_count":3,"it_total_kg":2.5,"highest_category_module_id":4}`
	if err != nil || string(b) != report {
		t.Errorf("report: %s, %v", b, err)
	}
}
