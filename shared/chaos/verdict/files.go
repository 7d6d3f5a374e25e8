package verdict

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Write keeps a history in a directory: a file for each kind of note, one a line.
func (h *History) Write(dir string) error {
	return errors.Join(
		writeLines(dir, "attempts", h.Attempts), writeLines(dir, "requests", h.Requests), writeLines(dir, "moves", h.Moves),
		writeLines(dir, "writes", h.Writes), writeLines(dir, "scrapes", h.Scrapes), writeLines(dir, "faults", h.Faults),
		writeLines(dir, "final", []Final{h.Final}))
}

// Read returns the history that was kept in a directory.
func Read(dir string) (*History, error) {
	h := &History{}
	var final []Final
	err := errors.Join(
		readLines(dir, "attempts", &h.Attempts), readLines(dir, "requests", &h.Requests), readLines(dir, "moves", &h.Moves),
		readLines(dir, "writes", &h.Writes), readLines(dir, "scrapes", &h.Scrapes), readLines(dir, "faults", &h.Faults),
		readLines(dir, "final", &final))
	if err == nil && len(final) != 1 {
		err = fmt.Errorf("%s: final data are there %d times", dir, len(final))
	}
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	h.Final = final[0]
	return h, nil
}

func path(dir, name string) string { return filepath.Join(dir, name+".jsonl") }

func writeLines[T any](dir, name string, notes []T) error {
	f, err := os.Create(path(dir, name))
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	e := json.NewEncoder(w)
	for _, n := range notes {
		if err = e.Encode(n); err != nil {
			break
		}
	}
	return errors.Join(err, w.Flush(), f.Close())
}

func readLines[T any](dir, name string, into *[]T) error {
	f, err := os.Open(path(dir, name))
	if err != nil {
		return err
	}
	defer f.Close()
	for d := json.NewDecoder(bufio.NewReader(f)); ; {
		var n T
		if err := d.Decode(&n); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: %w", f.Name(), err)
		}
		*into = append(*into, n)
	}
}
