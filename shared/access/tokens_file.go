package access

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// tokensCheckInterval is how long a version of the file is used unseen. So long a
	// withdrawn token may still work.
	tokensCheckInterval = time.Second
	// maxTokensFile bounds the file in bytes; it is enough for thousands of accounts.
	maxTokensFile = 1 << 20
)

// tokensFile keeps the accounts of a file that may change at any time. It looks at use,
// and reads the whole file: times and sizes can stay the same over a change.
type tokensFile struct {
	path string
	log  *slog.Logger

	// mu guards what follows, also during a look, so that nobody is judged by a version
	// that somebody else is just replacing.
	mu sync.Mutex
	// checked is the moment of the latest look.
	checked time.Time
	// seen is what the latest look found, good or not; each version is logged once.
	seen version
	// accounts are those of the last good version.
	accounts []Account
	// err says why the version seen is not in force.
	err error
}

// version is the text of a file, or why it could not be read.
type version struct{ text, problem string }

// openTokensFile reads the file for the first time, when a bad one is refused.
func openTokensFile(path string, log *slog.Logger) (*tokensFile, error) {
	f := &tokensFile{path: path, log: log}
	text, err := readTokensFile(path)
	if err == nil {
		f.accounts, err = parseAccounts(path, text)
	}
	if err != nil {
		return nil, err
	}
	f.seen, f.checked = version{text: text}, time.Now()
	return f, nil
}

// current returns the accounts in force, and why they are not those of the newest version.
func (f *tokensFile) current() ([]Account, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.checked) >= tokensCheckInterval {
		f.checked = now
		f.look()
	}
	return f.accounts, f.err
}

// look takes over a new version of the file.
func (f *tokensFile) look() {
	text, err := readTokensFile(f.path)
	found := version{text: text}
	if err != nil {
		found = version{problem: err.Error()}
	}
	if found == f.seen {
		return
	}
	f.seen = found
	var accounts []Account
	if err == nil {
		accounts, err = parseAccounts(f.path, text)
	}
	if err != nil {
		f.err = fmt.Errorf("the tokens of the last good version stay in force: %w", err)
		f.log.Error("the tokens file cannot be used", "file", f.path, "err", f.err)
		return
	}
	f.accounts, f.err = accounts, nil
	f.log.Info("the tokens file was read anew", "file", f.path, "accounts", len(accounts))
}

// authenticate finds the principal of a static token.
func (f *tokensFile) authenticate(token string) (Principal, error) {
	accounts, _ := f.current() // What is wrong with the file is no caller's business.
	hash, found := hashToken(token), Account{}
	for _, a := range accounts {
		// No early end: the time says nothing about which one it was.
		if a.hash.equal(hash) {
			found = a
		}
	}
	switch {
	case found.Name == "":
		return Principal{}, &BadCredentialsError{"the token is not known here: it was withdrawn, or it is another installation's"}
	case !found.Expires.IsZero() && !time.Now().Before(found.Expires):
		return Principal{}, &BadCredentialsError{"the token expired on " + found.Expires.Format(time.DateOnly) + ": ask the operator for a new one"}
	default:
		return NewPrincipal(found.Name, found.Permissions...), nil
	}
}

// ReadAccounts reads a tokens file for people to look at.
func ReadAccounts(path string) ([]Account, error) {
	text, err := readTokensFile(path)
	if err != nil {
		return nil, err
	}
	return parseAccounts(path, text)
}

// readTokensFile reads the file if nobody but its owner can write it: whoever can may
// allow himself anything. That others can read it does no harm, it holds only hashes.
func readTokensFile(path string) (string, error) {
	// Opening a named pipe must not wait for somebody to write into it.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%w: make it with `tidemark token create --file %s`", err, path)
	}
	if err != nil {
		return "", fmt.Errorf("%w: see to it that this user may read it", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s: it is no regular file; name one that can be read again and again", path)
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return "", fmt.Errorf("%s: its mode %#o lets others than its owner write it, and so allow themselves anything: chmod go-w %[1]s", path, mode)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxTokensFile+1))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	if len(text) > maxTokensFile {
		return "", fmt.Errorf("%s: it is longer than %d bytes; is it the right file?", path, maxTokensFile)
	}
	return string(text), nil
}
