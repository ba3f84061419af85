// Package dockerhub is the family of Docker Hub, docker.io under all of its names.
//
// Source: docs.docker.com/security/access-tokens and /organization-access-tokens: a
// personal access token is the password of the Docker ID, an organization access token
// that of the organization's name. Neither can be narrowed to a repository by itself;
// the bearer token of Hub's token endpoint is (5 minutes, repository:<name>:pull).
package dockerhub

import (
	"context"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// Family is the family's name.
const Family fairlead.Family = "docker-hub"

// Host is the canonical host; ref folds all of Hub's names to it.
const Host = "docker.io"

// The method's fields.
const (
	fieldUsername = "username"
	fieldToken    = "token"
)

// Provider is the family; it is made by [New]. The zero one does what needs no network.
type Provider struct{ tools provider.Tools }

// New makes the family.
func New(t provider.Tools) Provider { return Provider{tools: t} }

// Info describes the family.
func (Provider) Info() fairlead.ProviderInfo {
	return fairlead.ProviderInfo{
		Family: Family,
		Title:  "Docker Hub",
		Help:   "Private repositories of a user or an organization, and pulls that count against your own rate limit.",
		Hosts:  []string{Host},
		Methods: []fairlead.Method{{
			Name: "access-token", Title: "Access token",
			Help: "Create one at hub.docker.com: a personal one (Account settings, Personal access tokens, Read-only) or an organization's (Admin console, Access tokens).",
			Fields: []fairlead.Field{
				{
					Name: fieldUsername, Title: "Docker ID or organization", Kind: fairlead.TextField, Required: true,
					Help: "Whose token it is: your Docker ID, or the organization's name for an organization access token. Not an e-mail address.",
				},
				{
					Name: fieldToken, Title: "Access token", Kind: fairlead.TextField, Required: true, Secret: true,
					Help: "Not the account's password.",
				},
			},
		}},
	}
}

// Check refuses what is no Docker ID: an e-mail address, which the web site takes and
// the registry doesn't.
func (Provider) Check(_ string, public map[string]string) error {
	name := public[fieldUsername]
	for _, r := range name {
		if r != '-' && r != '_' && r != '.' && (r < '0' || '9' < r) && (r < 'a' || 'z' < r) && (r < 'A' || 'Z' < r) {
			why := "it holds a character that Docker IDs don't have"
			if r == '@' {
				why = "it is an e-mail address"
			}
			return &fairlead.Error{
				Kind: fairlead.Invalid, Field: fieldUsername, What: "reading Docker ID", Why: why,
				Remedy: "write the Docker ID, or the organization's name, as it stands in docker.io/NAME/...",
			}
		}
	}
	return nil
}

// Owns is true of docker.io.
func (Provider) Owns(host string) bool { return host == Host }

// Accepts takes docker.io alone.
func (Provider) Accepts(_ fairlead.Connector, host string) error {
	if host == Host {
		return nil
	}
	return &fairlead.Error{
		Kind: fairlead.Invalid, Field: "pattern", What: "checking registry host", Why: host + " is not Docker Hub",
		Remedy: "write docker.io/NAMESPACE/*, or use family docker for another registry",
	}
}

// Power says what a login of the connector can do, and for how long.
func (Provider) Power(fairlead.Connector) string {
	return "pulls or pushes one repository for 5 minutes, with a token of Docker Hub's token endpoint; the access token stays here"
}

// whole refuses a connector of which something is missing.
func (p Provider) whole(c provider.Opened) error {
	m, err := provider.MethodOf(p.Info(), c.Method)
	if err != nil {
		return err
	}
	if err := provider.Check(m, provider.Given{Public: c.Public, Secret: c.Secret}); err != nil {
		return err
	}
	return p.Check(c.Method, c.Public)
}

// Login gives the stored login; the broker narrows it at Hub's token endpoint.
func (p Provider) Login(_ context.Context, c provider.Opened, _ fairlead.Scope) (provider.Login, error) {
	if err := p.whole(c); err != nil {
		return provider.Login{}, err
	}
	return provider.Login{Username: c.Public[fieldUsername], Password: c.Secret[fieldToken], Expires: c.Expires, Stored: true}, nil
}
