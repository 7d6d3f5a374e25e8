package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/shared/access"
)

const (
	flagName       = "name"
	flagPermission = "permission"
	flagExpires    = "expires"
	flagFile       = "file"
)

func tokenCommand() *cli.Command {
	return &cli.Command{
		Name:  "token",
		Usage: "make tokens for the API, and see who has one",
		Subcommands: []*cli.Command{
			{Name: "create", Usage: "make a token; it is printed once, its hash goes into the tokens file",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: flagName, Usage: "`NAME` of who gets it, as the audit record shall have it"},
					&cli.StringSliceFlag{Name: flagPermission,
						Usage: "what the holder may do: `PERMISSION` is " + string(access.ViewAll) + ", " + string(access.SyncAll) + " or modules.MODULE.view; may be given again"},
					&cli.StringFlag{Name: flagExpires, DefaultText: "never", Usage: "`YYYY-MM-DD` from which the token is refused (UTC)"},
					&cli.StringFlag{Name: flagFile, Usage: "tokens `FILE` to add the account to; made where there is none"}},
				Action: createToken},
			{Name: "list", Usage: "the accounts of a tokens file",
				Flags:  []cli.Flag{&cli.StringFlag{Name: flagFile, Usage: "tokens `FILE`"}, formatFlag(formatTable, formatJSON)},
				Action: listTokens},
		},
	}
}

// createToken prints the token alone on stdout, so that a script can take it, and what to
// do with it on stderr.
func createToken(c *cli.Context) error {
	if err := need(c, flagName, flagPermission); err != nil {
		return err
	}
	var permissions []access.Permission
	for _, text := range c.StringSlice(flagPermission) {
		p, err := access.ParsePermission(text)
		if err != nil {
			return refuse("--%s: %w", flagPermission, err)
		}
		permissions = append(permissions, p)
	}
	expires, err := expiryOf(c)
	if err != nil {
		return err
	}
	account, token, err := access.NewAccount(c.String(flagName), expires, permissions...)
	if err != nil {
		return refuse("--%s: %w", flagName, err)
	}
	file := c.String(flagFile)
	if file != "" {
		// The account first: a token that is printed works.
		if err := access.AppendAccount(file, account); err != nil {
			return refuse("--%s: %w", flagFile, err)
		}
	}
	fmt.Fprintf(c.App.ErrWriter, "the token of %s; it is shown this once, keep it like a password:\n", account.Name)
	if _, err := fmt.Fprintln(c.App.Writer, token); err != nil {
		return fmt.Errorf("the token could not be printed and is lost: %w; take the line of %s out of the tokens file and make a new one", err, account.Name)
	}
	if file != "" {
		fmt.Fprintf(c.App.ErrWriter, "%s has the account; exporters that may read the file know it within a second\n", file)
	} else {
		fmt.Fprintf(c.App.ErrWriter, "the line for the tokens file:\n%s\n", account.Line())
	}
	return nil
}

// expiryOf reads the day from which a token is refused; the zero time for never.
func expiryOf(c *cli.Context) (time.Time, error) {
	if !c.IsSet(flagExpires) {
		return time.Time{}, nil
	}
	text := c.String(flagExpires)
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}, refuse("--%s %q: not a day; write it as 2027-12-31", flagExpires, text)
	}
	if !day.After(time.Now()) {
		return time.Time{}, refuse("--%s %s: the token would never work; give a day to come", flagExpires, text)
	}
	return day, nil
}

// listedAccount is an account as it is shown, without its hash.
type listedAccount struct {
	Name        string              `json:"name"`
	Permissions []access.Permission `json:"permissions"`
	Expires     *string             `json:"expires"`
	Expired     bool                `json:"expired"`
}

func listTokens(c *cli.Context) error {
	if err := need(c, flagFile); err != nil {
		return err
	}
	format, err := formatOf(c)
	if err != nil {
		return err
	}
	accounts, err := access.ReadAccounts(c.String(flagFile))
	if err != nil {
		return refuse("--%s: %w", flagFile, err)
	}
	listed := []listedAccount{}
	for _, a := range accounts {
		l := listedAccount{Name: a.Name, Permissions: a.Permissions}
		if !a.Expires.IsZero() {
			l.Expires, l.Expired = new(a.Expires.Format(time.DateOnly)), !a.Expires.After(time.Now())
		}
		listed = append(listed, l)
	}
	if format == formatJSON {
		return writeJSON(c.App.Writer, listed)
	}
	if len(listed) == 0 {
		fmt.Fprintln(c.App.Writer, "nobody has a token")
		return nil
	}
	t := newTable(c.App.Writer, "NAME", "PERMISSIONS", "EXPIRES")
	for _, l := range listed {
		expires := "never"
		if l.Expires != nil {
			expires = *l.Expires
		}
		if l.Expired {
			expires += " (expired)"
		}
		t.row(l.Name, strings.Trim(fmt.Sprint(l.Permissions), "[]"), expires)
	}
	return t.flush()
}
