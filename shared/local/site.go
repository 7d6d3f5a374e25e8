package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"syscall"
)

// site is a server that is talked to over HTTP.
type site struct {
	// URL is where it answers, on a port of its own.
	URL string

	dir    *dir
	server *process
}

// program is a server as it is installed.
type program struct {
	// name is that of its binary, and of Debian's package.
	name string
	// arguments start it on files in the current directory, to serve on an address.
	arguments func(address string) []string
}

// portAttempts: the servers cannot be handed a socket, so that another process may take the
// port between its being found free and being served on.
const portAttempts = 3

// startSite starts a server in a directory of its own that holds these files, by path.
func startSite(ctx context.Context, p program, files map[string]string) (*site, error) {
	bin, err := exec.LookPath(p.name)
	if err != nil {
		return nil, fmt.Errorf("%s is not installed: run `apt-get install %s`, or `make setup`: %w", p.name, p.name, err)
	}
	d, err := newDir(p.name)
	if err != nil {
		return nil, err
	}
	if err := d.write(files); err != nil {
		d.remove()
		return nil, err
	}
	var failures []error
	for range portAttempts {
		ports, err := freePorts(1)
		if err != nil {
			failures = append(failures, err)
			break
		}
		address := "127.0.0.1:" + ports[0]
		s := &site{URL: "http://" + address, dir: d}
		s.server, err = start(ctx, d, syscall.SIGTERM, s.ready, bin, p.arguments(address)...)
		if err == nil {
			return s, nil
		}
		failures = append(failures, err)
		if ctx.Err() != nil {
			break
		}
	}
	d.remove()
	return nil, errors.Join(failures...)
}

// ready asks the page that Prometheus and Alertmanager both have for it.
func (s *site) ready(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/-/ready", nil)
	if err != nil {
		return err
	}
	// Without keep-alive no connection outlives the question.
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 500))
		return fmt.Errorf("%s: %s", answer.Status, text)
	}
	return nil
}

// Stop ends the server and removes what it held.
func (s *site) Stop() {
	s.server.Stop()
	s.dir.remove()
}
