package cloudtest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead.dev/fairlead/internal/registrytest"
)

// The scopes of tokens (developers.google.com/identity/protocols/oauth2/scopes).
const (
	GooglePlatform     = "https://www.googleapis.com/auth/cloud-platform"
	GooglePlatformRead = "https://www.googleapis.com/auth/cloud-platform.read-only"
	googleIAMScope     = "https://www.googleapis.com/auth/iam"
	googleStorageRead  = "https://www.googleapis.com/auth/devstorage.read_only"
	googleStorageWrite = "https://www.googleapis.com/auth/devstorage.read_write"
)

// Google is Google Cloud, as far as images are concerned: projects, service accounts
// and their keys, workload identity pools, IAM, and Artifact Registry.
type Google struct {
	internet *Internet
	client   *http.Client

	mu         sync.Mutex
	projects   map[string]*googleProject // by ID
	accounts   map[string]*googleAccount // by e-mail address
	keys       map[string]*googleKey     // by key ID
	pools      map[string]GoogleProvider // by the provider's resource name
	bindings   []googleBinding
	tokens     map[string]googleToken         // by the token
	grants     map[string]googleRegistryToken // by the token
	operations map[string]*googleOperation
	issuers    map[string]googleIssuerKeys // by their URL
	memory     time.Duration
	machine    *googleMachine
	pageSize   int
	polls      int

	registries map[string]*registrytest.Registry // by location
}

type googleProject struct {
	id, number   string
	disabled     map[string]bool // services
	repositories map[string]GoogleRepository
}

type googleAccount struct {
	email, project string
	disabled       bool
}

type googleKey struct {
	email    string
	private  *rsa.PrivateKey
	disabled bool
}

// GoogleRepository is a repository of Artifact Registry.
type GoogleRepository struct {
	Location, ID string
	Format       string // empty is DOCKER
	Mode         string // empty is STANDARD_REPOSITORY
}

// GoogleProvider is an OIDC provider of a workload identity pool.
type GoogleProvider struct {
	// Issuer is whose tokens it takes.
	Issuer string
	// Audiences are what it takes as a token's audience; empty is its resource name,
	// with or without https: in front.
	Audiences []string
	// Subject, if it isn't empty, is an attribute condition: the only subject.
	Subject string
	// Disabled is that somebody has switched it off.
	Disabled bool
}

// NewGoogle puts Google at an internet.
func NewGoogle(tb testing.TB, n *Internet) *Google {
	tb.Helper()
	g := &Google{
		internet: n, client: n.Client(),
		projects: map[string]*googleProject{}, accounts: map[string]*googleAccount{}, keys: map[string]*googleKey{},
		pools: map[string]GoogleProvider{}, tokens: map[string]googleToken{}, grants: map[string]googleRegistryToken{},
		operations: map[string]*googleOperation{}, issuers: map[string]googleIssuerKeys{}, registries: map[string]*registrytest.Registry{},
	}
	tb.Cleanup(g.client.CloseIdleConnections)
	g.handle("oauth2.googleapis.com", http.HandlerFunc(g.serveOAuth))
	g.handle("sts.googleapis.com", http.HandlerFunc(g.serveSTS))
	g.handle("iamcredentials.googleapis.com", http.HandlerFunc(g.serveIAMCredentials))
	g.handle("metadata.google.internal", http.HandlerFunc(g.serveMetadata))
	g.handle("artifactregistry.googleapis.com", g.artifacts())
	g.handle("cloudresourcemanager.googleapis.com", g.resourceManager())
	g.handle("serviceusage.googleapis.com", g.serviceUsage())
	for _, location := range GoogleLocations() {
		g.addRegistry(tb, location)
	}
	for host, home := range googleOldHosts() {
		g.handle(host, &googleHost{g: g, host: host, location: home, old: true})
	}
	return g
}

// GoogleLocations lists some of Artifact Registry's locations
// (docs.cloud.google.com/artifact-registry/docs/repositories/repo-locations).
func GoogleLocations() []string {
	return []string{"asia", "asia-east1", "europe", "europe-west1", "europe-west3", "us", "us-central1", "us-east1"}
}

// googleOldHosts gives the location to which each of Container Registry's hosts leads
// (docs.cloud.google.com/artifact-registry/docs/transition/gcr-repositories).
func googleOldHosts() map[string]string {
	return map[string]string{"gcr.io": "us", "us.gcr.io": "us", "eu.gcr.io": "europe", "asia.gcr.io": "asia"}
}

