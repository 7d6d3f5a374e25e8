package ingest

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// readAll reads a file as (line, cells) and the lines of broken rows.
func readAll(t *testing.T, content string) (header []string, lines []int, rows [][]string, broken []int, err error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f.csv")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := open(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	s, err := f.rewind(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := newReader(s)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	for {
		cells, err := r.next()
		var bad *brokenRow
		switch {
		case errors.Is(err, io.EOF):
			return r.header, lines, rows, broken, nil
		case errors.As(err, &bad):
			broken = append(broken, bad.Line)
		case err != nil:
			return r.header, lines, rows, broken, err
		default:
			lines, rows = append(lines, r.last), append(rows, slices.Clone(cells))
		}
	}
}

func TestReaderLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, content string
		lines, broken []int
	}{
		{"line feeds", "a,b\n1,2\n3,4\n", []int{2, 3}, nil},
		{"carriage returns too", "a,b\r\n1,2\r\n\r\n3,4\r\n", []int{2, 4}, nil},
		{"byte order mark", "\ufeffa,b\n1,2", []int{2}, nil},
		{"blank rows", "\n,\na,b\n,\n , \n\n1,2\n", []int{7}, nil},
		{"line breaks in quotes", "a,b\n\"1\n\r\n1\",2\n3,4\n", []int{2, 5}, nil},
		{"quote in a cell", "a,b\n1,x\"y\n3,4\n", []int{3}, []int{2}},
		{"text behind a quote", "a,b\n\"1\"x,2\n3,4\n", []int{3}, []int{2}},
		{"quote that is never closed", "a,b\n1,2\n\"3,4\n5,6\n", []int{2}, []int{3}},
	} {
		header, lines, _, broken, err := readAll(t, c.content)
		if err != nil || !slices.Equal(header, []string{"a", "b"}) || !slices.Equal(lines, c.lines) || !slices.Equal(broken, c.broken) {
			t.Errorf("%s: header %q, lines %v, broken %v, %v", c.name, header, lines, broken, err)
		}
	}
}

// FuzzReaderLines writes rows between blank ones and line breaks, and wants each to be
// found on the line where it was put.
func FuzzReaderLines(f *testing.F) {
	f.Add("a cell", "an\nother", uint8(0), uint8(3), true)
	f.Add("\"quoted\"", "\r\n\r\n", uint8(2), uint8(9), false)
	f.Add("\ufeff", " \n ", uint8(1), uint8(5), true)
	f.Add("\x00", "\xff", uint8(7), uint8(255), false)
	f.Fuzz(func(t *testing.T, first, second string, blanks, shape uint8, crlf bool) {
		end := "\n"
		if crlf {
			end = "\r\n"
		}
		content := "x,y" + end
		line := 2
		var want []int
		for i := range 8 {
			for range blanks % 4 {
				content += ", " + end
				line++
			}
			if shape>>i&1 == 1 {
				content += `no "row` + end
				line++
				continue
			}
			want = append(want, line)
			row := `k,"` + strings.ReplaceAll(first, `"`, `""`) + `","` + strings.ReplaceAll(second, `"`, `""`) + `"`
			content += row + end
			line += strings.Count(row, "\n") + 1
		}
		_, lines, rows, broken, err := readAll(t, content)
		if err != nil || !slices.Equal(lines, want) || len(broken) != 8-len(want) {
			t.Fatalf("%q: lines %v, want %v, broken %v, %v", content, lines, want, broken, err)
		}
		unix := func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }
		for _, cells := range rows {
			if len(cells) != 3 || cells[1] != unix(first) || cells[2] != unix(second) {
				t.Fatalf("%q: %q", content, cells)
			}
		}
	})
}
