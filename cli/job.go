package cli

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

// earlierJobs is how many jobs of the same scope `jobs show` looks back.
const earlierJobs = 10

func showJobCommand() *cli.Command {
	return &cli.Command{
		Name: "show", ArgsUsage: "JOB", Usage: "show one job, who asked for it, and the latest of its scope",
		Flags: []cli.Flag{databaseFlag(), formatFlag(formatText, formatJSON)}, Action: showJob,
	}
}

// shownJob is what `jobs show -o json` prints. Fields are added, never changed.
type shownJob struct {
	ledger.Job
	Requests []ledger.Asked `json:"requests"`
	// Scope are the latest jobs of the same scope, newest first, this one included if it is among them.
	Scope []ledger.Job `json:"jobs_of_scope"`
}

func showJob(c *cli.Context) error {
	format, err := formatOf(c)
	if err != nil {
		return err
	}
	id, err := strconv.ParseInt(c.Args().First(), 10, 32)
	if err != nil || id < 1 {
		return refuse("JOB %q: not a job's number; `tidemark jobs` lists them", c.Args().First())
	}
	pool, err := connect(c)
	if err != nil {
		return err
	}
	defer pool.Close()
	record := ledger.New(ledger.DefaultMaxHold)
	s := shownJob{Requests: []ledger.Asked{}, Scope: []ledger.Job{}}
	if s.Job, err = record.Job(c.Context, pool, id); errors.Is(err, ledger.ErrNotFound) {
		return refuse("there is no job %d; `tidemark jobs` lists them", id)
	} else if err != nil {
		return err
	}
	asked, err := record.RequestsOf(c.Context, pool, id)
	if err != nil {
		return err
	}
	s.Requests = append(s.Requests, asked...)
	if scope := scopeOf(s.Job); scope.ModuleType != 0 && scope.Year != 0 {
		found, err := record.Jobs(c.Context, pool, ledger.JobFilter{Type: job.Type(s.Type), ModuleType: scope.ModuleType,
			DataEntryType: scope.DataEntryType, Year: scope.Year, Limit: earlierJobs})
		if err != nil {
			return err
		}
		s.Scope = append(s.Scope, found...)
	}
	if format == formatJSON {
		return writeJSON(c.App.Writer, s)
	}
	return printJob(c.App.Writer, s)
}

func printJob(w io.Writer, s shownJob) error {
	t := newTable(w, fmt.Sprintf("job %d", s.ID), jobName(s.Job))
	state := s.State
	if s.Finished() {
		state += ", " + textOr(s.Result)
	} else {
		state += ", " + progressOf(s.Job)
	}
	t.row("state", state)
	if s.SupersededBy != nil {
		t.row("taken over by", fmt.Sprintf("job %d", *s.SupersededBy))
	}
	t.row("attempts", fmt.Sprint(s.Attempts))
	t.row("worker", textOr(s.LockedBy))
	t.row("requested", timeOr(s.RequestedAt, "not recorded"))
	t.row("started", timeOr(s.StartedAt, "-"))
	t.row("finished", timeOr(s.FinishedAt, "-"))
	if s.Pipeline != nil {
		t.row("pipeline", s.Pipeline.String())
	}
	t.row("message", strings.ReplaceAll(textOr(s.Message), "\n", "\n\t"))
	for _, a := range s.Requests {
		how := "joined"
		if a.Created {
			how = "created"
		}
		text := fmt.Sprintf("%s  %s by %s via %s", timeOr(&a.At, "-"), how, a.Actor, a.Via)
		if a.Reason != "" {
			text += ": " + a.Reason
		}
		t.row("asked for", text)
	}
	if err := t.flush(); err != nil {
		return err
	}
	if len(s.Scope) < 2 {
		return nil
	}
	fmt.Fprintln(w, "\nthe latest of its scope")
	return jobTable(w, s.Scope)
}
