package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"golang.org/x/sync/errgroup"
)

// Limits of every server. A request is a line, a few headers and at most a small body.
const (
	readTimeout    = 5 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 64 << 10
	// drainTimeout is how long requests may go on after the stop signal: less than the kill
	// delay of the usual platforms.
	drainTimeout = 5 * time.Second
)

// Serve answers requests until ctx is done. Then it ends the streams, lets every other
// request that is open come to its end and returns nil. An error means that the server broke
// or that requests had to be cut off. The addresses are free again when it returns.
func (s *Server) Serve(ctx context.Context, h http.Handler) error {
	defer s.close()
	draining, drain := context.WithCancel(context.WithoutCancel(ctx))
	defer drain()
	// One server an address: exporter-toolkit writes the handler and the TLS settings into the
	// server that it is given, so one that several listeners share would be written at once.
	var servers []*http.Server
	var serving sync.WaitGroup
	broke := make(chan error, len(s.listeners))
	for _, l := range s.listeners {
		server := s.newServer(endStreams(draining, h))
		servers = append(servers, server)
		serving.Go(func() {
			if err := toolkit.Serve(l, server, &toolkit.FlagConfig{WebConfigFile: &s.opts.ConfigFile}, s.log); !errors.Is(err, http.ErrServerClosed) {
				broke <- fmt.Errorf("serve on %s: %w", l.Addr(), err)
			}
		})
	}
	var err error
	select {
	case err = <-broke:
	case <-ctx.Done():
	}
	drain()
	err = errors.Join(err, shutdown(context.WithoutCancel(ctx), servers))
	serving.Wait()
	return err
}

func (s *Server) newServer(h http.Handler) *http.Server {
	writeTimeout := s.opts.WriteTimeout
	if writeTimeout == 0 {
		writeTimeout = defaultWriteTimeout
	}
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
}

// shutdown lets all servers drain at once.
func shutdown(ctx context.Context, servers []*http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	var group errgroup.Group
	for _, server := range servers {
		group.Go(func() error {
			if err := server.Shutdown(ctx); err != nil {
				return fmt.Errorf("requests were cut off after %s: %w", drainTimeout, errors.Join(err, server.Close()))
			}
			return nil
		})
	}
	return group.Wait()
}
