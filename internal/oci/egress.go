package oci

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"fairlead.dev/fairlead"
)

// Egress says to which addresses connections may be made. Registries may live in
// public and in private address space (RFC 1918, RFC 4193, RFC 6598). The token
// endpoint and the storage that a registry names may live in private space only if the
// registry does. Loopback, link-local, unspecified and multicast addresses and those
// of metadata services are refused, also where an IPv6 address carries them.
type Egress struct {
	// Allow lists what the operator allows beside: a host ("registry.local"), a host
	// and port ("localhost:5000"), an address or a CIDR ("10.0.0.0/8"). A host or a
	// host with port allows whatever addresses its name has.
	Allow []string
}

// policy is an [Egress] made ready.
type policy struct {
	hosts map[string]bool // "host" or "host:port", in lower case
	nets  []netip.Prefix
	ports map[netip.AddrPort]bool
	// house holds hosts with their ports, in lower case, that [Client.Permit] has named.
	house *sync.Map
}

func (e Egress) policy() (policy, error) {
	p := policy{hosts: map[string]bool{}, ports: map[netip.AddrPort]bool{}, house: &sync.Map{}}
	for _, entry := range e.Allow {
		s := strings.ToLower(strings.TrimSpace(entry))
		if n, err := netip.ParsePrefix(s); err == nil {
			p.nets = append(p.nets, n.Masked())
		} else if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
			a = a.Unmap()
			p.nets = append(p.nets, netip.PrefixFrom(a, a.BitLen()))
		} else if ap, err := netip.ParseAddrPort(s); err == nil {
			p.ports[netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())] = true
		} else if isHostPort(s) {
			p.hosts[s] = true
		} else {
			return policy{}, &fairlead.Error{
				Kind: fairlead.Invalid, What: "reading the egress rules", Why: "there is no such host as " + quote(entry),
				Remedy: `write a host ("registry.local"), a host and port ("localhost:5000"), an address or a CIDR ("10.0.0.0/8")`,
			}
		}
	}
	return p, nil
}

func isHostPort(s string) bool {
	u, err := url.Parse("//" + s)
	return err == nil && s != "" && u.Host == s && u.Hostname() != "" && !strings.ContainsAny(s, "*@ \t")
}

// allows reports whether the operator has allowed the host by name.
func (p policy) allows(host, port string) bool {
	host = hostKey(host)
	at := net.JoinHostPort(host, port)
	if p.house != nil {
		if _, ours := p.house.Load(at); ours {
			return true
		}
	}
	return p.hosts[host] || p.hosts[at]
}

// address judges a connection to addr that is made for host and port. nil is yes.
func (p policy) address(host, port string, addr netip.AddrPort, privateToo bool) error {
	if p.allows(host, port) {
		return nil
	}
	a := addr.Addr().Unmap().WithZone("")
	if p.ports[netip.AddrPortFrom(a, addr.Port())] {
		return nil
	}
	for _, n := range p.nets {
		if n.Contains(a) {
			return nil
		}
	}
	switch s, name := place(a); {
	case s == refused:
		return noEgress(host, a.String(), name)
	case s == private && !privateToo:
		return noEgress(host, a.String(), name+", while the registry that sends there is not")
	}
	return nil
}

// name judges a host that a proxy is going to resolve: all that can be seen here is
// how it is written.
func (p policy) name(host, port string, privateToo bool) error {
	if p.allows(host, port) {
		return nil
	}
	if a, err := netip.ParseAddr(host); err == nil {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return noEgress(host, "", "a host with a port that isn't one")
		}
		return p.address(host, port, netip.AddrPortFrom(a, uint16(n)), privateToo)
	}
	key := hostKey(host)
	last := key[strings.LastIndexByte(key, '.')+1:]
	switch {
	case last == "localhost":
		return noEgress(host, "", "this machine's own name")
	case key == "metadata", key == "instance-data", strings.HasPrefix(key, "metadata.google."):
		return noEgress(host, "", "a metadata service's name")
	case strings.Trim(last, "0123456789") == "", strings.HasPrefix(last, "0x"):
		return noEgress(host, "", "an address in disguise")
	}
	return nil
}

func noEgress(host, addr, name string) *fairlead.Error {
	why := host + " is " + name
	if addr != "" && addr != host {
		why = host + " is at " + addr + ", " + name
	}
	remedy := "if that is meant, have the operator of Fairlead allow the host, on the server and on its workers: --allow-host " + host
	if strings.Contains(name, "metadata") {
		remedy = "no registry lives there: tell those who run the one that sends there" // and nobody should allow it
	}
	return &fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeEgress, Why: why, Remedy: remedy}
}

func hostKey(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// hostAndPort splits a URL's host and gives the port that its scheme implies.
func hostAndPort(u *url.URL) (host, port string) {
	if port = u.Port(); port == "" {
		port = "443"
		if u.Scheme == "http" {
			port = "80"
		}
	}
	return u.Hostname(), port
}

// ProxyFunc chooses the proxy for a request, as [http.Transport.Proxy] does; nil and
// no error is a direct connection.
type ProxyFunc = func(*http.Request) (*url.URL, error)
