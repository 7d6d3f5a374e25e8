package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"tidemark/shared/postgres"
)

func migrateCommand() *cli.Command {
	return &cli.Command{
		Name:  "migrate",
		Usage: "bring the database's schema up to what this release needs",
		Description: "On an empty database every table is created. On a database of the original application\n" +
			"the dedup indexes are replaced and what Tidemark needs is added beside; no row is lost.",
		Subcommands: []*cli.Command{
			{Name: "up", Usage: "apply what is missing, also a dedup index that does not fit; may be repeated", Flags: []cli.Flag{databaseFlag()}, Action: migrateUp},
			{Name: "status", Usage: "show which migrations the database has", Flags: []cli.Flag{databaseFlag()}, Action: migrateStatus},
		},
	}
}

func migrateUp(c *cli.Context) error {
	done, err := postgres.Migrate(c.Context, c.String(flagDatabase))
	if err != nil {
		return err
	}
	for _, m := range done.Applied {
		fmt.Fprintf(c.App.Writer, "applied %s\n", m.Name)
	}
	for _, name := range done.BuiltIndexes {
		fmt.Fprintf(c.App.Writer, "built   %s\n", name)
	}
	if len(done.Applied)+len(done.BuiltIndexes) == 0 {
		fmt.Fprintln(c.App.Writer, "the schema is up to date")
	}
	return nil
}

func migrateStatus(c *cli.Context) error {
	steps, err := postgres.Migrations(c.Context, c.String(flagDatabase))
	if err != nil {
		return err
	}
	t := newTable(c.App.Writer, "MIGRATION", "APPLIED")
	for _, s := range steps {
		t.row(s.Name, timeOr(&s.AppliedAt, "pending"))
	}
	if err := t.flush(); err != nil {
		return err
	}
	pool, err := connect(c)
	if err != nil {
		return err
	}
	pool.Close()
	fmt.Fprintln(c.App.Writer, "the schema and its dedup indexes fit this release")
	return nil
}
