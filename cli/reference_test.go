package cli

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

const referenceFile = "../REFERENCE.md"

// TestReference: REFERENCE.md is what the commands say of themselves; -update writes it anew.
func TestReference(t *testing.T) {
	t.Parallel()
	want := referencePage(newApp(io.Discard, io.Discard))
	if flag.Lookup("update").Value.String() == "true" { // that of the transcripts
		if err := os.WriteFile(referenceFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("REFERENCE.md is not what the commands say: go test ./cli -run TestReference -update")
	}
}

func referencePage(app *cli.App) string {
	var page strings.Builder
	page.WriteString("# Reference\n\nEvery command with its settings, written from their definitions (`go test ./cli -run TestReference -update`). `tidemark help man`\n" +
		"prints the same as a manual page, with the files and the exit codes.\n")
	cell := strings.NewReplacer("|", `\|`, "<", "&lt;").Replace
	for _, c := range reference(app.Name, app.Commands) {
		fmt.Fprintf(&page, "\n## `%s`\n\n%s\n", c.Line, c.Usage)
		if c.Description != "" {
			fmt.Fprintf(&page, "\n%s\n", blocks(c.Description))
		}
		if len(c.Flags) > 0 {
			page.WriteString("\n| setting | default | variable | |\n|---|---|---|---|\n")
		}
		for _, f := range c.Flags {
			fmt.Fprintf(&page, "| `%s` | %s | %s | %s |\n", f.Term, code(f.Default), code(strings.Join(f.Variables, "`, `")), cell(f.Usage))
		}
	}
	return page.String()
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

// TestManPage: the manual page names every command, setting and variable, and roff has nothing
// to complain about, where it is installed.
func TestManPage(t *testing.T) {
	t.Parallel()
	app := newApp(io.Discard, io.Discard)
	page, err := manPage(app)
	if err != nil {
		t.Fatal(err)
	}
	plain := string(page)
	if groff, err := exec.LookPath("groff"); err == nil {
		render := func(width string) string {
			cmd := exec.Command(groff, "-man", "-ww", "-Tutf8", "-P-cbou", "-rLL="+width)
			var complaints strings.Builder
			cmd.Stdin, cmd.Stderr = bytes.NewReader(page), &complaints
			out, err := cmd.Output()
			if err != nil || complaints.Len() > 0 {
				t.Errorf("groff: %v\n%s", err, &complaints)
			}
			return string(out)
		}
		if strings.Contains(render("80n"), "\u2010\n") {
			t.Error("a word is broken at the end of a line")
		}
		plain = render("1000n")
	}
	plain = strings.NewReplacer("\u2010", "-", "\u2212", "-", `\-`, "-").Replace(plain)
	for _, c := range reference(app.Name, app.Commands) {
		want := []string{c.Line, c.Usage}
		for _, f := range c.Flags {
			want = append(append(want, f.Term, strings.ReplaceAll(f.Usage, "`", "")), f.Variables...)
		}
		for _, w := range want {
			if !strings.Contains(plain, w) {
				t.Errorf("the manual page lacks %q of %s", w, c.Line)
			}
		}
	}
}
