package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"tidemark/shared/doctor"
	"tidemark/shared/postgres"
	"tidemark/shared/signal"
)

const flagPrometheus = "prometheus-url"

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:        "doctor",
		Usage:       "look whether the installation is in order; changes nothing",
		Description: "Exits with 0 where everything is in order, 1 where something should be attended to or cannot be\nknown, 2 where something does not work.",
		Flags: []cli.Flag{databaseFlag(), redisFlag(), formatFlag(formatTable, formatWide, formatJSON),
			&cli.StringFlag{Name: flagPrometheus, EnvVars: []string{"TIDEMARK_PROMETHEUS_URL"}, DefaultText: "none",
				Usage:  "`URL` of the Prometheus that should scrape Tidemark and have its rules",
				Action: func(c *cli.Context, v string) error { return noSecret(c, flagPrometheus, v) }},
			holdFlag(),
			durationFlag("timeout", doctor.DefaultTimeout, "longest `TIME` for what is asked of one server")},
		Action: examine,
	}
}

// examination is what `doctor -o json` prints. Fields are added, never changed.
type examination struct {
	ExitCode int               `json:"exit_code"`
	Versions map[string]string `json:"versions"`
	Checks   []doctor.Result   `json:"checks"`
}

func examine(c *cli.Context) error {
	format, err := formatOf(c)
	if err != nil {
		return err
	}
	// One connection, so that what is looked at is not what was brought along.
	o := doctor.Options{PrometheusURL: c.String(flagPrometheus), MaxHold: c.Duration(flagMaxHold), Timeout: c.Duration("timeout")}
	if o.Pool, err = postgres.Connect(c.Context, postgres.Options{URL: c.String(flagDatabase), AppName: "tidemark doctor", MaxConns: 1, Standby: true}); err != nil {
		return refusedError{err}
	}
	defer o.Pool.Close()
	if url := c.String(flagRedis); url != "" {
		if o.Redis, err = signal.Connect(url); err != nil {
			return refusedError{err}
		}
		defer o.Redis.Close()
	}
	facts := doctor.Read(c.Context, o)
	if c.Context.Err() != nil {
		return c.Context.Err()
	}
	results := doctor.Examine(facts)
	e := examination{doctor.ExitCode(results), versionsOf(c, facts), results}
	if format == formatJSON {
		err = writeJSON(c.App.Writer, e)
	} else {
		err = printExamination(c.App.Writer, e, format == formatWide)
	}
	if err != nil || e.ExitCode == exitOK {
		return err
	}
	return quietError{fmt.Errorf("%d checks did not pass", len(results)), e.ExitCode}
}

// versionsOf puts side by side what is known to take part.
func versionsOf(c *cli.Context, f doctor.Facts) map[string]string {
	v := map[string]string{"tidemark": c.App.Version}
	if f.Database.Value.Version != "" {
		v["postgresql"] = f.Database.Value.Version
	}
	if f.Schema.Asked && f.Schema.Err == nil {
		v["schema"] = fmt.Sprintf("%d of %d", f.Schema.Value.Live, f.Schema.Value.Needed)
	}
	if f.Redis.Value.Version != "" {
		v["redis"] = f.Redis.Value.Version
	}
	if running := f.Prometheus.Value.Versions(); len(running) > 0 {
		v["processes"] = strings.Join(running, ", ")
	}
	return v
}

// printExamination lists what is not in order with its remedy; with all, every check.
func printExamination(w io.Writer, e examination, all bool) error {
	counts := map[doctor.Level]int{}
	var b strings.Builder
	for _, r := range e.Checks {
		counts[r.Level]++
		if !all && (r.Level == doctor.OK || r.Level == doctor.Skipped) {
			continue
		}
		fmt.Fprintf(&b, "%-7s  %s: %s\n", r.Level, r.ID, r.Text)
		if r.Remedy != "" {
			fmt.Fprintf(&b, "         do: %s\n", r.Remedy)
		}
	}
	for _, name := range []string{"tidemark", "processes", "schema", "postgresql", "redis"} {
		if v, ok := e.Versions[name]; ok {
			fmt.Fprintf(&b, "%s %s  ", name, v)
		}
	}
	fmt.Fprintf(&b, "\n%d checks: %d in order, %d failures, %d warnings, %d not known, %d skipped\n", len(e.Checks),
		counts[doctor.OK], counts[doctor.Failure], counts[doctor.Warning], counts[doctor.Unknown], counts[doctor.Skipped])
	_, err := io.WriteString(w, b.String())
	return err
}
