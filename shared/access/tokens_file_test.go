package access_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tidemark/shared/access"
)

// newAccount makes an account and its token.
func newAccount(t *testing.T, name string, expires time.Time, permissions ...access.Permission) (line, token string) {
	t.Helper()
	a, token, err := access.NewAccount(name, expires, permissions...)
	if err != nil {
		t.Fatal(err)
	}
	return a.Line() + "\n", token
}

// write puts a text into a file, as an editor would.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// call authenticates a request with this token.
func call(a *access.Authenticator, token string) (access.Principal, error) {
	r, err := http.NewRequest(http.MethodGet, "/", nil)
	if err != nil {
		return access.Principal{}, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return a.Authenticate(r)
}

// wantBad checks that the caller is told this, and nothing of the token.
func wantBad(t *testing.T, a *access.Authenticator, token, want string) {
	t.Helper()
	p, err := call(a, token)
	var bad *access.BadCredentialsError
	if !errors.As(err, &bad) || !strings.Contains(bad.Reason, want) || len(token) > 8 && strings.Contains(bad.Reason, token) {
		t.Errorf("got %+v, %v; want %q", p, err, want)
	}
	if p.Name != "" || p.MayViewSome() || p.MayRequest() {
		t.Errorf("a refused caller is %+v", p)
	}
}

func wantPrincipal(t *testing.T, a *access.Authenticator, token, name string) access.Principal {
	t.Helper()
	p, err := call(a, token)
	if err != nil || p.Name != name {
		t.Errorf("got %+v, %v; want %s", p, err, name)
	}
	return p
}

func TestStaticTokens(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	ci, ciToken := newAccount(t, "ci", time.Time{}, access.SyncAll)
	travel, travelToken := newAccount(t, "travel", time.Time{}, access.ModuleView("professional_travel"))
	write(t, path, "# who may call\n"+ci+travel)
	a, err := access.New(access.Options{TokensFile: path})
	if err != nil {
		t.Fatal(err)
	}
	if p := wantPrincipal(t, a, ciToken, "ci"); !p.MayRequest() {
		t.Errorf("ci may do too little: %+v", p)
	}
	if p := wantPrincipal(t, a, travelToken, "travel"); p.MayRequest() || p.MayViewAll() || !p.MayView(2) || p.MayView(3) {
		t.Errorf("travel may do something else: %+v", p)
	}
	wantBad(t, a, ciToken[:len(ciToken)-1], "not known here")
	wantBad(t, a, ciToken+"0", "not known here")
	wantBad(t, a, strings.ToUpper(ciToken), "none of the kind")
	wantBad(t, a, "eyJhbGciOiJub25lIn0.e30.", "none of the kind")
	wantBad(t, a, strings.Fields(ci)[1][len("sha256:"):], "none of the kind")
	r, _ := http.NewRequest(http.MethodGet, "/?access_token="+ciToken, nil)
	r.AddCookie(&http.Cookie{Name: "Authorization", Value: ciToken})
	if p, err := a.Authenticate(r); !errors.Is(err, access.ErrNoCredentials) {
		t.Errorf("a token in the URL or a cookie: got %+v, %v", p, err)
	}
}

// TestTokensFileChanges: each version takes effect within a second; a bad one keeps the
// last good one in force, is logged once and shows in Err until a good one comes.
func TestTokensFileChanges(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	old, oldToken := newAccount(t, "old", time.Time{}, access.ViewAll)
	next, nextToken := newAccount(t, "new", time.Time{}, access.ViewAll)
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		write(t, path, old)
		a, err := access.New(access.Options{TokensFile: path, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		errorsLogged := func() int { return strings.Count(log.String(), "level=ERROR") }
		bad := func(wantErrors int, want string) {
			t.Helper()
			for range 3 {
				time.Sleep(access.TokensCheckInterval)
				wantPrincipal(t, a, oldToken, "old")
				wantBad(t, a, nextToken, "not known here")
				if err := a.Err(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "last good version") {
					t.Errorf("Err: %v, want %q", err, want)
				}
			}
			if n := errorsLogged(); n != wantErrors || !strings.Contains(log.String(), want) {
				t.Errorf("%d errors were logged, want %d and %q:\n%s", n, wantErrors, want, log.String())
			}
		}

		write(t, path, old+"nonsense\n")
		if wantPrincipal(t, a, oldToken, "old"); a.Err() != nil {
			t.Errorf("the file was looked at twice within %s", access.TokensCheckInterval)
		}
		bad(1, path+":2: 1 words")
		write(t, path, next+"other nonsense\n")
		bad(2, path+":2: 2 words")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		bad(3, "tidemark token create")
		write(t, path, next)
		if err := os.Chmod(path, 0o622); err != nil {
			t.Fatal(err)
		}
		bad(4, "chmod go-w "+path)
		// Only the mode changes; that is a new version all the same.
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		time.Sleep(access.TokensCheckInterval)
		if err := a.Err(); err != nil {
			t.Errorf("Err of a good version: %v", err)
		}
		wantPrincipal(t, a, nextToken, "new")
		wantBad(t, a, oldToken, "not known here")

		// Nobody is a version like any other.
		write(t, path, "")
		time.Sleep(access.TokensCheckInterval)
		wantBad(t, a, nextToken, "not known here")
		if a.Err() != nil || errorsLogged() != 4 {
			t.Errorf("Err: %v\n%s", a.Err(), log.String())
		}
		if secret := regexp.MustCompile(`[0-9a-f]{32}`); secret.MatchString(log.String()) {
			t.Errorf("the log holds tokens or hashes:\n%s", log.String())
		}
	})
}

func TestTokensExpire(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	synctest.Test(t, func(t *testing.T) {
		day := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
		line, token := newAccount(t, "guest", day, access.ViewAll)
		write(t, path, line)
		a, err := access.New(access.Options{TokensFile: path})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Until(day) - time.Nanosecond)
		wantPrincipal(t, a, token, "guest")
		time.Sleep(time.Nanosecond)
		wantBad(t, a, token, "the token expired on "+day.Format(time.DateOnly))
	})
}

