package cli

import (
	"io"
	"os"
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
