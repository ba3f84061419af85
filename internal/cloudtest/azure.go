package cloudtest

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead.dev/fairlead/internal/registrytest"
)

// AzureCloud is one of Azure's clouds, each with hosts of its own
// (learn.microsoft.com/entra/identity-platform/authentication-national-cloud).
type AzureCloud string

// The clouds.
const (
	AzurePublic     AzureCloud = ""
	AzureChina      AzureCloud = "china"
	AzureGovernment AzureCloud = "government"
)

// azureHosts are a cloud's hosts, and the audiences that its services take.
type azureHosts struct {
	login, arm, suffix string
	armAudiences       []string
}

func (c AzureCloud) hosts() azureHosts {
	switch c {
	case AzureChina:
		return azureHosts{
			"login.chinacloudapi.cn", "management.chinacloudapi.cn", "azurecr.cn",
			[]string{"https://management.chinacloudapi.cn", "https://management.core.chinacloudapi.cn"},
		}
	case AzureGovernment:
		return azureHosts{
			"login.microsoftonline.us", "management.usgovcloudapi.net", "azurecr.us",
			[]string{"https://management.usgovcloudapi.net", "https://management.core.usgovcloudapi.net"},
		}
	case AzurePublic:
		fallthrough
	default:
		return azureHosts{
			"login.microsoftonline.com", "management.azure.com", "azurecr.io",
			[]string{"https://management.azure.com", "https://management.core.windows.net"},
		}
	}
}

// Azure is a fake of Microsoft Entra, the instance metadata service, Azure Resource
// Manager and Azure Container Registry.
//
// Sources: docs of Azure/acr (AAD-OAuth.md, Token-BasicAuth.md), learn.microsoft.com
// on the client credentials flow, workload identity federation and IMDS tokens.
type Azure struct {
	n   *Internet
	tb  testing.TB
	key *rsa.PrivateKey

	mu            sync.Mutex
	tenants       map[string]*azureTenant
	apps          map[string]*AzureApp // by client id
	machine       []string             // client ids; the first is the system's, "" for none
	subscriptions map[string]*azureSubscription
	registries    map[string]*AzureHost // by login server
	roles         []AzureRole
	pageSize      int
}

type azureTenant struct {
	id      string
	domains []string
	cloud   AzureCloud
}

type azureSubscription struct {
	id, tenant string
	groups     []string
}

// AzureApp is a service principal: that of an application, or of a managed identity.
type AzureApp struct {
	Tenant, ClientID string
	// ObjectID is the principal's; empty is the client id turned around.
	ObjectID string
	// ResourceID is that of a user-assigned managed identity.
	ResourceID string
	Secrets    []AzureSecret
	Federated  []AzureFederation
	// Disabled has the application switched off, Blocked a Conditional Access policy
	// refuse it.
	Disabled, Blocked bool
}

// AzureSecret is a client secret, or a password of a registry's token.
type AzureSecret struct {
	ID, Value string
	Expires   time.Time // zero is never
}

// AzureFederation is a federated identity credential.
type AzureFederation struct{ Issuer, Subject, Audience string }

// AzureRole is a role assignment.
type AzureRole struct {
	ClientID, Role string
	// Scope is a resource's id, or the beginning of it up to a slash.
	Scope string
	// Repositories, if there are any, are the prefixes to which a condition (ABAC)
	// limits it.
	Repositories []string
}

// azureEntraKey is made once: making one takes longer than most tests.
var azureEntraKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// NewAzure puts Azure there, with all of its clouds and without anybody in it.
func NewAzure(tb testing.TB, n *Internet) *Azure {
	tb.Helper()
	a := &Azure{
		n: n, tb: tb, key: azureEntraKey(),
		tenants: map[string]*azureTenant{}, apps: map[string]*AzureApp{},
		subscriptions: map[string]*azureSubscription{}, registries: map[string]*AzureHost{}, pageSize: 2,
	}
	for _, cloud := range []AzureCloud{AzurePublic, AzureChina, AzureGovernment} {
		h := cloud.hosts()
		n.Handle(h.login, a.entra(cloud))
		n.Handle(h.arm, a.arm(cloud))
	}
	n.Handle("169.254.169.254", http.HandlerFunc(a.serveIMDS))
	return a
}

