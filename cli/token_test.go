package cli_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tidemark/shared/access"
)

// tokenOutput is all that stdout may hold: a script takes it as it is.
var tokenOutput = regexp.MustCompile(`^tidemark_[0-9a-f]{64}\n$`)

// TestTokenWorks: what is made by the commands of README is let in, for what was granted.
func TestTokenWorks(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir := t.TempDir()
	file := filepath.Join(dir, "tokens")
	code, ci, stderr := tidemark(ctx, "token", "create", "--name=ci", "--permission="+string(access.SyncAll), "--expires=2999-12-31", "--file="+file)
	if code != 0 || !tokenOutput.MatchString(ci) || !strings.Contains(stderr, file+" has the account") || strings.Contains(stderr, strings.TrimSpace(ci)) {
		t.Fatalf("exit code %d, said %q and %q", code, ci, stderr)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	// Without a file the line is there to be put where it belongs.
	code, travel, stderr := tidemark(ctx, "token", "create", "--name", "travel", "--permission", "modules.professional_travel.view", "--permission", "modules.buildings.view")
	line := regexp.MustCompile(`(?m)^travel sha256:[0-9a-f]{64} modules\.professional_travel\.view,modules\.buildings\.view$`).FindString(stderr)
	if code != 0 || !tokenOutput.MatchString(travel) || line == "" || strings.Contains(stderr, strings.TrimSpace(travel)) {
		t.Fatalf("exit code %d, said %q and %q", code, travel, stderr)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, line+"\nguest sha256:"+strings.Repeat("0", 64)+" modules.buildings.view expires=2020-01-01\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := access.New(access.Options{TokensFile: file})
	if err != nil {
		t.Fatal(err)
	}
	for token, want := range map[string]string{ci: "ci", travel: "travel"} {
		p, err := a.Authenticate(&http.Request{Header: http.Header{"Authorization": {"Bearer " + strings.TrimSpace(token)}}})
		if err != nil || p.Name != want || p.MayRequest() != (want == "ci") || !p.MayView(2) || !p.MayView(3) || p.MayView(4) != (want == "ci") {
			t.Errorf("%s: got %+v, %v", want, p, err)
		}
	}

	code, stdout, stderr := tidemark(ctx, "token", "list", "--file", file)
	const wantTable = "NAME    PERMISSIONS                                              EXPIRES\n" +
		"ci      backoffice.data_management.sync                          2999-12-31\n" +
		"travel  modules.professional_travel.view modules.buildings.view  never\n" +
		"guest   modules.buildings.view                                   2020-01-01 (expired)\n"
	if code != 0 || stdout != wantTable {
		t.Errorf("exit code %d, %s\n%s\nwant\n%s", code, stderr, stdout, wantTable)
	}
	_, stdout, _ = tidemark(ctx, "token", "list", "--file", file, "-o", "json")
	const wantJSON = `[{"name":"ci","permissions":["backoffice.data_management.sync"],"expires":"2999-12-31","expired":false},` +
		`{"name":"travel","permissions":["modules.professional_travel.view","modules.buildings.view"],"expires":null,"expired":false},` +
		`{"name":"guest","permissions":["modules.buildings.view"],"expires":"2020-01-01","expired":true}]` + "\n"
	if stdout != wantJSON || !json.Valid([]byte(stdout)) {
		t.Errorf("got  %s\nwant %s", stdout, wantJSON)
	}

	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stdout, _ := tidemark(ctx, "token", "list", "--file", empty); stdout != "nobody has a token\n" {
		t.Errorf("an empty file: %q", stdout)
	}
	if _, stdout, _ := tidemark(ctx, "token", "list", "--file", empty, "-o", "json"); stdout != "[]\n" {
		t.Errorf("an empty file: %q", stdout)
	}
}

// TestTokenRefusals: nothing is printed that looks like a token, and no file changes.
func TestTokenRefusals(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "tokens")
	const text = "ci sha256:0000000000000000000000000000000000000000000000000000000000000000 modules.buildings.view\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	const view = " --permission modules.buildings.view"
	for args, want := range map[string]string{
		"token make":                                           `token: there is no "make"; see ` + "`tidemark token --help`",
		"token create --permission x":                          "token create: --name is missing; see `tidemark token create --help`",
		"token create --name cd":                               "token create: --permission is missing",
		"token create --name cd --permission all":              `--permission: permission "all": there is none; choose one of backoffice.data_management.sync`,
		"token create --name oidc:cd" + view:                   `--name: name "oidc:cd": use 1 to 64 letters`,
		"token create --name cd --expires 2027-13-01" + view:   `--expires "2027-13-01": not a day; write it as`,
		"token create --name cd --expires 2020-01-01" + view:   "--expires 2020-01-01: the token would never work",
		"token create --name ci --file " + file + view:         "--file: " + file + ":2: ci is there already, on line 1",
		"token create --name cd --file " + file + "/x" + view:  "not a directory",
		"token create --name cd --file /nowhere/tokens" + view: "--file: open /nowhere: no such file or directory",
		"token list":                        "token list: --file is missing",
		"token list --file /nowhere":        "make it with `tidemark token create --file /nowhere`",
		"token list -o yaml --file " + file: `--output "yaml": not a format`,
	} {
		code, stdout, stderr := tidemark(context.Background(), strings.Fields(args)...)
		if code != 2 || stdout != "" || !strings.Contains(stderr, want) || strings.Contains(stderr, "tidemark_") {
			t.Errorf("%s: exit code %d, said %q and %q; want 2 and %q", args, code, stdout, stderr, want)
		}
	}
	if after, err := os.ReadFile(file); err != nil || string(after) != text {
		t.Errorf("the file became %q, %v", after, err)
	}
}
