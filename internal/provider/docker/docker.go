// Package docker is the family of every registry that speaks standard Docker login:
// the OCI Distribution Specification with HTTP Basic, or with bearer tokens of a token
// endpoint (Distribution, "Token Authentication Specification").
package docker

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/ref"
)

// Family is the family's name.
const Family fairlead.Family = "docker"

// The methods and the field values that Login looks at.
const (
	basic  = "basic"
	bearer = "bearer"

	// hosts says where the secret may go.
	hosts = "hosts"

	useTrade   = "trade"
	usePresent = "present"
)

// The other fields.
const (
	fieldPreset   = "preset"
	fieldUsername = "username"
)

// Provider is the family; it is made by [New]. The zero one does what needs no network.
type Provider struct{ tools provider.Tools }

// New makes the family.
func New(t provider.Tools) Provider { return Provider{tools: t} }

// Info describes the family.
func (Provider) Info() fairlead.ProviderInfo {
	return fairlead.ProviderInfo{
		Family: Family,
		Title:  "Any registry with standard Docker login",
		Help:   "Distribution, Harbor, GitLab, GHCR, Quay, Nexus and whatever else `docker login` can log in to.",
		Hosts:  []string{},
		Methods: []fairlead.Method{
			{
				Name: basic, Title: "Username and password",
				Help: "As you would type them at `docker login`. Prefer a robot or deploy account that may only pull.",
				Fields: []fairlead.Field{
					hostsField(),
					presetField(),
					{
						Name: fieldUsername, Title: "Username", Kind: fairlead.TextField,
						Help: "Needed, but for GHCR, NGC and DigitalOcean, where it is filled in. Robots have a $ (Harbor: robot$project+name) or a + (Quay: acme+robot) in their names, deploy tokens of GitLab are gitlab+deploy-token-N.",
					},
					{
						Name: "password", Title: "Password", Kind: fairlead.TextField, Required: true, Secret: true,
						Help: "A password or an access token that the registry takes in its place.",
					},
				},
			},
			{
				Name: bearer, Title: "Token",
				Help: "A token without a username.",
				Fields: []fairlead.Field{
					hostsField(),
					presetField(),
					{Name: "token", Title: "Token", Kind: fairlead.TextField, Required: true, Secret: true},
					{
						Name: "token_use", Title: "How the token is used", Kind: fairlead.ChoiceField, Choices: []string{useTrade, usePresent},
						Help: "trade: an identity token, traded at the registry's token endpoint for a narrower one (default). " +
							"present: sent to the registry as it is; it can't be narrowed, so workers get it only where the registry entry allows disclosure.",
					},
				},
			},
			federationMethod(),
		},
	}
}

func hostsField() fairlead.Field {
	return fairlead.Field{
		Name: hosts, Title: "Hosts", Kind: fairlead.TextField, Required: true, Binds: true,
		Help: "The registry hosts (with ports) that may see the secret, with commas between; a registry entry that is added with its connector fills it in.",
	}
}

// Check reads the hosts, each as it stands in a pattern, and what is peculiar about the
// registry.
func (Provider) Check(method string, public map[string]string) error {
	for h := range strings.SplitSeq(public[hosts], ",") {
		h = strings.TrimSpace(h)
		p, err := pattern.Parse(h + "/*")
		switch {
		case err != nil || strings.ContainsAny(h, "/@"):
			return &fairlead.Error{
				Kind: fairlead.Invalid, Field: hosts, What: "reading hosts", Why: strconv.Quote(fairlead.Clip(h)) + " is not a registry host",
				Remedy: "write hosts with their ports and commas between, such as registry.example.com:5000",
			}
		case p.Host() != h:
			return &fairlead.Error{
				Kind: fairlead.Invalid, Field: hosts, What: "reading hosts", Why: strconv.Quote(fairlead.Clip(h)) + " is another way to write " + p.Host(),
				Remedy: "write " + p.Host(),
			}
		}
	}
	if method == federation {
		return checkFederation(public)
	}
	return checkPreset(method, public)
}

// Owns is false: what no other family owns is left to this one.
func (Provider) Owns(string) bool { return false }

// Accepts takes the hosts that the connector was registered for.
func (Provider) Accepts(c fairlead.Connector, host string) error {
	for h := range strings.SplitSeq(c.Public[hosts], ",") {
		if h = strings.TrimSpace(h); h == host || covers(h, host) {
			return nil
		}
	}
	return &fairlead.Error{
		Kind: fairlead.Invalid, Field: "connector", What: "checking registry host",
		Why:    fmt.Sprintf("connector %s is for %s, and its secret isn't sent to %s", c.Name, c.Public[hosts], host),
		Remedy: "use another connector, or add the host and give the secret again: `fairlead connector update " + string(c.Name) + " --hosts ...`",
	}
}

// covers reports whether a host pattern with * covers a plain host.
func covers(hostPattern, host string) bool {
	p, err := pattern.Parse(hostPattern + "/*")
	return err == nil && p.Match(ref.Image{Resource: ref.Resource{Host: host, Repository: "x"}, Tag: "latest"})
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

// Login gives the stored login, or with federation one of an hour; the broker narrows
// either at the token endpoint.
func (p Provider) Login(ctx context.Context, c provider.Opened, s fairlead.Scope) (provider.Login, error) {
	if err := p.whole(c); err != nil {
		return provider.Login{}, err
	}
	switch {
	case c.Method == federation:
		return p.exchange(ctx, c, s)
	case c.Method == basic:
		return provider.Login{Username: usernameOf(c.Public), Password: c.Secret["password"], Expires: c.Expires, Stored: true}, nil
	case c.Public["token_use"] == usePresent:
		return provider.Login{Bearer: c.Secret["token"], Expires: c.Expires, Stored: true}, nil
	default:
		return provider.Login{Identity: c.Secret["token"], Expires: c.Expires, Stored: true}, nil
	}
}