// AddTenant adds a tenant of a cloud.
func (a *Azure) AddTenant(cloud AzureCloud, id string, domains ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tenants[id] = &azureTenant{id: id, domains: domains, cloud: cloud}
}

// SetApp adds a service principal, or replaces it.
func (a *Azure) SetApp(app AzureApp) {
	a.mu.Lock()
	defer a.mu.Unlock()
	app.ObjectID = cmp.Or(app.ObjectID, azureReversed(app.ClientID))
	a.apps[strings.ToLower(app.ClientID)] = &app
}

func azureReversed(id string) string {
	b := []byte(id)
	slices.Reverse(b)
	return string(b)
}

// RemoveApp takes a service principal away.
func (a *Azure) RemoveApp(clientID string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.apps, strings.ToLower(clientID))
}

// SetMachine says which managed identities the machine has: the one that the system
// assigned ("" for none), and those that users did.
func (a *Azure) SetMachine(system string, users ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.machine = append([]string{system}, users...)
}

// AddSubscription adds a subscription with its resource groups.
func (a *Azure) AddSubscription(id, tenant string, groups ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.subscriptions[strings.ToLower(id)] = &azureSubscription{id: id, tenant: tenant, groups: groups}
}

// Assign gives a role.
func (a *Azure) Assign(r AzureRole) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roles = append(a.roles, r)
}

// Unassign takes all roles from a principal.
func (a *Azure) Unassign(clientID string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roles = slices.DeleteFunc(a.roles, func(r AzureRole) bool { return r.ClientID == clientID })
}

// AzureRegistry is what a registry is made with.
type AzureRegistry struct {
	Name  string
	Cloud AzureCloud
	// Label is the hash of a domain name label: the login server is name-label.
	Label string
	// Regions have an endpoint of their own: name.region.geo.azurecr.io.
	Regions                               []string
	Subscription, ResourceGroup, Location string
	// ABAC is role assignment mode "RBAC Registry + ABAC Repository Permissions", which
	// takes no notice of AcrPull.
	ABAC bool
	// NoARMTokens is azureADAuthenticationAsArmPolicy=disabled.
	NoARMTokens bool
	// Anonymous lets everybody pull.
	Anonymous bool
	// Firewall refuses the caller's network.
	Firewall bool
	// Admin is the password of the admin user; empty is none.
	Admin  string
	Tokens []AzureToken
}

// AzureToken is a registry's own token: a name with passwords and a scope map.
type AzureToken struct {
	Name      string
	Passwords []AzureSecret
	Disabled  bool
	// Actions are those of the scope map by repository ("team/app", "team/*", "*"):
	// content/read, content/write, content/delete, metadata/read, metadata/write.
	Actions map[string][]string
}

// LoginServer is the registry's host.
func (r AzureRegistry) LoginServer() string {
	name := r.Name
	if r.Label != "" {
		name += "-" + r.Label
	}
	return name + "." + r.Cloud.hosts().suffix
}

// ID is the registry's resource id.
func (r AzureRegistry) ID() string {
	return "/subscriptions/" + r.Subscription + "/resourceGroups/" + r.ResourceGroup +
		"/providers/Microsoft.ContainerRegistry/registries/" + r.Name
}

// AddRegistry makes a registry.
func (a *Azure) AddRegistry(c AzureRegistry) *AzureHost {
	h, err := a.addRegistry(c)
	if err != nil {
		a.tb.Fatal(err)
	}
	return h
}

func (a *Azure) addRegistry(c AzureRegistry) (*AzureHost, error) {
	h := &AzureHost{azure: a, config: c, loginServer: c.LoginServer(), repositories: map[string]bool{}}
	var err error
	h.store, err = registrytest.Start(a.tb.Context(), registrytest.Config{
		Auth: registrytest.Guarded, Guard: h.guard, Service: c.LoginServer(), Now: a.n.Now,
	})
	if err != nil {
		return nil, err
	}
	a.tb.Cleanup(h.store.Close)
	a.mu.Lock()
	a.registries[c.LoginServer()] = h
	a.mu.Unlock()
	a.n.Handle(c.LoginServer(), h)
	for _, region := range c.Regions {
		a.n.Handle(c.Name+"."+region+".geo."+c.Cloud.hosts().suffix, h)
	}
	return h, nil
}

// Host gives a registry by its login server, nil if there is none.
func (a *Azure) Host(loginServer string) *AzureHost {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.registries[loginServer]
}
