package cli

import (
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/shared/catalog"
)

// Flag names, used by the flags and by the messages about them.
const (
	flagDatabase    = "database-url"
	flagRedis       = "redis-url"
	flagLogLevel    = "log.level"
	flagLogFormat   = "log.format"
	flagOutput      = "output"
	flagModule      = "module"
	flagType        = "type"
	flagYear        = "year"
	flagWait        = "wait"
	flagOlderThan   = "older-than"
	flagMaxHold     = "max-hold"
	flagWatch       = "watch"
	flagListen      = "web.listen-address"
	flagWebConfig   = "web.config.file"
	flagSystemd     = "web.systemd-socket"
	flagMetricsPath = "web.telemetry-path"
	flagRoutePrefix = "web.route-prefix"
	flagAnonymous   = "web.anonymous-api"
	flagConcurrency = "concurrency"
)

func databaseFlag() cli.Flag {
	return &cli.StringFlag{Name: flagDatabase, EnvVars: []string{"TIDEMARK_DATABASE_URL", "DATABASE_URL"}, DefaultText: "none",
		Usage:  "`URL` of the PostgreSQL that is the record; a password only by the environment or ~/.pgpass",
		Action: func(c *cli.Context, v string) error { return noSecret(c, flagDatabase, v) }}
}

func redisFlag() cli.Flag {
	return &cli.StringFlag{Name: flagRedis, EnvVars: []string{"TIDEMARK_REDIS_URL", "REDIS_URL"}, DefaultText: "none",
		Usage:  "`URL` of the Redis that wakes the workers, redis://, rediss://, redis-socket:// or redis-sentinel://; a password only by the environment",
		Action: func(c *cli.Context, v string) error { return noSecret(c, flagRedis, v) }}
}

// noSecret refuses a password in an argument. The library does not tell where a value came
// from, so an argument is recognised by looking for it on the command line.
func noSecret(c *cli.Context, name, value string) error {
	u, err := url.Parse(value)
	if err != nil || u.User == nil {
		return nil
	}
	if _, has := u.User.Password(); !has || !givenAsArgument(c, name) {
		return nil
	}
	return refuse("--%s: a password in an argument is visible to every user of the machine; set TIDEMARK_%s instead",
		name, strings.ToUpper(strings.ReplaceAll(name, "-", "_")))
}

func logFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: flagLogLevel, Value: "info", EnvVars: []string{"TIDEMARK_LOG_LEVEL"}, Usage: "`LEVEL`: debug, info, warn or error"},
		&cli.StringFlag{Name: flagLogFormat, Value: "text", EnvVars: []string{"TIDEMARK_LOG_FORMAT"}, Usage: "`FORMAT`: text or json"},
	}
}

func newLogger(c *cli.Context) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.String(flagLogLevel))); err != nil {
		return nil, refuse("--%s %q: not a level; choose debug, info, warn or error", flagLogLevel, c.String(flagLogLevel))
	}
	o := &slog.HandlerOptions{Level: level}
	switch format := c.String(flagLogFormat); format {
	case "text":
		return slog.New(slog.NewTextHandler(c.App.ErrWriter, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(c.App.ErrWriter, o)), nil
	default:
		return nil, refuse("--%s %q: not a format; choose text or json", flagLogFormat, format)
	}
}

func moduleFlag() cli.Flag {
	return &cli.StringFlag{Name: flagModule, Aliases: []string{"m"}, Usage: "`MODULE` by name or number, for example professional_travel or 2"}
}

func typeFlag(usage string) cli.Flag {
	return &cli.StringFlag{Name: flagType, Aliases: []string{"t"}, Usage: usage}
}

func yearFlag() cli.Flag {
	return &cli.IntFlag{Name: flagYear, Aliases: []string{"y"}, DefaultText: "none", Usage: "calendar `YEAR` of the reports",
		Action: func(_ *cli.Context, y int) error { return checkYear(y) }}
}

func checkYear(y int) error {
	if y < 1900 || y > 2200 {
		return refuse("--%s %d: not a year between 1900 and 2200", flagYear, y)
	}
	return nil
}

// need refuses a command that lacks a flag. The library's own check prints a page of help first.
func need(c *cli.Context, names ...string) error {
	for _, name := range names {
		if !c.IsSet(name) {
			return refuse("%s: --%s is missing; see `tidemark %[1]s --help`", commandName(c), name)
		}
	}
	return nil
}

// moduleOf reads the module flag; the zero module where it was not given.
func moduleOf(c *cli.Context) (catalog.Module, error) {
	text := c.String(flagModule)
	if text == "" {
		return catalog.Module{}, nil
	}
	m, err := catalog.ParseModule(text)
	if err != nil {
		return m, refuse("--%s: %w", flagModule, err)
	}
	return m, nil
}

// typeOf reads the type flag among the given types.
func typeOf(c *cli.Context, among []catalog.DataEntryType) (catalog.DataEntryType, error) {
	t, err := catalog.ParseDataEntryType(c.String(flagType), among)
	if err != nil {
		return t, refuse("--%s: %w", flagType, err)
	}
	return t, nil
}

func durationFlag(name string, value time.Duration, usage string) *cli.DurationFlag {
	env := "TIDEMARK_" + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(name))
	return &cli.DurationFlag{Name: name, Value: value, EnvVars: []string{env}, Usage: usage}
}
