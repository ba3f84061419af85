package dockerhub_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/provider/dockerhub"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/ref"
)

var update = flag.Bool("update", false, "write the golden files")

// The tokens are canaries: no error may hold one.
const (
	pat = "dckr_pat_canary0000000000000000000000"
	oat = "dckr_oat_canary0000000000000000000000"
)

func newHub(t *testing.T) (*cloudtest.Internet, *cloudtest.Hub, provider.Tools) {
	t.Helper()
	n := cloudtest.New(t)
	c := cloudtest.HubConfig{
		Users:         []cloudtest.HubUser{{Name: "ann", Password: "password-canary"}},
		Organizations: []cloudtest.HubOrganization{{Name: "acme", Members: []string{"ann"}}, {Name: "other"}},
		Repositories:  []cloudtest.HubRepository{{Name: "ann/mine", Private: true}, {Name: "acme/open"}, {Name: "other/secret", Private: true}},
	}
	for i := range 205 {
		c.Repositories = append(c.Repositories, cloudtest.HubRepository{Name: fmt.Sprintf("acme/r%03d", i), Private: true})
	}
	h := cloudtest.NewHub(t, n, c)
	h.Give(cloudtest.HubToken{Token: pat, Owner: "ann", Permission: "read"})
	h.Give(cloudtest.HubToken{Token: oat, Owner: "acme", Pull: []string{"acme/r000"}})
	client := n.Client()
	t.Cleanup(client.CloseIdleConnections)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return n, h, provider.Tools{HTTP: client, Now: n.Now}
}

func opened(user, token string) provider.Opened {
	return provider.Opened{
		Connector: fairlead.Connector{Name: "hub", Family: dockerhub.Family, Method: "access-token", Public: map[string]string{"username": user}},
		Owner:     "acme", Secret: map[string]fairlead.Secret{"token": fairlead.SecretText(token)},
	}
}

