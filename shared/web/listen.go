package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
)

// Server has its addresses and does not serve yet. Make it with [Listen].
type Server struct {
	opts      Options
	log       *slog.Logger
	listeners []net.Listener
}

// Listen binds every address, or none. The error names the address that cannot be had, the
// reason and what to do. [Server.Serve] must follow: it gives the addresses back.
func Listen(ctx context.Context, o Options, log *slog.Logger) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := &Server{opts: o, log: log}
	if o.SystemdSocket {
		var err error
		if s.listeners, err = passed(); err != nil {
			return nil, err
		}
	} else if err := s.bind(ctx); err != nil {
		s.close()
		return nil, err
	}
	if len(s.listeners) == 0 {
		return nil, fmt.Errorf("%s: no address given, for example 127.0.0.1:9877", flagAddress)
	}
	if o.OnListen != nil {
		var bound []net.Addr
		for _, l := range s.listeners {
			bound = append(bound, l.Addr())
		}
		o.OnListen(bound)
	}
	return s, nil
}

// passed are the sockets that systemd opened for the process.
func passed() ([]net.Listener, error) {
	listeners, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flagSystemd, err)
	}
	for _, l := range listeners {
		if l == nil {
			return nil, errors.New(flagSystemd + ": systemd passed a socket that does not listen: use ListenStream in the .socket unit")
		}
	}
	if len(listeners) == 0 {
		return nil, errors.New(flagSystemd + ": systemd passed no socket: start the process by its .socket unit, or leave the flag out")
	}
	return listeners, nil
}

func (s *Server) bind(ctx context.Context) error {
	var config net.ListenConfig
	for _, a := range s.opts.addresses() {
		l, err := config.Listen(ctx, "tcp", a)
		if errors.Is(err, syscall.EADDRINUSE) && s.opts.OtherPort {
			host, _, _ := net.SplitHostPort(a)
			if l, err = config.Listen(ctx, "tcp", net.JoinHostPort(host, "0")); err == nil {
				s.log.Warn("the default address is taken, serving on another one: choose it yourself for it to be scraped",
					"taken", a, "address", l.Addr().String(), "flag", flagAddress)
			}
		}
		if err != nil {
			return fmt.Errorf("listen on %s: %w: %s", a, reason(err), remedy(err))
		}
		s.listeners = append(s.listeners, l)
	}
	return nil
}

// reason is the error without what net says around it: the address is named already.
func reason(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// remedy says what to do about an address that cannot be had.
func remedy(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "choose another one with " + flagAddress + " or stop the process that has it"
	case errors.Is(err, syscall.EACCES):
		return "choose a port from 1024 on with " + flagAddress + ", or give the process the right to use this one"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "choose an address of this machine with " + flagAddress
	default:
		return "choose another one with " + flagAddress
	}
}

func (s *Server) close() {
	for _, l := range s.listeners {
		_ = l.Close()
	}
}
