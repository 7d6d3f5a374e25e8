package cli

import (
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// TestReadmeNamesEveryCommand: what a stranger may look for is there; REFERENCE.md has all of it.
func TestReadmeNamesEveryCommand(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	var check func(prefix string, commands []*cli.Command)
	check = func(prefix string, commands []*cli.Command) {
		for _, c := range commands {
			if !strings.Contains(readme, c.Name) {
				t.Errorf("README lacks the command %s%s", prefix, c.Name)
			}
			check(prefix+c.Name+" ", c.Subcommands)
		}
	}
	check("", newApp(io.Discard, io.Discard).Commands)
}

// TestReadmeCommands: what its table shows can be typed: commands and flags are there.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	rows := regexp.MustCompile("(?m)^\\| (`tidemark [^|]*(?:\\\\\\|[^|]*)*) \\|").FindAllStringSubmatch(read(t, "../README.md"), -1)
	if len(rows) < 20 {
		t.Fatalf("the table has %d rows: it is not what is looked for", len(rows))
	}
	for _, row := range rows {
		var command *cli.Command
		for _, span := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(row[1], -1) {
			words := strings.Fields(strings.TrimPrefix(span[1], "tidemark "))
			siblings := newApp(io.Discard, io.Discard).Commands
			if command != nil && !slices.ContainsFunc(siblings, func(c *cli.Command) bool { return c.HasName(words[0]) }) {
				siblings = nil // more of the command before: a flag, or what may stand in the place of its last word
			}
			for len(words) > 0 {
				i := slices.IndexFunc(siblings, func(c *cli.Command) bool { return c.HasName(words[0]) })
				if i < 0 {
					break
				}
				command, siblings, words = siblings[i], siblings[i].Subcommands, words[1:]
			}
			if command == nil {
				t.Fatalf("README shows %q, which is no command", span[1])
			}
			for _, flag := range regexp.MustCompile(`(?:^|[ \[])--?([a-z][a-z.-]*)`).FindAllStringSubmatch(span[1], -1) {
				if !slices.ContainsFunc(command.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), flag[1]) }) {
					t.Errorf("README shows %q, but %s has no flag %q", span[1], command.Name, flag[1])
				}
			}
		}
	}
}
