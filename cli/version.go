package cli

import (
	"fmt"
	"log/slog"

	"github.com/urfave/cli/v2"

	"tidemark/shared/build"
	"tidemark/shared/postgres"
)

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:   "version",
		Usage:  "show which build this is, and the schema that it needs",
		Flags:  []cli.Flag{formatFlag(formatText, formatJSON)},
		Action: showVersion,
	}
}

// shownVersion is what can be said of a program without asking anybody.
type shownVersion struct {
	build.Info
	// Schema is the newest migration that it needs.
	Schema int64 `json:"schema"`
}

func showVersion(c *cli.Context) error {
	format, err := formatOf(c)
	if err != nil {
		return err
	}
	v := shownVersion{build.Read(), postgres.NeededSchema}
	if format == formatJSON {
		return writeJSON(c.App.Writer, v)
	}
	_, err = fmt.Fprintf(c.App.Writer, "tidemark %s\ncommit   %s\ndate     %s\ngo       %s %s\nschema   %d\n", v.Version, v.Revision(), v.Date, v.Go, v.Platform, v.Schema)
	return err
}

// announce is a component's first word: which build runs.
func announce(log *slog.Logger) {
	b := build.Read()
	log.Info("starting", "version", b.Version, "revision", b.Revision(), "go", b.Go)
}
