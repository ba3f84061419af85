package oci

import (
	"net/http"
	"net/url"
	"strings"

	"fairlead.dev/fairlead"
)

// Endpoint is a registry and how it is reached.
type Endpoint struct {
	// Host is the host of a [ref.Resource]: a name or address, with a port or without.
	Host string
	// PlainHTTP says that this host, and only it, is spoken to without TLS.
	PlainHTTP bool
	// CABundle holds PEM certificates that are trusted beside the system's.
	CABundle string
}

func endpointOf(l fairlead.Lease, host string) Endpoint {
	return Endpoint{Host: host, PlainHTTP: l.PlainHTTP, CABundle: l.CABundle}
}

// Docker Hub's names: what images say, who serves them, who gives the tokens.
const (
	hubName  = "docker.io"
	hubHost  = "registry-1.docker.io"
	hubRealm = "auth.docker.io"
)

// base is the registry's origin, with the path "/v2/".
func (e Endpoint) base() *url.URL {
	u := &url.URL{Scheme: "https", Host: strings.ToLower(e.Host), Path: "/v2/"}
	if e.PlainHTTP {
		u.Scheme = "http"
	}
	switch u.Host {
	case hubName, "index." + hubName:
		u.Host = hubHost
	}
	return u
}

// allowsPlain reports whether u may be spoken to without TLS for this registry's sake.
func (e Endpoint) allowsPlain(u *url.URL) bool {
	return e.PlainHTTP && strings.EqualFold(u.Hostname(), e.base().Hostname())
}

// sameOrigin compares scheme, host and port (RFC 6454, section 5).
func sameOrigin(a, b *url.URL) bool {
	aHost, aPort := hostAndPort(a)
	bHost, bPort := hostAndPort(b)
	return a.Scheme == b.Scheme && strings.EqualFold(aHost, bHost) && aPort == bPort
}

// isRedirect knows the redirects of RFC 9110, section 15.4, that name a place to go.
func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	default:
		return false
	}
}