// TestBadTokensFileAtStart: an exporter that would know nobody does not start.
func TestBadTokensFileAtStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		write(t, path, text)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none"):   "make it with `tidemark token create --file " + dir,
		dir:                          "it is no regular file",
		pipe:                         "it is no regular file",
		file("others", "", 0o602):    "its mode 0602 lets others than its owner write it",
		file("group", "", 0o660):     "its mode 0660 lets others than its owner write it",
		file("bad", "\nci\n", 0o600): "bad:2: 1 words",
		file("long", strings.Repeat("#\n", access.MaxTokensFile/2+1), 0o600): "it is longer than",
	} {
		if _, err := access.New(access.Options{TokensFile: path}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
		if _, err := access.ReadAccounts(path); err == nil {
			t.Errorf("ReadAccounts reads %s", path)
		}
	}
	if _, err := access.New(access.Options{TokensFile: file("full", strings.Repeat("#\n", access.MaxTokensFile/2), 0o644)}); err != nil {
		t.Errorf("a file of the greatest length: %v", err)
	}
}

// TestUseWhileTheFileIsReplaced: at any moment the old version or the new one is in force.
func TestUseWhileTheFileIsReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens")
	stays, token := newAccount(t, "stays", time.Time{}, access.ViewAll)
	write(t, path, stays)
	synctest.Test(t, func(t *testing.T) {
		a, err := access.New(access.Options{TokensFile: path, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 50 {
					time.Sleep(access.TokensCheckInterval)
					wantPrincipal(t, a, token, "stays")
					if err := a.Err(); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Go(func() {
			for i := range 50 {
				time.Sleep(access.TokensCheckInterval)
				other, _, _ := access.NewAccount("other"+strings.Repeat("x", i), time.Time{}, access.ViewAll)
				if err := access.AppendAccount(path, other); err != nil {
					t.Error(err)
				}
			}
		})
		all.Wait()
	})
}
