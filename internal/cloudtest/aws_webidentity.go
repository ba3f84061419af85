package cloudtest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// webIdentity is what a subject token proves. The issuer is without https://, as IAM
// writes it.
type webIdentity struct{ issuer, subject, audience string }

// webIdentity verifies a subject token as STS does: by an identity provider of the
// account, with the keys that the issuer itself publishes (IAM User Guide, "Create an
// OpenID Connect (OIDC) identity provider"; errors: STS API reference,
// AssumeRoleWithWebIdentity). The lock is held; it is given back while the issuer is
// asked, which may be in the same process.
func (a *AWS) webIdentity(account *AWSAccount, token string) (webIdentity, *awsError) {
	bad := func(message string) (webIdentity, *awsError) {
		return webIdentity{}, awsInvalid("InvalidIdentityToken", "%s", message)
	}
	t, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512})
	if err != nil || len(token) < 4 || len(token) > 20000 {
		return bad("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	var claims jwt.Claims
	if t.UnsafeClaimsWithoutVerification(&claims) != nil || claims.Subject == "" || claims.Issuer == "" {
		return bad("Missing a required claim: sub or iss")
	}
	issuer, secure := strings.CutPrefix(claims.Issuer, "https://")
	clients, known := account.issuers[issuer]
	if !secure || !known {
		return bad("No OpenIDConnect provider found in your account for " + claims.Issuer)
	}
	now := a.net.Now()
	a.mu.Unlock()
	keys, err := issuerKeys(a.issuers, claims.Issuer)
	a.mu.Lock()
	if err != nil {
		return bad("Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements")
	}
	if t.Claims(keys, &claims) != nil {
		return bad("Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements")
	}
	if claims.Expiry == nil || claims.IssuedAt == nil {
		return bad("Missing a required claim: exp or iat")
	}
	if !now.Before(claims.Expiry.Time()) {
		return webIdentity{}, awsInvalid("ExpiredTokenException", "Token expired: current date/time %d must be before the expiration date/time%d", now.Unix(), claims.Expiry.Time().Unix())
	}
	if claims.IssuedAt.Time().After(now.Add(awsSkew)) {
		return bad("The ID Token was issued in the future")
	}
	for _, aud := range claims.Audience {
		if slices.Contains(clients, aud) {
			return webIdentity{issuer, claims.Subject, aud}, nil
		}
	}
	return bad("Incorrect token audience")
}

// issuerKeys fetches an issuer's keys by way of its discovery document (OpenID Connect
// Discovery 1.0, section 4).
func issuerKeys(c *http.Client, issuer string) (*jose.JSONWebKeySet, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var doc struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := fetchJSON(ctx, c, issuer+"/.well-known/openid-configuration", &doc); err != nil {
		return nil, err
	}
	if doc.Issuer != issuer || !strings.HasPrefix(doc.Keys, "https://") {
		return nil, errors.New("the discovery document is of another issuer")
	}
	var keys jose.JSONWebKeySet
	return &keys, fetchJSON(ctx, c, doc.Keys, &keys)
}

func fetchJSON(ctx context.Context, c *http.Client, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(into)
}
