package access

import "net/http"

// Limits that tests reach and pass.
const (
	AskTimeout          = askTimeout
	AskPause            = askPause
	KeysRenewAfter      = keysRenewAfter
	KeysKeep            = keysKeep
	TokensCheckInterval = tokensCheckInterval
	MaxTokensFile       = maxTokensFile
	MaxToken            = maxToken
	MaxLimited          = maxLimited
)

// ReplaceFile is tested where it fails half way.
var ReplaceFile = replaceFile

// SetTransport lets a test answer for the identity provider.
func (a *Authenticator) SetTransport(t http.RoundTripper) { a.jwts.provider.client.Transport = t }
