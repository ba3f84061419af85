// Package provider says what a provider of registries is: how it describes itself, so
// that forms, flags, prompts and checks can be drawn from it, and how it turns a
// connector into a login. Each family is a package below this one.
package provider

import (
	"context"
	"time"

	"fairlead.dev/fairlead"
)

// Opened is a connector with its secrets open. It lives for one login.
type Opened struct {
	fairlead.Connector
	// Owner is the organization's name.
	Owner fairlead.Name
	// Project (owner/name) and Run are for whom the login was asked for first.
	Project string
	Run     fairlead.RunID
	Secret  map[string]fairlead.Secret
}

// Login is what a provider gives for a scope. Exactly one of Password, Identity and
// Bearer is set.
type Login struct {
	Username string
	Password fairlead.Secret
	// Identity is an identity token (an OAuth 2.0 refresh token of the registry's
	// token endpoint; Distribution, "OAuth2 Token Authentication"). It can only be
	// traded.
	Identity fairlead.Secret
	// Bearer is presented to the registry as it is.
	Bearer fairlead.Secret
	// Expires is zero when the login doesn't end by itself.
	Expires time.Time
	// Stored says that this is the stored secret itself and not something minted for
	// the scope.
	Stored bool
}

// Provider is one family of registries.
type Provider interface {
	// Info describes the family and its methods.
	Info() fairlead.ProviderInfo
	// Check says what is wrong with the public fields of a method, beyond what its
	// description says: [fairlead.Invalid] with the field.
	Check(method string, public map[string]string) error
	// Owns reports whether the host (a registry's, canonical, with its port) can only
	// be of this family. At most one family owns a host.
	Owns(host string) bool
	// Accepts says why a registry's host (canonical, with its port; maybe a pattern's,
	// with *) can't be opened with the connector, nil if it can: [fairlead.Invalid]. It
	// is asked when an entry is saved and again before each login.
	Accepts(c fairlead.Connector, host string) error
	// Login gives a login for the scope: [fairlead.Invalid] for a connector that isn't
	// whole, and whatever the provider's own service answers.
	Login(ctx context.Context, c Opened, s fairlead.Scope) (Login, error)
}

// Set is the providers that there are.
type Set []Provider

// Infos lists how they describe themselves.
func (s Set) Infos() []fairlead.ProviderInfo {
	list := make([]fairlead.ProviderInfo, 0, len(s))
	for _, p := range s {
		list = append(list, p.Info())
	}
	return list
}

// Family gives the provider of a family: [fairlead.Invalid] if there is none.
func (s Set) Family(f fairlead.Family) (Provider, error) {
	for _, p := range s {
		if p.Info().Family == f {
			return p, nil
		}
	}
	return nil, &fairlead.Error{
		Kind: fairlead.Invalid, Field: "family", What: "choosing registry family", Why: "there is no family " + quoted(string(f)),
		Remedy: "use one of " + list(s.families()),
	}
}

// Owner gives the family that owns a host, or the general one if none does.
func (s Set) Owner(host string) fairlead.Family {
	for _, p := range s {
		if p.Owns(host) {
			return p.Info().Family
		}
	}
	return "docker"
}

func (s Set) families() []string {
	var names []string
	for _, p := range s {
		names = append(names, string(p.Info().Family))
	}
	return names
}
