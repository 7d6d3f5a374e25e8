package cli

import (
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// settingsFile is the variable that names a file of settings.
const settingsFile = "TIDEMARK_SETTINGS_FILE"

// loadSettings puts what the file of settings says into the environment, but for what stands there
// already: a flag counts more than a variable, a variable more than the file. A name that is no
// setting is refused, for a slip of the finger would otherwise leave a default in force.
func loadSettings(app *cli.App) error {
	path := os.Getenv(settingsFile)
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return refuse("%s: %w", settingsFile, err)
	}
	known := variables(app.Commands)
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		// The line itself is not quoted in errors: it may hold a password.
		name, value, found := strings.Cut(line, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !found:
			return refuse("%s: %s:%d: not NAME=VALUE", settingsFile, path, number)
		case !slices.Contains(known, name):
			return refuse("%s: %s:%d: there is no setting %q; the --help of each command lists its variables", settingsFile, path, number, name)
		case strings.HasPrefix(value, `"`) || strings.HasPrefix(value, "'"):
			return refuse("%s: %s:%d: write the value of %s without quotes; it is taken as it stands", settingsFile, path, number, name)
		}
		if _, set := os.LookupEnv(name); set {
			continue
		}
		if err := os.Setenv(name, value); err != nil {
			return refuse("%s: %s:%d: %w", settingsFile, path, number, err)
		}
	}
	return nil
}

// variables are those that some setting of some command is read from.
func variables(commands []*cli.Command) []string {
	var names []string
	for _, command := range commands {
		for _, f := range command.Flags {
			if f, ok := f.(cli.DocGenerationFlag); ok {
				names = append(names, f.GetEnvVars()...)
			}
		}
		names = append(names, variables(command.Subcommands)...)
	}
	return names
}
