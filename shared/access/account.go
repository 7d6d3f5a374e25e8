package access

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Account is one line of a tokens file: a principal with a static token.
type Account struct {
	// Name is the principal's, unique in its file.
	Name string
	// Permissions is what it may do, at least one.
	Permissions []Permission
	// Expires is from when on the token is refused; zero for never.
	Expires time.Time

	hash tokenHash
}

// NewAccount makes an account with a new token. The account holds only its hash; the token
// is not to be had again. Of the expiry only the day counts (UTC).
func NewAccount(name string, expires time.Time, permissions ...Permission) (a Account, token string, err error) {
	if err := checkAccountName(name); err != nil {
		return Account{}, "", err
	}
	if len(permissions) == 0 {
		return Account{}, "", fmt.Errorf("%s has no permission: give it at least one", name)
	}
	for _, p := range permissions {
		if _, err := ParsePermission(string(p)); err != nil {
			return Account{}, "", err
		}
	}
	token = newToken()
	return Account{Name: name, Permissions: permissions, Expires: expires, hash: hashToken(token)}, token, nil
}

const (
	hashPrefix    = "sha256:"
	expiresPrefix = "expires="
)

// Line is how the account stands in the tokens file, without a line break.
func (a Account) Line() string {
	names := make([]string, len(a.Permissions))
	for i, p := range a.Permissions {
		names[i] = string(p)
	}
	line := a.Name + " " + hashPrefix + hex.EncodeToString(a.hash[:]) + " " + strings.Join(names, ",")
	if !a.Expires.IsZero() {
		line += " " + expiresPrefix + a.Expires.UTC().Format(time.DateOnly)
	}
	return line
}

// accountName leaves out the colon that other kinds of principals have, and all that
// would have to be quoted somewhere.
var accountName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

func checkAccountName(name string) error {
	if !accountName.MatchString(name) {
		return fmt.Errorf("name %.80q: use 1 to 64 letters, digits or any of . _ @ - and begin with a letter or digit", name)
	}
	if strings.EqualFold(name, anonymous) {
		return fmt.Errorf("name %q: callers without credentials are called so; choose another one", name)
	}
	return nil
}

// parseAccount reads a line: NAME sha256:HASH PERMISSION[,PERMISSION...] [expires=YYYY-MM-DD].
// No error quotes what may be a token.
func parseAccount(line string) (Account, error) {
	if tokenLike.MatchString(line) {
		return Account{}, errors.New("this is a token itself, not its hash: take it for known by others; make a new one with `tidemark token create`, which prints the line to put here")
	}
	fields := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
	if len(fields) < 3 || len(fields) > 4 {
		return Account{}, fmt.Errorf("%d words: write NAME sha256:HASH PERMISSION[,PERMISSION...] [expires=YYYY-MM-DD], as `tidemark token create` prints it", len(fields))
	}
	a := Account{Name: fields[0]}
	if err := checkAccountName(a.Name); err != nil {
		return Account{}, err
	}
	digits, ok := strings.CutPrefix(fields[1], hashPrefix)
	hash, err := hex.DecodeString(digits)
	if !ok || err != nil || len(hash) != len(a.hash) {
		return Account{}, errors.New("the second word is not sha256: with 64 hexadecimal digits behind it: make the line anew with `tidemark token create`")
	}
	a.hash = tokenHash(hash)
	for name := range strings.SplitSeq(fields[2], ",") {
		p, err := ParsePermission(name)
		if err != nil {
			return Account{}, err
		}
		a.Permissions = append(a.Permissions, p)
	}
	if len(fields) == 4 {
		date, ok := strings.CutPrefix(fields[3], expiresPrefix)
		a.Expires, err = time.Parse(time.DateOnly, date)
		if !ok || err != nil {
			return Account{}, fmt.Errorf("%.80q is no expiry date: write it as expires=2027-12-31; the token is refused from that day on (UTC)", fields[3])
		}
	}
	return a, nil
}

// parseAccounts reads a whole tokens file; # begins a comment. The error names file, line,
// reason and next step.
func parseAccounts(file, text string) ([]Account, error) {
	var accounts []Account
	names, hashes := map[string]int{}, map[tokenHash]int{}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		a, err := parseAccount(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, number, err)
		}
		if first := names[a.Name]; first > 0 {
			return nil, fmt.Errorf("%s:%d: %s is there already, on line %d: remove one of them, or give it another name", file, number, a.Name, first)
		}
		if first := hashes[a.hash]; first > 0 {
			return nil, fmt.Errorf("%s:%d: the token is that of line %d: give each principal one of its own", file, number, first)
		}
		names[a.Name], hashes[a.hash] = number, number
		accounts = append(accounts, a)
	}
	return accounts, nil
}
