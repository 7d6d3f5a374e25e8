package cli

import (
	"fmt"
	"io"
	"slices"

	"github.com/redis/go-redis/v9"
	"github.com/urfave/cli/v2"

	"tidemark/shared/job"
	"tidemark/shared/signal"
)

func queuesCommand() *cli.Command {
	pause := func(name, usage string, paused bool) *cli.Command {
		return &cli.Command{Name: name, ArgsUsage: "QUEUE", Usage: usage, Flags: []cli.Flag{redisFlag()},
			Action: func(c *cli.Context) error { return setPaused(c, paused) }}
	}
	return &cli.Command{
		Name:  "queues",
		Usage: "show the queues in Redis; pause and resume them",
		Flags: []cli.Flag{redisFlag(), formatFlag(formatTable, formatJSON), watchFlag()},
		Subcommands: []*cli.Command{
			pause("pause", "let workers take no tasks from it; what runs goes on, requests are accepted and wait", true),
			pause("resume", "let workers take its tasks again", false),
		},
		Action: listQueues,
	}
}

// connectRedis opens Redis for a short command.
func connectRedis(c *cli.Context) (redis.UniversalClient, error) {
	rdb, err := signal.Connect(c.String(flagRedis))
	if err != nil {
		return nil, refusedError{err}
	}
	return rdb, nil
}

// listedQueue is a queue as it is printed. Fields are added, never changed.
type listedQueue struct {
	Name          string         `json:"queue"`
	Paused        bool           `json:"paused"`
	Workers       int            `json:"workers"`
	Tasks         map[string]int `json:"tasks"`
	OldestPending *string        `json:"oldest_pending_at"`
}

func listQueues(c *cli.Context) error {
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
		_, queues, err := signal.ReadQueues(c.Context, rdb)
		if err != nil {
			return err
		}
		if format == formatJSON {
			listed := []listedQueue{}
			for _, q := range queues {
				l := listedQueue{Name: q.Name, Paused: q.Paused, Workers: q.Workers, Tasks: q.Tasks}
				if !q.OldestPending.IsZero() {
					l.OldestPending = new(rfc3339(&q.OldestPending))
				}
				listed = append(listed, l)
			}
			return writeJSON(w, listed)
		}
		t := newTable(w, "QUEUE", "PAUSED", "WORKERS", "PENDING", "ACTIVE", "ARCHIVED", "OTHER", "OLDEST PENDING")
		for _, q := range queues {
			paused := "no"
			if q.Paused {
				paused = "PAUSED"
			}
			other := 0
			for state, n := range q.Tasks {
				if !slices.Contains([]string{"pending", "active", "archived"}, state) {
					other += n
				}
			}
			t.row(q.Name, paused, fmt.Sprint(q.Workers), fmt.Sprint(q.Tasks["pending"]), fmt.Sprint(q.Tasks["active"]), fmt.Sprint(q.Tasks["archived"]),
				fmt.Sprint(other), timeOr(&q.OldestPending, "-"))
		}
		return t.flush()
	})
}

func setPaused(c *cli.Context, paused bool) error {
	t, err := job.ParseType(c.Args().First())
	if err != nil {
		return refuse("QUEUE: %w", err)
	}
	rdb, err := connectRedis(c)
	if err != nil {
		return err
	}
	defer rdb.Close()
	changed, err := signal.NewSender(rdb).SetPaused(c.Context, t, paused)
	if err != nil {
		return err
	}
	word, already := "resumed", "not paused"
	if paused {
		word, already = "paused", "paused already"
	}
	if !changed {
		word = already
	}
	fmt.Fprintf(c.App.Writer, "queue %s: %s\n", t, word)
	return nil
}
