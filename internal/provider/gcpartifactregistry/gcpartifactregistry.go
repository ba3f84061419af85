// Package gcpartifactregistry is the family of Google Artifact Registry, and of the
// hosts of Container Registry, which Artifact Registry serves since March 2025.
//
// Whatever the method, a login is an access token as the password of user
// oauth2accesstoken (docs.cloud.google.com/artifact-registry/docs/docker/authentication).
// Google narrows access tokens for Cloud Storage alone
// (docs.cloud.google.com/iam/docs/downscoping-short-lived-credentials), so what narrows a
// lease is the registry's own token endpoint, and what bounds it is a lifetime of ten
// minutes where the account may make tokens that short. A token for pulling has a
// read-only scope.
//
// Nothing here looks at Google's application default credentials, and no vendor's client
// is used: those for key files sign with the machine's clock and put the reply's body
// into their errors, and those for federation read files and run commands that a
// configuration names (pkg.go.dev/golang.org/x/oauth2/google, "security").
package gcpartifactregistry

import (
	"context"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// Family is the family's name.
const Family fairlead.Family = "gcp-artifact-registry"

// The methods.
const (
	federation    = "federation"
	accountKey    = "service-account"
	impersonation = "impersonation"
	accessToken   = "access-token"
	instance      = "instance-identity"
)

// The scopes (developers.google.com/identity/protocols/oauth2/scopes).
const (
	platform     = "https://www.googleapis.com/auth/cloud-platform"
	platformRead = "https://www.googleapis.com/auth/cloud-platform.read-only"
)

// Provider is the family.
type Provider struct {
	tools provider.Tools
	// wait waits between two looks at what takes Google a while.
	wait func(ctx context.Context, d time.Duration) error
}

// New makes the family.
func New(t provider.Tools) Provider { return Provider{tools: t, wait: wait} }

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Check looks at the public fields: [fairlead.Invalid] with the field.
func (Provider) Check(method string, public map[string]string) error {
	if v := public[providerField]; method == federation {
		if _, err := parsePool(v); err != nil {
			return err
		}
	}
	if v := public[emailField]; v != "" && !isAccount(v) {
		return &fairlead.Error{
			Kind: fairlead.Invalid, Field: emailField, What: "reading service account", Why: quoted(v) + " is not a service account's e-mail address",
			Remedy: "write it as NAME@PROJECT_ID.iam.gserviceaccount.com; `gcloud iam service-accounts list` shows it",
		}
	}
	if v := public[projectField]; v != "" && !isProject(v) {
		return &fairlead.Error{
			Kind: fairlead.Invalid, Field: projectField, What: "reading project", Why: quoted(v) + " is not a project's ID" + numberInstead(v),
			Remedy: "write the ID, such as acme-train; `gcloud projects list` shows it",
		}
	}
	return nil
}

func numberInstead(s string) string {
	if isNumber(s) {
		return ": it is a project's number"
	}
	return ""
}

// Accepts takes the family's hosts: [fairlead.Invalid].
func (Provider) Accepts(c fairlead.Connector, host string) error {
	if mayBeHost(host) {
		return nil
	}
	return &fairlead.Error{
		Kind: fairlead.Invalid, Field: "pattern", What: "checking registry host",
		Why:    host + " is not a host of Artifact Registry, and connector " + string(c.Name) + " logs in nowhere else",
		Remedy: "write " + rightForm + ", or use another connector",
	}
}

// Login gives an access token: [fairlead.Invalid] for a connector that isn't whole,
// [fairlead.Denied] (CodeLoginRefused, CodeNoRight), [fairlead.Limited],
// [fairlead.Unavailable].
func (p Provider) Login(ctx context.Context, c provider.Opened, s fairlead.Scope) (provider.Login, error) {
	scope := platformRead
	if s.Verb == fairlead.Push {
		scope = platform
	}
	t, err := p.token(ctx, c, s, scope)
	if err != nil {
		return provider.Login{}, err
	}
	return provider.Login{
		Username: "oauth2accesstoken", Password: t.value, Expires: earlier(t.expires, c.Expires), Stored: c.Method == accessToken,
	}, nil
}

// earlier gives the earlier of two ends; zero is none.
func earlier(a, b time.Time) time.Time {
	if b.IsZero() || !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}
