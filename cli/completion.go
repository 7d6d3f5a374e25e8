package cli

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/shared/catalog"
	"tidemark/shared/freshness"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/postgres"
)

// completionScript works in bash, and in zsh by its bashcompinit. It asks the program itself, so that what is proposed is of this release.
const completionScript = `_tidemark() {
  local cur="${COMP_WORDS[COMP_CWORD]}" request=("${COMP_WORDS[@]:0:COMP_CWORD}")
  [[ $cur == -* ]] && request+=("$cur")
  COMPREPLY=($(compgen -W "$("${request[@]}" --generate-bash-completion 2>/dev/null)" -- "$cur"))
}
complete -o default -F _tidemark tidemark
`

// fishScript is the same for fish. Where nothing is proposed it is files.
const fishScript = `function __tidemark
    set -l request (commandline -opc)
    set -l current (commandline -ct)
    string match -q -- '-*' $current; and set -a request $current
    set -l found ($request --generate-bash-completion 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path $current
    end
end
complete -c tidemark -f -a '(__tidemark)'
`

func completionCommand() *cli.Command {
	script := func(text string) cli.ActionFunc {
		return func(c *cli.Context) error {
			_, err := fmt.Fprint(c.App.Writer, text)
			return err
		}
	}
	return &cli.Command{
		Name: "completion", Usage: "print what completes commands, modules and years in a shell",
		Subcommands: []*cli.Command{
			{Name: "bash", Usage: `source <(tidemark completion bash)`, Action: script(completionScript)},
			{Name: "zsh", Usage: `source <(tidemark completion zsh)`, Action: script("autoload -U +X bashcompinit && bashcompinit\n" + completionScript)},
			{Name: "fish", Usage: `tidemark completion fish | source`, Action: script(fishScript)},
		},
	}
}

// completionPatience is how long a person who pressed a key is kept waiting for the database.
const completionPatience = time.Second

// complete proposes what can come next: the value of the flag before, an argument, a flag or a subcommand.
func complete(command *cli.Command) cli.BashCompleteFunc {
	return func(c *cli.Context) {
		before := ""
		if n := len(os.Args); n > 2 {
			before = os.Args[n-2] // the last one asks for this
		}
		var words []string
		switch before {
		case "--" + flagModule, "-m":
			words, _ = declaredScopes(c)
		case "--" + flagYear, "-y":
			_, words = declaredScopes(c)
		case "--" + flagType, "-t":
			for _, t := range catalog.DataEntryTypes() {
				words = append(words, t.Name)
			}
		case "--" + flagWhy:
			words = whys()
		case "--" + flagOutput, "-o":
			if f, ok := c.Generic(flagOutput).(*format); ok {
				words = f.choices
			}
		case "--" + flagStatus:
			words = statuses()
		default:
			if strings.HasPrefix(before, "-") {
				break
			}
			switch place := strings.Fields(command.ArgsUsage); {
			case c.NArg() >= len(place):
			case place[c.NArg()] == "MODULE":
				words, _ = declaredScopes(c)
			case place[c.NArg()] == "YEAR":
				_, words = declaredScopes(c)
			case place[c.NArg()] == "PIPELINE":
				words = activePipelines(c)
			case place[c.NArg()] == "QUEUE":
				for _, q := range job.Configs() {
					words = append(words, q.Queue())
				}
			}
		}
		if len(words) == 0 {
			cli.DefaultCompleteWithFlags(command)(c)
			return
		}
		fmt.Fprintln(c.App.Writer, strings.Join(words, "\n"))
	}
}

// activePipelines returns the latest pipelines under way, none where the database does not answer at once.
func activePipelines(c *cli.Context) (ids []string) {
	ctx, cancel := context.WithTimeout(c.Context, completionPatience)
	defer cancel()
	pool, err := postgres.Connect(ctx, postgres.Options{URL: c.String(flagDatabase), AppName: "tidemark completion", MaxConns: 1})
	if err != nil {
		return nil
	}
	defer pool.Close()
	page, err := ledger.New(ledger.DefaultMaxHold).Pipelines(ctx, pool, ledger.PipelineFilter{Status: ledger.StatusRunning, Limit: 50})
	if err != nil {
		return nil
	}
	for _, p := range page.Items {
		ids = append(ids, p.ID.String())
	}
	return ids
}

// declaredScopes returns the modules and years that reports have. Where the database does not
// answer at once: the modules of the catalogue, and no year.
func declaredScopes(c *cli.Context) (modules, years []string) {
	ctx, cancel := context.WithTimeout(c.Context, completionPatience)
	defer cancel()
	pool, err := postgres.Connect(ctx, postgres.Options{URL: c.String(flagDatabase), AppName: "tidemark completion", MaxConns: 1})
	if err == nil {
		defer pool.Close()
		var s freshness.Snapshot
		if s, err = freshness.TakeSnapshot(ctx, pool); err == nil {
			for _, scope := range s.Scopes {
				modules, years = append(modules, catalog.ModuleName(scope.ModuleType)), append(years, fmt.Sprint(scope.Year))
			}
		}
	}
	if err != nil {
		for _, m := range catalog.Modules() {
			modules = append(modules, m.Name)
		}
	}
	for _, words := range []*[]string{&modules, &years} {
		slices.Sort(*words)
		*words = slices.Compact(*words)
	}
	return modules, years
}
