package oci

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"syscall"
	"time"

	"fairlead.dev/fairlead"
)

// Timeouts bound how long a server may be silent. Zero values are the defaults.
type Timeouts struct {
	Connect   time.Duration // until there is a connection: 15 s
	Handshake time.Duration // of TLS: 15 s
	Header    time.Duration // from the request until the reply begins: 60 s
	Stall     time.Duration // between two bytes of a reply: 60 s
}

// Within are timeouts of which none is longer than d, for an operator who knows how
// slow the registries are; 0 is the defaults.
func Within(d time.Duration) Timeouts {
	t := Timeouts{Header: d, Stall: d}.orDefault()
	if d > 0 {
		t.Connect, t.Handshake = min(t.Connect, d), min(t.Handshake, d)
	}
	return t
}

func (t Timeouts) orDefault() Timeouts {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&t.Connect, 15*time.Second)
	set(&t.Handshake, 15*time.Second)
	set(&t.Header, time.Minute)
	set(&t.Stall, time.Minute)
	return t
}

// network makes connections under the egress policy.
type network struct {
	policy   policy
	proxy    ProxyFunc
	resolver *net.Resolver
	timeouts Timeouts
	now      func() time.Time

	mu     sync.Mutex
	routes map[routeKey]*route
}

// routeKey says which connections may be shared: those that trust the same
// certificates and obey the same rule.
type routeKey struct {
	bundle     [sha256.Size]byte
	privateToo bool
}

// maxRoutes bounds what many registries with a bundle of their own keep open.
const maxRoutes = 256

// route is a pool of connections. One that goes through a proxy is made to an address
// of the operator's, so it is kept apart from those that are checked.
type route struct {
	policy          policy
	privateToo      bool
	proxy           ProxyFunc
	direct, proxied *http.Transport
}

// route gives the pool for servers that are trusted by the system's certificates and
// those of bundle (PEM, may be empty). privateToo opens private address space.
func (n *network) route(bundle string, privateToo bool) (*route, error) {
	key := routeKey{sha256.Sum256([]byte(bundle)), privateToo}
	n.mu.Lock()
	defer n.mu.Unlock()
	if r, ok := n.routes[key]; ok {
		return r, nil
	}
	roots, err := trust(bundle)
	if err != nil {
		return nil, err
	}
	if len(n.routes) >= maxRoutes {
		for k, old := range n.routes { // any: a route that is needed again is made again
			old.direct.CloseIdleConnections()
			old.proxied.CloseIdleConnections()
			delete(n.routes, k)
			break
		}
	}
	r := n.newRoute(roots, privateToo)
	n.routes[key] = r
	return r, nil
}

func (n *network) newRoute(roots *x509.CertPool, privateToo bool) *route {
	r := &route{policy: n.policy, privateToo: privateToo, proxy: n.proxy}
	r.direct = n.transport(roots)
	r.direct.DialContext = n.dialer(r)
	r.proxied = n.transport(roots)
	r.proxied.DialContext = (&net.Dialer{Timeout: n.timeouts.Connect, Resolver: n.resolver}).DialContext
	r.proxied.Proxy = func(req *http.Request) (*url.URL, error) {
		u, err := n.proxy(req)
		if err == nil && u == nil {
			err = errors.New("the proxy rule changed its mind")
		}
		return u, err
	}
	return r
}

func (n *network) closeIdle() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.routes {
		r.direct.CloseIdleConnections()
		r.proxied.CloseIdleConnections()
	}
}

// transport speaks HTTP/1.1 only: a blob fills a connection by itself, and Go moves
// twice as many bytes over it as over HTTP/2. Bytes are taken as they are, since a
// digest names them as they are.
func (n *network) transport(roots *x509.CertPool) *http.Transport {
	var only1 http.Protocols
	only1.SetHTTP1(true)
	return &http.Transport{
		Protocols:              &only1,
		TLSClientConfig:        &tls.Config{RootCAs: roots, Time: n.now, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    n.timeouts.Handshake,
		ResponseHeaderTimeout:  n.timeouts.Header,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    16,
		MaxResponseHeaderBytes: 256 << 10,
		DisableCompression:     true,
		OnProxyConnectResponse: proxyAnswer,
	}
}

// dialer checks every address after it was resolved and before it is connected to.
func (n *network) dialer(r *route) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		d := &net.Dialer{
			Timeout: n.timeouts.Connect, Resolver: n.resolver,
			ControlContext: func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
				ap, err := netip.ParseAddrPort(resolved)
				if err != nil {
					return noEgress(host, resolved, "an address that can't be read")
				}
				return n.policy.address(host, port, ap, r.privateToo)
			},
		}
		return d.DialContext(ctx, network, addr)
	}
}

// RoundTrip sends the request to its host, or to the proxy for it.
func (r *route) RoundTrip(req *http.Request) (*http.Response, error) {
	if r.proxy == nil {
		return r.direct.RoundTrip(req)
	}
	via, err := r.proxy(req)
	switch {
	case err != nil:
		// Not the cause: it may quote the proxy's URL, and with it its password.
		return nil, &fairlead.Error{
			Kind: fairlead.Unavailable, Code: fairlead.CodeConnect, Why: "the proxy for " + req.URL.Host + " isn't set right",
			Remedy: "check the proxy's address in Fairlead's environment",
		}
	case via == nil:
		return r.direct.RoundTrip(req)
	}
	host, port := hostAndPort(req.URL)
	if err := r.policy.name(host, port, r.privateToo); err != nil {
		return nil, err
	}
	return r.proxied.RoundTrip(req)
}

// trust gives the system's certificates and those of bundle.
func trust(bundle string) (*x509.CertPool, error) {
	if bundle == "" {
		return nil, nil //nolint:nilnil // No pool is the system's, for crypto/tls too.
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM([]byte(bundle)) {
		return nil, &fairlead.Error{
			Kind: fairlead.Invalid, Code: fairlead.CodeTLS, Field: "ca_bundle",
			Why: "the registry entry's CA bundle holds no certificate", Remedy: "give the certificates in PEM form",
		}
	}
	return roots, nil
}
