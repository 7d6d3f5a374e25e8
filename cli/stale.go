package cli

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/shared/catalog"
	"tidemark/shared/freshness"
)

func staleCommand() *cli.Command {
	return &cli.Command{
		Name:  "stale",
		Usage: "list the scopes whose latest aggregation is missing, pending, failed or too old",
		Flags: []cli.Flag{databaseFlag(), outputFlag(),
			durationFlag(flagOlderThan, time.Hour, "age from which a finished aggregation is too old")},
		Action: stale,
	}
}

func stale(c *cli.Context) error {
	asJSON, err := wantsJSON(c)
	if err != nil {
		return err
	}
	olderThan := c.Duration(flagOlderThan)
	if olderThan < time.Minute {
		return refuse("--%s %s: at least 1m", flagOlderThan, olderThan)
	}
	pool, err := connect(c)
	if err != nil {
		return err
	}
	defer pool.Close()
	snapshot, err := freshness.TakeSnapshot(c.Context, pool)
	if err != nil {
		return err
	}
	found := freshness.Stale(snapshot, olderThan)
	if asJSON {
		return writeJSON(c.App.Writer, found)
	}
	if len(found) == 0 {
		fmt.Fprintf(c.App.Writer, "all %d scopes are fresh\n", len(snapshot.Scopes))
		return nil
	}
	type key struct{ module, year int }
	scopes := make(map[key]freshness.Scope, len(snapshot.Scopes))
	for _, s := range snapshot.Scopes {
		scopes[key{s.ModuleType, s.Year}] = s
	}
	t := newTable(c.App.Writer, "MODULE", "YEAR", "WHY STALE", "LAST SUCCESS", "PENDING SINCE", "JOB")
	for _, f := range found {
		s := scopes[key{f.ModuleType, f.Year}]
		jobID := "-"
		if s.Latest != nil {
			jobID = fmt.Sprint(s.Latest.ID)
		}
		t.row(moduleName(f.ModuleType), fmt.Sprint(f.Year), string(f.Why), timeOr(s.LastSuccessAt, "never"), timeOr(s.PendingSince(), "-"), jobID)
	}
	if err := t.flush(); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "%d of %d scopes are stale\n", len(found), len(snapshot.Scopes))
	return nil
}

// moduleName is the module's name, or its number where the catalogue has none.
func moduleName(id int) string {
	if m, ok := catalog.ModuleByID(id); ok {
		return m.Name
	}
	return fmt.Sprint(id)
}
