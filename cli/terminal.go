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

// confirm asks the person at the terminal. Where there is none, a script was thought over when it was written.
func confirm(c *cli.Context, question string) bool {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return true
	}
	fmt.Fprintf(c.App.ErrWriter, "%s [y/N] ", question)
	answer, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

// givenAsArgument reports whether the value of a flag came from the command line and
// not from the environment.
func givenAsArgument(c *cli.Context, name string) bool {
	return slices.ContainsFunc(os.Args, func(arg string) bool {
		arg = strings.TrimLeft(arg, "-")
		return arg == name || strings.HasPrefix(arg, name+"=")
	})
}
