package web

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"
)

// Options say where a component serves HTTP, and how. They are the flags that all
// components share, so errors name those.
type Options struct {
	// Addresses are host:port each; an empty host stands for every interface, port 0 for one
	// that the system chooses. Empty addresses count for nothing.
	Addresses []string
	// ConfigFile turns on TLS, client certificates or basic auth; "" leaves all off. Its
	// format is exporter-toolkit's; certificates and users are read anew when they change.
	ConfigFile string
	// SystemdSocket takes the sockets that systemd passes to the process, and no address.
	SystemdSocket bool
	// OtherPort is for addresses that nobody chose: where one is taken, the system chooses
	// another port of the same host, and a warning names it.
	OtherPort bool
	// WriteTimeout bounds an answer, streams excepted. Default 30 s.
	WriteTimeout time.Duration
	// OnListen, when given, is called once with the bound addresses before requests are served.
	OnListen func([]net.Addr)
}

const (
	flagAddress = "--web.listen-address"
	flagConfig  = "--web.config.file"
	flagSystemd = "--web.systemd-socket"

	defaultWriteTimeout = 30 * time.Second
)

// Off reports whether nothing is to be served.
func (o Options) Off() bool { return len(o.addresses()) == 0 && !o.SystemdSocket }

func (o Options) addresses() []string {
	return slices.DeleteFunc(slices.Clone(o.Addresses), func(a string) bool { return a == "" })
}

// Validate names what cannot be worked with. It reads the configuration file and the
// certificates that this names, and binds nothing.
func (o Options) Validate() error {
	if o.SystemdSocket && len(o.addresses()) > 0 {
		return errors.New(flagSystemd + ": systemd passes the sockets then, leave " + flagAddress + " out")
	}
	for _, a := range o.addresses() {
		_, port, err := net.SplitHostPort(a)
		if err != nil {
			return fmt.Errorf("%s %q is not host:port, for example 127.0.0.1:9877 or :9877: %w", flagAddress, a, err)
		}
		if _, err := net.LookupPort("tcp", port); err != nil {
			return fmt.Errorf("%s %q: %q is not a port; choose another one, from 1 to 65535", flagAddress, a, port)
		}
	}
	if err := toolkit.Validate(o.ConfigFile); err != nil {
		return fmt.Errorf("%s %s: %w: see https://prometheus.io/docs/prometheus/latest/configuration/https/ for what belongs into it", flagConfig, o.ConfigFile, err)
	}
	return nil
}
