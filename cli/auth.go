package cli

import (
	"log/slog"
	"strings"

	"github.com/urfave/cli/v2"

	"tidemark/shared/access"
)

const (
	flagTokensFile   = "auth.tokens-file"
	flagOIDCIssuer   = "auth.oidc.issuer"
	flagOIDCAudience = "auth.oidc.audience"
	flagOIDCClaim    = "auth.oidc.claim"
	flagOIDCRole     = "auth.oidc.role"
)

// authFlags say who the API knows.
func authFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: flagTokensFile, EnvVars: []string{"TIDEMARK_AUTH_TOKENS_FILE"},
			Usage: "`FILE` with the accounts of static tokens, made by `tidemark token create`; read anew when it changes"},
		&cli.StringFlag{Name: flagOIDCIssuer, EnvVars: []string{"TIDEMARK_AUTH_OIDC_ISSUER"},
			Usage: "`URL` of the OpenID Connect provider whose JWTs are accepted"},
		&cli.StringFlag{Name: flagOIDCAudience, EnvVars: []string{"TIDEMARK_AUTH_OIDC_AUDIENCE"}, Usage: "`AUDIENCE` that a JWT must be made for"},
		&cli.StringFlag{Name: flagOIDCClaim, Value: "permissions", EnvVars: []string{"TIDEMARK_AUTH_OIDC_CLAIM"},
			Usage: "`CLAIM` that holds permissions or roles, with dots where it is nested"},
		&cli.StringSliceFlag{Name: flagOIDCRole, EnvVars: []string{"TIDEMARK_AUTH_OIDC_ROLE"},
			Usage: "a role and a permission that it stands for, as `ROLE=PERMISSION`; may be repeated"},
	}
}

// authenticator reads the flags.
func authenticator(c *cli.Context, log *slog.Logger) (*access.Authenticator, error) {
	o := access.Options{TokensFile: c.String(flagTokensFile), Logger: log}
	if issuer := c.String(flagOIDCIssuer); issuer != "" {
		roles, err := rolesOf(c.StringSlice(flagOIDCRole))
		if err != nil {
			return nil, err
		}
		o.OIDC = access.OIDCOptions{Issuer: issuer, Audience: c.String(flagOIDCAudience), Claim: c.String(flagOIDCClaim), Roles: roles}
	} else {
		for _, name := range []string{flagOIDCAudience, flagOIDCClaim, flagOIDCRole} {
			if c.IsSet(name) {
				return nil, refuse("--%s: needs --%s", name, flagOIDCIssuer)
			}
		}
	}
	a, err := access.New(o)
	if err != nil {
		return nil, refusedError{err}
	}
	return a, nil
}

func rolesOf(pairs []string) (map[string][]access.Permission, error) {
	roles := map[string][]access.Permission{}
	for _, pair := range pairs {
		role, permission, found := strings.Cut(pair, "=")
		if !found || role == "" {
			return nil, refuse("--%s %q: write ROLE=PERMISSION, for example controllers=%s", flagOIDCRole, pair, access.ViewAll)
		}
		p, err := access.ParsePermission(permission)
		if err != nil {
			return nil, refuse("--%s %q: %w", flagOIDCRole, pair, err)
		}
		roles[role] = append(roles[role], p)
	}
	return roles, nil
}
