package access

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"
)

func decode(t *testing.T, text string) (claims map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

var testRoles = map[string][]Permission{
	"operator": {SyncAll},
	"travel":   {ModuleView("professional_travel"), ModuleView("buildings")},
	"idle":     {},
	// A role cannot give a permission another meaning.
	string(ViewAll): {SyncAll},
}

func TestClaimedPermissions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ path, claims, want string }{
		{"scope", `{"scope": "openid ` + string(SyncAll) + `  operator"}`, "[" + string(SyncAll) + " " + string(SyncAll) + "]"},
		{"scope", `{"scope": "openid email"}`, "[]"},
		{"scope", `{"scope": ""}`, "[]"},
		{"scope", `{}`, "[]"},
		{"scope", `{"scope": null}`, "[]"},
		{"scope", `{"scope": 7}`, "[]"},
		{"scope", `{"scope": true}`, "[]"},
		{"scope", `{"scope": {"operator": true}}`, "[]"},
		{"scope", `{"scope": "operators Operator xoperator"}`, "[]"},
		{"roles", `{"roles": ["idle", "travel", "modules.nothing.view", ""]}`, "[modules.professional_travel.view modules.buildings.view]"},
		{"roles", `{"roles": ["operator travel"]}`, "[]"},
		{"roles", `{"roles": [7, null, ["operator"], {"operator": 1}, "operator"]}`, "[" + string(SyncAll) + "]"},
		{"roles", `{"roles": ["` + string(ViewAll) + `"]}`, "[" + string(ViewAll) + "]"},
		{"realm_access.roles", `{"realm_access": {"roles": ["operator"]}}`, "[" + string(SyncAll) + "]"},
		{"realm_access.roles", `{"realm_access": ["operator"]}`, "[]"},
		{"realm_access.roles", `{"realm_access": {"role": ["operator"]}}`, "[]"},
		{"realm_access.roles", `{"realm_access.roles": ["travel"], "realm_access": {"roles": ["operator"]}}`, "[modules.professional_travel.view modules.buildings.view]"},
		{"https://tidemark.example.org/roles", `{"https://tidemark.example.org/roles": "operator"}`, "[" + string(SyncAll) + "]"},
		{"resource_access.my.client.roles", `{"resource_access": {"my.client": {"roles": ["operator"]}}}`, "[" + string(SyncAll) + "]"},
		{"a.b.c", `{"a.b": {"x": 1}, "a": {"b": {"c": "operator"}}}`, "[" + string(SyncAll) + "]"},
		{".", `{"": {"": "operator"}}`, "[" + string(SyncAll) + "]"},
	} {
		value, _ := claimAt(decode(t, c.claims), c.path)
		if got := fmt.Sprint(claimedPermissions(value, testRoles)); got != c.want {
			t.Errorf("%s in %s: got %s, want %s", c.path, c.claims, got, c.want)
		}
	}
}

