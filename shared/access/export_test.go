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

// SetTransport lets a test answer for the identity provider.
func (a *Authenticator) SetTransport(t http.RoundTripper) { a.jwts.provider.client.Transport = t }
