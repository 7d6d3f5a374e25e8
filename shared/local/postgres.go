package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// Postgres is a throw-away PostgreSQL server.
type Postgres struct {
	// URL reaches its database postgres as a superuser, over a Unix socket.
	URL string

	bin string
	dir *dir
	// settings are of the caller, name=value.
	settings []string
	server   *process
}

// StartPostgres initialises and starts a server; it takes about a second. Settings, such as
// "fsync=on", override those of a server that nobody will miss.
func StartPostgres(ctx context.Context, settings ...string) (*Postgres, error) {
	return newPostgres(ctx, settings, "initdb", "-U", "tidemark", "--auth=trust", "-E", "UTF8", "--locale=C")
}

// Standby starts a replica that follows this server for as long as it runs.
func (p *Postgres) Standby(ctx context.Context) (*Postgres, error) {
	return newPostgres(ctx, p.settings, "pg_basebackup", "-h", p.dir.path, "-U", "tidemark", "--checkpoint=fast", "--write-recovery-conf")
}

// newPostgres lets a command make the data directory, and starts the server on it.
func newPostgres(ctx context.Context, settings []string, command string, args ...string) (*Postgres, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	d, err := newDir("pg")
	if err != nil {
		return nil, err
	}
	p := &Postgres{URL: fmt.Sprintf("postgres:///postgres?host=%s&user=tidemark", d.path), bin: bin, dir: d, settings: settings}
	fill := exec.CommandContext(ctx, filepath.Join(bin, command), append(args, "-D", p.data(), "--no-sync")...)
	fill.Dir = d.path
	fill.SysProcAttr = &syscall.SysProcAttr{Credential: d.user}
	if out, err := fill.CombinedOutput(); err != nil {
		d.remove()
		return nil, fmt.Errorf("%s: %w\n%s", command, err, out)
	}
	if err := p.start(ctx); err != nil {
		d.remove()
		return nil, err
	}
	return p, nil
}

func (p *Postgres) data() string { return filepath.Join(p.dir.path, "data") }

func (p *Postgres) start(ctx context.Context) (err error) {
	args := []string{"-D", p.data(), "-k", p.dir.path, "-c", "listen_addresses=",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
		"-c", "max_connections=300", "-c", "max_wal_size=2GB"}
	for _, setting := range p.settings { // of two of a name the later one counts
		args = append(args, "-c", setting)
	}
	p.server, err = start(ctx, p.dir, syscall.SIGINT, p.ping, filepath.Join(p.bin, "postgres"), args...)
	return err
}

// Halt stops the server, ending its sessions, and keeps its data for a Restart.
func (p *Postgres) Halt() { p.server.Stop() }

// Restart stops the server, where it runs, and starts it again on its data.
func (p *Postgres) Restart(ctx context.Context) error {
	p.Halt()
	return p.start(ctx)
}

// Crash ends the server in the midst of its work, as if its machine had failed. [Postgres.Start]
// brings it back, with what was committed if the setting synchronous_commit=on was given.
func (p *Postgres) Crash() { p.server.end(syscall.SIGQUIT) }

// Start starts a server that has crashed on its data.
func (p *Postgres) Start(ctx context.Context) error { return p.start(ctx) }

// Database returns the URL of another database of this server.
func (p *Postgres) Database(name string) string {
	return fmt.Sprintf("postgres:///%s?host=%s&user=tidemark", name, p.dir.path)
}

// Stop ends the server and removes its data.
func (p *Postgres) Stop() {
	p.server.Stop()
	p.dir.remove()
}

func (p *Postgres) ping(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.URL)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// postgresBin finds the directory of the server's binaries. Debian keeps them off
// PATH, one directory a version; the highest wins.
func postgresBin() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		// Not every program of the server need be linked there.
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return "", err
		}
		return filepath.Dir(path), nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errors.New("PostgreSQL is not installed (no initdb on PATH or in /usr/lib/postgresql): run `apt-get install postgresql`, or `make setup`")
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		return n
	}
	sort.Slice(found, func(i, j int) bool { return version(found[i]) > version(found[j]) })
	if _, err := os.Stat(filepath.Join(filepath.Dir(found[0]), "postgres")); err != nil {
		return "", fmt.Errorf("PostgreSQL is half installed: %w", err)
	}
	return filepath.Dir(found[0]), nil
}
