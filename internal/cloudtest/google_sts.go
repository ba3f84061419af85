package cloudtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

var googleAudience = regexp.MustCompile(`^//iam\.googleapis\.com/(projects/[^/]+/locations/global/workloadIdentityPools/[^/]+)/providers/[^/]+$`)

// serveSTS exchanges subject tokens (docs.cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token).
func (g *Google) serveSTS(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1/token" || r.Method != http.MethodPost {
		http.NotFound(w, r)
		return
	}
	if err := r.ParseForm(); err != nil {
		(&googleOAuthError{"invalid_request", "Bad Request"}).serve(w)
		return
	}
	t, no := g.exchange(r)
	if no != nil {
		no.serve(w)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	googleJSON(w, http.StatusOK, map[string]any{
		"access_token": g.mint(t), "issued_token_type": googleAccessType, "token_type": "Bearer",
		"expires_in": int(t.expires.Sub(g.internet.Now()).Seconds()),
	})
}

func (g *Google) exchange(r *http.Request) (googleToken, *googleOAuthError) {
	if r.Header.Get("Authorization") != "" {
		return googleToken{}, &googleOAuthError{"invalid_client", "The OAuth client was not found."}
	}
	f := r.PostForm
	audience := f.Get("audience")
	scopes := strings.Fields(f.Get("scope"))
	match := googleAudience.FindStringSubmatch(audience)
	g.mu.Lock()
	p, ok := g.pools[strings.TrimPrefix(audience, "//iam.googleapis.com/")]
	g.mu.Unlock()
	switch {
	case f.Get("grant_type") != googleExchange:
		return googleToken{}, &googleOAuthError{"unsupported_grant_type", "Unsupported grant_type."}
	case f.Get("requested_token_type") != googleAccessType:
		return googleToken{}, &googleOAuthError{"invalid_request", "Invalid value for \"requested_token_type\"."}
	case f.Get("subject_token_type") != "urn:ietf:params:oauth:token-type:jwt" && f.Get("subject_token_type") != "urn:ietf:params:oauth:token-type:id_token":
		return googleToken{}, &googleOAuthError{"invalid_request", "Invalid value for \"subject_token_type\"."}
	case match == nil:
		return googleToken{}, &googleOAuthError{"invalid_request", "Invalid value for \"audience\". This value should be the full resource name of the Identity Provider."}
	case !ok || p.Disabled:
		return googleToken{}, &googleOAuthError{"invalid_target", "The target service indicated by the \"audience\" parameters is invalid. This might either be because the pool or provider is disabled or deleted or because it doesn't exist."}
	case !googleKnows(scopes):
		return googleToken{}, &googleOAuthError{"invalid_scope", "Invalid OAuth scope."}
	}
	subject, no := g.subject(r, p, audience, f.Get("subject_token"))
	if no != nil {
		return googleToken{}, no
	}
	pool := "iam.googleapis.com/" + match[1]
	return googleToken{
		members: []string{"principal://" + pool + "/subject/" + subject, "principalSet://" + pool + "/*"},
		scopes:  scopes, expires: g.internet.Now().Add(time.Hour),
	}, nil
}

func googleBadGrant(format string, args ...any) *googleOAuthError {
	return &googleOAuthError{"invalid_grant", fmt.Sprintf(format, args...)}
}

// subject verifies a subject token against the keys that its issuer publishes.
func (g *Google) subject(r *http.Request, p GoogleProvider, audience, token string) (string, *googleOAuthError) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil || len(parsed.Headers) != 1 {
		return "", &googleOAuthError{"invalid_request", "Unable to parse the ID Token."}
	}
	var c jwt.Claims
	if parsed.UnsafeClaimsWithoutVerification(&c) != nil {
		return "", &googleOAuthError{"invalid_request", "Unable to parse the ID Token."}
	}
	if c.Issuer != p.Issuer {
		return "", googleBadGrant("The issuer in ID Token %s does not match the expected ones: [%s]", c.Issuer, p.Issuer)
	}
	keys, err := g.issuerKeys(r, c.Issuer)
	if err != nil {
		return "", googleBadGrant("Error connecting to the given credential's issuer")
	}
	found := keys.Key(parsed.Headers[0].KeyID)
	if len(found) == 0 || parsed.Claims(found[0].Key, &c) != nil {
		return "", googleBadGrant("Invalid JWT signature.")
	}
	wanted := p.Audiences
	if len(wanted) == 0 {
		wanted = []string{audience, "https:" + audience}
	}
	now := g.internet.Now()
	switch {
	case !slices.ContainsFunc(wanted, func(a string) bool { return c.Audience.Contains(a) }):
		return "", googleBadGrant("The audience in ID Token [%s] does not match the expected audience.", strings.Join(c.Audience, ", "))
	case c.Expiry == nil || c.IssuedAt == nil || c.Expiry.Time().Sub(c.IssuedAt.Time()) > 24*time.Hour:
		return "", googleBadGrant("The ID Token's lifetime is longer than 24 hours.")
	case now.After(c.Expiry.Time()):
		return "", googleBadGrant("ID Token issued at %d is stale to sign-in.", c.IssuedAt.Time().Unix())
	case c.IssuedAt.Time().After(now.Add(googleSkew)):
		return "", googleBadGrant("ID Token issued at %d is issued in the future.", c.IssuedAt.Time().Unix())
	case c.Subject == "" || len(c.Subject) > 127:
		return "", &googleOAuthError{"invalid_request", "The mapped attribute google.subject must be of at most 127 bytes."}
	case p.Subject != "" && p.Subject != c.Subject:
		return "", &googleOAuthError{"unauthorized_client", "The given credential is rejected by the attribute condition."}
	}
	return c.Subject, nil
}

// googleIssuerKeys is what is remembered of an issuer.
type googleIssuerKeys struct {
	keys jose.JSONWebKeySet
	at   time.Time
}

// SetMemory is how long an issuer's keys are remembered; 0, the default, is not at all.
// A key that is published later isn't known until then.
func (g *Google) SetMemory(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.memory = d
}

// issuerKeys gives an issuer's keys, remembered or fetched.
func (g *Google) issuerKeys(r *http.Request, issuer string) (jose.JSONWebKeySet, error) {
	now := g.internet.Now()
	g.mu.Lock()
	known, ok := g.issuers[issuer]
	fresh := ok && now.Sub(known.at) < g.memory
	g.mu.Unlock()
	if fresh {
		return known.keys, nil
	}
	keys, err := g.fetchKeys(r, issuer)
	if err == nil {
		g.mu.Lock()
		g.issuers[issuer] = googleIssuerKeys{keys, now}
		g.mu.Unlock()
	}
	return keys, err
}

// fetchKeys fetches an issuer's keys (OpenID Connect Discovery 1.0, section 4).
func (g *Google) fetchKeys(r *http.Request, issuer string) (jose.JSONWebKeySet, error) {
	var discovery struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	if !strings.HasPrefix(issuer, "https://") {
		return jose.JSONWebKeySet{}, errors.New("an issuer is https")
	}
	if err := g.fetch(r, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", &discovery); err != nil {
		return jose.JSONWebKeySet{}, err
	}
	if discovery.Issuer != issuer {
		return jose.JSONWebKeySet{}, errors.New("the discovery document is another issuer's")
	}
	var keys jose.JSONWebKeySet
	err := g.fetch(r, discovery.JWKS, &keys)
	return keys, err
}

func (g *Google) fetch(r *http.Request, url string, into any) error {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := g.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}
