package gcpartifactregistry_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/provider"
	gar "fairlead.dev/fairlead/internal/provider/gcpartifactregistry"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
)

const (
	project = "acme-train"
	image   = "us-docker.pkg.dev/acme-train/models/app:v1"
	subject = "org:acme:connector:gar"
)

// noon is a time that stands in golden files.
func noon() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// started is what all clocks show, unless a test sets one. It is near the machine's
// time, by which the fakes' certificates are valid.
var started = sync.OnceValue(func() time.Time { return time.Now().UTC().Truncate(time.Second) })

// clock is a clock that is set.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

// world is Google with a project, a repository, accounts, and Fairlead's issuer.
type world struct {
	n      *cloudtest.Internet
	g      *cloudtest.Google
	issuer *issuer
	// ours is Fairlead's clock, theirs is Google's.
	ours, theirs *clock
	tools        provider.Tools
	number       string
	repo         string // its resource name
	pool         string // the provider's resource name
	reader       string // an account that may pull, with every role that the methods need
	keyID        string
	key          []byte
	caller       string // an account that may only act as reader
	callerKey    []byte
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{n: cloudtest.New(t), ours: &clock{t: started()}, theirs: &clock{t: started()}}
	w.n.SetClock(w.theirs.now)
	w.g = cloudtest.NewGoogle(t, w.n)
	w.number = w.g.AddProject(project)
	w.repo = w.g.AddRepository(project, cloudtest.GoogleRepository{Location: "us", ID: "models"})
	w.reader, w.caller = w.g.AddAccount(project, "reader"), w.g.AddAccount(project, "caller")
	w.keyID, w.key = w.g.AddKey(w.reader)
	_, w.callerKey = w.g.AddKey(w.caller)
	w.issuer = newIssuer(t, w.n, w.ours.now)
	w.pool = w.g.AddProvider(project, "fairlead", "fairlead", cloudtest.GoogleProvider{Issuer: w.issuer.URL(), Subject: subject})
	for _, member := range []string{"serviceAccount:" + w.reader, w.principal()} {
		w.g.Grant(w.repo, "roles/artifactregistry.reader", member)
	}
	w.g.Grant(w.account(), "roles/iam.serviceAccountTokenCreator", "serviceAccount:"+w.reader)
	w.g.Grant(w.account(), "roles/iam.serviceAccountTokenCreator", "serviceAccount:"+w.caller)
	w.g.Grant(w.account(), "roles/iam.workloadIdentityUser", w.principal())
	w.tools = provider.Tools{HTTP: w.n.Client(), Now: w.ours.now, Issuer: w.issuer, Instance: w.n.Client()}
	return w
}

func (w *world) principal() string {
	return "principal://iam.googleapis.com/projects/" + w.number + "/locations/global/workloadIdentityPools/fairlead/subject/" + subject
}

// account is reader's resource name.
func (w *world) account() string { return "projects/-/serviceAccounts/" + w.reader }

func (w *world) provider() gar.Provider { return gar.New(w.tools) }

