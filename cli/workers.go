package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"tidemark/shared/signal"
)

func workersCommand() *cli.Command {
	return &cli.Command{
		Name:   "workers",
		Usage:  "list the workers that gave a sign of life",
		Flags:  []cli.Flag{redisFlag(), formatFlag(formatTable, formatJSON), watchFlag()},
		Action: listWorkers,
	}
}

func listWorkers(c *cli.Context) error {
	format, err := formatOf(c)
	if err != nil {
		return err
	}
	rdb, err := connectRedis(c)
	if err != nil {
		return err
	}
	defer rdb.Close()
	return watch(c, func(w io.Writer) error {
		workers, err := signal.ReadWorkers(c.Context, rdb)
		switch {
		case err != nil:
			return err
		case format == formatJSON:
			return writeJSON(w, workers)
		case len(workers) == 0:
			_, err := fmt.Fprintln(w, "no worker runs; `tidemark worker` starts one")
			return err
		}
		t := newTable(w, "HOST", "PROCESS", "BUSY", "OF", "STATE", "SINCE", "QUEUES")
		for _, l := range workers {
			state := "running"
			if l.Stopping {
				state = "stopping"
			}
			t.row(l.Host, fmt.Sprint(l.PID), fmt.Sprint(l.Busy), fmt.Sprint(l.Concurrency), state, timeOr(&l.Started, "-"), strings.Join(l.Queues, ", "))
		}
		return t.flush()
	})
}
