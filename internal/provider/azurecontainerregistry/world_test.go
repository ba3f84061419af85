package azurecontainerregistry_test

import (
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/provider"
	acr "fairlead.dev/fairlead/internal/provider/azurecontainerregistry"
	"fairlead.dev/fairlead/ref"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	tenant       = "11111111-1111-4111-8111-111111111111"
	client       = "22222222-2222-4222-8222-222222222222"
	subscription = "33333333-3333-4333-8333-333333333333"
	secret       = "abc8Q~secret-value-of-the-application-01"
	password     = "PasswordOfTheScopeMapToken0123456789+ACRDabcdef12345"
	server       = "fairregistry.azurecr.io"
	issuerHost   = "fairlead.example"
	image        = "team/app"
)

// world is Azure with one registry, one application and one scope-mapped token.
type world struct {
	n      *cloudtest.Internet
	azure  *cloudtest.Azure
	host   *cloudtest.AzureHost
	issuer *cloudtest.AzureIssuer
	tools  provider.Tools
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOf(t, cloudtest.AzureRegistry{Name: "fairregistry"})
}

// newWorldOf has a registry of the test's own, to which the application has AcrPull.
func newWorldOf(t *testing.T, r cloudtest.AzureRegistry) *world {
	t.Helper()
	n := cloudtest.New(t)
	w := &world{n: n, azure: cloudtest.NewAzure(t, n), issuer: cloudtest.NewAzureIssuer(n, issuerHost)}
	r.Subscription, r.ResourceGroup, r.Location = subscription, "rg", "westeurope"
	r.Tokens = []cloudtest.AzureToken{{
		Name: "puller", Passwords: []cloudtest.AzureSecret{{Value: password}}, Actions: map[string][]string{"team/*": {"content/read", "metadata/read"}},
	}}
	w.azure.AddTenant(r.Cloud, tenant, "contoso.onmicrosoft.com")
	w.azure.AddSubscription(subscription, tenant, "rg")
	w.app(nil)
	w.azure.SetMachine(client)
	w.host = w.azure.AddRegistry(r)
	w.azure.Assign(cloudtest.AzureRole{ClientID: client, Role: "AcrPull", Scope: r.ID()})
	put(t, w.host, image)
	put(t, w.host, "other/app")
	transport := n.Client().Transport.(*http.Transport)
	w.tools = provider.Tools{
		HTTP: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		Now:  time.Now, Issuer: w.issuer,
	}
	w.tools.Instance = w.tools.HTTP
	t.Cleanup(transport.CloseIdleConnections)
	return w
}

// app sets the application, after a change.
func (w *world) app(change func(*cloudtest.AzureApp)) {
	a := cloudtest.AzureApp{
		Tenant: tenant, ClientID: client, ResourceID: identity,
		Secrets: []cloudtest.AzureSecret{{ID: "one", Value: secret}},
	}
	for _, audience := range []string{"api://AzureADTokenExchange", "api://AzureADTokenExchangeChina", "api://AzureADTokenExchangeUSGov"} {
		a.Federated = append(a.Federated, cloudtest.AzureFederation{
			Issuer: "https://" + issuerHost, Subject: provider.SubjectName("acme", "azure"), Audience: audience,
		})
	}
	if change != nil {
		change(&a)
	}
	w.azure.SetApp(a)
}

const identity = "/subscriptions/" + subscription + "/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/fairlead"

func put(t *testing.T, h *cloudtest.AzureHost, repository string) {
	t.Helper()
	i, err := random.Image(256, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Put(i, repository, "v1"); err != nil {
		t.Fatal(err)
	}
}

func (w *world) provider() acr.Provider { return acr.New(w.tools).Impatient() }

// connector gives a whole connector of a method.
func connector(method string) provider.Opened {
	public := map[string]string{"tenant_id": tenant, "client_id": client}
	secrets := map[string]fairlead.Secret{}
	switch method {
	case "service-principal":
		secrets["client_secret"] = fairlead.SecretText(secret)
	case "managed-identity":
		public = map[string]string{}
	case "repository-token":
		public = map[string]string{"login_server": server, "username": "puller"}
		secrets["password"] = fairlead.SecretText(password)
	}
	return provider.Opened{
		Connector: fairlead.Connector{Name: "azure", Family: acr.Family, Method: method, Public: public},
		Owner:     "acme", Secret: secrets,
	}
}

// with gives the connector with another public value; an empty one removes the field.
func with(c provider.Opened, field, value string) provider.Opened {
	c.Public = maps.Clone(c.Public)
	c.Public[field] = value
	if value == "" {
		delete(c.Public, field)
	}
	return c
}

func scope(host string, verb fairlead.Verb) fairlead.Scope {
	return fairlead.Scope{Resource: ref.Resource{Host: host, Repository: image}, Verb: verb}
}

// trader trades as the broker does.
func (w *world) trader(t *testing.T) (*oci.Client, oci.Endpoint) {
	t.Helper()
	c, err := oci.New(oci.Options{Now: w.tools.Now, Proxy: func(*http.Request) (*url.URL, error) { return w.n.ProxyURL(), nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	bundle, err := os.ReadFile(w.n.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	return c, oci.Endpoint{Host: w.host.LoginServer(), CABundle: string(bundle)}
}

// sentence is an error as people read it.
func sentence(err error) string {
	if err == nil {
		return "no error"
	}
	e := fairlead.AsError("", err)
	head := string(e.Kind)
	if e.Code != "" {
		head += " " + string(e.Code)
	}
	if e.Field != "" {
		head += " (" + e.Field + ")"
	}
	s := head + "\n" + e.Error() + "\n-> " + e.Remedy
	if !e.RetryAt.IsZero() {
		s += "\n(with a time to try again)"
	}
	return s
}

// golden holds texts by name against a file.
func golden(t *testing.T, file string, got map[string]string) {
	t.Helper()
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(got)) {
		fmt.Fprintf(&b, "## %s\n%s\n\n", name, got[name])
	}
	for _, leak := range []string{secret, password, "eyJ"} {
		if strings.Contains(b.String(), leak) {
			t.Error("a secret is among the texts")
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("%s\nrun with -update if that is meant", d)
	}
}
