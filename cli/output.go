package cli

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// The formats of --output. Each command has some of them, the first of which is its own choice.
const (
	formatTable = "table"
	formatWide  = "wide"
	formatText  = "text"
	formatJSON  = "json"
	formatJSONL = "jsonl"
	formatCSV   = "csv"
)

// format is the value of --output; it remembers which ones the command has.
type format struct {
	choices []string
	chosen  string
}

func (f *format) Set(text string) error { f.chosen = text; return nil }

func (f *format) String() string { return f.chosen }

// formatFlag is --output with these formats.
func formatFlag(choices ...string) cli.Flag {
	return &cli.GenericFlag{Name: flagOutput, Aliases: []string{"o"}, Value: &format{choices, choices[0]}, Usage: "`FORMAT`: " + or(choices)}
}

// formatOf reads --output.
func formatOf(c *cli.Context) (string, error) {
	f, ok := c.Generic(flagOutput).(*format)
	if !ok || !slices.Contains(f.choices, f.chosen) {
		return "", refuse("--%s %q: not a format; choose %s", flagOutput, f.chosen, or(f.choices))
	}
	return f.chosen, nil
}

// or lists choices as people say them.
func or(choices []string) string {
	if len(choices) < 2 {
		return strings.Join(choices, "")
	}
	last := len(choices) - 1
	return strings.Join(choices[:last], ", ") + " or " + choices[last]
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// writeJSONL writes a line for each.
func writeJSONL[T any](w io.Writer, rows []T) error {
	for _, row := range rows {
		if err := writeJSON(w, row); err != nil {
			return err
		}
	}
	return nil
}

// writeCSV writes a header and a line for each row.
func writeCSV(w io.Writer, header []string, rows [][]string) error {
	out := csv.NewWriter(w)
	if err := out.Write(header); err != nil {
		return err
	}
	return out.WriteAll(rows) // flushes
}
