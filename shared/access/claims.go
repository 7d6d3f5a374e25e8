package access

import (
	"errors"
	"strings"
	"unicode"
)

// claimAt finds a claim by its path. Names with dots in them, as URLs and the ids of
// clients have, are found too: the longer name goes first.
func claimAt(claims map[string]any, path string) (value any, ok bool) {
	if value, ok = claims[path]; ok {
		return value, true
	}
	for end := strings.LastIndexByte(path, '.'); end >= 0; end = strings.LastIndexByte(path[:end], '.') {
		inner, isObject := claims[path[:end]].(map[string]any)
		if !isObject {
			continue
		}
		if value, ok = claimAt(inner, path[end+1:]); ok {
			return value, true
		}
	}
	return nil, false
}

// claimedPermissions reads an array of strings, or a string of words between spaces. What
// is neither a permission nor one of the roles is some other application's.
func claimedPermissions(value any, roles map[string][]Permission) []Permission {
	var permissions []Permission
	add := func(word string) {
		if p := Permission(word); p.exists() {
			permissions = append(permissions, p)
		} else {
			permissions = append(permissions, roles[word]...)
		}
	}
	switch value := value.(type) {
	case string:
		for word := range strings.FieldsSeq(value) {
			add(word)
		}
	case []any:
		for _, element := range value {
			if word, isString := element.(string); isString {
				add(word)
			}
		}
	}
	return permissions
}

// maxClaimedName bounds the claims that make a name, in bytes; OpenID Connect bounds sub so.
const maxClaimedName = 255

// principalName makes the name of a JWT's holder, "oidc:SUB" or "oidc:SHOWN (SUB)". Users
// may often choose the name that is shown, so it alone would let one pass for another. No
// two subs make the same name: neither part has parentheses, SHOWN has no space.
func principalName(claims map[string]any) (string, error) {
	sub, _ := claims["sub"].(string)
	if !plain(sub) {
		return "", errors.New("its claim sub is missing, too long, or has characters that no name should have")
	}
	shown, _ := claims["preferred_username"].(string)
	if verified := claims["email_verified"]; shown == "" && (verified == true || verified == "true") {
		// Some providers write the boolean as a string.
		shown, _ = claims["email"].(string)
	}
	if !plain(shown) || strings.Contains(shown, " ") || shown == sub {
		return "oidc:" + sub, nil
	}
	return "oidc:" + shown + " (" + sub + ")", nil
}

// plain reports whether a text can stand in a name: something printable, without parentheses.
func plain(text string) bool {
	odd := func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar || r == '(' || r == ')' }
	return text != "" && len(text) <= maxClaimedName && strings.IndexFunc(text, odd) < 0
}
