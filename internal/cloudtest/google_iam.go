package cloudtest

import (
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// googleBinding gives a member a role on a resource and what is below it.
type googleBinding struct{ resource, role, member string }

// googleRoles gives what of a role's permissions matters here
// (docs.cloud.google.com/artifact-registry/docs/access-control, .../iam/docs/service-account-permissions).
func googleRoles(role string) []string {
	reader := []string{
		"artifactregistry.repositories.downloadArtifacts", "artifactregistry.repositories.get", "artifactregistry.repositories.list",
		"artifactregistry.locations.list", "artifactregistry.locations.get",
	}
	writer := append(slices.Clone(reader), "artifactregistry.repositories.uploadArtifacts")
	switch role {
	case "roles/artifactregistry.reader":
		return reader
	case "roles/artifactregistry.writer":
		return writer
	case "roles/artifactregistry.admin":
		return append(writer, "artifactregistry.repositories.create", "artifactregistry.repositories.delete")
	case "roles/iam.serviceAccountTokenCreator":
		return []string{"iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.implicitDelegation"}
	case "roles/iam.workloadIdentityUser":
		return []string{"iam.serviceAccounts.getAccessToken"}
	case "roles/browser":
		return []string{"resourcemanager.projects.get"}
	case "roles/serviceusage.serviceUsageAdmin":
		return []string{"serviceusage.services.get", "serviceusage.services.enable"}
	}
	panic("there is no role " + role)
}

// Grant gives a member ("serviceAccount:...", "principal://...", "allUsers") a role on
// "projects/ID", a repository's resource name, or "projects/-/serviceAccounts/EMAIL".
func (g *Google) Grant(resource, role, member string) {
	googleRoles(role)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bindings = append(g.bindings, googleBinding{resource, role, member})
}

// Revoke takes a role away again.
func (g *Google) Revoke(resource, role, member string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bindings = slices.DeleteFunc(g.bindings, func(b googleBinding) bool { return b == googleBinding{resource, role, member} })
}

// googleToken is what an access token stands for.
type googleToken struct {
	members []string // under which names roles are given to it
	account string   // the service account's e-mail address; empty for a federated one
	scopes  []string
	expires time.Time
}

// scoped reports whether the token has one of the scopes.
func (t googleToken) scoped(scopes ...string) bool {
	return slices.ContainsFunc(scopes, func(s string) bool { return slices.Contains(t.scopes, s) })
}

// may reports whether one of the members has the permission. The lock is held.
func (g *Google) may(members []string, permission, resource string) bool {
	above := []string{resource}
	if p, _, ok := strings.Cut(resource, "/locations/"); ok {
		above = append(above, p)
	}
	if email, ok := strings.CutPrefix(resource, "projects/-/serviceAccounts/"); ok {
		if a := g.accounts[email]; a != nil {
			above = append(above, "projects/"+a.project)
		}
	}
	everybody := append([]string{"allUsers"}, members...)
	if len(members) > 0 {
		everybody = append(everybody, "allAuthenticatedUsers")
	}
	return slices.ContainsFunc(g.bindings, func(b googleBinding) bool {
		return slices.Contains(everybody, b.member) && slices.Contains(above, b.resource) && slices.Contains(googleRoles(b.role), permission)
	})
}

// mint makes an access token. The lock is held.
func (g *Google) mint(t googleToken) string {
	token := "ya29.c." + rand.Text() + strings.ToLower(rand.Text())
	g.tokens[token] = t
	return token
}

func googleAccountToken(email string, scopes []string, expires time.Time) googleToken {
	return googleToken{members: []string{"serviceAccount:" + email}, account: email, scopes: scopes, expires: expires}
}

// AccessToken is an access token of a service account, as `gcloud auth
// print-access-token --impersonate-service-account` prints it.
func (g *Google) AccessToken(email string, life time.Duration, scopes ...string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mint(googleAccountToken(email, scopes, g.internet.Now().Add(life)))
}

// RevokeTokens makes all access tokens that were given out invalid, also those of the
// registry.
func (g *Google) RevokeTokens() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.tokens)
	clear(g.grants)
}

// recognise finds out what an access token stands for, or why for nothing: one that was
// minted here, or a JWT that a service account's key has signed itself
// (google.aip.dev/auth/4111). The lock is held.
func (g *Google) recognise(token string) (t googleToken, reason string) {
	t, ok := g.tokens[token]
	if !ok {
		t, ok = g.selfSigned(token)
	}
	switch a := g.accounts[t.account]; {
	case !ok:
		return googleToken{}, "ACCESS_TOKEN_TYPE_UNSUPPORTED"
	case !g.internet.Now().Before(t.expires):
		return googleToken{}, "ACCESS_TOKEN_EXPIRED"
	case t.account != "" && (a == nil || a.disabled):
		return googleToken{}, "ACCOUNT_STATE_INVALID"
	}
	return t, ""
}

// selfSigned reads a JWT that is signed with a service account's key.
func (g *Google) selfSigned(token string) (googleToken, bool) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || len(parsed.Headers) != 1 {
		return googleToken{}, false
	}
	k := g.keys[parsed.Headers[0].KeyID]
	if k == nil || k.disabled {
		return googleToken{}, false
	}
	var c struct {
		jwt.Claims
		Scope string `json:"scope"`
	}
	if parsed.Claims(&k.private.PublicKey, &c) != nil || c.Issuer != k.email || c.Subject != k.email || c.Expiry == nil || c.IssuedAt == nil ||
		c.Scope == "" && len(c.Audience) == 0 || c.Expiry.Time().Sub(c.IssuedAt.Time()) > time.Hour {
		return googleToken{}, false
	}
	return googleAccountToken(k.email, strings.Fields(c.Scope), c.Expiry.Time()), true
}
