// Package azurecontainerregistry is the family of Azure Container Registry, in all of
// Azure's clouds and under all forms of its hosts.
//
// A login is never wider than it has to be. Entra's token is for the audience of
// registries alone (containerregistry.azure.net, which registries take that refuse
// Resource Manager's); one registry exchanges it for a refresh token that is good for
// about three hours and at this registry alone; and that is only traded, at the
// registry's token endpoint, for a token that names one repository (about 75 minutes).
//
// Sources: Azure/acr, docs/AAD-OAuth.md and docs/Token-BasicAuth.md;
// learn.microsoft.com/azure/container-registry; learn.microsoft.com/entra/identity-platform.
//
// The calls are written here and not left to azidentity: they are one form each, the
// SDK looks at the environment for authority, region and source of identities, and it
// keeps the status, the time and the codes from which sentences are made to itself.
// It proves the fake that this is tested with.
package azurecontainerregistry

import (
	"context"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/ref"
)

// Family is the family's name.
const Family fairlead.Family = "azure-container-registry"

// The methods.
const (
	federation       = "federation"
	servicePrincipal = "service-principal"
	managedIdentity  = "managed-identity"
	repositoryToken  = "repository-token"
)

// The fields.
const (
	tenantID       = "tenant_id"
	clientID       = "client_id"
	clientSecret   = "client_secret"
	cloudName      = "cloud"
	identityID     = "identity_id"
	loginServer    = "login_server"
	tokenName      = "username"
	tokenPassword  = "password"
	subscriptionID = "subscription_id"
	resourceGroup  = "resource_group"
	location       = "location"
)

// Provider is the family. [New] makes one.
type Provider struct {
	tools provider.Tools
	// poll is how long to wait between two looks at a registry that is being made.
	poll time.Duration
}

// New makes the family.
func New(t provider.Tools) Provider { return Provider{tools: t, poll: 2 * time.Second} }

// Info describes the family.
func (Provider) Info() fairlead.ProviderInfo {
	return fairlead.ProviderInfo{
		Family: Family,
		Title:  "Azure Container Registry",
		Help:   "Registries of Azure, of Azure operated by 21Vianet (China) and of Azure Government.",
		Hosts:  []string{"*.azurecr.io", "*.*.geo.azurecr.io", "*.azurecr.cn", "*.*.geo.azurecr.cn", "*.azurecr.us", "*.*.geo.azurecr.us"},
		Methods: []fairlead.Method{
			{
				Name: federation, Title: "Workload identity federation (no secret)", Keyless: true,
				Help:   "An application in Microsoft Entra, or a user-assigned managed identity, trusts this server as an issuer. Nothing secret is stored.",
				Fields: append([]fairlead.Field{tenantField(), clientField("The application's or the managed identity's client ID.")}, cloudFields()...),
			},
			{
				Name: servicePrincipal, Title: "Service principal with a client secret",
				Help: "An application in Microsoft Entra with a client secret. The secret is sent to Microsoft Entra alone, never to a registry.",
				Fields: append([]fairlead.Field{
					tenantField(), clientField("The application's (client) ID, not its object ID."),
					{
						Name: clientSecret, Title: "Client secret", Kind: fairlead.TextField, Required: true, Secret: true,
						Help: "The secret's value, which is shown once, and not its ID.",
					},
				}, cloudFields()...),
			},
			{
				Name: managedIdentity, Title: "Managed identity of the server's own machine", Keyless: true,
				Help: "Only where the operator has allowed it: everybody who may use this connector acts as the machine.",
				Fields: append([]fairlead.Field{
					{
						Name: clientID, Title: "Client ID", Kind: fairlead.TextField, Without: []string{identityID},
						Help: "Of a user-assigned identity; without it the identity is the one that the system assigned.",
					},
					{
						Name: identityID, Title: "Resource ID of the identity", Kind: fairlead.TextField, Without: []string{clientID},
						Help: "Instead of the client ID: /subscriptions/.../providers/Microsoft.ManagedIdentity/userAssignedIdentities/NAME.",
					},
				}, cloudFields()...),
			},
			{
				Name: repositoryToken, Title: "Token of the registry, with a scope map",
				Help: "A name and a password that one registry gives out for some of its repositories, without Microsoft Entra.",
				Fields: []fairlead.Field{
					{
						Name: loginServer, Title: "Login server", Kind: fairlead.TextField, Required: true, Binds: true,
						Help: "The registry whose token it is, such as myregistry.azurecr.io.",
					},
					{Name: tokenName, Title: "Token name", Kind: fairlead.TextField, Required: true},
					{
						Name: tokenPassword, Title: "Password", Kind: fairlead.TextField, Required: true, Secret: true,
						Help: "password1 or password2 of the token.",
					},
				},
			},
		},
	}
}

func tenantField() fairlead.Field {
	return fairlead.Field{
		Name: tenantID, Title: "Tenant ID", Kind: fairlead.TextField, Required: true,
		Help: "The directory's ID, or one of its domains such as contoso.onmicrosoft.com.",
	}
}

