package cloudtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// proveAssertion checks a token of an external issuer against the application's
// federated identity credentials, and its signature against the keys that the issuer
// publishes. Issuer, subject and audience are compared case by case
// (learn.microsoft.com/entra/workload-id/workload-identity-federation).
func (a *Azure) proveAssertion(ctx context.Context, app AzureApp, assertion string) *azureRefusal {
	invalid := func(code int, text string, args ...any) *azureRefusal {
		return azureRefuse(http.StatusUnauthorized, "invalid_client", code, fmt.Sprintf(text, args...))
	}
	token, err := jwt.ParseSigned(assertion, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || len(token.Headers) != 1 {
		return invalid(50027, "JWT token is invalid or malformed.")
	}
	var claims jwt.Claims
	if token.UnsafeClaimsWithoutVerification(&claims) != nil {
		return invalid(50027, "JWT token is invalid or malformed.")
	}
	if no := azureMatch(app, claims); no != nil {
		return no
	}
	now := a.n.Now()
	if err := claims.ValidateWithLeeway(jwt.Expected{Time: now}, azureSkew); err != nil || claims.Expiry == nil {
		var from, to time.Time
		if claims.NotBefore != nil {
			from = claims.NotBefore.Time()
		}
		if claims.Expiry != nil {
			to = claims.Expiry.Time()
		}
		const form = "2006-01-02T15:04:05.0000000Z"
		return invalid(700024, "Client assertion is not within its valid time range. Current time: %s, assertion valid from %s, expiry time of assertion %s. Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
			now.UTC().Format(form), from.UTC().Format(form), to.UTC().Format(form))
	}
	keys, err := a.issuerKeys(ctx, claims.Issuer)
	if err != nil {
		return azureRefuse(http.StatusBadRequest, "invalid_request", 50166, "Request to External OIDC endpoint failed.")
	}
	if !slices.ContainsFunc(keys.Key(token.Headers[0].KeyID), func(k jose.JSONWebKey) bool {
		return token.Claims(k, &claims) == nil
	}) {
		return invalid(7000272, "The certificate with identifier %s used to sign the federated credential could not be found in the metadata of identity provider %s. Please validate that your Identity Provider's metadata exposes the key used to sign the incoming token.",
			token.Headers[0].KeyID, claims.Issuer)
	}
	return nil
}

// azureMatch looks for the federated identity credential that fits.
func azureMatch(app AzureApp, c jwt.Claims) *azureRefusal {
	const check = "Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
	left := slices.DeleteFunc(slices.Clone(app.Federated), func(f AzureFederation) bool { return f.Issuer != c.Issuer })
	if len(left) == 0 {
		return azureRefuse(http.StatusUnauthorized, "invalid_client", 700211, fmt.Sprintf("No matching federated identity record found for presented assertion issuer '%s'. %s", c.Issuer, check))
	}
	left = slices.DeleteFunc(left, func(f AzureFederation) bool { return f.Subject != c.Subject })
	if len(left) == 0 {
		return azureRefuse(http.StatusUnauthorized, "invalid_client", 700213, fmt.Sprintf("No matching federated identity record found for presented assertion subject '%s'. %s", c.Subject, check))
	}
	if !slices.ContainsFunc(left, func(f AzureFederation) bool { return slices.Contains(c.Audience, f.Audience) }) {
		return azureRefuse(http.StatusUnauthorized, "invalid_client", 700212, fmt.Sprintf("No matching federated identity record found for presented assertion audience '%s'. %s", strings.Join(c.Audience, ","), check))
	}
	return nil
}

var errAzureIssuer = errors.New("an issuer whose documents can't be had")

// issuerKeys fetches an issuer's keys over the same internet.
func (a *Azure) issuerKeys(ctx context.Context, issuer string) (jose.JSONWebKeySet, error) {
	var document struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	var keys jose.JSONWebKeySet
	if !strings.HasPrefix(issuer, "https://") {
		return keys, errAzureIssuer
	}
	if err := a.fetch(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", &document); err != nil {
		return keys, err
	}
	if document.Issuer != issuer || !strings.HasPrefix(document.Keys, "https://") {
		return keys, errAzureIssuer
	}
	return keys, a.fetch(ctx, document.Keys, &keys)
}

func (a *Azure) fetch(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := a.n.Client()
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return errAzureIssuer
	}
	return json.NewDecoder(res.Body).Decode(into)
}
