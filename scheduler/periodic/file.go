package periodic

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"tidemark/shared/catalog"
	"tidemark/shared/job"
)

// defaultCatchUp lets a scheduler that was away over a night make up for it.
const defaultCatchUp = 24 * time.Hour

// ReadFile reads the operator's file. The error names file, line and reason of everything that is
// wrong with it.
//
//	entries:
//	  - name: flights
//	    schedule: "15 2 * * *"        # as in a crontab
//	    time_zone: Europe/Zurich      # UTC when not given
//	    request: recalculation        # or aggregation
//	    module: professional_travel
//	    type: plane                   # of a recalculation; all that can be computed when not given
//	    year: current                 # or 2025
//	    reason: new flights           # recorded with each request
//	    catch_up: 6h                  # 24h when not given
func ReadFile(path string) ([]Entry, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: name a file that this user may read", err)
	}
	entries, problems := parse(text)
	if len(problems) == 0 {
		return entries, nil
	}
	var all []error
	for _, p := range problems {
		all = append(all, fmt.Errorf("%s:%d: %s", path, p.line, p.reason))
	}
	return nil, errors.Join(all...)
}

// problem is something wrong with a line.
type problem struct {
	line   int
	reason string
}

// parse reads the text of a file.
func parse(text []byte) ([]Entry, []problem) {
	var document yaml.Node
	if err := yaml.Load(text, &document, yaml.WithUniqueKeys()); err != nil && len(bytes.TrimSpace(text)) > 0 {
		return nil, []problem{{lineOf(err), "not YAML: " + err.Error()}}
	}
	const want = "expected `entries:` with a list of entries, each with name, schedule, request, module and year"
	top := &document
	if top.Kind == yaml.DocumentNode && len(top.Content) == 1 {
		top = top.Content[0]
	}
	if top.Kind != yaml.MappingNode || len(top.Content) != 2 || top.Content[0].Value != "entries" || top.Content[1].Kind != yaml.SequenceNode {
		return nil, []problem{{max(top.Line, 1), want}}
	}
	var entries []Entry
	var problems []problem
	for _, node := range top.Content[1].Content {
		e, wrong := parseEntry(node)
		if e.Name != "" && slices.ContainsFunc(entries, func(other Entry) bool { return other.Name == e.Name }) {
			wrong = append(wrong, problem{node.Line, fmt.Sprintf("name %s: another entry has it", e.Name)})
		}
		problems = append(problems, wrong...)
		entries = append(entries, e)
	}
	return entries, problems
}

var lineInError = regexp.MustCompile(`(?:line |\bL)(\d+)`)

// lineOf finds the line in an error of the library.
func lineOf(err error) int {
	if m := lineInError.FindStringSubmatch(err.Error()); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	return 1
}

// fields are the texts of one entry, with their lines.
type fields struct {
	texts    map[string]*yaml.Node
	line     int
	problems []problem
}

func (f *fields) fail(key, format string, args ...any) {
	line := f.line
	if node := f.texts[key]; node != nil {
		line = node.Line
	}
	f.problems = append(f.problems, problem{line, key + ": " + fmt.Sprintf(format, args...)})
}

// text returns a field, or what it is when it is not given. One without that must be given.
func (f *fields) text(key, otherwise string) string {
	if node := f.texts[key]; node != nil {
		return node.Value
	}
	if otherwise == "" {
		f.fail(key, "missing")
	}
	return otherwise
}

func (f *fields) optional(key string) string {
	if node := f.texts[key]; node != nil {
		return node.Value
	}
	return ""
}

var keys = []string{"name", "schedule", "time_zone", "request", "module", "type", "year", "reason", "catch_up"}

var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,62}$`)

func parseEntry(node *yaml.Node) (Entry, []problem) {
	f := &fields{texts: map[string]*yaml.Node{}, line: node.Line}
	if node.Kind != yaml.MappingNode {
		return Entry{}, []problem{{node.Line, "not an entry: expected " + strings.Join(keys, ", ")}}
	}
	for i := 0; i < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		switch {
		case !slices.Contains(keys, key.Value):
			f.problems = append(f.problems, problem{key.Line, fmt.Sprintf("%s: there is no such setting; choose from %s", key.Value, strings.Join(keys, ", "))})
		case value.Kind != yaml.ScalarNode:
			f.problems = append(f.problems, problem{value.Line, key.Value + ": expected one value"})
		default:
			f.texts[key.Value] = value
		}
	}
	e := Entry{Name: f.text("name", ""), Reason: f.optional("reason"), CatchUp: defaultCatchUp}
	if e.Name != "" && !validName.MatchString(e.Name) {
		f.fail("name", "%q: write small letters, digits, and _ . - between them, at most 63", e.Name)
	}
	var err error
	if spec := f.text("schedule", ""); spec != "" {
		if e.Schedule, err = ParseSchedule(spec, f.text("time_zone", "UTC")); err != nil {
			f.fail("schedule", "%v", err)
		}
	}
	f.what(&e)
	switch year := f.text("year", ""); year {
	case "", "current":
	default:
		if e.Year, err = strconv.Atoi(year); err != nil || e.Year < 1900 || e.Year > 2200 {
			f.fail("year", "%q: write current, or a year between 1900 and 2200", year)
		}
	}
	if text := f.optional("catch_up"); text != "" {
		if e.CatchUp, err = time.ParseDuration(text); err != nil || e.CatchUp < time.Minute {
			f.fail("catch_up", "%q: write how long after its time a request is still worth it, 1m or more, for example 6h", text)
		}
	}
	return e, f.problems
}

// what reads what is to be requested.
func (f *fields) what(e *Entry) {
	switch request := f.text("request", ""); request {
	case "aggregation":
		e.Request = job.Aggregation
	case "recalculation":
		e.Request = job.EmissionRecalc
	case "":
	default:
		f.fail("request", "%q: choose aggregation or recalculation", request)
	}
	module := f.text("module", "")
	if module == "" {
		return
	}
	var err error
	if e.Module, err = catalog.ParseModule(module); err != nil {
		f.fail("module", "%v", err)
		return
	}
	text := f.optional("type")
	switch {
	case e.Request == job.Aggregation && text != "":
		f.fail("type", "an aggregation is of a whole module; leave it out")
	case e.Request == job.EmissionRecalc && text != "":
		t, err := catalog.ParseDataEntryType(text, e.Module.DataEntryTypes)
		if err == nil {
			err = t.CheckCalculated()
		}
		if err != nil {
			f.fail("type", "%v", err)
		}
		e.Types = []catalog.DataEntryType{t}
	case e.Request == job.EmissionRecalc:
		for _, t := range e.Module.DataEntryTypes {
			if t.Calculated() {
				e.Types = append(e.Types, t)
			}
		}
		if len(e.Types) == 0 {
			f.fail("module", "%s: Tidemark computes none of its data entry types; request an aggregation", e.Module.Name)
		}
	}
}
