package cli

import (
	"fmt"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/shared/catalog"
	"tidemark/shared/explain"
)

func explainCommand() *cli.Command {
	return &cli.Command{
		Name:      "explain",
		ArgsUsage: "MODULE YEAR",
		Usage:     "say why a module is stale in a year, down to the root, and what to do",
		Flags:     []cli.Flag{databaseFlag(), formatFlag(formatText, formatJSON), olderThanFlag(), holdFlag()},
		Action:    explainScope,
	}
}

func explainScope(c *cli.Context) error {
	format, err := formatOf(c)
	if err != nil {
		return err
	}
	m, err := catalog.ParseModule(c.Args().Get(0))
	if err != nil {
		return refuse("MODULE: %w", err)
	}
	year, err := strconv.Atoi(c.Args().Get(1))
	if err != nil {
		return refuse("YEAR %q: not a year", c.Args().Get(1))
	}
	olderThan, err := olderThanOf(c)
	if err != nil {
		return err
	}
	pool, err := connect(c)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := checkDeclared(c.Context, pool, m.ID, m.Name, year); err != nil {
		return err
	}
	facts, err := explain.Read(c.Context, pool, m.ID, year, explain.Limits{OlderThan: olderThan, MaxHold: c.Duration(flagMaxHold)})
	if err != nil {
		return err
	}
	e := explain.Explain(facts)
	if format == formatJSON {
		return writeJSON(c.App.Writer, e)
	}
	_, err = fmt.Fprint(c.App.Writer, e)
	return err
}

func olderThanFlag() cli.Flag {
	return durationFlag(flagOlderThan, time.Hour, "`AGE` from which a finished aggregation is too old")
}

// olderThanOf reads the flag. The API asks for a minute as well.
func olderThanOf(c *cli.Context) (time.Duration, error) {
	olderThan := c.Duration(flagOlderThan)
	if olderThan < time.Minute {
		return 0, refuse("--%s %s: at least 1m", flagOlderThan, olderThan)
	}
	return olderThan, nil
}
