package alerts_test

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tidemark/cli"
)

// runbooks reads README.md: the text below the heading of each alert.
func runbooks(t *testing.T) map[string]string {
	t.Helper()
	books := map[string]string{}
	for _, section := range strings.Split(read(t, "README.md"), "\n## ")[1:] {
		heading, text, _ := strings.Cut(section, "\n")
		if books[heading] != "" {
			t.Errorf("README.md has %s twice", heading)
		}
		books[heading] = text
	}
	return books
}

// TestRunbooks: each alert has one, which says to whom it goes, what it means and costs, three
// commands, and how one knows that it is over; and there is none without an alert.
func TestRunbooks(t *testing.T) {
	t.Parallel()
	books := runbooks(t)
	sources := recordedFrom(allRules(t))
	for _, r := range allAlerts(t) {
		text, ok := books[r.Alert]
		if !ok {
			t.Errorf("README.md has no runbook ## %s", r.Alert)
			continue
		}
		delete(books, r.Alert)
		if want := "\n" + r.Labels["severity"] + ", " + r.Labels["team"] + "\n"; !strings.HasPrefix(text, want) {
			t.Errorf("%s: the runbook does not begin with %q", r.Alert, strings.TrimSpace(want))
		}
		for _, part := range []string{"\n**Meaning** ", "\n**Impact** ", "\n**Over when** "} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: the runbook lacks %s", r.Alert, strings.TrimSpace(part))
			}
		}
		if n := len(commands(text)); n != 3 {
			t.Errorf("%s: the runbook has %d commands, want the first three", r.Alert, n)
		}
		// It explains what the rule goes by.
		if used := seriesOf(r.Expr, sources); len(used) > 0 && !slices.ContainsFunc(used, func(m string) bool { return strings.Contains(text, "`"+m+"`") }) {
			t.Errorf("%s: the runbook names none of %v", r.Alert, used)
		}
	}
	for heading := range books {
		t.Errorf("README.md has a runbook for %s, which is no alert", heading)
	}
}

// commands are the lines of a runbook's block.
func commands(text string) []string {
	_, block, _ := strings.Cut(text, "\n```\n")
	block, _, _ = strings.Cut(block, "\n```")
	return strings.Split(block, "\n")
}

// recordedFrom maps recorded names to their expressions.
func recordedFrom(rules []rule) map[string]string {
	from := map[string]string{}
	for _, r := range rules {
		if r.Record != "" {
			from[r.Record] = r.Expr
		}
	}
	return from
}

// seriesOf lists the scraped metrics that an expression goes by, in the end.
func seriesOf(expr string, sources map[string]string) []string {
	found := regexp.MustCompile(`\btidemark_[a-z_]+|\bup\b`).FindAllString(expr, -1)
	for _, name := range recorded.FindAllString(expr, -1) {
		found = append(found, seriesOf(sources[name], sources)...)
	}
	return found
}

// TestCommandsExist: what alerts and runbooks tell people to type can be typed.
func TestCommandsExist(t *testing.T) {
	t.Parallel()
	helps := map[string]string{}
	check := func(where, line string) {
		line, _, _ = strings.Cut(line, " # ")
		words := strings.Fields(line)[1:]
		command := words[:0:0]
		for _, w := range words {
			if strings.HasPrefix(w, "-") || !regexp.MustCompile(`^[a-z]+$`).MatchString(w) {
				break
			}
			command = append(command, w)
		}
		key := strings.Join(command, " ")
		if _, ok := helps[key]; !ok {
			var out bytes.Buffer
			if code := cli.Run(t.Context(), append(slices.Clone(command), "--help"), &out, &out); code != 0 {
				t.Errorf("%s: `tidemark %s`: %s", where, key, &out)
			}
			helps[key] = out.String()
		}
		for _, w := range words {
			if flag, _, _ := strings.Cut(w, "="); strings.HasPrefix(flag, "--") && !regexp.MustCompile(regexp.QuoteMeta(flag)+`[ ,]`).MatchString(helps[key]) {
				t.Errorf("%s: `tidemark %s` has no %s", where, key, flag)
			}
		}
	}
	quoted := regexp.MustCompile("`(tidemark [^`]+)`")
	for _, r := range allAlerts(t) {
		for _, text := range r.Annotations {
			for _, m := range quoted.FindAllStringSubmatch(text, -1) {
				check(r.Alert, m[1])
			}
		}
	}
	for name, text := range runbooks(t) {
		for _, m := range quoted.FindAllStringSubmatch(text, -1) {
			check("runbook "+name, m[1])
		}
		for _, line := range commands(text) {
			if strings.HasPrefix(line, "tidemark ") {
				check("runbook "+name, line)
			}
		}
	}
}
