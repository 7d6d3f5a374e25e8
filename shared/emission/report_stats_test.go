package emission

import (
	"fmt"
	"strings"
	"testing"

	"tidemark/shared/catalog"
)

func TestReportStats(t *testing.T) {
	t.Parallel()
	doc := func(moduleType, status int, stats string) reportModule {
		return reportModule{ID: 10 + moduleType, ReportID: 5, ModuleType: moduleType, Status: status, Stats: []byte(stats)}
	}
	const none = "none"
	for _, c := range []struct {
		name    string
		modules []reportModule
		scopes  string
		by      string
		it      float64
		highest string
		entries int
	}{
		{"nothing aggregated yet", []reportModule{doc(1, 2, ""), doc(2, 0, "null"), doc(3, 0, "{}")}, "0 0 0 = 0", "map[]", 0, none, 0},
		{"scopes add up", []reportModule{doc(3, 0, `{"scope1":100,"total":100,"entry_count":1}`), doc(4, 0, `{"scope2":60,"total":60,"entry_count":2}`), doc(2, 0, `{"scope3":40,"total":40,"entry_count":3}`)},
			"100 60 40 = 200", "map[]", 0, none, 6},
		{"key by key", []reportModule{doc(4, 0, `{"by_emission_type":{"80100":1,"80000":3}}`), doc(8, 0, `{"by_emission_type":{"80100":2,"70000":5},"by_additional_value":{"50000":9}}`)},
			"0 0 0 = 0", "map[70000:5 80000:3 80100:3]", 0, none, 0},
		{"one IT leaf", []reportModule{doc(7, 1, `{"by_emission_type":{"110102":100}}`)}, "0 0 0 = 0", "map[110102:100]", 100, none, 0},
		{"IT once, though it is in the sums above too", []reportModule{doc(7, 1, `{"by_emission_type":{"110000":100,"110100":60,"110102":60,"110200":40,"110206":40}}`),
			doc(4, 1, `{"by_emission_type":{"80000":9,"80200":7}}`), doc(5, 1, `{"by_emission_type":{"90300":2}}`)},
			"0 0 0 = 0", "map[110000:100 110100:60 110102:60 110200:40 110206:40 80000:9 80200:7 90300:2]", 109, none, 0},
		{"research is IT only where it is", []reportModule{doc(6, 1, `{"by_emission_type":{"100000":47,"100200":40,"10020001":40,"100300":7}}`)},
			"0 0 0 = 0", "map[100000:47 100200:40 10020001:40 100300:7]", 7, none, 0},
		{"the highest validated module", []reportModule{doc(1, 1, `{"total":99}`), doc(2, 2, `{"total":5}`), doc(3, 2, `{"total":7}`), doc(4, 2, `{"total":7}`)}, "0 0 0 = 118", "map[]", 0, "3", 0},
		{"nothing above zero is no highest", []reportModule{doc(2, 2, `{"total":0}`), doc(3, 2, `{"total":-1}`)}, "0 0 0 = -1", "map[]", 0, none, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := reportStats(c.modules, noon)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%v %v %v = %v", r.Scope1, r.Scope2, r.Scope3, r.Total); got != c.scopes {
				t.Errorf("scopes %s, want %s", got, c.scopes)
			}
			if got := fmt.Sprint(r.ByEmissionType); got != c.by {
				t.Errorf("by type %s, want %s", got, c.by)
			}
			highest := none
			if r.HighestModule != nil {
				highest = fmt.Sprint(*r.HighestModule)
			}
			if r.ITTotalKg != c.it || highest != c.highest || r.EntryCount != c.entries {
				t.Errorf("IT %v, highest %s, entries %d; want %v, %s, %d", r.ITTotalKg, highest, r.EntryCount, c.it, c.highest, c.entries)
			}
		})
	}
}

func TestReportStatsRefusesWhatIsNoSum(t *testing.T) {
	t.Parallel()
	for _, stats := range []string{`[]`, `"text"`, `7`, `{"total":"7"}`, `{"by_emission_type":{"80000":"7"}}`, `{"by_emission_type":[]}`} {
		_, err := reportStats([]reportModule{{ID: 17, ModuleType: 4, Stats: []byte(stats)}}, noon)
		if err == nil || !strings.HasPrefix(err.Error(), "carbon_report_modules 17: its stats cannot be added up") || !strings.HasSuffix(err.Error(), "aggregate module type 4 of that year") {
			t.Errorf("%s: %v", stats, err)
		}
	}
}

func TestReportStatus(t *testing.T) {
	t.Parallel()
	for want, statuses := range map[string][]int{"0/2 0": {0, 1}, "1/2 1": {1, 2}, "2/2 2": {2, 2}} {
		var modules []reportModule
		for _, s := range statuses {
			modules = append(modules, reportModule{Status: s})
		}
		progress, overall := reportStatus(modules)
		if got := fmt.Sprintf("%s %d", progress, overall); got != want {
			t.Errorf("%v: %s, want %s", statuses, got, want)
		}
	}
}

// TestITTypesAreApart keeps anything from counting twice.
func TestITTypesAreApart(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for _, id := range itTypes {
		node, ok := catalog.EmissionTypeByID(id)
		if !ok {
			t.Errorf("emission type %d is unknown", id)
		}
		for _, below := range node.Subtree() {
			if seen[below] {
				t.Errorf("emission type %d counts twice", below)
			}
			seen[below] = true
		}
	}
}
