package access_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tidemark/shared/access"
)

func account(t *testing.T, name string) access.Account {
	t.Helper()
	a, _, err := access.NewAccount(name, time.Time{}, access.ViewAll)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestAppendAccount(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, link := filepath.Join(dir, "tokens"), filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	a, b, c := account(t, "a"), account(t, "b"), account(t, "c")
	if err := access.AppendAccount(path, a); err != nil {
		t.Fatal(err)
	}
	if mode(t, path) != 0o600 {
		t.Errorf("a new file has mode %v", mode(t, path))
	}
	// A file that people keep: a comment, no line break at its end, a mode and an owner of its own.
	text := "# ours\n" + a.Line()
	write(t, path, text)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	owner := os.Getuid()
	if owner == 0 {
		owner = 1
		if err := os.Chown(path, owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	if err := access.AppendAccount(link, b); err != nil {
		t.Fatal(err)
	}
	text += "\n" + b.Line() + "\n"
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if read(t, path) != text || mode(t, path) != 0o640 || int(info.Sys().(*syscall.Stat_t).Uid) != owner {
		t.Errorf("mode %v, %+v, text\n%s\nwant\n%s", mode(t, path), info.Sys(), read(t, path), text)
	}
	if target, err := os.Readlink(link); err != nil || target != path {
		t.Errorf("the link became %q, %v", target, err)
	}

	for name, refused := range map[string]func() error{
		"b is there already, on line 3": func() error { return access.AppendAccount(path, account(t, "b")) },
		"tokens:1: 1 words": func() error {
			write(t, path, "nonsense\n")
			defer write(t, path, text)
			return access.AppendAccount(path, c)
		},
		"chmod go-w": func() error {
			if err := os.Chmod(path, 0o646); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = os.Chmod(path, 0o640) }()
			return access.AppendAccount(path, c)
		},
		"it would be longer": func() error {
			write(t, path, strings.Repeat("#\n", access.MaxTokensFile/2))
			defer write(t, path, text)
			return access.AppendAccount(path, c)
		},
		"no such file": func() error { return access.AppendAccount(filepath.Join(dir, "nowhere", "tokens"), c) },
	} {
		if err := refused(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %q", err, name)
		}
		if read(t, path) != text {
			t.Errorf("%s: the file became\n%s", name, read(t, path))
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := access.ReplaceFile(filepath.Join(dir, "full"), text); err == nil {
		t.Error("a directory was replaced by a file")
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestAppendAtOnce: of writers at the same time none loses what another one wrote, and of
// those with the same name one wins.
func TestAppendAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	var all sync.WaitGroup
	var mu sync.Mutex
	refused := 0
	for i := range 20 {
		all.Go(func() {
			if err := access.AppendAccount(path, account(t, fmt.Sprintf("n%d", i))); err != nil {
				t.Error(err)
			}
			if err := access.AppendAccount(path, account(t, "same")); err != nil {
				mu.Lock()
				defer mu.Unlock()
				refused++
			}
		})
	}
	all.Wait()
	if accounts, err := access.ReadAccounts(path); err != nil || len(accounts) != 21 || refused != 19 {
		t.Errorf("%d accounts, %d refusals, %v", len(accounts), refused, err)
	}
}
