package access

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// AppendAccount adds a line to the tokens file, which it makes (mode 0600) where there is
// none. Exporters that read meanwhile see the old file or the new one, whole; a crash
// leaves one of the two. A file that is not in order, or has the name already, is left as it is.
func AppendAccount(path string, a Account) error {
	// A link stays one: what it points to is replaced.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	unlock, err := lockDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer unlock()
	text, err := readTokensFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	text += a.Line() + "\n"
	if _, err := parseAccounts(path, text); err != nil {
		return err
	}
	if len(text) > maxTokensFile {
		return fmt.Errorf("%s: it would be longer than %d bytes, and not be read any more: remove accounts that nobody uses", path, maxTokensFile)
	}
	return replaceFile(path, text)
}

// lockDir keeps other writers out until unlock is called. The lock is the directory's
// because the file itself is replaced.
func lockDir(path string) (unlock func(), err error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		_ = dir.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { _ = dir.Close() }, nil
}

// replaceFile writes a file anew in one step. Owner and mode stay: exporters may run as
// another user than the operator.
func replaceFile(path, text string) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = file.Close()
			_ = os.Remove(file.Name())
		}
	}()
	if old, err := os.Stat(path); err == nil {
		if owner, ok := old.Sys().(*syscall.Stat_t); ok {
			if err := file.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
				return fmt.Errorf("%s belongs to another user or group: %w; run this command as its owner", path, err)
			}
		}
		if err := file.Chmod(old.Mode().Perm()); err != nil {
			return err
		}
	}
	if _, err := file.WriteString(text); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a rename outlive a power failure.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