// TestLogin pulls with a token that is limited to one repository.
func TestLogin(t *testing.T) {
	t.Parallel()
	n, h, tools := newHub(t)
	h.Push(t, registrytest.RandomImage(t, 100), "acme/r000:v1")
	bundle, err := os.ReadFile(n.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	c, err := oci.New(oci.Options{Now: n.Now, Proxy: http.ProxyURL(n.ProxyURL()), Egress: oci.Egress{Allow: []string{"127.0.0.0/8"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for user, token := range map[string]string{"ann": pat, "acme": oat} {
		l, err := dockerhub.New(tools).Login(t.Context(), opened(user, token), fairlead.Scope{})
		if err != nil || !l.Stored {
			t.Fatal(err)
		}
		s := fairlead.Scope{Resource: ref.Resource{Host: "docker.io", Repository: "acme/r000"}, Verb: fairlead.Pull}
		b, err := c.Trade(t.Context(), oci.Endpoint{Host: "docker.io", CABundle: string(bundle)}, oci.Login{Username: l.Username, Password: l.Password}, s)
		if err != nil {
			t.Fatal(err)
		}
		if life := b.Expires.Sub(n.Now()); life < 4*time.Minute || life > 5*time.Minute {
			t.Error(life)
		}
		s.Resource.Repository = "acme/r001"
		if !b.Lacks(s) {
			t.Error("it opens another repository")
		}
		s.Resource.Repository, s.Verb = "acme/r000", fairlead.Push
		if !b.Lacks(s) {
			t.Error("it pushes")
		}
		kc := held{Bearer: b.Token, CABundle: string(bundle), Expires: b.Expires}
		if _, err := c.Resolve(t.Context(), kc, ref.Image{Resource: s.Resource, Tag: "v1"}); err != nil {
			t.Error(err)
		}
	}
}

type held fairlead.Lease

func (h held) Lease(context.Context, fairlead.Scope) (fairlead.Lease, error) {
	return fairlead.Lease(h), nil
}

func TestHosts(t *testing.T) {
	t.Parallel()
	var p dockerhub.Provider
	for host, want := range map[string]bool{
		"docker.io": true, "index.docker.io": false, "docker.io.evil.com": false, "xdocker.io": false, "docker.io:443": false, "*.docker.io": false, "": false,
	} {
		if p.Owns(host) != want || (p.Accepts(fairlead.Connector{}, host) == nil) != want {
			t.Error(host)
		}
	}
}

func TestResources(t *testing.T) {
	t.Parallel()
	_, _, tools := newHub(t)
	list, err := dockerhub.New(tools).Resources(t.Context(), opened("ann", pat))
	if err != nil || len(list) != 1+1+1+206 {
		t.Fatal(len(list), err)
	}
	want := []fairlead.FoundResource{
		{Kind: fairlead.RegistryResource, Address: "docker.io/ann", Pattern: "docker.io/ann/*", Detail: "namespace"},
		{Kind: fairlead.RepositoryResource, Address: "docker.io/ann/mine", Pattern: "docker.io/ann/mine", Detail: "private repository"},
		{Kind: fairlead.RegistryResource, Address: "docker.io/acme", Pattern: "docker.io/acme/*", Detail: "namespace"},
		{Kind: fairlead.RepositoryResource, Address: "docker.io/acme/open", Pattern: "docker.io/acme/open", Detail: "public repository"},
	}
	if d := cmp.Diff(want, list[:4]); d != "" {
		t.Error(d)
	}
	list, err = dockerhub.New(tools).Resources(t.Context(), opened("acme", oat))
	if err != nil || len(list) != 2 || !strings.Contains(list[0].Detail, "private repositories out") {
		t.Error(list, err)
	}
}

// TestSentences holds what people read.
func TestSentences(t *testing.T) {
	t.Parallel()
	type try = func(*cloudtest.Internet, *cloudtest.Hub, *provider.Tools) provider.Opened
	breaking := func(f cloudtest.Fault) try {
		return func(n *cloudtest.Internet, _ *cloudtest.Hub, _ *provider.Tools) provider.Opened {
			f.Host = "hub.docker.com"
			n.Break(f)
			return opened("ann", pat)
		}
	}
	plain := func(user, token string) try {
		return func(*cloudtest.Internet, *cloudtest.Hub, *provider.Tools) provider.Opened { return opened(user, token) }
	}
	cases := map[string]try{
		"wrong token":     plain("ann", "dckr_pat_wrong-canary"),
		"of another":      plain("acme", pat),
		"no token":        plain("ann", ""),
		"no user":         plain("", pat),
		"e-mail":          plain("ann@example.com", pat),
		"odd user":        plain("ann:x", pat),
		"throttled":       breaking(cloudtest.Fault{Status: 429, Header: map[string]string{"Retry-After": "30"}}),
		"broken":          breaking(cloudtest.Fault{Status: 503}),
		"forbidden":       breaking(cloudtest.Fault{Status: 403, Path: "/repositories"}),
		"a proxy's page":  breaking(cloudtest.Fault{Status: 200, Body: "<html>canary"}),
		"an empty object": breaking(cloudtest.Fault{Status: 200, Body: "{}"}),
		"redirect":        breaking(cloudtest.Fault{Status: 302, Header: map[string]string{"Location": "https://evil.example.com"}}),
		"revoked": func(_ *cloudtest.Internet, h *cloudtest.Hub, _ *provider.Tools) provider.Opened {
			h.Revoke(pat)
			return opened("ann", pat)
		},
		"slow": func(n *cloudtest.Internet, _ *cloudtest.Hub, tools *provider.Tools) provider.Opened {
			n.Break(cloudtest.Fault{Hang: true})
			tools.HTTP.Timeout = time.Millisecond
			return opened("ann", pat)
		},
		"untrusted": func(n *cloudtest.Internet, _ *cloudtest.Hub, tools *provider.Tools) provider.Opened {
			tools.HTTP = &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(n.ProxyURL())}}
			return opened("ann", pat)
		},
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		n, h, tools := newHub(t)
		n.SetClock(func() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) })
		c := cases[name](n, h, &tools)
		_, err := dockerhub.New(tools).Resources(t.Context(), c)
		fmt.Fprintf(&b, "## %s\n%s\n", name, sentence(t, err))
	}
	golden(t, "sentences", b.String())
}

func sentence(t *testing.T, err error) string {
	t.Helper()
	e, ok := errors.AsType[*fairlead.Error](err)
	if !ok {
		t.Errorf("that is no error of ours: %v", err)
		return ""
	}
	if strings.Contains(e.Error()+e.Remedy, "canary") {
		t.Errorf("it holds a secret: %v", err)
	}
	s := fmt.Sprintf("%s %s %s\n%s\n%s\n", e.Kind, e.Code, e.Field, e.Error(), e.Remedy)
	if !e.RetryAt.IsZero() {
		s += "again at " + e.RetryAt.UTC().Format(time.RFC3339) + "\n"
	}
	return s
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name + ".golden"
	if *update {
		if err := os.MkdirAll("testdata", 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s\nrun with -update if that is meant", d)
	}
}

// TestInspect holds what is said of pasted tokens, and the guide.
func TestInspect(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"personal": pat, "organization": oat, "old": "0b3a2f70-6a0e-4a6b-9f3c-0123456789ab", "password": "secret-canary",
		"cut off": pat[:20], "GitHub": "ghp_canary", "JFrog": "cmVmdGtuOjcanary", "line break": pat + "\n", "JSON": `{"token":"canary"}`,
		"bearer": "eyJhbGciOiJub25lIn0.e30.canary", "odd characters": pat + "/$", "none": "",
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		fmt.Fprintf(&b, "## %s\n", name)
		o := opened("ann", cases[name])
		facts, err := (dockerhub.Provider{}).Inspect("access-token", provider.Given{Public: o.Public, Secret: o.Secret}, time.Time{})
		if err != nil {
			b.WriteString(sentence(t, err))
		}
		for _, f := range facts {
			fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
		}
		b.WriteString("\n")
	}
	g := (dockerhub.Provider{}).Guide(opened("acme", oat).Connector, "", "")
	fmt.Fprintf(&b, "# guide\n%s\n%s\n", (dockerhub.Provider{}).Power(fairlead.Connector{}), g.Intro)
	for _, s := range g.Steps {
		fmt.Fprintf(&b, "## %s (%s)\n%s\n", s.Title, s.Language, s.Text)
	}
	if strings.Contains(b.String(), "canary") {
		t.Error("it holds a secret")
	}
	golden(t, "inspect", b.String())
}

func TestRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"docker.io/acme/train": "docker.io/acme/train", "docker.io/acme/*": "docker.io/acme/*", "docker.io/acme/": "docker.io/acme/*",
		"https://index.docker.io/v1/": "docker.io/*", "registry-1.docker.io/acme/train": "docker.io/acme/train", "docker.io/ubuntu": "docker.io/library/ubuntu",
		"https://hub.docker.com/r/acme/train/tags": "docker.io/acme/train", "https://hub.docker.com/_/ubuntu": "docker.io/library/ubuntu",
		"https://hub.docker.com/u/acme": "docker.io/acme/*", "https://hub.docker.com/orgs/acme/repositories": "docker.io/acme/*",
		"https://hub.docker.com/repository/docker/acme/train/general": "docker.io/acme/train", "hub.docker.com/acme/train": "docker.io/acme/train",
		"docker pull docker.io/acme/train:v1": "docker.io/acme/train:v1",
		"acme/train":                          "-", "ubuntu": "-", "": "-", "ghcr.io/acme/x": "-", "docker.io.evil.com/a": "-",
		"https://hub.docker.com/search?q=x": "!", "https://hub.docker.com": "!", "dockerhub.io/acme/x": "!", "docker.io/Acme/X": "!", "https://hub.docker.com/r/acme": "!", "hub.docker.com/r//x": "!",
	} {
		got, _, ok, err := (dockerhub.Provider{}).Read(text)
		if !ok {
			got = "-"
		} else if err != nil {
			got = "!"
		}
		if got != want {
			t.Errorf("%q: %q, want %q (%v)", text, got, want, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{"docker.io/a", "https://hub.docker.com/r/a/b", "hub.docker.com/repository/docker/a/b", "index.docker.io/v1/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, _, ok, err := (dockerhub.Provider{}).Read(s)
		if !ok || err != nil {
			return
		}
		if p, err := pattern.Parse(got); err != nil || p.String() != got || p.Host() != "docker.io" {
			t.Errorf("%q gives %q: %v", s, got, err)
		}
	})
}

func FuzzInspect(f *testing.F) {
	f.Add(pat)
	f.Add("eyJ.a.b")
	f.Fuzz(func(t *testing.T, s string) {
		facts, err := (dockerhub.Provider{}).Inspect("access-token", provider.Given{Secret: map[string]fairlead.Secret{"token": fairlead.SecretText(s)}}, time.Time{})
		if s != "" && (err == nil) == (len(facts) == 0) {
			t.Errorf("%q: %v %v", s, facts, err)
		}
	})
}

// TestNothingAmbient gives an environment with good logins, and a connector without.
func TestNothingAmbient(t *testing.T) {
	n, _, tools := newHub(t)
	home := t.TempDir()
	t.Setenv("HOME", home)
	for _, k := range []string{"DOCKER_TOKEN", "DOCKERHUB_TOKEN", "DOCKER_PASSWORD"} {
		t.Setenv(k, pat)
	}
	t.Setenv("DOCKER_CONFIG", home)
	if err := os.WriteFile(home+"/config.json", []byte(`{"auths":{"https://index.docker.io/v1/":{"username":"ann","password":"`+pat+`"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []provider.Opened{opened("ann", ""), opened("", pat), opened("", "")} {
		if l, err := dockerhub.New(tools).Login(t.Context(), c, fairlead.Scope{}); fairlead.KindOf(err) != fairlead.Invalid || !l.Password.IsZero() {
			t.Error(l, err)
		}
	}
	if len(n.Requests()) != 0 {
		t.Error(n.Requests())
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
} = dockerhub.Provider{}
