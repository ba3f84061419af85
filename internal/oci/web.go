package oci

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"

	"fairlead.dev/fairlead"
)

// Web is a client for the services of registries' providers, under the same egress
// policy and through the same proxy as requests to registries. It follows no redirect to
// another host: a login goes with its requests. privateToo opens private address space,
// where a provider's service may have an address of the customer's own.
func (c *Client) Web(privateToo bool) (*http.Client, error) {
	route, err := c.network.route("", privateToo)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: route, CheckRedirect: sameHost}, nil
}

// Allowed reports whether the operator has allowed the host of a URL, by its name or its
// address: such a one may be spoken to without TLS.
func (c *Client) Allowed(u *url.URL) bool {
	host, port := hostAndPort(u)
	p := c.network.policy
	if p.allows(host, port) {
		return true
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	a = a.Unmap()
	for _, n := range p.nets {
		if n.Contains(a) {
			return true
		}
	}
	at, err := netip.ParseAddrPort(net.JoinHostPort(a.String(), port))
	return err == nil && p.ports[at]
}

// maxHops bounds redirects, as net/http does.
const maxHops = 10

func sameHost(req *http.Request, via []*http.Request) error {
	if first := via[0].URL; len(via) >= maxHops || req.URL.Host != first.Host || req.URL.Scheme != first.Scheme {
		return http.ErrUseLastResponse
	}
	return nil
}

// Machine is a client for the metadata service of the machine at its cloud and for
// nothing else. It uses no proxy: what answers there knows the machine by its network.
func (c *Client) Machine() *http.Client {
	direct := c.network.transport(nil)
	return &http.Client{Transport: machine{direct}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

type machine struct{ direct *http.Transport }

// RoundTrip sends the request, if it is for a metadata service.
func (m machine) RoundTrip(req *http.Request) (*http.Response, error) {
	if !isMetadataService(req.URL) {
		return nil, &fairlead.Error{
			Kind: fairlead.Denied, Code: fairlead.CodeEgress, What: "asking the machine's metadata service",
			Why: fmt.Sprintf("%s is not one", req.URL.Host),
		}
	}
	return m.direct.RoundTrip(req)
}

// isMetadataService knows the metadata services of AWS, Google and Azure: link-local addresses,
// plain http, and a name that only resolves on a machine of Google's.
func isMetadataService(u *url.URL) bool {
	if u.Scheme != "http" || u.Port() != "" {
		return false
	}
	if u.Hostname() == "metadata.google.internal" {
		return true
	}
	a, err := netip.ParseAddr(u.Hostname())
	return err == nil && (a == netip.AddrFrom4([4]byte{169, 254, 169, 254}) || a == netip.MustParseAddr("fd00:ec2::254"))
}
