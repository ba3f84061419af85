// Package jfrogartifactory is the family of JFrog Artifactory, in JFrog's cloud
// (<name>.jfrog.io) and self-hosted under any name.
//
// Sources: jfrog.com/help, "Docker Repository URL Formats", "Access Tokens", "Create
// Token", "Refresh Token" and "OIDC Token Exchange". Whatever is stored, what leaves
// the house is at most a token of minutes: of the Docker token endpoint, or of Access.
package jfrogartifactory

import (
	"context"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// Family is the family's name.
const Family fairlead.Family = "jfrog-artifactory"

// The methods, and the fields of all of them.
const (
	federation  = "federation"
	accessToken = "access-token"
	basic       = "basic"

	fieldHost         = "host"
	fieldDockerHost   = "docker_host"
	fieldPathMethod   = "path_method"
	fieldRepositories = "repositories"

	byPath      = "path"
	bySubdomain = "subdomain"
	byPort      = "port"
)

// The fields of single methods.
const (
	fieldProvider = "provider_name"
	fieldAudience = "audience"
	fieldMapping  = "identity_mapping"
	fieldProject  = "project_key"

	fieldUsername = "username"
	fieldToken    = "access_token"
	fieldRefresh  = "refresh_token"
	fieldNarrow   = "narrow"
	fieldPassword = "password"

	narrowUser       = "user"
	narrowRepository = "repository"
)

// Provider is the family; it is made by [New].
type Provider struct{ tools provider.Tools }

// New makes the family.
func New(t provider.Tools) Provider { return Provider{tools: t} }

func (p Provider) now() time.Time { return p.tools.Now() }

// Info describes the family.
func (Provider) Info() fairlead.ProviderInfo {
	return fairlead.ProviderInfo{
		Family:  Family,
		Title:   "JFrog Artifactory",
		Help:    "Docker repositories of a JFrog platform, in JFrog's cloud or self-hosted.",
		Hosts:   []string{"*.jfrog.io"},
		Methods: []fairlead.Method{federationMethod(), tokenMethod(), basicMethod()},
	}
}

func federationMethod() fairlead.Method {
	return fairlead.Method{
		Name: federation, Title: "Federation (OIDC), no stored secret", Keyless: true,
		Help: "JFrog trusts this server's issuer and gives a short-lived token for a subject token (Administration, General Management, Manage Integrations, OpenID Connect).",
		Fields: append(places(),
			fairlead.Field{
				Name: fieldProvider, Title: "Provider name", Kind: fairlead.TextField, Required: true,
				Help: "The name of the OIDC integration in JFrog.",
			},
			fairlead.Field{
				Name: fieldAudience, Title: "Audience", Kind: fairlead.TextField,
				Help: "The audience of the OIDC integration. Default: https:// and the platform's host.",
			},
			fairlead.Field{
				Name: fieldMapping, Title: "Identity mapping", Kind: fairlead.TextField,
				Help: "The name of the identity mapping to take. Default: the first that agrees.",
			},
			fairlead.Field{
				Name: fieldProject, Title: "Project key", Kind: fairlead.TextField,
				Help: "The project of the OIDC integration, if it belongs to one.",
			},
		),
	}
}

func tokenMethod() fairlead.Method {
	return fairlead.Method{
		Name: accessToken, Title: "Access token",
		Help: "An access token, an identity token or a reference token. It stays here: leases are tokens of minutes that are made with it.",
		Fields: append(places(),
			fairlead.Field{
				Name: fieldUsername, Title: "User", Kind: fairlead.TextField,
				Help: "For whom tokens are made. Default: the token's own user; only an administrator's token makes them for another.",
			},
			fairlead.Field{Name: fieldToken, Title: "Access token", Kind: fairlead.TextField, Required: true, Secret: true},
			fairlead.Field{
				Name: fieldRefresh, Title: "Refresh token", Kind: fairlead.TextField, Secret: true,
				Help: "Of a refreshable access token.",
			},
			fairlead.Field{
				Name: fieldNarrow, Title: "What a token allows", Kind: fairlead.ChoiceField, Choices: []string{narrowUser, narrowRepository},
				Help: "user: what its user may (default). repository: the one repository that a lease is for, which only an administrator's token can make (Artifactory 7.38).",
			},
		),
	}
}

func basicMethod() fairlead.Method {
	return fairlead.Method{
		Name: basic, Title: "User name and password",
		Help: "JFrog makes no tokens for a password: prefer federation or an access token. A user without other rights than to read is best.",
		Fields: append(places(),
			fairlead.Field{
				Name: fieldUsername, Title: "User", Kind: fairlead.TextField, Required: true,
				Help: "With a token as the password: the token's own user, and nobody else.",
			},
			fairlead.Field{Name: fieldPassword, Title: "Password", Kind: fairlead.TextField, Required: true, Secret: true},
		),
	}
}

// places are the fields that say where the secrets may go.
func places() []fairlead.Field {
	return []fairlead.Field{
		{
			Name: fieldHost, Title: "Platform host", Kind: fairlead.TextField, Required: true, Binds: true,
			Help: "The host of the JFrog platform, with its port if it has one: acme.jfrog.io.",
		},
		{
			Name: fieldDockerHost, Title: "Docker host", Kind: fairlead.TextField, Binds: true,
			Help: "The host in images' names, if it isn't the platform's. With subdomains, the domain that they are below.",
		},
		{
			Name: fieldPathMethod, Title: "Repository path method", Kind: fairlead.ChoiceField, Binds: true,
			Choices: []string{byPath, bySubdomain, byPort},
			Help:    "How an image's name holds the repository. path: HOST/REPOSITORY/IMAGE (default). subdomain: REPOSITORY.HOST/IMAGE, in JFrog's cloud NAME-REPOSITORY.jfrog.io/IMAGE. port: HOST:PORT/IMAGE.",
		},
		{
			Name: fieldRepositories, Title: "Repositories", Kind: fairlead.TextField, Binds: true,
			Help: "Where the path method doesn't tell them, with commas between. Ports: docker-local=5001. Subdomains in JFrog's cloud: docker-local.",
		},
	}
}

// Accepts takes the platform's own host, and the hosts that its repositories have by
// the path method.
func (p Provider) Accepts(c fairlead.Connector, host string) error {
	pl, err := placeOf(c.Public)
	if err != nil {
		return err
	}
	if pl.accepts(host) {
		return nil
	}
	return &fairlead.Error{
		Kind: fairlead.Invalid, Field: "pattern", What: "checking registry host",
		Why:    "connector " + string(c.Name) + " is for " + strings.Join(pl.forms(), " and ") + ", and its login isn't sent to " + host,
		Remedy: "write one of those hosts, or change the connector's hosts and path method and give its secret again",
	}
}

// Check reads the places, and the names that become part of requests.
func (Provider) Check(method string, public map[string]string) error {
	if _, err := placeOf(public); err != nil {
		return err
	}
	if method == federation {
		for _, f := range []string{fieldProvider, fieldMapping, fieldProject} {
			if !isPlain(public[f]) {
				return &fairlead.Error{
					Kind: fairlead.Invalid, Field: f, What: "reading " + strings.ReplaceAll(f, "_", " "),
					Why:    "it holds a character that JFrog's names don't have",
					Remedy: "write it as it stands in JFrog: letters, digits, dashes, underscores and dots",
				}
			}
		}
	}
	if strings.Contains(public[fieldUsername], ":") {
		return &fairlead.Error{
			Kind: fairlead.Invalid, Field: fieldUsername, What: "reading user", Why: "a user name with a colon can't be sent to a registry",
			Remedy: "write the user name as it stands in JFrog, User Management",
		}
	}
	return nil
}

// isPlain reports whether a name is made of letters, digits, dashes, underscores and
// dots. An empty one is.
func isPlain(s string) bool {
	for _, r := range s {
		if r != '-' && r != '_' && r != '.' && (r < '0' || '9' < r) && (r < 'a' || 'z' < r) && (r < 'A' || 'Z' < r) {
			return false
		}
	}
	return len(s) <= 255
}

// whole refuses a connector of which something is missing, before anything is asked
// with it.
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

// Power says what a login of the connector can do, and for how long.
func (Provider) Power(c fairlead.Connector) string {
	const first = "pulls or pushes one repository with a token of Artifactory's Docker token endpoint"
	switch {
	case c.Method == federation:
		return first + ", made for a token of the user that the identity mapping names, which lives as long as the mapping says (60 seconds unless it says more)"
	case c.Method == accessToken && c.Public[fieldNarrow] == narrowRepository:
		return first + ", made for a token of 15 minutes that itself allows this repository alone; the stored token stays here"
	case c.Method == accessToken:
		return first + ", made for a token of 15 minutes of its user; the stored token stays here"
	default:
		return first + ", made for the stored password, which stays here unless a registry entry allows its disclosure"
	}
}

// Login gives a login for the scope: see the methods' own.
func (p Provider) Login(ctx context.Context, c provider.Opened, s fairlead.Scope) (provider.Login, error) {
	if err := p.whole(c); err != nil {
		return provider.Login{}, err
	}
	var l provider.Login
	var err error
	switch c.Method {
	case federation:
		l, err = p.exchange(ctx, c, s)
	case accessToken:
		l, err = p.mint(ctx, c, s)
	default:
		l = provider.Login{Username: c.Public[fieldUsername], Password: c.Secret[fieldPassword], Stored: true}
	}
	if err != nil {
		return provider.Login{}, err
	}
	if l.Expires.IsZero() || !c.Expires.IsZero() && c.Expires.Before(l.Expires) {
		l.Expires = c.Expires
	}
	return l, nil
}
