package cloudtest

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// The grants (RFC 7523, section 2.1; RFC 8693, section 2.1).
const (
	googleJWTBearer  = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	googleExchange   = "urn:ietf:params:oauth:grant-type:token-exchange"
	googleAccessType = "urn:ietf:params:oauth:token-type:access_token"
)

// googleSkew is how far clocks may be apart.
const googleSkew = 5 * time.Minute

// serveOAuth is the token endpoint for service accounts' keys
// (developers.google.com/identity/protocols/oauth2/service-account, "HTTP/REST").
func (g *Google) serveOAuth(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/token" || r.Method != http.MethodPost {
		http.NotFound(w, r)
		return
	}
	if err := r.ParseForm(); err != nil {
		(&googleOAuthError{"invalid_request", "Bad Request"}).serve(w)
		return
	}
	if r.PostForm.Get("grant_type") != googleJWTBearer {
		(&googleOAuthError{"unsupported_grant_type", "Invalid grant_type: " + r.PostForm.Get("grant_type")}).serve(w)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	t, no := g.assertion(r.PostForm.Get("assertion"))
	if no != nil {
		no.serve(w)
		return
	}
	googleJSON(w, http.StatusOK, map[string]any{
		"access_token": g.mint(t), "expires_in": int(t.expires.Sub(g.internet.Now()).Seconds()), "token_type": "Bearer",
	})
}

// assertion checks a signed assertion, and gives the token for it.
func (g *Google) assertion(assertion string) (googleToken, *googleOAuthError) {
	parsed, err := jwt.ParseSigned(assertion, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || len(parsed.Headers) != 1 {
		return googleToken{}, &googleOAuthError{"invalid_grant", "Invalid JWT: Failed to parse JWT."}
	}
	var c struct {
		jwt.Claims
		Scope string `json:"scope"`
	}
	if parsed.UnsafeClaimsWithoutVerification(&c) != nil {
		return googleToken{}, &googleOAuthError{"invalid_grant", "Invalid JWT: Failed to parse JWT."}
	}
	a := g.accounts[c.Issuer]
	k := g.keys[parsed.Headers[0].KeyID]
	now := g.internet.Now()
	switch {
	case a == nil:
		return googleToken{}, &googleOAuthError{"invalid_grant", "Invalid grant: account not found"}
	case k == nil || k.disabled || k.email != a.email || parsed.Claims(&k.private.PublicKey) != nil:
		return googleToken{}, &googleOAuthError{"invalid_grant", "Invalid JWT Signature."}
	case a.disabled:
		return googleToken{}, &googleOAuthError{"invalid_grant", "Account disabled"}
	case c.Expiry == nil || c.IssuedAt == nil || c.IssuedAt.Time().After(now.Add(googleSkew)) || c.Expiry.Time().Before(now) ||
		c.Expiry.Time().Sub(c.IssuedAt.Time()) > time.Hour:
		return googleToken{}, &googleOAuthError{"invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim."}
	case !slices.Equal(c.Audience, jwt.Audience{"https://oauth2.googleapis.com/token"}):
		return googleToken{}, &googleOAuthError{"invalid_grant", "Invalid JWT: Failed audience check. The right audience is https://oauth2.googleapis.com/token"}
	case c.Subject != "" && c.Subject != c.Issuer:
		return googleToken{}, &googleOAuthError{"unauthorized_client", "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested."}
	case c.Scope == "":
		return googleToken{}, &googleOAuthError{"invalid_scope", "Empty or missing scope not allowed."}
	}
	scopes := strings.Fields(c.Scope)
	if !googleKnows(scopes) {
		return googleToken{}, &googleOAuthError{"invalid_scope", "Invalid OAuth scope or ID token audience provided."}
	}
	return googleAccountToken(a.email, scopes, now.Add(time.Hour-time.Second)), nil
}

// googleKnows reports whether these are scopes.
func googleKnows(scopes []string) bool {
	known := []string{GooglePlatform, GooglePlatformRead, googleIAMScope, googleStorageRead, googleStorageWrite}
	return len(scopes) > 0 && !slices.ContainsFunc(scopes, func(s string) bool { return !slices.Contains(known, s) })
}
