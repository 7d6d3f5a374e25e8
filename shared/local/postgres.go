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

	dir    *dir
	server *process
}

// StartPostgres initialises and starts a server; it takes about a second.
func StartPostgres(ctx context.Context) (*Postgres, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	d, err := newDir("pg")
	if err != nil {
		return nil, err
	}
	pg := &Postgres{dir: d, URL: fmt.Sprintf("postgres:///postgres?host=%s&user=tidemark", d.path)}
	data := filepath.Join(d.path, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"),
		"-D", data, "-U", "tidemark", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
	initdb.Dir = d.path
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: d.user}
	if out, err := initdb.CombinedOutput(); err != nil {
		d.remove()
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	pg.server, err = start(ctx, d, syscall.SIGINT, pg.ping, filepath.Join(bin, "postgres"),
		"-D", data, "-k", d.path, "-c", "listen_addresses=",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
		"-c", "max_connections=300", "-c", "max_wal_size=2GB")
	if err != nil {
		d.remove()
		return nil, err
	}
	return pg, nil
}

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
