package cli

import (
	"io"
	"os"
	"slices"
	"testing"

	"github.com/urfave/cli/v2"
)

// TestWebOptions: how addresses are chosen, and that one nobody chose may give way.
func TestWebOptions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env       string
		args      []string
		addresses []string
		otherPort bool
	}{
		"default":               {"", nil, []string{"127.0.0.1:1"}, true},
		"one":                   {"", []string{"--web.listen-address=:2"}, []string{":2"}, false},
		"repeated":              {"", []string{"--web.listen-address=:2", "--web.listen-address=[::1]:3"}, []string{":2", "[::1]:3"}, false},
		"the default, chosen":   {"", []string{"--web.listen-address=127.0.0.1:1"}, []string{"127.0.0.1:1"}, false},
		"off":                   {"", []string{"--web.listen-address="}, []string{""}, false},
		"environment":           {":4,:5", nil, []string{":4", ":5"}, false},
		"flag over environment": {":4,:5", []string{"--web.listen-address=:2"}, []string{":2"}, false},
		"systemd":               {"", []string{"--web.systemd-socket"}, nil, false},
		"systemd and address":   {"", []string{"--web.systemd-socket", "--web.listen-address=:2"}, []string{":2"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := "TIDEMARK_TEST_" + name
			if c.env != "" {
				os.Setenv(env, c.env)
				t.Cleanup(func() { os.Unsetenv(env) })
			}
			// The library's help flag is one for all programs of a process, which these are at once.
			app := &cli.App{HideHelp: true, Writer: io.Discard, Flags: webFlags(env, "127.0.0.1:1", ""), Action: func(ctx *cli.Context) error {
				o := webOptions(ctx, true)
				if !slices.Equal(o.Addresses, c.addresses) || o.OtherPort != c.otherPort {
					t.Errorf("got %q, other port %t", o.Addresses, o.OtherPort)
				}
				return nil
			}}
			if err := app.Run(append([]string{"test"}, c.args...)); err != nil {
				t.Error(err)
			}
		})
	}
}
