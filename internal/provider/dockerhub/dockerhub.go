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

// Provider is the family. The zero one is ready.
type Provider struct{}

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
					Name: "username", Title: "Docker ID or organization", Kind: fairlead.TextField, Required: true,
					Help: "Whose token it is: your Docker ID, or the organization's name for an organization access token. Not an e-mail address.",
				},
				{
					Name: "token", Title: "Access token", Kind: fairlead.TextField, Required: true, Secret: true,
					Help: "Not the account's password.",
				},
			},
		}},
	}
}

// Check finds nothing: what the method says is all there is to say.
func (Provider) Check(string, map[string]string) error { return nil }

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

// Login gives the stored login; the broker narrows it at Hub's token endpoint.
func (Provider) Login(_ context.Context, c provider.Opened, _ fairlead.Scope) (provider.Login, error) {
	return provider.Login{Username: c.Public["username"], Password: c.Secret["token"], Expires: c.Expires, Stored: true}, nil
}
