package dashboards_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// dashboard is all of Grafana's model that the house uses: a field that is not here is a
// mistake, or a reason to think.
type dashboard struct {
	UID           string   `json:"uid"`
	Title         string   `json:"title"`
	Description   string   `json:"description"`
	Tags          []string `json:"tags"`
	SchemaVersion int      `json:"schemaVersion"`
	Version       int      `json:"version"`
	Editable      bool     `json:"editable"`
	GraphTooltip  int      `json:"graphTooltip"`
	Refresh       string   `json:"refresh"`
	Time          struct{ From, To string }
	Templating    struct{ List []variable }
	Annotations   struct{ List []annotation }
	Links         []map[string]any
	Panels        []panel
}

type variable struct {
	Name, Label, Type, Query string
	Hide                     int
}

type annotation struct {
	Name, Expr, IconColor, TitleFormat, TextFormat, TagKeys, Step string
	Enable                                                        bool
	Datasource                                                    datasource
}

type datasource struct{ Type, UID string }

type panel struct {
	ID                       int
	Type, Title, Description string
	GridPos                  struct{ X, Y, W, H int }
	Datasource               datasource
	Targets                  []target
	FieldConfig              struct {
		Defaults struct {
			Unit, NoValue string
			Min           *float64
			Decimals      *int
			Thresholds    *struct {
				Mode  string
				Steps []struct {
					Color string
					Value *float64
				}
			}
			Mappings []map[string]any
			Custom   map[string]any
		}
		Overrides []any
	}
	Options         map[string]any
	Transformations []map[string]any
	Links           []struct {
		Title, URL  string
		TargetBlank bool
	}
}

type target struct {
	RefID, Expr, LegendFormat, Format string
	Datasource                        datasource
	Instant, Range                    bool
}

// load reads every dashboard, by the name of its file.
func load(t *testing.T) map[string]dashboard {
	t.Helper()
	paths, err := filepath.Glob("*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%v, %v", paths, err)
	}
	all := map[string]dashboard{}
	for _, path := range paths {
		text, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer text.Close()
		var d dashboard
		decoder := json.NewDecoder(text)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&d); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all[strings.TrimSuffix(path, ".json")] = d
	}
	return all
}
