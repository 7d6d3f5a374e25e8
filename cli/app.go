package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/urfave/cli/v2"

	"tidemark/shared/build"
	"tidemark/shared/postgres"
)

// Exit codes of every command.
const (
	exitOK      = 0
	exitFailed  = 1
	exitRefused = 2
)

// refusedError is a command that could not be understood or must not be carried out;
// nothing was done.
type refusedError struct{ error }

func (e refusedError) Unwrap() error { return e.error }

// refuse makes an error of the caller's.
func refuse(format string, args ...any) error { return refusedError{fmt.Errorf(format, args...)} }

// quietError ends a command that has said all there is to say.
type quietError struct {
	error
	code int
}

// Run carries out one command line (without the program's name) and returns the exit code.
// Everything ends, in order, when ctx does.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	// The Redis client prints every failed dial on its own; the components say what matters.
	redis.SetLogger(silence{})
	app := newApp(stdout, stderr)
	err := loadSettings(app)
	if err == nil {
		err = app.RunContext(ctx, append([]string{app.Name}, args...))
	}
	var quiet quietError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &quiet):
		return quiet.code
	}
	fmt.Fprintf(stderr, "tidemark: %v\n", err)
	var refused refusedError
	var schema *postgres.SchemaError
	if errors.As(err, &refused) || errors.As(err, &schema) {
		return exitRefused
	}
	return exitFailed
}

// silence is a log for what nobody needs to hear.
type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

func newApp(stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:      "tidemark",
		Usage:     "keep derived aggregates fresh, and say so when they are not",
		Version:   build.Read().Version,
		Writer:    stdout,
		ErrWriter: stderr,
		// The exit code is Run's to decide, after everything deferred has run.
		ExitErrHandler:       func(*cli.Context, error) {},
		HideHelpCommand:      true,
		EnableBashCompletion: true,
		Commands: []*cli.Command{
			demoCommand(), migrateCommand(), loadCommand(), recalcCommand(), aggregateCommand(),
			staleCommand(), explainCommand(), doctorCommand(), jobsCommand(), pipelinesCommand(), workersCommand(), queuesCommand(), exporterCommand(), workerCommand(), schedulerCommand(),
			tokenCommand(), versionCommand(), completionCommand(), helpCommand(),
		},
		// Without a command: what there is. With one that does not exist: the error names it.
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return refuse("there is no command %q; `tidemark --help` lists them", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
	}
	for _, command := range app.Commands {
		guard(command)
	}
	return app
}

// guard gives a command and its subcommands the behaviour they all share.
func guard(c *cli.Command) {
	c.OnUsageError = func(_ *cli.Context, err error, _ bool) error { return refusedError{err} }
	c.HideHelpCommand = true
	c.BashComplete = complete(c)
	for _, sub := range c.Subcommands {
		guard(sub)
	}
	if action := c.Action; action != nil {
		c.Action = func(ctx *cli.Context) error {
			if err := checkArguments(ctx); err != nil {
				return err
			}
			return action(ctx)
		}
	} else {
		c.Action = func(ctx *cli.Context) error {
			if ctx.Args().Present() {
				return refuse("%s: there is no %q; see `tidemark %s --help`", c.Name, ctx.Args().First(), c.Name)
			}
			return cli.ShowSubcommandHelp(ctx)
		}
	}
}

// commandName is the command with its parents, for example "load entries".
func commandName(c *cli.Context) string { return strings.TrimPrefix(c.Command.HelpName, "tidemark ") }

// checkArguments refuses flags behind an argument, which the library would take for
// further arguments, and arguments where the command has none.
func checkArguments(c *cli.Context) error {
	for i, arg := range c.Args().Slice() {
		if i > 0 && len(arg) > 1 && strings.HasPrefix(arg, "-") {
			return refuse("%s: put the flag %s in front of %q", commandName(c), arg, c.Args().First())
		}
	}
	want := 0
	if c.Command.ArgsUsage != "" {
		want = len(strings.Fields(c.Command.ArgsUsage))
	}
	if n := c.Args().Len(); n != want {
		if want == 0 {
			return refuse("%s: takes no argument, got %q", commandName(c), c.Args().First())
		}
		return refuse("%s: expected %s, got %d arguments", commandName(c), c.Command.ArgsUsage, n)
	}
	return nil
}
