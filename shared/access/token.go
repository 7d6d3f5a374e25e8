package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"regexp"
	"strings"
)

// tokenPrefix lets people, logs and scanners for secrets recognise a token. No JWT begins
// with it: theirs begin with eyJ.
const tokenPrefix = "tidemark_"

// tokenBytes are as many as the hash has: guessing is hopeless.
const tokenBytes = 32

// newToken makes a static token: the prefix and 64 hexadecimal digits.
func newToken() string {
	secret := make([]byte, tokenBytes)
	_, _ = rand.Read(secret) // It never returns an error: it ends the program.
	return tokenPrefix + hex.EncodeToString(secret)
}

// isStaticToken tells static tokens from JWTs.
func isStaticToken(token string) bool { return strings.HasPrefix(token, tokenPrefix) }

// tokenLike finds what may be a token, or a part of one.
var tokenLike = regexp.MustCompile(tokenPrefix + `[0-9A-Fa-f]{16}`)

// tokenHash is SHA-256 over the whole token, prefix included, so that sha256sum makes the
// same. A slow, salted hash is for secrets that people choose: against 256 random bits
// no list of likely ones helps, and a fast hash costs the server nothing per request.
type tokenHash [sha256.Size]byte

func hashToken(token string) tokenHash { return sha256.Sum256([]byte(token)) }

// equal takes the same time wherever the hashes differ.
func (h tokenHash) equal(other tokenHash) bool {
	return subtle.ConstantTimeCompare(h[:], other[:]) == 1
}
