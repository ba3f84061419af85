package diagnose_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	rt "fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/wire"
)

// secure is a registry with TLS that isn't right, and its entry, which trusts its
// authority once mended; the mending has one with good TLS take its place.
func secure(w *world, how rt.TLS) (r *rt.Registry, b broken) {
	w.t.Helper()
	r = w.registry(rt.Bearer, func(c *rt.Config) { c.TLS = how })
	w.entry("main", r.Host(), func(q *wire.RegistryRequest) { q.PlainHTTP, q.CABundle = false, r.CA() })
	b = broken{ask: ask{image: r.Host() + "/team/app:v1"}, probe: "tls", code: fairlead.CodeTLS}
	b.mend = func() {
		r.Close()
		good := w.registry(rt.Bearer, func(c *rt.Config) { c.TLS, c.Address = rt.GoodTLS, r.Host() })
		ca := good.CA()
		w.update(wire.RegistryUpdate{CABundle: &ca})
	}
	return r, b
}

func networkRows() map[string]func(*testing.T, *world) broken {
	return map[string]func(*testing.T, *world) broken{
		"a host that there isn't": func(_ *testing.T, w *world) broken {
			r := w.registry(rt.Bearer)
			w.resolve = func(string) []netip.Addr { return nil }
			w.entry("main", r.Host())
			return broken{
				ask: ask{image: "registyr.test:" + r.Port() + "/team/app:v1"}, probe: "dns", code: fairlead.CodeDNS,
				says: []string{"the name registyr.test has no address", "no registry entry of acme covers the image"}, remedy: "check the image's name",
				mend: func() {}, after: &ask{image: r.Host() + "/team/app:v1"},
			}
		},
		"a name server that fails": func(_ *testing.T, w *world) broken {
			r := w.registry(rt.Bearer)
			w.resolve = func(string) []netip.Addr { return []netip.Addr{{}} }
			w.entry("main", "registry.test:"+r.Port())
			return broken{
				ask: ask{image: "registry.test:" + r.Port() + "/team/app:v1"}, probe: "dns", code: fairlead.CodeDNS,
				says: []string{"the name server didn't say"}, remedy: "check the name server",
				mend: func() {
					w.resolve = func(string) []netip.Addr { return []netip.Addr{netip.MustParseAddr("127.0.0.1")} }
					r.Set(func(f *rt.Faults) { f.Realm = "http://registry.test:" + r.Port() + "/token" })
				},
			}
		},
		"nothing listens": func(_ *testing.T, w *world) broken {
			r := w.registry(rt.Bearer)
			r.Close()
			w.entry("main", r.Host())
			return broken{
				ask: ask{image: r.Host() + "/team/app:v1"}, probe: "route", code: fairlead.CodeConnect, says: []string{"nothing listens at " + r.Host()},
				remedy: "that the registry runs", mend: func() { w.registry(rt.Bearer, func(c *rt.Config) { c.Address = r.Host() }) },
			}
		},
		"an address that the operator hasn't allowed": func(_ *testing.T, w *world) broken {
			r := w.registry(rt.Bearer)
			w.allow = nil
			w.entry("main", r.Host())
			return broken{
				ask: ask{image: r.Host() + "/team/app:v1"}, probe: "route", code: fairlead.CodeEgress, says: []string{"127.0.0.1"}, remedy: "--allow-host 127.0.0.1",
				mend: func() { w.allow = []string{"127.0.0.1"} },
			}
		},
		"an expired certificate": func(_ *testing.T, w *world) broken {
			_, b := secure(w, rt.Expired)
			b.says, b.remedy = []string{"expired on"}, "renews its certificate"
			return b
		},
		"a certificate of tomorrow": func(_ *testing.T, w *world) broken {
			_, b := secure(w, rt.NotYetValid)
			b.says, b.remedy = []string{"valid only from"}, "clock"
			return b
		},
		"a certificate for another name": func(_ *testing.T, w *world) broken {
			_, b := secure(w, rt.WrongName)
			b.says, b.remedy = []string{"shows is for"}, "certificate for its name"
			return b
		},
		"a certificate signed by itself": func(_ *testing.T, w *world) broken {
			_, b := secure(w, rt.SelfSigned)
			b.says, b.remedy = []string{"signed by itself"}, "fairlead registry update main --ca-file FILE"
			return b
		},
		"an authority that isn't trusted": func(_ *testing.T, w *world) broken {
			r, b := secure(w, rt.GoodTLS)
			none, ca := "", r.CA()
			w.update(wire.RegistryUpdate{CABundle: &none})
			b.says, b.remedy = []string{"signed by an authority that isn't trusted here"}, "`fairlead registry update main --ca-file FILE`"
			b.mend = func() { w.update(wire.RegistryUpdate{CABundle: &ca}) }
			return b
		},
		"a clock that is years behind": func(_ *testing.T, w *world) broken {
			_, b := secure(w, rt.GoodTLS)
			w.ahead = -20 * 365 * 24 * time.Hour
			b.says, b.remedy = []string{"this machine's clock is", "behind the registry's"}, "set this machine's clock"
			b.mend = func() { w.ahead = 0 }
			return b
		},
		"a clock that is an hour ahead": func(_ *testing.T, w *world) broken {
			r := w.registry(rt.Bearer)
			w.entry("main", r.Host())
			w.ahead = time.Hour
			return broken{
				ask: ask{image: r.Host() + "/team/app:v1"}, probe: "clock", verdict: fairlead.ProbeWarning, says: []string{"ahead of the registry's"},
				remedy: "set this machine's clock", mend: func() { w.ahead = 0 },
			}
		},
		"plain HTTP behind https": func(_ *testing.T, w *world) broken {
			r := w.registry(rt.Bearer)
			w.entry("main", r.Host(), func(q *wire.RegistryRequest) { q.PlainHTTP = false })
			yes := true
			return broken{
				ask: ask{image: r.Host() + "/team/app:v1"}, probe: "tls", code: fairlead.CodeTLS, says: []string{"speaks HTTP without TLS"},
				remedy: "`fairlead registry update main --plain-http`", mend: func() { w.update(wire.RegistryUpdate{PlainHTTP: &yes}) },
			}
		},
		"TLS behind http": func(_ *testing.T, w *world) broken {
			r, b := secure(w, rt.GoodTLS)
			no, yes := false, true
			w.update(wire.RegistryUpdate{PlainHTTP: &yes})
			b.says, b.remedy = []string{r.Host() + " speaks TLS"}, "`fairlead registry update main --plain-http=false`"
			b.mend = func() { w.update(wire.RegistryUpdate{PlainHTTP: &no}) }
			return b
		},
		"something that is no registry": func(t *testing.T, w *world) broken {
			t.Helper()
			page := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(page.Close)
			u, err := url.Parse(page.URL)
			if err != nil {
				t.Fatal(err)
			}
			r := w.registry(rt.Bearer)
			w.entry("page", u.Host)
			w.entry("main", r.Host())
			return broken{
				ask: ask{image: u.Host + "/team/app:v1"}, probe: "registry", code: fairlead.CodeRegistryBroken, says: []string{"it has no /v2/"},
				remedy: "check the host and port", mend: func() {}, after: &ask{image: r.Host() + "/team/app:v1"},
			}
		},
		"a registry in trouble": func(_ *testing.T, w *world) broken {
			r := w.registry(rt.Bearer)
			w.entry("main", r.Host())
			r.Set(func(f *rt.Faults) { f.Fail = []rt.Failure{{Status: 503}} })
			return broken{
				ask: ask{image: r.Host() + "/team/app:v1"}, probe: "registry", code: fairlead.CodeRegistryBroken, says: []string{"in trouble (503"},
				remedy: "try again", mend: func() { r.Set(func(f *rt.Faults) { f.Fail = nil }) },
			}
		},
		"a proxy that nobody answers at": func(t *testing.T, w *world) broken {
			t.Helper()
			_, b := secure(w, rt.GoodTLS)
			p := newProxy(t)
			p.Close()
			w.proxy = func(*http.Request) (*url.URL, error) { return p.url, nil }
			b.probe, b.code, b.says, b.remedy = "route", fairlead.CodeConnect, []string{"the proxy through which"}, "check the proxy's address"
			other := newProxy(t)
			b.mend = func() { w.proxy = func(*http.Request) (*url.URL, error) { return other.url, nil } }
			return b
		},
		"a proxy that doesn't let through": func(t *testing.T, w *world) broken {
			t.Helper()
			_, b := secure(w, rt.GoodTLS)
			p := newProxy(t)
			p.status.Store(http.StatusForbidden)
			w.proxy = func(*http.Request) (*url.URL, error) { return p.url, nil }
			b.probe, b.code, b.says, b.remedy = "route", fairlead.CodeConnect, []string{"the proxy gave no connection", "403"}, "that the proxy allows the host"
			b.mend = func() { p.status.Store(0) }
			return b
		},
		"a proxy that wants a login": func(t *testing.T, w *world) broken {
			t.Helper()
			_, b := secure(w, rt.GoodTLS)
			p := newProxy(t)
			p.status.Store(http.StatusProxyAuthRequired)
			w.proxy = func(*http.Request) (*url.URL, error) { return p.url, nil }
			b.probe, b.code, b.says, b.remedy = "route", fairlead.CodeConnect, []string{"407"}, "check the proxy's login"
			b.mend = func() { p.status.Store(0) }
			return b
		},
		"a proxy that isn't set right": func(_ *testing.T, w *world) broken {
			_, b := secure(w, rt.GoodTLS)
			w.proxy = func(*http.Request) (*url.URL, error) { return nil, errors.New("not a URL: c4nary") }
			b.probe, b.code, b.says, b.remedy = "route", fairlead.CodeConnect, []string{"isn't set right"}, "check the proxy's address"
			b.mend = func() { w.proxy = nil }
			return b
		},
	}
}

// proxy leads every CONNECT where it wants to go, unless it has a status to answer.
type proxy struct {
	*httptest.Server
	url    *url.URL
	status atomic.Int64
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	p := &proxy{}
	p.Server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.Close)
	u, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("proxy", "c4nary-of-the-proxy")
	p.url = u
	return p
}

func (p *proxy) serve(w http.ResponseWriter, r *http.Request) {
	if s := p.status.Load(); s != 0 {
		w.WriteHeader(int(s))
		return
	}
	there, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer func() { _ = there.Close() }()
	// Taken over before the client knows that it may speak: what it says is all in early or
	// still to come.
	here, early, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = here.Close() }()
	_, _ = io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() { _, _ = io.Copy(there, early) }()
	_, _ = io.Copy(here, there)
}
