package gcpartifactregistry

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// Google's services. They are fixed: no connector chooses who sees its tokens.
const (
	oauthURL    = "https://oauth2.googleapis.com/token"
	stsURL      = "https://sts.googleapis.com/v1/token"
	iamURL      = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
	metadataURL = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token"
)

// shortLife is the lifetime of the tokens that leave the house. Only generateAccessToken
// makes tokens that live for less than an hour.
const shortLife = 10 * time.Minute

// googleToken is an access token.
type googleToken struct {
	value   fairlead.Secret
	expires time.Time // zero if nobody knows
}

// token gets an access token with the scope, by the connector's method.
func (p Provider) token(ctx context.Context, c provider.Opened, s fairlead.Scope, scope string) (googleToken, error) {
	switch c.Method {
	case federation:
		return p.federated(ctx, c, s, scope)
	case accountKey, impersonation:
		return p.byKey(ctx, c, scope)
	case accessToken:
		return p.stored(c)
	case instance:
		return p.machine(ctx, c, scope)
	}
	return googleToken{}, &fairlead.Error{
		Kind: fairlead.Invalid, Field: "method", What: opening(c), Why: "family " + string(Family) + " has no method " + quoted(c.Method),
		Remedy: "choose one that `fairlead connector types " + string(Family) + "` lists",
	}
}

func opening(c provider.Opened) string { return "opening connector " + string(c.Name) }

// missing is the error of a connector that isn't whole.
func missing(c provider.Opened, field, title string) error {
	return &fairlead.Error{
		Kind: fairlead.Invalid, Field: field, What: opening(c), Why: "its " + title + " is missing, and Fairlead takes nothing else in its place",
		Remedy: "give it: `fairlead connector update " + string(c.Name) + "`",
	}
}

// stored gives the access token that somebody has left here.
func (p Provider) stored(c provider.Opened) (googleToken, error) {
	b := bytes.TrimSpace(c.Secret[tokenField].Reveal())
	if len(b) == 0 {
		return googleToken{}, missing(c, tokenField, "access token")
	}
	claims, isJWT := readJWT(string(b))
	if end := claims.expires(); isJWT && !end.IsZero() && !p.tools.Now().Before(end) {
		return googleToken{}, &fairlead.Error{
			Kind: fairlead.Denied, Code: fairlead.CodeConnectorExpired, What: opening(c), Why: "its access token has expired at " + end.Format(time.RFC3339),
			Remedy: "give another one: `fairlead connector update " + string(c.Name) + " --token-file -`",
		}
	}
	if _, err := inspectToken(b, p.tools.Now()); err != nil {
		return googleToken{}, unreadable(c, err)
	}
	t := googleToken{value: fairlead.NewSecret(bytes.Clone(b))}
	if isJWT {
		t.expires = claims.expires()
	}
	return t, nil
}

// unreadable adds to an error of a stored secret whose it is.
func unreadable(c provider.Opened, err error) error {
	e := *fairlead.AsError(opening(c), err)
	e.What += " of connector " + string(c.Name)
	return &e
}

// byKey signs in with a service account's key, and makes a short token of that account
// or of the one to act as.
func (p Provider) byKey(ctx context.Context, c provider.Opened, scope string) (googleToken, error) {
	if c.Secret[keyField].IsZero() {
		return googleToken{}, missing(c, keyField, "key")
	}
	k, err := parseKey(c.Secret[keyField].Reveal())
	if err != nil {
		return googleToken{}, unreadable(c, err)
	}
	target := k.email
	if c.Method == impersonation {
		if target = c.Public[emailField]; target == "" {
			return googleToken{}, missing(c, emailField, "service account to act as")
		}
	} else if c.Public[lifeField] == lifeLong {
		return p.assert(ctx, c, k, scope)
	}
	own, err := p.assert(ctx, c, k, platform)
	if err != nil {
		return googleToken{}, err
	}
	return p.generate(ctx, c, generation{caller: own, callerName: "serviceAccount:" + k.email, role: creatorRole, target: target, scope: scope})
}

// assertionBack is how far the time of signing is set back, for clocks that are a
// little slow.
const assertionBack = 10 * time.Second

// assert trades an assertion, signed with the key, for an access token that lives for
// an hour (RFC 7523; developers.google.com/identity/protocols/oauth2/service-account).
func (p Provider) assert(ctx context.Context, c provider.Opened, k key, scope string) (googleToken, error) {
	what := "logging in to Google as " + k.email
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: k.private, KeyID: k.id}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return googleToken{}, fairlead.AsError(what, err)
	}
	issued := p.tools.Now().Add(-assertionBack)
	assertion, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": k.email, "scope": scope, "aud": oauthURL, "iat": issued.Unix(), "exp": issued.Add(time.Hour).Unix(),
	}).Serialize()
	if err != nil {
		return googleToken{}, fairlead.AsError(what, err)
	}
	r, err := p.send(ctx, form(what, oauthURL, url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion},
	}))
	if err != nil {
		return googleToken{}, err
	}
	if r.status != http.StatusOK {
		return googleToken{}, r.keyRefused(c, k)
	}
	return r.accessToken()
}

// accessToken reads the reply of a token endpoint (RFC 6749, section 5.1).
func (r reply) accessToken() (googleToken, error) {
	var in struct {
		Token     fairlead.Secret `json:"access_token"`
		ExpiresIn json.Number     `json:"expires_in"`
	}
	if err := json.Unmarshal(r.body, &in); err != nil || in.Token.IsZero() {
		return googleToken{}, r.broken("gave no token that can be used")
	}
	seconds, err := in.ExpiresIn.Int64()
	if err != nil || seconds <= 0 || seconds > int64(24*time.Hour/time.Second) {
		return googleToken{}, r.broken("gave a token without a lifetime that makes sense")
	}
	return googleToken{value: in.Token, expires: r.now.Add(time.Duration(seconds) * time.Second)}, nil
}

