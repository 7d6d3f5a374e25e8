package access

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

const (
	hashA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	hashB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func TestNewAccount(t *testing.T) {
	t.Parallel()
	expires := time.Date(2027, 12, 31, 0, 0, 0, 0, time.UTC)
	a, token, err := NewAccount("ci@example.org", expires, SyncAll, ModuleView("buildings"))
	if err != nil {
		t.Fatal(err)
	}
	if _, other, _ := NewAccount("ci", time.Time{}, SyncAll); other == token {
		t.Error("two accounts have the same token")
	}
	if !tokenLike.MatchString(token) || len(token) != len(tokenPrefix)+64 || strings.Contains(a.Line(), token[len(tokenPrefix):]) {
		t.Errorf("token %q, line %q", token, a.Line())
	}
	read, err := parseAccounts("file", "# accounts\n\n"+a.Line()+" # theirs\r\n")
	if err != nil || len(read) != 1 || !reflect.DeepEqual(read[0], a) || read[0].hash != hashToken(token) {
		t.Errorf("wrote %q, read %+v, %v", a.Line(), read, err)
	}
	for _, c := range []struct {
		name        string
		permissions []Permission
		want        string
	}{
		{"", []Permission{ViewAll}, "1 to 64 letters"},
		{"my ci", []Permission{ViewAll}, "1 to 64 letters"},
		{"oidc:alice", []Permission{ViewAll}, "1 to 64 letters"},
		{"Anonymous", []Permission{ViewAll}, "choose another one"},
		{"ci", nil, "at least one"},
		{"ci", []Permission{"all"}, "choose one of"},
	} {
		if a, token, err := NewAccount(c.name, time.Time{}, c.permissions...); err == nil || !strings.Contains(err.Error(), c.want) || token != "" {
			t.Errorf("%q %v: got %+v, %v; want %q", c.name, c.permissions, a, err, c.want)
		}
	}
}

// TestHashIsSha256sum pins the format: printf %s TOKEN | sha256sum.
func TestHashIsSha256sum(t *testing.T) {
	t.Parallel()
	// sha256sum of "abc", from FIPS 180-2.
	accounts, err := parseAccounts("file", "x sha256:BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad modules.buildings.view")
	if err != nil || !accounts[0].hash.equal(hashToken("abc")) || accounts[0].hash.equal(hashToken("abd")) {
		t.Errorf("%v %v", accounts, err)
	}
}

// TestBadAccounts: file, line, reason and next step; and never what may be a token.
func TestBadAccounts(t *testing.T) {
	t.Parallel()
	token := newToken()
	for text, want := range map[string]string{
		"ci":                                        "file:1: 1 words: write NAME sha256:HASH PERMISSION",
		"ci " + hashA:                               "file:1: 2 words: write NAME sha256:HASH PERMISSION",
		"ci " + hashA + " # permission":             "file:1: 2 words",
		"\n\nci " + hashA + " a b c":                "file:3: 5 words",
		"c:i " + hashA + " x":                       `file:1: name "c:i": use 1 to 64 letters`,
		"\ufeffci " + hashA + " x":                  `file:1: name "\ufeffci"`,
		"anonymous " + hashA + " x":                 "callers without credentials are called so",
		"ci aaaa x":                                 "the second word is not sha256: with 64 hexadecimal digits",
		"ci " + hashA + "aa x":                      "the second word is not sha256:",
		"ci " + hashA[:70] + "z x":                  "the second word is not sha256:",
		"ci md5:" + hashA[7:] + " x":                "the second word is not sha256:",
		"ci " + hashA + " view":                     `file:1: permission "view": there is none; choose one of`,
		"ci " + hashA + " " + string(ViewAll) + ",": `permission "": there is none`,
		"ci " + hashA + " " + string(ViewAll) + " 2027-12-31":                           `"2027-12-31" is no expiry date: write it as expires=2027-12-31`,
		"ci " + hashA + " " + string(ViewAll) + " expires=2027-02-30":                   "is no expiry date",
		"ci " + hashA + " " + string(ViewAll) + " expires=2027-12-31T00:00:00Z":         "is no expiry date",
		"ci " + hashA + " " + string(ViewAll) + "\nci " + hashB + " " + string(SyncAll): "file:2: ci is there already, on line 1",
		"ci " + hashA + " " + string(ViewAll) + "\ncd " + hashA + " " + string(SyncAll): "file:2: the token is that of line 1",
		"ci " + token + " " + string(ViewAll):                                           "file:1: this is a token itself, not its hash",
		token:                                                                           "file:1: this is a token itself",
		"ci " + hashA + " " + token[:40]:                                                "file:1: this is a token itself",
		"ci sha256:" + token + " x":                                                     "file:1: this is a token itself",
		"ci " + strings.ToUpper(hashA[7:]):                                              "file:1: 2 words",
	} {
		accounts, err := parseAccounts("file", text)
		if err == nil || accounts != nil || !strings.Contains(err.Error(), want) || tokenLike.MatchString(err.Error()) {
			t.Errorf("%q: got %v, %v; want %q", text, accounts, err, want)
		}
	}
	for _, empty := range []string{"", "\n", "# nobody\n", " \t\r\n"} {
		if accounts, err := parseAccounts("file", empty); err != nil || len(accounts) != 0 {
			t.Errorf("%q: got %v, %v; want nobody", empty, accounts, err)
		}
	}
}

// FuzzParseAccounts: what is accepted says the same when it is written again; a refusal
// names the file, is short, and quotes no token.
func FuzzParseAccounts(f *testing.F) {
	for _, seed := range []string{
		"", "# x\n", "ci " + hashA + " " + string(ViewAll), "ci\t" + hashA + "  " + string(ViewAll) + "," + string(SyncAll) + " expires=2027-12-31 # x\r\n",
		"a " + hashA + " modules.buildings.view\nb " + hashB + " modules.buildings.view\n", "ci tidemark_0123456789abcdef0123456789abcdef x",
		"ci " + hashA + " x expires=", "\x00 \xff \u2028", "a\u00a0b c d",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		accounts, err := parseAccounts("file", text)
		if err != nil {
			if accounts != nil || !strings.HasPrefix(err.Error(), "file:") || len(err.Error()) > 1500 || tokenLike.MatchString(err.Error()) {
				t.Errorf("%q: got %v, %v", text, accounts, err)
			}
			return
		}
		var lines []string
		for _, a := range accounts {
			lines = append(lines, a.Line())
		}
		again, err := parseAccounts("file", strings.Join(lines, "\n"))
		if err != nil || !reflect.DeepEqual(again, accounts) {
			t.Errorf("%q: read as %+v, written and read again as %+v, %v", text, accounts, again, err)
		}
	})
}
