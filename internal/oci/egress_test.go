package oci_test

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	rt "fairlead.dev/fairlead/internal/registrytest"
)

// only allows what is listed and nothing of this machine beside.
func only(allow ...string) func(*oci.Options) {
	return func(o *oci.Options) { o.Egress = oci.Egress{Allow: allow} }
}

func resolving(r *net.Resolver) func(*oci.Options) {
	return func(o *oci.Options) { o.Resolver = r }
}

// TestEgressAtDialTime reaches for this machine by all sorts of names.
func TestEgressAtDialTime(t *testing.T) {
	t.Parallel()
	r := rt.New(t, rt.Config{})
	resolver := rt.Resolver(t, rt.Names(map[string]string{
		"loopback.test": "127.0.0.1", "six.test": "::1", "metadata.test": "169.254.169.254", "nat64.test": "64:ff9b::7f00:1",
		"mapped.test": "::ffff:127.0.0.1", "zero.test": "0.0.0.0", "aws6.test": "fd00:ec2::254", "alibaba.test": "100.100.100.200",
	}))
	c := client(t, only(), resolving(resolver))
	for _, host := range []string{
		"127.0.0.1", "127.0.0.2", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "169.254.169.254", "[64:ff9b::7f00:1]", "[fe80::1%25lo]",
		"loopback.test", "six.test", "metadata.test", "nat64.test", "mapped.test", "zero.test", "aws6.test", "alibaba.test",
	} {
		for _, plain := range []bool{true, false} {
			_, err := c.Ping(t.Context(), oci.Endpoint{Host: host + ":" + r.Port(), PlainHTTP: plain})
			codeIs(t, err, fairlead.CodeEgress)
		}
	}
	if n := len(r.Requests()); n != 0 {
		t.Errorf("%d requests got through", n)
	}
}

// TestEgressAllows reaches this machine as the operator allows it.
func TestEgressAllows(t *testing.T) {
	t.Parallel()
	r := rt.New(t, rt.Config{})
	resolver := rt.Resolver(t, rt.Names(map[string]string{"registry.test": "127.0.0.1"}))
	for _, allow := range []string{"registry.test", "registry.test:" + r.Port(), "127.0.0.1", "127.0.0.0/8", "127.0.0.1:" + r.Port()} {
		c := client(t, only(allow), resolving(resolver))
		if _, err := c.Ping(t.Context(), oci.Endpoint{Host: "registry.test:" + r.Port(), PlainHTTP: true}); err != nil {
			t.Errorf("%s: %v", allow, err)
		}
	}
}

// TestEgressAndRebinding has a name that leads elsewhere from one look to the next.
func TestEgressAndRebinding(t *testing.T) {
	t.Parallel()
	inner := rt.New(t, rt.Config{Address: "127.0.0.2:0"}) // what must not be reached
	outer := rt.New(t, rt.Config{Address: "127.0.0.3:" + inner.Port()})
	var mu sync.Mutex
	looks := 0
	resolver := rt.Resolver(t, func(string) []netip.Addr {
		mu.Lock()
		defer mu.Unlock()
		if looks++; looks <= 2 { // A and AAAA of the first look
			return addresses("127.0.0.3")
		}
		return addresses("127.0.0.2")
	})
	c := client(t, only("127.0.0.3"), resolving(resolver))
	e := oci.Endpoint{Host: "rebind.test:" + inner.Port(), PlainHTTP: true}
	if _, err := c.Ping(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	c.Close() // so that the next one is a connection of its own
	_, err := c.Ping(t.Context(), e)
	codeIs(t, err, fairlead.CodeEgress)
	if len(inner.Requests()) != 0 || len(outer.Requests()) != 1 {
		t.Errorf("inner %v, outer %v", asked(inner), asked(outer))
	}
}

// TestEgressOfRedirects has an allowed registry send elsewhere on this machine.
func TestEgressOfRedirects(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*rt.Faults, *rt.Registry){
		"its storage":     func(f *rt.Faults, _ *rt.Registry) { f.Redirect = 1 },
		"the metadata":    func(f *rt.Faults, _ *rt.Registry) { f.Redirect, f.RedirectTo = 1, "https://169.254.169.254" },
		"plain HTTP":      func(f *rt.Faults, r *rt.Registry) { f.Redirect, f.RedirectTo = 1, "http://"+r.StorageHost() },
		"a file server":   func(f *rt.Faults, _ *rt.Registry) { f.Redirect, f.RedirectTo = 1, "ftp://files.test" },
		"with a password": func(f *rt.Faults, r *rt.Registry) { f.Redirect, f.RedirectTo = 1, "https://a:b@"+r.Host() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rt.New(t, rt.Config{Auth: rt.Basic, Accounts: []rt.Account{reader}, TLS: rt.GoodTLS})
			d := r.PutBlob("team/app", []byte("content"))
			r.Set(func(f *rt.Faults) { change(f, r) })
			c := client(t, only(r.Host()))
			_, err := c.Blob(t.Context(), with(r, reader), image(t, r.Host(), "team/app").Resource, oci.Descriptor{Digest: fairlead.Digest(d)})
			codeIs(t, err, fairlead.CodeEgress)
			for _, q := range r.Requests() {
				if q.Server == rt.Storage {
					t.Error("the storage was asked")
				}
			}
		})
	}
}