// handle puts a host there that gives its replies the fakes' time.
func (g *Google) handle(host string, h http.Handler) {
	g.internet.Handle(host, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", g.internet.Now().UTC().Format(http.TimeFormat))
		h.ServeHTTP(w, r)
	}))
}

// AddProject makes a project, with all services, and gives its number. An ID such as
// "example.com:train" is one of a domain.
func (g *Google) AddProject(id string) (number string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	number = fmt.Sprintf("1%011d", len(g.projects)+1)
	g.projects[id] = &googleProject{id: id, number: number, disabled: map[string]bool{}, repositories: map[string]GoogleRepository{}}
	return number
}

// SetService switches a project's service ("artifactregistry.googleapis.com") on or off.
func (g *Google) SetService(project, service string, on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.projects[project].disabled[service] = !on
}

// AddAccount makes a service account and gives its e-mail address.
func (g *Google) AddAccount(project, name string) string {
	domain := project
	if d, id, ok := strings.Cut(project, ":"); ok {
		domain = id + "." + d
	}
	email := name + "@" + domain + ".iam.gserviceaccount.com"
	g.mu.Lock()
	defer g.mu.Unlock()
	g.accounts[email] = &googleAccount{email: email, project: project}
	return email
}

// SetAccount disables or enables a service account.
func (g *Google) SetAccount(email string, on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.accounts[email].disabled = !on
}

// RemoveAccount deletes a service account with its keys.
func (g *Google) RemoveAccount(email string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.accounts, email)
}

// AddKey makes a key of a service account: its ID, and the file that Google gives out
// (docs.cloud.google.com/iam/docs/keys-create-delete).
func (g *Google) AddKey(email string) (id string, file []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	id = fmt.Sprintf("%040x", len(g.keys)+0xabc0)
	k := &googleKey{email: email, private: googleRSA(len(g.keys))}
	g.keys[id] = k
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		panic(err)
	}
	file, err = json.MarshalIndent(map[string]string{
		"type": "service_account", "project_id": g.accounts[email].project, "private_key_id": id,
		"private_key":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"client_email": email, "client_id": "100000000000000000001",
		"auth_uri": "https://accounts.google.com/o/oauth2/auth", "token_uri": "https://oauth2.googleapis.com/token",
		"auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
		"client_x509_cert_url":        "https://www.googleapis.com/robot/v1/metadata/x509/" + strings.Replace(email, "@", "%40", 1),
		"universe_domain":             "googleapis.com",
	}, "", "  ")
	if err != nil {
		panic(err)
	}
	return id, file
}

// SetKey disables or enables a key.
func (g *Google) SetKey(id string, on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keys[id].disabled = !on
}

// googleRSA gives one of a few keys: making one takes a while.
func googleRSA(n int) *rsa.PrivateKey { return googleRSAKeys[n%len(googleRSAKeys)]() }

var googleRSAKeys = [...]func() *rsa.PrivateKey{sync.OnceValue(newGoogleRSA), sync.OnceValue(newGoogleRSA), sync.OnceValue(newGoogleRSA)}

func newGoogleRSA() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}

// AddProvider makes a provider in a project's workload identity pool, and gives its
// resource name as tokens are asked for, without the service's name in front.
func (g *Google) AddProvider(project, pool, provider string, p GoogleProvider) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	name := fmt.Sprintf("projects/%s/locations/global/workloadIdentityPools/%s/providers/%s", g.projects[project].number, pool, provider)
	g.pools[name] = p
	return name
}

// AddRepository makes a repository, and gives its resource name.
func (g *Google) AddRepository(project string, r GoogleRepository) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.addRepository(g.projects[project], r)
}

func (g *Google) addRepository(p *googleProject, r GoogleRepository) string {
	if r.Format == "" {
		r.Format = "DOCKER"
	}
	if r.Mode == "" {
		r.Mode = "STANDARD_REPOSITORY"
	}
	name := fmt.Sprintf("projects/%s/locations/%s/repositories/%s", p.id, r.Location, r.ID)
	p.repositories[name] = r
	return name
}

// SetPageSize bounds the pages of lists; 0 is as the request wants it.
func (g *Google) SetPageSize(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pageSize = n
}

// SetPolls says how often an operation isn't done yet.
func (g *Google) SetPolls(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.polls = n
}

// SetMachine makes the machine that asks the metadata server one of a service account,
// with the scopes that it was made with. Without it there is no such machine.
func (g *Google) SetMachine(email string, life time.Duration, scopes ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.machine = &googleMachine{email: email, life: life, scopes: scopes}
}
