package cli

import (
	"slices"
	"strconv"

	"github.com/urfave/cli/v2"

	"tidemark/shared/catalog"
	"tidemark/shared/freshness"
)

func modulesFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: flagModule, Aliases: []string{"m"}, Usage: "`MODULE` by name or number, for example professional_travel or 2; several with commas"}
}

func yearsFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: flagYear, Aliases: []string{"y"}, Usage: "calendar `YEAR` of the reports; several with commas"}
}

func whyFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: flagWhy, Usage: "only scopes in this `BUCKET`: " + or(whys()) + "; several with commas"}
}

// whys are the buckets, and drifted.
func whys() []string {
	var names []string
	for _, why := range freshness.Whys() {
		names = append(names, string(why))
	}
	return append(names, whyDrifted)
}

// modulesOf reads a --module that may be given several times, each module once.
func modulesOf(c *cli.Context) ([]catalog.Module, error) {
	var modules []catalog.Module
	for _, text := range c.StringSlice(flagModule) {
		m, err := catalog.ParseModule(text)
		if err != nil {
			return nil, refuse("--%s: %w", flagModule, err)
		}
		if !slices.ContainsFunc(modules, func(other catalog.Module) bool { return other.ID == m.ID }) {
			modules = append(modules, m)
		}
	}
	return modules, nil
}

// yearsOf reads a --year that may be given several times, each year once, ascending.
func yearsOf(c *cli.Context) ([]int, error) {
	var years []int
	for _, text := range c.StringSlice(flagYear) {
		year, err := strconv.Atoi(text)
		if err != nil {
			return nil, refuse("--%s %q: not a year", flagYear, text)
		}
		if err := checkYear(year); err != nil {
			return nil, err
		}
		years = append(years, year)
	}
	slices.Sort(years)
	return slices.Compact(years), nil
}

func whysOf(c *cli.Context) ([]string, error) {
	chosen := c.StringSlice(flagWhy)
	for _, why := range chosen {
		if !slices.Contains(whys(), why) {
			return nil, refuse("--%s %q: no bucket; choose %s", flagWhy, why, or(whys()))
		}
	}
	return chosen, nil
}
