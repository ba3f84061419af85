package diagnose_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/broker"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/diagnose"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/provider"
	rt "fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/internal/server"
	"fairlead.dev/fairlead/ref"
	"fairlead.dev/fairlead/wire"
)

// The accounts of the registries here.
const (
	password = "c4nary-of-the-robot"
	mistyped = "c4nary-mistyped"
)

func robot() rt.Account {
	return rt.Account{Name: "robot", Password: password, Rights: rt.Everything()}
}

func poor() rt.Account {
	return rt.Account{Name: "poor", Password: password, Rights: rt.Reads("other/")}
}

func reader() rt.Account {
	return rt.Account{Name: "reader", Password: password, Rights: rt.Reads("")}
}

// world is a plane with a project and a doctor, of whose machine everything can be set.
type world struct {
	*fairleadtest.Plane
	t       *testing.T
	ann     fairlead.Caller
	project fairlead.Project

	// How the machine is set up.
	ahead   time.Duration // its clock
	allow   []string
	proxy   oci.ProxyFunc
	resolve func(name string) []netip.Addr
	http    *http.Client
	plain   bool // what has no entry is spoken to without TLS
}

// withoutTLS is the OCI client as if every registry were spoken to without TLS: without an
// entry nothing else could be trusted here.
type withoutTLS struct{ *oci.Client }

func (c withoutTLS) Look(ctx context.Context, e oci.Endpoint) (oci.Sight, error) {
	e.PlainHTTP = true
	return c.Client.Look(ctx, e)
}

func (c withoutTLS) Trade(ctx context.Context, e oci.Endpoint, l oci.Login, s fairlead.Scope) (oci.Bearer, error) {
	e.PlainHTTP = true
	return c.Client.Trade(ctx, e, l, s)
}

func (c withoutTLS) Examine(ctx context.Context, kc fairlead.Keychain, i ref.Image) (oci.Examined, error) {
	return c.Client.Examine(ctx, plainly{kc}, i)
}

type plainly struct{ fairlead.Keychain }

func (p plainly) Lease(ctx context.Context, s fairlead.Scope) (fairlead.Lease, error) {
	l, err := p.Keychain.Lease(ctx, s)
	l.PlainHTTP = true
	return l, err
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Plane: fairleadtest.Start(t), t: t, allow: []string{"127.0.0.0/8"}}
	w.project = w.newProject("acme", "models")
	me := fairleadtest.Must(t, w.Ann, wire.Whoami, wire.None{})
	w.ann = fairlead.Caller{Subject: me.Subject, Roles: map[fairlead.OrganizationID]fairlead.Role{w.project.Organization: fairlead.Admin}}
	return w
}

func (w *world) newProject(owner, name string) fairlead.Project {
	w.t.Helper()
	return fairleadtest.Must(w.t, w.Ann, wire.CreateProject, wire.ProjectRequest{Owner: owner, Name: name})
}

func (w *world) now() time.Time { return time.Now().Add(w.ahead) }

// doctor is one on the machine as it is set up just now.
func (w *world) doctor(t *testing.T) *diagnose.Doctor {
	t.Helper()
	o := oci.Options{Now: w.now, Egress: oci.Egress{Allow: w.allow}, Proxy: w.proxy}
	if w.resolve != nil {
		o.Resolver = rt.Resolver(t, w.resolve)
	}
	c, err := oci.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	providers := server.Providers(provider.Tools{HTTP: w.http, Now: w.now})
	leases := broker.New(w.Store, providers, w.Vault, c, w.now)
	d := diagnose.Options{Store: w.Store, Leases: leases, Registries: c, Providers: providers, Now: w.now}
	if w.plain {
		d.Registries = withoutTLS{c}
	}
	return diagnose.New(d)
}

// ask is a question of ann's.
type ask struct {
	image, entry string
	project      fairlead.Project // zero is the world's
	push         bool
}

