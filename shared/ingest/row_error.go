package ingest

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// RowError is what is wrong with one row, or one cell, of a file.
type RowError struct {
	// File is the path as given.
	File string `json:"-"`
	// Line is where the cell begins, counted from 1.
	Line int `json:"line"`
	// Column is the name in the header, "" where the row as a whole is wrong.
	Column string `json:"column,omitempty"`
	// Reason says what is wrong.
	Reason string `json:"reason"`
}

func (e RowError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.finding()) }

// finding is the error without its place.
func (e RowError) finding() string {
	if e.Column == "" {
		return e.Reason
	}
	return e.Column + ": " + e.Reason
}

const (
	// maxFindings bounds every list of rows: who has a hundred knows what is wrong.
	maxFindings = 100
	// maxReason bounds a reason in bytes. Reasons quote cells, and a cell can be a book.
	maxReason = 300
)

// findings is a bounded list of rows.
type findings struct {
	rows  []RowError
	total int
}

func (f *findings) add(e RowError) {
	f.total++
	if len(f.rows) < maxFindings {
		e.Reason = clip(e.Reason)
		f.rows = append(f.rows, e)
	}
}

func clip(reason string) string {
	if len(reason) <= maxReason {
		return reason
	}
	cut := maxReason
	for !utf8.RuneStart(reason[cut]) {
		cut--
	}
	return reason[:cut] + "…"
}

// BadRowsError says which rows kept a file from being loaded. Nothing was written.
type BadRowsError struct {
	// File is the path as given.
	File string
	// Rows are the first findings, at most 100. A row has one for each bad cell.
	Rows []RowError
	// Omitted is how many findings there are beyond.
	Omitted int
	// BadRows and TotalRows count rows.
	BadRows, TotalRows int
	// NextStep is what the operator can do.
	NextStep string
}

func (e *BadRowsError) Error() string {
	var b strings.Builder
	for _, row := range e.Rows {
		fmt.Fprintln(&b, row.Error())
	}
	if e.Omitted > 0 {
		fmt.Fprintf(&b, "%s: %d more like these are not shown\n", e.File, e.Omitted)
	}
	fmt.Fprintf(&b, "%s: %d of %d rows cannot be loaded, nothing was written; %s", e.File, e.BadRows, e.TotalRows, e.NextStep)
	return b.String()
}
