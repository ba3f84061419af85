package jfrogartifactory

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// mintLife is how long a minted token is to live: long enough for a large image, and
// below Access's persistency threshold, so that the platform doesn't fill up with them.
const mintLife = 15 * time.Minute

// The identifiers of OAuth 2.0 Token Exchange (RFC 8693).
const (
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeIDToken   = "urn:ietf:params:oauth:token-type:id_token" //nolint:gosec // It is a name and no secret.
)

// artifactory is the audience of tokens that are for Artifactory alone: the service
// type, with any instance of it.
const artifactory = "jfrt@*"

// tokenReply is the reply of Create Token, Refresh Token and OIDC Token Exchange.
type tokenReply struct {
	TokenID      string          `json:"token_id"`
	AccessToken  fairlead.Secret `json:"access_token"`
	RefreshToken fairlead.Secret `json:"refresh_token"`
	ExpiresIn    int64           `json:"expires_in"`
	Username     string          `json:"username"`
}

// createToken is the request of Create Token.
type createToken struct {
	Username    string `json:"username,omitempty"`
	Scope       string `json:"scope,omitempty"`
	ExpiresIn   int    `json:"expires_in,omitempty"`
	Refreshable bool   `json:"refreshable"`
	Description string `json:"description,omitempty"`
	Audience    string `json:"audience,omitempty"`
}

const pathTokens = "/access/api/v1/tokens" //nolint:gosec // It is a path and no secret.

// mint makes a short-lived token with the stored one.
func (p Provider) mint(ctx context.Context, c provider.Opened, s fairlead.Scope) (provider.Login, error) {
	pl, err := placeOf(c.Public)
	if err != nil {
		return provider.Login{}, err
	}
	req := createToken{
		Username: c.Public[fieldUsername], Scope: "applied-permissions/user", ExpiresIn: int(mintLife.Seconds()), Audience: artifactory,
		Description: "fairlead " + string(c.Owner) + "/" + string(c.Name),
	}
	if c.Public[fieldNarrow] == narrowRepository && s.Resource.Repository != "" {
		req.Scope = scopeOf(pl, s)
	}
	cl := call{
		what: "making a token of JFrog", method: http.MethodPost, host: pl.platform, path: pathTokens, bearer: c.Secret[fieldToken], body: req,
	}
	var reply tokenReply
	a, err := p.ask(ctx, cl, &reply)
	if err != nil {
		return provider.Login{}, p.unminted(cl, a, c, err)
	}
	return p.login(cl, a, reply, req.Username)
}

// scopeOf is the resource permission of one repository: artifact:<repository>/<image>/*
// with the actions read, and for a push write and delete too, without which no tag can
// be moved (Create Token, "Resource Permissions").
func scopeOf(pl place, s fairlead.Scope) string {
	key, image := pl.locate(s.Resource)
	actions := "r"
	if s.Verb == fairlead.Push {
		actions = "r,w,d"
	}
	target := key
	if image != "" {
		target += "/" + image + "/*"
	}
	return "artifact:" + target + ":" + actions
}

// unminted says more of a refusal to make a token than its status does.
func (p Provider) unminted(cl call, a answer, c provider.Opened, err error) error {
	e := &fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeLoginRefused, What: cl.what}
	message := a.message()
	switch {
	case a.status == http.StatusForbidden && strings.Contains(message, "scope"):
		e.Code, e.Why = fairlead.CodeNoRight, "only an administrator's token makes tokens for one repository"
		e.Remedy = "set the connector's field narrow to user, or give it an administrator's token"
	case a.status == http.StatusForbidden && c.Public[fieldUsername] != "":
		e.Code, e.Why = fairlead.CodeNoRight, "only an administrator's token makes tokens for another user, here "+c.Public[fieldUsername]
		e.Remedy = "leave the user out, or give the connector an administrator's token"
	case a.status == http.StatusUnauthorized && strings.Contains(message, "expired") && !c.Secret[fieldRefresh].IsZero():
		e.Why = cl.host + " doesn't accept the login: its token has expired before it was renewed"
		e.Remedy = "renew it with its refresh token, or make a new pair in JFrog and give both to the connector"
	default:
		return err
	}
	return e
}

// login makes a login of a reply. asked is whose token was asked for.
func (p Provider) login(cl call, a answer, reply tokenReply, asked string) (provider.Login, error) {
	t := readToken(reply.AccessToken)
	user := cmp.Or(reply.Username, t.user, asked)
	switch {
	case reply.AccessToken.IsZero():
		return provider.Login{}, broken(cl, "its reply has no token")
	case user == "":
		return provider.Login{}, broken(cl, "its reply doesn't say whose token it is")
	}
	life := time.Duration(min(reply.ExpiresIn, int64(24*time.Hour/time.Second))) * time.Second
	// The token's own end is compared with the platform's clock, not with this server's.
	if !t.expires.IsZero() && (life <= 0 || t.expires.Sub(a.date) < life) {
		life = t.expires.Sub(a.date)
	}
	if life <= 0 {
		life = mintLife // it says nothing of an end
	}
	return provider.Login{Username: user, Password: reply.AccessToken, Expires: p.now().Add(life)}, nil
}

