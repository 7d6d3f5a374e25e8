package cli

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/shared/postgres"
)

// watchInterval is how often a watched answer is looked at anew.
const watchInterval = 2 * time.Second

func watchFlag() cli.Flag {
	return &cli.BoolFlag{Name: flagWatch, Usage: fmt.Sprintf("look again every %s until interrupted; elsewhere than on a terminal, only what changed is printed", watchInterval)}
}

// watch shows an answer once or, where it is to be watched, again and again: on a terminal in
// place of the one before, elsewhere each that differs from it. A database that is away for
// a moment is waited for. Interrupting it is its usual end, and no failure.
func watch(c *cli.Context, show func(io.Writer) error) error {
	if !c.Bool(flagWatch) {
		return show(c.App.Writer)
	}
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	live, last := isTerminal(c.App.Writer), []byte(nil)
	for {
		var answer bytes.Buffer
		switch err := show(&answer); {
		case c.Context.Err() != nil:
			return nil
		case postgres.Unavailable(err):
			answer.Reset()
			fmt.Fprintf(&answer, "the database is away: %v\n", err)
		case err != nil:
			return err
		}
		if live {
			// Home, what is there, and nothing of the last answer behind it.
			fmt.Fprintf(c.App.Writer, "\x1b[H\x1b[2J%s", answer.Bytes())
		} else if !bytes.Equal(answer.Bytes(), last) {
			if _, err := c.App.Writer.Write(answer.Bytes()); err != nil {
				return err
			}
		}
		last = bytes.Clone(answer.Bytes())
		select {
		case <-ticker.C:
		case <-c.Context.Done():
			return nil
		}
	}
}
