package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/urfave/cli/v2"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

func abortPipelineCommand() *cli.Command {
	return &cli.Command{
		Name: "abort", ArgsUsage: "PIPELINE", Usage: "end what nobody else wants of a pipeline",
		Description: "Jobs that wait or run for this pipeline alone end at once, in ERROR, and nothing that they computed is kept;\n" +
			"what others want too goes on for them. A pipeline that is done is left as it is.",
		Flags: []cli.Flag{databaseFlag(), redisFlag(), reasonFlag(),
			&cli.BoolFlag{Name: flagYes, Usage: "do not ask on a terminal"}, formatFlag(formatText, formatJSON)},
		Action: abortPipeline,
	}
}

func abortPipeline(c *cli.Context) error {
	format, err := formatOf(c)
	if err != nil {
		return err
	}
	id, err := uuid.Parse(c.Args().First())
	if err != nil {
		return refuse("PIPELINE %q: no uuid; `tidemark pipelines` lists them", c.Args().First())
	}
	by := origin(c)
	if isBlank(by.Reason) {
		return refuse("%s: --%s is missing: people read it at the jobs that ended", commandName(c), flagReason)
	}
	pool, err := connect(c)
	if err != nil {
		return err
	}
	defer pool.Close()
	record := ledger.New(ledger.DefaultMaxHold)
	if !c.Bool(flagYes) {
		foreseen, err := record.ForeseeAbort(c.Context, pool, id)
		if err != nil {
			return err
		}
		if len(foreseen) > 0 && !confirmAbort(c, id, foreseen) {
			return refuse("nothing was aborted")
		}
	}
	a, err := record.Abort(c.Context, pool, id, by)
	if errors.Is(err, ledger.ErrNotFound) {
		return refuse("there is no pipeline %s; `tidemark pipelines` lists them", id)
	}
	if err != nil {
		return err
	}
	send(c, a.Tickets)
	if format == formatJSON {
		a.At = utc(a.At)
		return writeJSON(c.App.Writer, a)
	}
	return printAbort(c.App.Writer, a)
}

// confirmAbort shows the person at the terminal what would become of which job, and asks.
func confirmAbort(c *cli.Context, id uuid.UUID, foreseen []ledger.AbortedJob) bool {
	if !isPersonAsked() {
		return true
	}
	t := newTable(c.App.ErrWriter, "JOB", "SCOPE", "WOULD")
	for _, j := range foreseen {
		t.row(fmt.Sprint(j.JobID), abortedName(j), map[ledger.JobAbort]string{ledger.AbortEnded: "end", ledger.AbortShared: "go on for others, who want it too",
			ledger.AbortForeign: "go on: another program runs it"}[j.Outcome])
	}
	return t.flush() == nil && confirm(c, fmt.Sprintf("abort pipeline %s?", id))
}

func printAbort(w io.Writer, a ledger.Aborted) error {
	switch a.Outcome {
	case ledger.AbortTooLate:
		_, err := fmt.Fprintf(w, "pipeline %s  nothing of it waits or runs, it is %s; nothing was changed\n", a.Pipeline, a.Status)
		return err
	case ledger.AbortedBefore:
		fmt.Fprintf(w, "pipeline %s  was aborted at %s by %s: %s; nothing was changed\n", a.Pipeline, timeOr(a.At, "-"), a.Actor, oneLine(a.Reason))
	default:
		fmt.Fprintf(w, "pipeline %s  aborted, %s\n", a.Pipeline, a.Status)
	}
	for _, j := range a.Jobs {
		fmt.Fprintf(w, "job %d  %s  %s\n", j.JobID, abortedName(j), map[ledger.JobAbort]string{ledger.AbortEnded: "ended",
			ledger.AbortShared: "goes on for others, who want it too", ledger.AbortForeign: "goes on, another program runs it"}[j.Outcome])
	}
	return nil
}

func abortedName(j ledger.AbortedJob) string {
	return scopeName(scopeWith(job.Type(textOr(j.Type)), j.ModuleType, j.DataEntryType, j.Year))
}
