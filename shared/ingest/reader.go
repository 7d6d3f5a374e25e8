package ingest

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"tidemark/shared/catalog"
)

// byteOrderMark is what some spreadsheets put in front of UTF-8.
const byteOrderMark = "\xef\xbb\xbf"

// reader reads the rows of a CSV file and knows where each cell stands.
type reader struct {
	path   string
	source *source
	csv    *csv.Reader
	header []string
	// last is the line on which the last row began.
	last int
}

// brokenRow is a row that is no CSV.
type brokenRow struct {
	RowError
	// until is the line on which reading broke off; the next row begins after it.
	until int
}

func newReader(s *source) (*reader, error) {
	buffer := bufio.NewReaderSize(s, 64<<10)
	if start, err := buffer.Peek(len(byteOrderMark)); err == nil && string(start) == byteOrderMark {
		_, _ = buffer.Discard(len(byteOrderMark))
	}
	r := &reader{path: s.file.path, source: s, csv: csv.NewReader(buffer)}
	r.csv.ReuseRecord = true
	r.csv.FieldsPerRecord = -1 // The parsers count, and say which row it is.
	header, err := r.next()
	var broken *brokenRow
	switch {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s: it is empty; the first row must name the columns", r.path)
	case errors.As(err, &broken):
		return nil, broken.RowError
	case err != nil:
		return nil, err
	}
	for _, name := range header {
		r.header = append(r.header, strings.TrimSpace(name))
	}
	if len(header) == 1 && strings.Contains(header[0], ";") {
		return nil, fmt.Errorf("%s:%d: the cells are separated by semicolons; save the file with commas", r.path, r.last)
	}
	return r, nil
}

// next returns the cells of the next row that has any content. They are good until
// the next call. The error is io.EOF at the end, a *brokenRow where reading can go on
// behind it, anything else where it cannot.
func (r *reader) next() ([]string, error) {
	for {
		cells, err := r.csv.Read()
		r.source.mark = r.csv.InputOffset()
		var parse *csv.ParseError
		switch {
		case errors.As(err, &parse):
			r.last = parse.StartLine
			return nil, &brokenRow{until: parse.Line, RowError: RowError{File: r.path, Line: parse.StartLine, Reason: quoting(parse)}}
		case errors.Is(err, errRowTooLong):
			return nil, fmt.Errorf("%s: a row below line %d is longer than %d bytes; look for a quote (\") there that is never closed", r.path, r.last, maxRow)
		case errors.Is(err, io.EOF):
			return nil, io.EOF
		case err != nil:
			return nil, fmt.Errorf("%s: below line %d: %w", r.path, r.last, err)
		}
		r.last, _ = r.csv.FieldPos(0)
		if slices.ContainsFunc(cells, func(cell string) bool { return strings.TrimSpace(cell) != "" }) {
			return cells, nil
		}
	}
}

func quoting(e *csv.ParseError) string {
	where := fmt.Sprintf("at byte %d", e.Column)
	if e.Line != e.StartLine {
		where += fmt.Sprintf(" of line %d", e.Line)
	}
	if errors.Is(e.Err, csv.ErrBareQuote) {
		return where + `: a quote inside a cell without quotes; put the cell in quotes and write "" for each quote in it`
	}
	return where + `: a cell in quotes does not end with its closing quote; write "" for each quote in it`
}

// locate says where in the current row a finding is.
func (r *reader) locate(e catalog.FieldError, cells []string) RowError {
	line := r.last
	if i := slices.Index(r.header, e.Column); i >= 0 && i < len(cells) {
		line, _ = r.csv.FieldPos(i)
	}
	return RowError{File: r.path, Line: line, Column: e.Column, Reason: e.Reason}
}

func (e *brokenRow) Error() string { return e.RowError.Error() }
