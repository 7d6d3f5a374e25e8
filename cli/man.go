package cli

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/urfave/cli/v2"

	"tidemark/shared/build"
)

//go:embed man.md
var manText string

var manTemplate = template.Must(template.New("man").Funcs(template.FuncMap{"blocks": blocks, "join": strings.Join}).Parse(manText))

// printMan writes the manual page for what the program is told at its start, so that there is no page of another release.
func printMan(c *cli.Context) error {
	page, err := manPage(c.App)
	if err != nil {
		return err
	}
	_, err = c.App.Writer.Write(page)
	return err
}

func manPage(app *cli.App) ([]byte, error) {
	b := build.Read()
	date := ""
	if made, err := time.Parse(time.RFC3339, b.Date); err == nil {
		date = made.Format(time.DateOnly)
	}
	commands := reference(app.Name, app.Commands)
	variables, flags := readers(commands)
	var text strings.Builder
	err := manTemplate.Execute(&text, map[string]any{"Date": date, "Version": b.Version, "Usage": app.Usage,
		"Commands": commands, "Variables": variables, "Flags": flags, "ExitCodes": indent(exitCodes), "SettingsFile": settingsFile})
	if err != nil {
		return nil, fmt.Errorf("manual page: %w", err)
	}
	// Names of variables are there to be copied: no hyphen may stand in them at a line's end, behind an
	// example neither (HY), which turns hyphens on again.
	return bytes.Replace(md2man.Render([]byte(text.String())), []byte("\n.SH NAME"), []byte(".nr HY 0\n.nh\n.ad l\n.SH NAME"), 1), nil
}

// blocks makes Markdown of a description: what has indented lines is shown as it stands.
func blocks(description string) string {
	var out []string
	for block := range strings.SplitSeq(description, "\n\n") {
		if strings.Contains(block, "\n  ") {
			block = indent(block)
		}
		out = append(out, block)
	}
	return strings.Join(out, "\n\n")
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}
