package catalog

import (
	"fmt"
	"slices"
	"strings"
)

// FieldError is what is wrong with one cell of a CSV row.
type FieldError struct {
	// Column is the name in the header, "" where the row as a whole is wrong.
	Column string
	// Reason says what is wrong, with the cell's content and what would be right.
	Reason string
}

func (e FieldError) Error() string {
	if e.Column == "" {
		return e.Reason
	}
	return e.Column + ": " + e.Reason
}

// layout is a checked header: the field of every column.
type layout []field

// newLayout resolves a header. Unknown columns are refused rather than skipped: a
// misspelt optional column would go missing without a word.
func newLayout(fields []field, header []string) (layout, error) {
	var (
		l       layout
		problem []string
		seen    = map[string]bool{}
	)
	for _, cell := range header {
		name := strings.TrimSpace(cell)
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		switch {
		case i < 0:
			problem = append(problem, fmt.Sprintf("unknown column %q", name))
		case seen[name]:
			problem = append(problem, fmt.Sprintf("column %q occurs twice", name))
		default:
			seen[name] = true
			l = append(l, fields[i])
		}
	}
	var allowed []string
	for _, f := range fields {
		if f.required && !seen[f.name] {
			problem = append(problem, fmt.Sprintf("column %q is missing", f.name))
		}
		if f.required {
			allowed = append(allowed, f.name+" (required)")
		} else {
			allowed = append(allowed, f.name)
		}
	}
	if len(problem) > 0 {
		return nil, fmt.Errorf("header: %s; the columns are %s", strings.Join(problem, ", "), strings.Join(allowed, ", "))
	}
	return l, nil
}

// parse reads a record into values by column name; empty cells are absent.
func (l layout) parse(record []string) (map[string]any, []FieldError) {
	if len(record) != len(l) {
		return nil, []FieldError{{Reason: fmt.Sprintf("the row has %d cells, the header has %d", len(record), len(l))}}
	}
	values := make(map[string]any, len(l))
	var wrong []FieldError
	for i, f := range l {
		cell := strings.TrimSpace(record[i])
		if cell == "" {
			continue
		}
		v, reason := f.parse(cell)
		if reason != "" {
			wrong = append(wrong, FieldError{Column: f.name, Reason: reason})
			continue
		}
		values[f.name] = v
	}
	return values, wrong
}
