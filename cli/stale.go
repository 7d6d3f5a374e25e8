package cli

import (
	"cmp"
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
	return printStale(c, snapshot, found)
}

// printStale lists the stale scopes, and those that are not but have drifted from their data.
func printStale(c *cli.Context, snapshot freshness.Snapshot, found []freshness.StaleScope) error {
	type key struct{ module, year int }
	whys := make(map[key]freshness.Why, len(found))
	for _, f := range found {
		whys[key{f.ModuleType, f.Year}] = f.Why
	}
	drifted := freshness.Drifts(snapshot)[freshness.Drifted]
	t := newTable(c.App.Writer, "MODULE", "YEAR", "WHY STALE", "LAST SUCCESS", "DRIFTED SINCE", "PENDING SINCE", "JOB")
	for _, s := range snapshot.Scopes {
		why := whys[key{s.ModuleType, s.Year}]
		if why == freshness.Fresh && s.Drift != freshness.Drifted {
			continue
		}
		jobID := "-"
		if s.Latest != nil {
			jobID = fmt.Sprint(s.Latest.ID)
		}
		t.row(moduleName(s.ModuleType), fmt.Sprint(s.Year), cmp.Or(string(why), "-"), timeOr(s.LastSuccessAt, "never"),
			timeOr(s.DriftedSince, string(cmp.Or(s.Drift, "-"))), timeOr(s.PendingSince(), "-"), jobID)
	}
	if len(found)+drifted == 0 {
		fmt.Fprintf(c.App.Writer, "all %d scopes are fresh\n", len(snapshot.Scopes))
		return nil
	}
	if err := t.flush(); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "%d of %d scopes are stale, %d have drifted from their data\n", len(found), len(snapshot.Scopes), drifted)
	return nil
}

// moduleName is the module's name, or its number where the catalogue has none.
func moduleName(id int) string {
	if m, ok := catalog.ModuleByID(id); ok {
		return m.Name
	}
	return fmt.Sprint(id)
}