// federated trades a subject token that Fairlead signs for an access token (RFC 8693;
// docs.cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token).
func (p Provider) federated(ctx context.Context, c provider.Opened, s fairlead.Scope, scope string) (googleToken, error) {
	if c.Public[providerField] == "" {
		return googleToken{}, missing(c, providerField, "workload identity provider")
	}
	to, err := parsePool(c.Public[providerField])
	if err != nil {
		return googleToken{}, err
	}
	if p.tools.Issuer == nil {
		return googleToken{}, noIssuer(c)
	}
	subject, err := p.tools.Issuer.Sign(ctx, provider.Subject{
		Organization: c.Owner, Connector: c.Name, Audience: "https:" + to.audience(), Scope: s, Project: c.Project, Run: c.Run,
	})
	if err != nil {
		return googleToken{}, err
	}
	target, own := c.Public[emailField], scope
	if target != "" {
		own = platform // what generateAccessToken asks for
	}
	// Without a login: Google refuses a request that has one.
	r, err := p.send(ctx, form("trading Fairlead's token at Google's Security Token Service", stsURL, url.Values{
		"audience": {to.audience()}, "grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"requested_token_type": {"urn:ietf:params:oauth:token-type:access_token"}, "scope": {own},
		"subject_token": {string(subject.Reveal())}, "subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
	}))
	if err != nil {
		return googleToken{}, err
	}
	name := provider.SubjectName(c.Owner, c.Name)
	if r.status != http.StatusOK {
		return googleToken{}, r.exchangeRefused(to, p.tools.Issuer.URL(), name)
	}
	t, err := r.accessToken()
	if err != nil || target == "" {
		return t, err
	}
	return p.generate(ctx, c, generation{caller: t, callerName: to.principal(name), role: workloadRole, target: target, scope: scope})
}

func noIssuer(c provider.Opened) error {
	return &fairlead.Error{
		Kind: fairlead.Invalid, Field: "method", What: opening(c), Why: "this Fairlead server has no public address at which Google could fetch its keys",
		Remedy: "have the operator give the server its public https URL, or use another method",
	}
}

// machine gets the access token of the machine's service account
// (docs.cloud.google.com/compute/docs/access/authenticate-workloads). Scopes aren't asked
// for: they are the machine's, and it may have less than those that are known here.
func (p Provider) machine(ctx context.Context, c provider.Opened, scope string) (googleToken, error) {
	if p.tools.Instance == nil {
		return googleToken{}, &fairlead.Error{
			Kind: fairlead.Denied, What: opening(c), Why: "the operator of this Fairlead server hasn't allowed connectors to use what its machine is at Google",
			Remedy: "use another method, or ask the operator to allow it",
		}
	}
	r, err := p.send(ctx, request{
		what: "asking Google's metadata server for the machine's login", method: http.MethodGet, url: metadataURL,
		header: map[string]string{"Metadata-Flavor": "Google"},
	})
	if err != nil {
		return googleToken{}, notOnGoogle(err)
	}
	if r.status != http.StatusOK || r.header.Get("Metadata-Flavor") != "Google" {
		return googleToken{}, r.machineRefused()
	}
	t, err := r.accessToken()
	target := c.Public[emailField]
	if err != nil || target == "" {
		return t, err
	}
	return p.generate(ctx, c, generation{caller: t, callerName: "serviceAccount:ACCOUNT_OF_THE_MACHINE", role: creatorRole, target: target, scope: scope})
}

// generation is what generateAccessToken is asked for.
type generation struct {
	caller googleToken
	// callerName is whom the role on the target has to be given to.
	callerName, role string
	target, scope    string
}

// The roles that allow generateAccessToken
// (docs.cloud.google.com/iam/docs/service-account-permissions).
const (
	creatorRole  = "roles/iam.serviceAccountTokenCreator"
	workloadRole = "roles/iam.workloadIdentityUser"
)

// generate makes a short-lived token of a service account
// (docs.cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken).
func (p Provider) generate(ctx context.Context, c provider.Opened, g generation) (googleToken, error) {
	body, err := json.Marshal(map[string]any{"lifetime": "600s", "scope": []string{g.scope}})
	if err != nil {
		return googleToken{}, fairlead.AsError(opening(c), err)
	}
	r, err := p.send(ctx, request{
		what: "making a short-lived token of " + g.target, method: http.MethodPost,
		url: iamURL + url.PathEscape(g.target) + ":generateAccessToken", body: body,
		header: map[string]string{"Content-Type": "application/json", "Authorization": "Bearer " + string(g.caller.value.Reveal())},
	})
	if err != nil {
		return googleToken{}, err
	}
	if r.status != http.StatusOK {
		return googleToken{}, r.generationRefused(c, g)
	}
	var in struct {
		Token   fairlead.Secret `json:"accessToken"`
		Expires time.Time       `json:"expireTime"`
	}
	if err := json.Unmarshal(r.body, &in); err != nil || in.Token.IsZero() {
		return googleToken{}, r.broken("gave no token that can be used")
	}
	left := in.Expires.Sub(r.date())
	if left <= 0 || left > shortLife+time.Minute {
		return googleToken{}, r.broken("gave a token without a lifetime that makes sense")
	}
	return googleToken{value: in.Token, expires: r.local(in.Expires)}, nil
}
