package cli

import (
	"bufio"
	"fmt"
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

// isPersonAsked reports whether there is a person to ask. Where there is none, a script was thought
// over when it was written.
func isPersonAsked() bool { return term.IsTerminal(int(os.Stdin.Fd())) }

// confirm asks the person at the terminal.
func confirm(c *cli.Context, question string) bool {
	if !isPersonAsked() {
		return true
	}
	fmt.Fprintf(c.App.ErrWriter, "%s [y/N] ", question)
	answer, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

// sizeOf is how many columns and lines a terminal has, 80 and 24 where it does not say.
func sizeOf(w io.Writer) (columns, lines int) {
	if f, ok := w.(*os.File); ok {
		if columns, lines, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 && lines > 0 {
			return columns, lines
		}
	}
	return 80, 24
}

// givenAsArgument reports whether the value of a flag came from the command line and
// not from the environment.
func givenAsArgument(c *cli.Context, name string) bool {
	return slices.ContainsFunc(os.Args, func(arg string) bool {
		arg = strings.TrimLeft(arg, "-")
		return arg == name || strings.HasPrefix(arg, name+"=")
	})
}
