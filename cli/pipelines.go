package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/urfave/cli/v2"

	"tidemark/shared/ledger"
)

const flagStatus = "status"

func pipelinesCommand() *cli.Command {
	return &cli.Command{
		Name:  "pipelines",
		Usage: "list what set jobs off and how far it is, newest first; abort one",
		Flags: []cli.Flag{databaseFlag(), formatFlag(formatTable, formatJSON, formatJSONL), moduleFlag(), yearFlag(),
			&cli.StringFlag{Name: flagStatus, Usage: "only those in this `STATUS`: " + or(statuses())},
			&cli.BoolFlag{Name: "failed", Usage: "only those that ended with a failed job"},
			&cli.StringFlag{Name: "text", Usage: "only those with a job whose message has this `TEXT`"},
			&cli.IntFlag{Name: "limit", Value: 50, Usage: "at most `N` pipelines"}, watchFlag()},
		Subcommands: []*cli.Command{abortPipelineCommand()},
		Action:      listPipelines,
	}
}

func statuses() []string {
	var words []string
	for _, s := range ledger.Statuses() {
		words = append(words, string(s))
	}
	return words
}

func pipelineFilter(c *cli.Context) (f ledger.PipelineFilter, err error) {
	m, err := moduleOf(c)
	if err != nil {
		return f, err
	}
	if m.ID != 0 {
		f.ModuleType = &m.ID
	}
	if c.IsSet(flagYear) {
		f.Year = new(c.Int(flagYear))
	}
	if f.Status = ledger.Status(c.String(flagStatus)); f.Status != "" && !slices.Contains(ledger.Statuses(), f.Status) {
		return f, refuse("--%s %q: no status; choose %s", flagStatus, f.Status, or(statuses()))
	}
	if c.Bool("failed") {
		f.HasErrors = new(true)
	}
	f.Text, f.Limit = c.String("text"), c.Int("limit")
	if f.Limit < 1 {
		return f, refuse("--limit %d: at least 1", f.Limit)
	}
	return f, nil
}

// listedPipeline is a pipeline as it is printed. Fields are added, never changed.
type listedPipeline struct {
	// ID is nil (null) for a job that no pipeline created or joined.
	ID *uuid.UUID `json:"pipeline_id"`
	ledger.Progress
	Author     *string     `json:"author"`
	StartedAt  *time.Time  `json:"started_at"`
	FinishedAt *time.Time  `json:"finished_at"`
	Jobs       []listedJob `json:"jobs"`
	// LastError is that of [ledger.PipelineItem].
	LastError *string `json:"last_error"`
}

// listedJob is a job of a pipeline.
type listedJob struct {
	ID      int64   `json:"job_id"`
	Type    *string `json:"job_type"`
	State   *string `json:"state"`
	Result  *string `json:"result"`
	Message *string `json:"status_message"`
}

func listed(item ledger.PipelineItem) listedPipeline {
	l := listedPipeline{Progress: item.Progress(), Author: item.Author, LastError: item.LastError, Jobs: []listedJob{}}
	if item.ID != uuid.Nil {
		l.ID = &item.ID
	}
	for _, j := range item.Jobs {
		l.Jobs = append(l.Jobs, listedJob{j.JobID, j.Type, j.State, j.Result, j.Message})
		if at := utc(j.StartedAt); at != nil && (l.StartedAt == nil || at.Before(*l.StartedAt)) {
			l.StartedAt = at
		}
		if at := utc(j.FinishedAt); l.Done && at != nil && (l.FinishedAt == nil || at.After(*l.FinishedAt)) {
			l.FinishedAt = at
		}
	}
	return l
}

func listPipelines(c *cli.Context) error {
	format, err := formatOf(c)
	if err != nil {
		return err
	}
	filter, err := pipelineFilter(c)
	if err != nil {
		return err
	}
	pool, err := connect(c)
	if err != nil {
		return err
	}
	defer pool.Close()
	return watch(c, func(w io.Writer) error {
		page, err := ledger.New(ledger.DefaultMaxHold).Pipelines(c.Context, pool, filter)
		if err != nil {
			return err
		}
		all := []listedPipeline{}
		for _, item := range page.Items {
			all = append(all, listed(item))
		}
		switch {
		case format == formatJSON:
			return writeJSON(w, all)
		case format == formatJSONL:
			return writeJSONL(w, all)
		case len(all) == 0:
			_, err := fmt.Fprintln(w, "no such pipelines")
			return err
		}
		return pipelineTable(w, all)
	})
}

func pipelineTable(w io.Writer, all []listedPipeline) error {
	t := newTable(w, "PIPELINE", "KIND", "STATUS", "STEP", "JOBS", "STARTED", "FINISHED", "BY", "MESSAGE")
	for _, p := range all {
		id, message := "-", "-"
		if p.ID != nil {
			id = p.ID.String()
		}
		active := 0
		for _, j := range p.Jobs {
			if j.State == nil || *j.State != "FINISHED" {
				active++
			} else if j.Result != nil && *j.Result == "ERROR" && message == "-" {
				message = oneLine(textOr(j.Message))
			}
		}
		if message == "-" && p.HasError {
			message = oneLine(textOr(p.LastError)) // aborted, and what it wanted goes on for others
		}
		count := fmt.Sprint(len(p.Jobs))
		if active > 0 {
			count = strings.Join([]string{fmt.Sprint(len(p.Jobs) - active), count}, " of ")
		}
		t.row(id, textOr(p.Kind), string(p.Status), fmt.Sprintf("%d/%d %s", p.Phase, p.PhasesTotal, p.PhaseLabel), count,
			timeOr(p.StartedAt, "-"), timeOr(p.FinishedAt, "-"), textOr(p.Author), message)
	}
	return t.flush()
}
