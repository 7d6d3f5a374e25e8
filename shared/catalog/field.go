package catalog

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// cellKind is what a cell of a column holds.
type cellKind int

const (
	text    cellKind = iota // any UTF-8 text
	number                  // a finite decimal number
	integer                 // a whole number
	date                    // a day as YYYY-MM-DD
)

// field describes one column of a CSV file. Cells are trimmed before anything else.
type field struct {
	name string
	kind cellKind
	// required columns must be in the header, with something in each row. A number
	// may still be empty in an entry that brings its result along (kg_co2eq).
	required bool
	// min and max bound a number, both inclusive; nil is open.
	min, max *float64
	// oneOf lists the possible texts; empty allows all.
	oneOf []string
	// selector columns only say which data entry type a row is for: they are checked
	// against oneOf, in any case, and not stored.
	selector bool
}

func (f field) numeric() bool { return f.kind == number || f.kind == integer }

// bound makes a limit of a field.
func bound(v float64) *float64 { return &v }

// parse reads a trimmed, non-empty cell. The reason is empty when the value is good.
func (f field) parse(cell string) (value any, reason string) {
	switch f.kind {
	case number, integer:
		v, ok := parseNumber(cell)
		if !ok {
			return nil, fmt.Sprintf("%q is not a number; write it like 1234.5", cell)
		}
		return v, f.checkNumber(v)
	case date:
		if _, err := time.Parse(time.DateOnly, cell); err != nil {
			return nil, fmt.Sprintf("%q is not a date; write it like 2025-03-10", cell)
		}
		return cell, ""
	default:
		return cell, f.checkText(cell)
	}
}

// checkNumber says what is wrong with a number, or "".
func (f field) checkNumber(v float64) string {
	switch {
	case f.kind == integer && v != math.Trunc(v):
		return fmt.Sprintf("%s is not a whole number", decimal(v))
	case f.min != nil && v < *f.min:
		return fmt.Sprintf("%s is less than %s", decimal(v), decimal(*f.min))
	case f.max != nil && v > *f.max:
		return fmt.Sprintf("%s is more than %s", decimal(v), decimal(*f.max))
	}
	return ""
}

func (f field) checkText(cell string) string {
	possible := func(choice string) bool { return choice == cell || f.selector && strings.EqualFold(choice, cell) }
	switch {
	// PostgreSQL refuses both in the middle of a COPY, where no row can be named any more.
	case !utf8.ValidString(cell):
		return fmt.Sprintf("%q is not UTF-8 text; save the file with that encoding", cell)
	case strings.ContainsRune(cell, 0):
		return fmt.Sprintf("%q contains a NUL character", cell)
	case len(f.oneOf) > 0 && !slices.ContainsFunc(f.oneOf, possible):
		return fmt.Sprintf("%q is not possible here; choose one of %s", cell, strings.Join(f.oneOf, ", "))
	}
	return ""
}

// parseNumber reads a finite decimal number. It is stricter than strconv, which
// takes "Inf", "0x1p4" or "1_000" as well.
func parseNumber(s string) (float64, bool) {
	if strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}

// decimal writes a number without exponent or trailing zeros.
func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