func (w *world) diagnose(t *testing.T, a ask) fairlead.Diagnosis {
	t.Helper()
	q := diagnose.Question{Asker: fairlead.Asker{Who: w.ann, Project: w.project}, Image: a.image, Entry: fairlead.Name(a.entry), Push: a.push}
	switch {
	case a.entry != "":
		q.Asker.Project = fairlead.Project{Organization: w.project.Organization, Owner: "acme"}
	case a.project.ID != "":
		q.Asker.Project = a.project
	}
	var reported []fairlead.Probe
	q.Report = func(p fairlead.Probe) { reported = append(reported, p) }
	d, err := w.doctor(t).Diagnose(t.Context(), q)
	if err != nil {
		t.Fatalf("%v; %s", err, fairlead.AsError("", err).Remedy)
	}
	if len(reported) != len(d.Probes) {
		t.Errorf("%d probes were reported, and there are %d", len(reported), len(d.Probes))
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "c4nary") {
		t.Errorf("a secret is in the diagnosis: %s", text)
	}
	return d
}

func acme() wire.OrganizationPath { return wire.OrganizationPath{Organization: "acme"} }

func hidden(s string) wire.Clear { return wire.Clear{Secret: fairlead.SecretText(s)} }

func login(account, secret string) *wire.ConnectorFields {
	return &wire.ConnectorFields{
		Family: "docker", Method: "basic", Public: map[string]string{"username": account}, Secrets: map[string]wire.Clear{"password": hidden(secret)},
	}
}

// entry adds an entry for what is below the host, with the robot's login.
func (w *world) entry(name, host string, with ...func(*wire.RegistryRequest)) {
	w.t.Helper()
	req := wire.RegistryRequest{OrganizationPath: acme(), Name: name, Pattern: host + "/*", PlainHTTP: true, NewConnector: login("robot", password), ConnectorTrial: wire.ConnectorTrial{NoVerify: true}}
	for _, set := range with {
		set(&req)
	}
	fairleadtest.Must(w.t, w.Ann, wire.AddRegistry, req)
}

// update changes entry main.
func (w *world) update(change wire.RegistryUpdate) {
	w.t.Helper()
	change.RegistryPath = wire.RegistryPath{OrganizationPath: acme(), Registry: "main"}
	fairleadtest.Must(w.t, w.Ann, wire.UpdateRegistry, change)
}

func (w *world) updateConnector(name fairlead.Name, change wire.ConnectorUpdate) {
	w.t.Helper()
	change.NoVerify = true // what is broken here would not be saved
	change.ConnectorPath = wire.ConnectorPath{OrganizationPath: acme(), Connector: name}
	fairleadtest.Must(w.t, w.Ann, wire.UpdateConnector, change)
}

// worker adds a worker that is heard of.
func (w *world) worker(name fairlead.Name, platform string) {
	w.t.Helper()
	k := w.Worker(w.Ann, "acme", name)
	if _, err := client.Do(w.t.Context(), k, wire.Claim, wire.ClaimRequest{Engine: "docker", Platform: platform, Version: "test"}); err != nil {
		w.t.Fatal(err)
	}
}

// registry is one without TLS, with team/app:v1 in it.
func (w *world) registry(auth rt.Auth, with ...func(*rt.Config)) *rt.Registry {
	w.t.Helper()
	c := rt.Config{Auth: auth, Accounts: []rt.Account{robot(), poor(), reader()}}
	for _, set := range with {
		set(&c)
	}
	r := rt.New(w.t, c)
	if c.TLS == rt.NoTLS || c.TLS == rt.GoodTLS {
		w.fill(r)
	}
	return r
}

func (w *world) fill(r *rt.Registry) {
	w.t.Helper()
	rt.Push(w.t, r, anImage(w.t), "team/app:v1", robot())
}

func anImage(t *testing.T) v1.Image { //nolint:ireturn // The library's images are interfaces.
	t.Helper()
	return rt.Image(t, rt.RandomLayer(t, 2000))
}

// internet has the machine reach the fake clouds, and nothing else.
func (w *world) internet() *cloudtest.Internet {
	w.t.Helper()
	n := cloudtest.New(w.t)
	w.http = n.Client()
	w.t.Cleanup(w.http.CloseIdleConnections)
	w.proxy = func(*http.Request) (*url.URL, error) { return n.ProxyURL(), nil }
	return n
}

func caOf(t *testing.T, n *cloudtest.Internet) string {
	t.Helper()
	b, err := os.ReadFile(n.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
