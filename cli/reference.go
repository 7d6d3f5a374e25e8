package cli

import (
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// referenceCommand is a command as a reference shows it. The library writes references of its
// own, which tell neither variables nor arguments nor descriptions.
type referenceCommand struct {
	// Line is how it is called, arguments included: tidemark explain MODULE YEAR.
	Line  string
	Usage string
	// Description is empty for most.
	Description string
	Flags       []referenceFlag
}

type referenceFlag struct {
	// Term is its names with a word for its value: --older-than TIME.
	Term string
	// Usage may be more than a sentence.
	Usage string
	// Default is empty where there is none to speak of.
	Default   string
	Variables []string
}

// reference lists every command that does something of its own or has something to say for all
// below it, in the order of --help.
func reference(parent string, commands []*cli.Command) []referenceCommand {
	var all []referenceCommand
	for _, c := range commands {
		name := parent + " " + c.Name
		if len(c.Subcommands) == 0 || len(c.Flags) > 0 || c.Description != "" {
			r := referenceCommand{Line: strings.TrimSpace(name + " " + c.ArgsUsage), Usage: c.Usage, Description: c.Description}
			for _, f := range c.Flags {
				if f, ok := f.(cli.DocGenerationFlag); ok {
					r.Flags = append(r.Flags, describe(f))
				}
			}
			all = append(all, r)
		}
		all = append(all, reference(name, c.Subcommands)...)
	}
	return all
}

func describe(f cli.DocGenerationFlag) referenceFlag {
	r := referenceFlag{Usage: f.GetUsage(), Variables: f.GetEnvVars()}
	var value string
	if before, rest, found := strings.Cut(r.Usage, "`"); found {
		value, rest, _ = strings.Cut(rest, "`")
		r.Usage = before + value + rest
	}
	for _, name := range f.Names() {
		if r.Term != "" {
			r.Term += ", "
		}
		r.Term += strings.Repeat("-", min(2, len(name))) + name
	}
	if f.TakesValue() {
		r.Term += " " + value
		r.Default = strings.Trim(f.GetDefaultText(), `"`)
		// 1h0m0s is what Go makes of an hour.
		for _, zero := range []string{"0s", "0m"} {
			if short := strings.TrimSuffix(r.Default, zero); strings.HasSuffix(short, "m") || strings.HasSuffix(short, "h") {
				r.Default = short
			}
		}
	}
	return r
}

// readers are the variables with the flags that are read from each.
func readers(commands []referenceCommand) (variables []string, flags map[string]string) {
	flags = map[string]string{}
	for _, c := range commands {
		for _, f := range c.Flags {
			for _, v := range f.Variables {
				flags[v] = f.Term
			}
		}
	}
	return slices.Sorted(maps.Keys(flags)), flags
}
