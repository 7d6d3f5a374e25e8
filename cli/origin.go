package cli

import (
	"fmt"
	"os"
	"os/user"
	"strings"

	"github.com/google/uuid"
	"github.com/urfave/cli/v2"

	"tidemark/shared/ledger"
)

const flagReason = "reason"

func reasonFlag() cli.Flag {
	return &cli.StringFlag{Name: flagReason, Usage: "why, in a `SENTENCE`; recorded with the request"}
}

// origin says for the record who asks: the account on this machine, which is all that the
// command line knows.
func origin(c *cli.Context) ledger.Origin {
	return ledger.Origin{Actor: account(), Via: ledger.ViaCLI, Reason: c.String(flagReason), RequestID: uuid.NewString()}
}

func isBlank(s string) bool { return strings.TrimSpace(s) == "" }

func account() string {
	name := fmt.Sprintf("uid %d", os.Getuid()) // an account without a name, as in some containers
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}
