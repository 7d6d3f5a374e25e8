package cli

import (
	"io"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"
)

// isTerminal reports whether a person may be looking.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// givenAsArgument reports whether the value of a flag came from the command line and
// not from the environment.
func givenAsArgument(c *cli.Context, name string) bool {
	return slices.ContainsFunc(os.Args, func(arg string) bool {
		arg = strings.TrimLeft(arg, "-")
		return arg == name || strings.HasPrefix(arg, name+"=")
	})
}
