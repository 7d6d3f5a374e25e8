package cli

import (
	"strings"

	"github.com/urfave/cli/v2"

	"tidemark/shared/web"
)

// webFlags are those of a component that serves HTTP. The address has an environment variable
// of its own for each component (env), since one environment often serves all three.
func webFlags(env, address, usage string) []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: flagListen, Value: cli.NewStringSlice(address), EnvVars: []string{env}, Usage: usage},
		&cli.StringFlag{Name: flagWebConfig, EnvVars: []string{"TIDEMARK_WEB_CONFIG_FILE"},
			Usage: "`FILE` that turns on TLS, client certificates or basic auth, in the format of Prometheus's exporters; read anew when it changes"},
		&cli.BoolFlag{Name: flagSystemd, EnvVars: []string{"TIDEMARK_WEB_SYSTEMD_SOCKET"}, Usage: "serve on the sockets that systemd passes, and on no address"},
	}
}

// webOptions reads the flags. otherPort lets an address that was not chosen give way to another.
func webOptions(c *cli.Context, otherPort bool) web.Options {
	o := web.Options{ConfigFile: c.String(flagWebConfig), SystemdSocket: c.Bool(flagSystemd)}
	if chosen := c.IsSet(flagListen); chosen || !o.SystemdSocket {
		o.Addresses, o.OtherPort = c.StringSlice(flagListen), otherPort && !chosen
	}
	return o
}

// sideFlags are those of a component whose business is not HTTP.
func sideFlags(component, address string) []cli.Flag {
	return webFlags("TIDEMARK_"+strings.ToUpper(component)+"_WEB_LISTEN_ADDRESS", address,
		"`HOST:PORT` to serve metrics and health on, may be repeated; an empty one turns them off")
}
