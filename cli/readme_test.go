package cli

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// TestReadmeNamesEverySetting: README lists every command and every flag.
func TestReadmeNamesEverySetting(t *testing.T) {
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
			for _, f := range c.Flags {
				if !strings.Contains(readme, "--"+f.Names()[0]) {
					t.Errorf("README lacks --%s of %s%s", f.Names()[0], prefix, c.Name)
				}
			}
			check(prefix+c.Name+" ", c.Subcommands)
		}
	}
	check("", newApp("test", io.Discard, io.Discard).Commands)
}