// exchangeToken is the request of OIDC Token Exchange.
type exchangeToken struct {
	GrantType        string `json:"grant_type"`
	SubjectTokenType string `json:"subject_token_type"`
	SubjectToken     string `json:"subject_token"`
	ProviderName     string `json:"provider_name"`
	MappingName      string `json:"identity_mapping_name,omitempty"`
	ProjectKey       string `json:"project_key,omitempty"`
}

// audience is that of subject tokens: each platform has its own, so that none can use
// at another what it was shown.
func audience(public map[string]string) string {
	return cmp.Or(public[fieldAudience], "https://"+public[fieldHost])
}

// exchange trades a subject token for a token of the platform.
func (p Provider) exchange(ctx context.Context, c provider.Opened, s fairlead.Scope) (provider.Login, error) {
	cl := call{
		what: "exchanging a subject token for a token of JFrog", method: http.MethodPost, host: c.Public[fieldHost], path: "/access/api/v1/oidc/token",
	}
	if p.tools.Issuer == nil {
		return provider.Login{}, &fairlead.Error{
			Kind: fairlead.Invalid, Field: "method", What: cl.what, Why: "this server is no issuer of tokens: it has no public address",
			Remedy: "have the operator set its public URL, or use method access-token",
		}
	}
	subject, err := p.tools.Issuer.Sign(ctx, provider.Subject{
		Organization: c.Owner, Connector: c.Name, Audience: audience(c.Public), Scope: s,
	})
	if err != nil {
		return provider.Login{}, err
	}
	cl.body = exchangeToken{
		GrantType: grantExchange, SubjectTokenType: typeIDToken, SubjectToken: string(subject.Reveal()),
		ProviderName: c.Public[fieldProvider], MappingName: c.Public[fieldMapping], ProjectKey: c.Public[fieldProject],
	}
	var reply tokenReply
	a, err := p.ask(ctx, cl, &reply)
	if err != nil {
		return provider.Login{}, p.unexchanged(cl, a, c, err)
	}
	return p.login(cl, a, reply, "")
}

// unexchanged says what is wrong with a federation that is refused.
func (p Provider) unexchanged(cl call, a answer, c provider.Opened, err error) error {
	if a.status < http.StatusBadRequest || a.status >= http.StatusInternalServerError || !a.isOwn() || a.status == http.StatusTooManyRequests {
		return err
	}
	e := &fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeLoginRefused, What: cl.what}
	message, name := a.message(), c.Public[fieldProvider]
	switch skew := p.skew(a); {
	case skew != 0:
		e.Why = "this server's clock is " + skew.Abs().String() + ahead(skew) + cl.host + "'s, so that subject tokens aren't valid there"
		e.Remedy = "have the operator set this server's clock by NTP"
	case strings.Contains(message, "audience"):
		e.Why = cl.host + " expects another audience than " + audience(c.Public)
		e.Remedy = "give the connector the audience of OIDC integration " + name + ", or set that to " + audience(c.Public)
	case a.status == http.StatusNotFound:
		e.Kind, e.Code, e.Field = fairlead.Invalid, "", fieldProvider
		e.Why = cl.host + " has no OIDC integration " + name
		e.Remedy = "write the provider name as it stands in JFrog, or set it up: `fairlead connector guide " + string(c.Name) + "`"
	case a.status == http.StatusForbidden:
		e.Code = fairlead.CodeNoRight
		e.Why = "no identity mapping of OIDC integration " + name + " agrees with the subject " + provider.SubjectName(c.Owner, c.Name)
		e.Remedy = "add one with that subject: `fairlead connector guide " + string(c.Name) + "`"
	case strings.Contains(message, "issuer"):
		e.Why = "OIDC integration " + name + " is for another issuer than " + p.tools.Issuer.URL()
		e.Remedy = "set its issuer URL to " + p.tools.Issuer.URL()
	case strings.Contains(message, "keys"):
		e.Why = cl.host + " can't fetch the keys of " + p.tools.Issuer.URL()
		e.Remedy = "make that address reachable for the platform, by https and with a certificate that it trusts"
	case strings.Contains(message, "signature"):
		e.Why = cl.host + " has other keys for " + p.tools.Issuer.URL() + " than those that sign now"
		e.Remedy = "try again in some minutes; if it stays so, check that no proxy keeps old keys"
	default:
		e.Why = cl.host + " doesn't accept the subject token"
		e.Remedy = "compare OIDC integration " + name + " with `fairlead connector guide " + string(c.Name) + "`"
	}
	return e
}

func ahead(d time.Duration) string {
	if d < 0 {
		return " behind "
	}
	return " ahead of "
}

// query is a path with a query.
func query(path string, q url.Values) string { return path + "?" + q.Encode() }
