package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"testing"

	"github.com/urfave/cli/v2"
)

// TestWatch: elsewhere than on a terminal an answer that is the same is not repeated, an
// interruption is the usual end, an error is one.
func TestWatch(t *testing.T) {
	t.Parallel()
	watched := func(ctx context.Context) (*cli.Context, *bytes.Buffer) {
		var out bytes.Buffer
		set := flag.NewFlagSet("test", flag.ContinueOnError)
		set.Bool(flagWatch, true, "")
		c := cli.NewContext(newApp(&out, io.Discard), set, nil)
		c.Context = ctx
		return c, &out
	}
	ctx, interrupt := context.WithCancel(t.Context())
	c, out := watched(ctx)
	looks := 0
	err := watch(c, func(w io.Writer) error {
		if looks++; looks == 2 {
			interrupt()
		}
		_, err := fmt.Fprintln(w, "the same")
		return err
	})
	if err != nil || looks != 2 || out.String() != "the same\n" {
		t.Errorf("after %d looks %q (%v)", looks, out, err)
	}
	c, _ = watched(t.Context())
	wrong := errors.New("wrong")
	if err := watch(c, func(io.Writer) error { return wrong }); !errors.Is(err, wrong) {
		t.Errorf("an error became %v", err)
	}
}
