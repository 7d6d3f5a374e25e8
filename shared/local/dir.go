package local

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// dir is a server's home: a directory that only its user may enter.
type dir struct {
	path string
	// user is whom the server runs as; nil for the user of this process.
	user *syscall.Credential
	// owner is locked for as long as this process lives; see sweep.
	owner *os.File
}

// dirPrefix marks our directories. They lie under /tmp, not TMPDIR: a socket's
// path must fit in 107 bytes, and the server's user must be able to get there.
const dirPrefix = "/tmp/tidemark-"

func newDir(kind string) (*dir, error) {
	sweep()
	// It gets its name when it has its owner: before, somebody's sweep could take it for abandoned.
	const unnamed = "new-"
	path, err := os.MkdirTemp("/tmp", unnamed+filepath.Base(dirPrefix)+kind+"-")
	if err != nil {
		return nil, err
	}
	owner, err := lockFile(path + "/owner")
	if err != nil {
		return nil, err
	}
	d := &dir{path: filepath.Join("/tmp", strings.TrimPrefix(filepath.Base(path), unnamed)), owner: owner}
	if err := os.Rename(path, d.path); err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return d, nil
	}
	if d.user, err = serverUser(); err != nil {
		return nil, err
	}
	return d, os.Chown(d.path, int(d.user.Uid), int(d.user.Gid))
}

// write fills the directory with files, by path.
func (d *dir) write(files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(d.path, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (d *dir) remove() {
	_ = os.RemoveAll(d.path)
	_ = d.owner.Close()
}

// serverUser is whom root runs servers as.
func serverUser() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if errUID == nil && errGID == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, fmt.Errorf("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as: start tidemark as another user")
}

func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, err
	}
	return f, nil
}

// sweep removes the directories of processes that were killed. A directory whose
// lock can be had has lost its owner.
func sweep() {
	owners, _ := filepath.Glob(dirPrefix + "*/owner")
	for _, owner := range owners {
		f, err := lockFile(owner)
		if err != nil {
			continue
		}
		_ = os.RemoveAll(filepath.Dir(owner))
		_ = f.Close()
	}
}