func TestPrincipalName(t *testing.T) {
	t.Parallel()
	for claims, want := range map[string]string{
		`{"sub": "7f3a"}`: "oidc:7f3a",
		`{"sub": "7f3a", "preferred_username": "alice", "email": "a@example.org", "email_verified": true}`: "oidc:alice (7f3a)",
		`{"sub": "7f3a", "email": "a@example.org", "email_verified": true}`:                                "oidc:a@example.org (7f3a)",
		`{"sub": "7f3a", "email": "a@example.org", "email_verified": "true"}`:                              "oidc:a@example.org (7f3a)",
		`{"sub": "7f3a", "email": "a@example.org", "email_verified": false}`:                               "oidc:7f3a",
		`{"sub": "7f3a", "email": "a@example.org", "email_verified": "false"}`:                             "oidc:7f3a",
		`{"sub": "7f3a", "email": "a@example.org", "email_verified": 1}`:                                   "oidc:7f3a",
		`{"sub": "7f3a", "email": "a@example.org"}`:                                                        "oidc:7f3a",
		`{"sub": "alice", "preferred_username": "alice"}`:                                                  "oidc:alice",
		`{"sub": "auth0|7", "preferred_username": "DOMAIN\\élise"}`:                                        `oidc:DOMAIN\élise (auth0|7)`,
		`{"sub": "CN=A B,O=C"}`: "oidc:CN=A B,O=C",
		// Names that would look like somebody else's, or spoil a log, give way to sub.
		`{"sub": "7f3a", "preferred_username": "bob (1)"}`:                          "oidc:7f3a",
		`{"sub": "7f3a", "preferred_username": "bob "}`:                             "oidc:7f3a",
		`{"sub": "7f3a", "preferred_username": "b\u202eob"}`:                        "oidc:7f3a",
		`{"sub": "7f3a", "preferred_username": "b\u200bob"}`:                        "oidc:7f3a",
		`{"sub": "7f3a", "preferred_username": "bob\nevil"}`:                        "oidc:7f3a",
		`{"sub": "7f3a", "preferred_username": "b\ud800b"}`:                         "oidc:7f3a",
		`{"sub": "7f3a", "preferred_username": ["bob"]}`:                            "oidc:7f3a",
		`{"sub": "7f3a", "preferred_username": "` + strings.Repeat("b", 256) + `"}`: "oidc:7f3a",
		`{}`:                  "",
		`{"sub": ""}`:         "",
		`{"sub": 7}`:          "",
		`{"sub": "a)"}`:       "",
		`{"sub": "a\u0000b"}`: "",
		`{"sub": "` + strings.Repeat("b", 256) + `"}`: "",
	} {
		got, err := principalName(decode(t, claims))
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v; want %q", claims, got, err, want)
		}
	}
}

// FuzzClaims: whatever a provider signs gives a name that is nobody else's and fit for a log,
// and no permission that its claim does not name.
func FuzzClaims(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `[]`, `{"sub":"a","x":{"y":["operator","` + string(ViewAll) + `"]}}`, `{"sub":"a","x.y":"travel  operator"}`,
		`{"sub":"a","preferred_username":"b","x":{"y":null}}`, `{"sub":"a (b)","preferred_username":"b"}`, `{"sub":"\ud800","email":"e","email_verified":"true","x":[{"y":[[]]}]}`,
	} {
		f.Add([]byte(seed), "x.y")
	}
	f.Add([]byte(`{"":{"":{"":"operator"}}}`), "..")
	f.Fuzz(func(t *testing.T, text []byte, path string) {
		if len(text) > maxToken || len(path) > 100 {
			return
		}
		var claims map[string]any
		if json.Unmarshal(text, &claims) != nil {
			return
		}
		value, found := claimAt(claims, path)
		permissions := claimedPermissions(value, testRoles)
		if !found && len(permissions) > 0 {
			t.Errorf("no claim gives %v", permissions)
		}
		for _, p := range permissions {
			named := strings.Contains(fmt.Sprint(value), string(p))
			byRole := slices.ContainsFunc([]string{"operator", "travel"}, func(role string) bool {
				return slices.Contains(testRoles[role], p) && strings.Contains(fmt.Sprint(value), role)
			})
			if !p.exists() || !named && !byRole {
				t.Errorf("%s: %v gives %s", text, value, p)
			}
		}
		name, err := principalName(claims)
		if err != nil {
			if name != "" {
				t.Errorf("%s: name %q beside %v", text, name, err)
			}
			return
		}
		sub, shown := claims["sub"].(string), ""
		rest, ok := strings.CutPrefix(name, "oidc:")
		if i := strings.IndexByte(rest, '('); i >= 0 {
			shown, rest = rest[:i], strings.TrimSuffix(rest[i+1:], ")")
		}
		if !ok || rest != sub || strings.Contains(strings.TrimSuffix(shown, " "), " ") || checkAccountName(name) == nil ||
			strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) || len(name) > 2*maxClaimedName+10 {
			t.Errorf("%s: name %q", text, name)
		}
	})
}