func clientField(help string) fairlead.Field {
	return fairlead.Field{Name: clientID, Title: "Client ID", Kind: fairlead.TextField, Required: true, Help: help}
}

// cloudFields are what methods of Entra have in common.
func cloudFields() []fairlead.Field {
	return []fairlead.Field{
		{
			Name: cloudName, Title: "Cloud", Kind: fairlead.ChoiceField, Choices: []string{publicCloud, chinaCloud, governmentCloud}, Binds: true,
			Help: "Empty is public.",
		},
		{
			Name: subscriptionID, Title: "Subscription ID", Kind: fairlead.TextField,
			Help: "Where registries are looked for and made; empty looks in all that the identity sees.",
		},
		{Name: resourceGroup, Title: "Resource group", Kind: fairlead.TextField, With: []string{subscriptionID}, Help: "Where registries are made."},
		{Name: location, Title: "Location", Kind: fairlead.TextField, With: []string{resourceGroup}, Help: "Where registries are made, such as westeurope."},
	}
}

// Power says how little a login gives away.
func (Provider) Power(c fairlead.Connector) string {
	if c.Method == repositoryToken {
		return "pulls or pushes, whichever the lease is for, in one repository of " + c.Public[loginServer] +
			" as far as the scope map of token " + c.Public[tokenName] + " allows, for about 75 minutes; the password stays on the server"
	}
	s := "pulls or pushes, whichever the lease is for, in one repository as far as the roles of the identity allow, for about 75 minutes"
	switch c.Method {
	case federation:
		s += "; nothing secret is stored"
	case servicePrincipal:
		s += "; the client secret stays on the server"
	}
	return s
}

// Login gives a refresh token of the scope's registry, which the broker trades for a
// token of the scope's repository; with method repository-token, the stored password.
//
// Errors are [fairlead.Invalid] for a connector that isn't whole, [fairlead.Denied]
// (CodeLoginRefused, CodeConnectorExpired, CodeNoRight), [fairlead.Limited]
// (CodeRateLimited) and [fairlead.Unavailable].
func (p Provider) Login(ctx context.Context, c provider.Opened, s fairlead.Scope) (provider.Login, error) {
	if err := p.whole(c); err != nil {
		return provider.Login{}, err
	}
	host := s.Resource.Host
	if err := p.Accepts(c.Connector, host); err != nil {
		return provider.Login{}, err
	}
	if c.Method == repositoryToken {
		return provider.Login{Username: c.Public[tokenName], Password: c.Secret[tokenPassword], Expires: c.Expires, Stored: true}, nil
	}
	r, err := p.challenge(ctx, host)
	if err != nil {
		return provider.Login{}, err
	}
	token, err := p.entra(ctx, c, s, registryAudience)
	if err != nil {
		return provider.Login{}, err
	}
	refresh, err := p.exchange(ctx, r, token)
	if err != nil {
		return provider.Login{}, err
	}
	return provider.Login{Identity: refresh.token, Expires: earlier(refresh.expires, c.Expires)}, nil
}

// whole refuses a connector that lacks something: what is missing must never be made
// up for by what this machine happens to have.
func (p Provider) whole(c provider.Opened) error {
	m, err := provider.MethodOf(p.Info(), c.Method)
	if err != nil {
		return err
	}
	if err := provider.Check(m, provider.Given{Public: c.Public, Secret: c.Secret}); err != nil {
		return err
	}
	if err := p.Check(c.Method, c.Public); err != nil {
		return err
	}
	switch {
	case c.Method == federation && p.tools.Issuer == nil:
		return &fairlead.Error{
			Kind: fairlead.Invalid, Field: "method", What: "opening connector " + string(c.Name),
			Why:    "method federation needs this server to be an issuer, and it has no public address",
			Remedy: "the operator gives the server its public https address, or use method service-principal",
		}
	case c.Method == managedIdentity && p.tools.Instance == nil:
		return &fairlead.Error{
			Kind: fairlead.Denied, Code: fairlead.CodeNoRight, Field: "method", What: "opening connector " + string(c.Name),
			Why:    "the operator of this server doesn't let connectors act as its machine",
			Remedy: "use method federation, or ask the operator to allow instance methods",
		}
	}
	return nil
}

// earlier gives the earlier of two ends; zero is none.
func earlier(a, b time.Time) time.Time {
	if b.IsZero() || !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}

// cloudOf gives the cloud of a connector, which Check has found to be one.
func cloudOf(c fairlead.Connector) cloud {
	if c.Method == repositoryToken {
		h, _ := parseHost(c.Public[loginServer])
		return h.cloud
	}
	return cloudNamed(c.Public[cloudName])
}

func invalid(field, what, why, remedy string) *fairlead.Error {
	return &fairlead.Error{Kind: fairlead.Invalid, Field: field, What: what, Why: why, Remedy: remedy}
}

// quoted shows what somebody gave, without a login that may be in it.
func quoted(s string) string { return ref.Quote(s) }
