// Package access decides who may see or request what.
//
// A caller proves who it is with a token, which a program sends in the header Authorization
// and a browser in a cookie ([NewSession]); the header counts where both are there. No
// parameter of a URL is looked at: it would end in logs. [Authenticator.Authenticate] turns a
// request into a [Principal], which answers what its holder may do. There are two kinds of tokens:
//
//   - Static tokens: 256 random bits, made by [NewAccount]. The tokens file holds their
//     SHA-256 hashes and what their holders may do, one [Account] a line. It is read anew
//     when it changes; a version that cannot be used keeps the last good one in force, is
//     logged, and shows in [Authenticator.Err].
//   - JWTs of an identity provider (OpenID Connect), signed with a key that it publishes.
//     The claim named in [OIDCOptions] carries permissions, or roles that stand for some.
//     While the provider's keys cannot be had the answer is [ErrUnavailable], never a pass.
//
// # Sessions
//
// The cookie is the session: nothing is kept here, and its token is verified at every request,
// so a session ends with its token, at once. A browser sends cookies by itself, also when
// another site makes it call. SameSite=Lax keeps it from that for all but links, and who
// changes something for a caller of Authenticate must refuse what another site has sent
// ([net/http.CrossOriginProtection]). Cookies know no ports: every service under the same
// host name gets to see the token.
//
// # Who is who
//
// [Principal.Name] goes into the audit record, so no two callers may share it. A name in
// the tokens file is a short word of letters, digits and ". _ @ -"; there it is unique. The
// name of a JWT's holder begins with "oidc:", which no word of the tokens file can, and
// holds the claim sub, which the provider gives to one user only. The name that people
// know stands in front of it, but users may often choose that one themselves.
//
// # What may be done
//
//	backoffice.data_management.sync   see everything, request computations
//	backoffice.data_management.view   see everything
//	modules.<name>.view               see one module
//
// The names are the original system's. A [Limiter] bounds how often each principal
// requests.
package access