// TestEgressOfRealms has an allowed registry name a token endpoint elsewhere.
func TestEgressOfRealms(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		realm string
		apart bool
		want  fairlead.Code
	}{
		"another port of this machine": {"", true, fairlead.CodeEgress},
		"metadata":                     {"https://169.254.169.254/latest/meta-data", false, fairlead.CodeEgress},
		"metadata, without TLS":        {"http://169.254.169.254/latest/meta-data", false, fairlead.CodeRealm},
		"by name":                      {"https://metadata.test/", false, fairlead.CodeEgress},
		"nobody's":                     {"https://[::1]:1/", false, fairlead.CodeEgress},
		"without TLS":                  {"http://other.test/token", false, fairlead.CodeRealm},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := accounts(rt.Bearer, rt.Faults{Realm: c.realm})
			config.TLS, config.TokensApart = rt.GoodTLS, c.apart
			r := rt.New(t, config)
			resolver := rt.Resolver(t, rt.Names(map[string]string{"metadata.test": "169.254.169.254"}))
			_, err := client(t, only(r.Host()), resolving(resolver)).Trade(t.Context(), endpoint(r),
				oci.Login{Username: reader.Name, Password: fairlead.SecretText(reader.Password)}, pullOf(r.Host(), "team/app"))
			codeIs(t, err, c.want)
			for _, q := range r.Requests() {
				if q.Server == rt.Tokens || q.Scheme != "" {
					t.Errorf("the login went out: %s %s", q.Server, q.Path)
				}
			}
		})
	}
}

// TestEgressThroughProxy checks names where a proxy makes the connections.
func TestEgressThroughProxy(t *testing.T) {
	t.Parallel()
	r := rt.New(t, rt.Config{TLS: rt.GoodTLS})
	p := newProxy(t, r.Host())
	c := client(t, only("allowed.localhost"), func(o *oci.Options) {
		o.Proxy = func(*http.Request) (*url.URL, error) { return p.url, nil }
	})
	for host, want := range map[string]fairlead.Code{
		"registry.test":            "",
		"127.0.0.1":                fairlead.CodeEgress,
		"localhost":                fairlead.CodeEgress,
		"2130706433":               fairlead.CodeEgress,
		"169.254.169.254":          fairlead.CodeEgress,
		"metadata.google.internal": fairlead.CodeEgress,
	} {
		_, err := c.Ping(t.Context(), oci.Endpoint{Host: host + ":" + r.Port(), CABundle: r.CA()})
		codeIs(t, err, want)
	}
	if want := []string{"registry.test:" + r.Port()}; len(p.seen()) != 1 || p.seen()[0] != want[0] {
		t.Errorf("the proxy was asked for %v", p.seen())
	}
}

// TestPrivateSpace has a registry that isn't in private address space, as far as can be
// told, send there: for a login, and for a blob.
func TestPrivateSpace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		registry string // the host; its port is added
		faults   rt.Faults
		want     fairlead.Code
	}{
		"realm":                                {"registry.test", rt.Faults{Realm: "https://10.0.0.1/token"}, fairlead.CodeEgress},
		"realm, unique local":                  {"registry.test", rt.Faults{Realm: "https://[fd00::1]/token"}, fairlead.CodeEgress},
		"realm, carrier's":                     {"registry.test", rt.Faults{Realm: "https://100.64.0.1/token"}, fairlead.CodeEgress},
		"redirect":                             {"registry.test", rt.Faults{Fail: []rt.Failure{{Path: "/manifests/", Status: 307, Header: map[string]string{"Location": "https://192.168.0.1/x"}}}}, fairlead.CodeEgress},
		"a registry that is private may do it": {"10.0.0.9", rt.Faults{Realm: "https://10.0.0.1/token"}, fairlead.CodeTLS},
		"and redirect too":                     {"10.0.0.9", rt.Faults{Fail: []rt.Failure{{Path: "/manifests/", Status: 307, Header: map[string]string{"Location": "https://192.168.0.1/x"}}}}, fairlead.CodeTLS},
		"but not to a metadata service":        {"10.0.0.9", rt.Faults{Realm: "https://169.254.169.254/token"}, fairlead.CodeEgress},
		"what is allowed by name is no matter": {"registry.test", rt.Faults{Realm: "https://localhost/token"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := accounts(rt.Bearer, c.faults)
			config.TLS, config.Names = rt.GoodTLS, []string{"10.0.0.9"}
			config.Anonymous = rt.Reads("team/")
			r := rt.New(t, config)
			r.PutManifest("team/app", "v1", ociIndex, []byte(`{"schemaVersion":2,"manifests":[]}`))
			p := newProxy(t, r.Host())
			cl := client(t, only("localhost"), func(o *oci.Options) {
				o.Proxy = func(*http.Request) (*url.URL, error) { return p.url, nil }
			})
			err := resolve(t, cl, without(r, nil), c.registry, "team/app:v1")
			codeIs(t, err, c.want)
		})
	}
}