// connector makes one of a method, with what newWorld has for it.
func (w *world) connector(method string, change ...func(*provider.Opened)) provider.Opened {
	c := provider.Opened{Owner: "acme", Secret: map[string]fairlead.Secret{}}
	c.Name, c.Family, c.Method, c.Public = "gar", gar.Family, method, map[string]string{}
	switch method {
	case "federation":
		c.Public["workload_identity_provider"] = w.pool
	case "service-account":
		c.Secret["key"] = secret(w.key)
	case "impersonation":
		c.Secret["key"] = secret(w.callerKey)
		c.Public["service_account"] = w.reader
	case "access-token":
		c.Secret["token"] = fairlead.SecretText(w.g.AccessToken(w.reader, time.Hour, cloudtest.GooglePlatform))
	case "instance-identity":
		w.g.SetMachine(w.reader, 20*time.Minute, cloudtest.GooglePlatform)
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

func secret(b []byte) fairlead.Secret { return fairlead.SecretText(string(b)) }

func public(field, value string) func(*provider.Opened) {
	return func(c *provider.Opened) { c.Public[field] = value }
}

func hidden(field, value string) func(*provider.Opened) {
	return func(c *provider.Opened) { c.Secret[field] = fairlead.SecretText(value) }
}

func scope(t *testing.T, verb fairlead.Verb) fairlead.Scope {
	t.Helper()
	i, err := ref.Parse(image)
	if err != nil {
		t.Fatal(err)
	}
	return fairlead.Scope{Resource: i.Resource, Verb: verb}
}

// client speaks with registries as Fairlead does.
func (w *world) client(t *testing.T) *oci.Client {
	t.Helper()
	c, err := oci.New(oci.Options{Now: w.ours.now, Proxy: func(*http.Request) (*url.URL, error) { return w.n.ProxyURL(), nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// lease narrows a login as the broker does.
func (w *world) lease(t *testing.T, l provider.Login, s fairlead.Scope) (keychain, error) {
	t.Helper()
	ca, err := os.ReadFile(w.n.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	e := oci.Endpoint{Host: s.Resource.Host, CABundle: string(ca)}
	b, err := w.client(t).Trade(t.Context(), e, oci.Login{Username: l.Username, Password: l.Password}, s)
	return keychain{For: s, Kind: fairlead.RegistryToken, Bearer: b.Token, Expires: b.Expires, CABundle: string(ca)}, err
}

// keychain is one lease.
type keychain fairlead.Lease

func (k keychain) Lease(context.Context, fairlead.Scope) (fairlead.Lease, error) {
	return fairlead.Lease(k), nil
}

// issuer is Fairlead as an OIDC issuer.
type issuer struct {
	signer jose.Signer
	now    func() time.Time
	mu     sync.Mutex
	asked  []provider.Subject
	change func(*jwt.Claims)
}

func newIssuer(t *testing.T, n *cloudtest.Internet, now func() time.Time) *issuer {
	t.Helper()
	i := &issuer{now: now}
	key := jose.JSONWebKey{Key: issuerKey(), KeyID: "one", Algorithm: "RS256", Use: "sig"}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.URL(), "jwks_uri": i.URL() + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	})
	n.Handle("fairlead.acme.example", mux)
	var err error
	if i.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, nil); err != nil {
		t.Fatal(err)
	}
	return i
}

func (i *issuer) URL() string { return "https://fairlead.acme.example" }

func (i *issuer) Sign(_ context.Context, s provider.Subject) (fairlead.Secret, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked = append(i.asked, s)
	c := jwt.Claims{
		Issuer: i.URL(), Subject: provider.SubjectName(s.Organization, s.Connector), Audience: jwt.Audience{s.Audience},
		IssuedAt: jwt.NewNumericDate(i.now()), Expiry: jwt.NewNumericDate(i.now().Add(5 * time.Minute)),
	}
	if i.change != nil {
		i.change(&c)
	}
	token, err := jwt.Signed(i.signer).Claims(c).Serialize()
	return fairlead.SecretText(token), err
}

var issuerKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func push(t *testing.T, w *world, name string) string {
	t.Helper()
	return w.g.Push(t, registrytest.RandomImage(t, 500), name)
}

// distrusting is a client that trusts nobody.
func (w *world) distrusting() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyURL(w.n.ProxyURL()), TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12},
	}}
}

// transport is a way for requests to end.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// failing is a client whose requests end so.
func failing(err error) *http.Client {
	return &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) { return nil, err })}
}

func unconnected() *http.Client {
	return failing(&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED})
}

func forbidden() *http.Client {
	return failing(&fairlead.Error{
		Kind: fairlead.Denied, Code: fairlead.CodeEgress, Why: "metadata.google.internal is a metadata service's name", Remedy: "if that is meant, have the operator of Fairlead allow the host",
	})
}

// selfSigned is an access token that reader's key has signed.
func selfSigned(w *world, end time.Time) string {
	return signed(map[string]any{
		"iss": w.reader, "sub": w.reader, "scope": cloudtest.GooglePlatform, "iat": end.Add(-time.Hour).Unix(), "exp": end.Unix(),
	})
}

func identityToken() string {
	return signed(map[string]any{"iss": "https://accounts.google.com", "sub": "1", "aud": "32555940559.apps.googleusercontent.com", "exp": noon().Unix()})
}

// signed is a JWT with any key.
func signed(claims map[string]any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: issuerKey()}, nil)
	if err != nil {
		panic(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		panic(err)
	}
	return token
}
