package jfrogartifactory_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/provider/jfrogartifactory"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
)

// world is a platform, an issuer and the family, all of one internet.
type world struct {
	n      *cloudtest.Internet
	jfrog  *cloudtest.JFrog
	issuer *cloudtest.JFrogIssuer
	tools  provider.Tools
	skew   time.Duration // of the issuer's and the family's clock
}

// The users' passwords are canaries: no error may hold one.
const (
	passwordCI    = "ci-canary-Gh72"
	passwordAdmin = "admin-canary-Rt05"
)

func newWorld(t *testing.T, change func(*cloudtest.JFrogConfig)) *world {
	t.Helper()
	w := &world{n: cloudtest.New(t)}
	c := cloudtest.JFrogConfig{
		Host: "acme.jfrog.io",
		Users: []cloudtest.JFrogUser{
			{Name: "ci", Password: passwordCI, Rights: []registrytest.Right{{Prefix: "docker-local/", Actions: []string{"pull", "push"}}}},
			{Name: "admin", Password: passwordAdmin, Admin: true},
		},
		Repositories: []cloudtest.JFrogRepository{
			{Key: "docker-local", Type: "LOCAL", PackageType: "Docker"},
			{Key: "docker-remote", Type: "REMOTE", PackageType: "Docker"},
			{Key: "npm-local", Type: "LOCAL", PackageType: "Npm"},
		},
	}
	if change != nil {
		change(&c)
	}
	w.jfrog = cloudtest.NewJFrog(t, w.n, c)
	now := func() time.Time { return w.n.Now().Add(w.skew) }
	w.issuer = cloudtest.NewJFrogIssuer(t, w.n, "fairlead.example.com", now)
	w.jfrog.Trust(cloudtest.JFrogOIDC{
		Name: "fairlead", Issuer: w.issuer.URL(), Audience: "https://" + c.Host,
		Mappings: []cloudtest.JFrogMapping{{
			Name: "jf", Claims: map[string]string{"sub": "org:acme:connector:jf"}, Username: "ci", ExpiresIn: 900,
		}},
	})
	client := w.n.Client()
	t.Cleanup(client.CloseIdleConnections)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	w.tools = provider.Tools{HTTP: client, Now: now, Issuer: w.issuer}
	return w
}

func (w *world) family() jfrogartifactory.Provider { return jfrogartifactory.New(w.tools) }

// values are pairs of a field and its value.
func values(pairs ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

// opened is a connector; what begins with ! is a secret.
func opened(method string, pairs ...string) provider.Opened {
	c := provider.Opened{
		Connector: fairlead.Connector{Name: "jf", Family: jfrogartifactory.Family, Method: method, Public: map[string]string{}},
		Owner:     "acme", Secret: map[string]fairlead.Secret{},
	}
	for k, v := range values(pairs...) {
		if name, ok := strings.CutPrefix(k, "!"); ok {
			c.Secret[name] = fairlead.SecretText(v)
		} else {
			c.Public[k] = v
		}
	}
	return c
}

func scope(t *testing.T, verb fairlead.Verb, name string) fairlead.Scope {
	t.Helper()
	r, err := ref.ParseResource(name)
	if err != nil {
		t.Fatal(err)
	}
	return fairlead.Scope{Resource: r, Verb: verb}
}

// held is a keychain of one lease.
type held fairlead.Lease

func (h held) Lease(context.Context, fairlead.Scope) (fairlead.Lease, error) {
	return fairlead.Lease(h), nil
}

// lease is what the broker does with a login.
func (w *world) lease(t *testing.T, l provider.Login, s fairlead.Scope) (fairlead.Lease, *oci.Client, error) {
	t.Helper()
	bundle, err := os.ReadFile(w.n.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	c, err := oci.New(oci.Options{Now: w.n.Now, Proxy: http.ProxyURL(w.n.ProxyURL()), Egress: oci.Egress{Allow: []string{"127.0.0.0/8"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	b, err := c.Trade(t.Context(), oci.Endpoint{Host: s.Resource.Host, CABundle: string(bundle)}, oci.Login{Username: l.Username, Password: l.Password}, s)
	return fairlead.Lease{For: s, Bearer: b.Token, Expires: b.Expires, CABundle: string(bundle)}, c, err
}

// pull takes an image with a login, by way of a registry token.
func (w *world) pull(t *testing.T, l provider.Login, name string) error {
	t.Helper()
	s := scope(t, fairlead.Pull, name)
	lease, c, err := w.lease(t, l, s)
	if err != nil {
		return err
	}
	_, err = c.Resolve(t.Context(), held(lease), ref.Image{Resource: s.Resource, Tag: "v1"})
	return err
}

// mayPush reports whether the lease opens an upload.
func (w *world) mayPush(t *testing.T, lease fairlead.Lease) bool {
	t.Helper()
	r := lease.For.Resource
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+r.Host+"/v2/"+r.Repository+"/blobs/uploads/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+string(lease.Bearer.Reveal()))
	res, err := w.tools.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	return res.StatusCode == http.StatusAccepted
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The family has these abilities.
var _ interface {
	provider.Provider
	provider.Inspector
	provider.Describer
	provider.Reader
	provider.Guider
	provider.Lister
	provider.Deployer
} = jfrogartifactory.Provider{}
