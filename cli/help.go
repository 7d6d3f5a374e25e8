package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"
)

const exitCodes = `0  done; for doctor: everything is in order
1  failed: the command could not do what it should, a job that was waited for failed, or stale --exit-code
   found something; for doctor: something should be attended to or is not known
2  refused: the command could not be understood or must not be carried out, nothing was done; for
   doctor: something does not work
`

func helpCommand() *cli.Command {
	return &cli.Command{
		Name:  "help",
		Usage: "show this list, or a topic",
		Subcommands: []*cli.Command{
			{Name: "exit-codes", Usage: "what the exit codes mean", Action: func(c *cli.Context) error {
				_, err := fmt.Fprint(c.App.Writer, exitCodes)
				return err
			}},
			{Name: "man", Usage: "print the manual page: tidemark help man | man -l -", Action: printMan},
		},
		Action: func(c *cli.Context) error { return cli.ShowAppHelp(c) },
	}
}
