package docker

import (
	"slices"
	"strings"

	"github.com/containerd/errdefs"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// said is the engine's words on what stopped a pull. Its API has no codes for that.
type said string

func saidOf(err error) said { return said(strings.ToLower(err.Error())) }

func (s said) any(words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(string(s), w) })
}

// isRefusal reports whether the registry refused the login.
func isRefusal(err error) bool {
	return saidOf(err).any("unauthorized", "authentication required", "no basic auth") || errdefs.IsUnauthorized(err)
}

// isDenial reports whether the registry knows the login, or there was none, and it has
// no right.
func isDenial(err error) bool { return saidOf(err).any("denied", "forbidden", "insufficient_scope") }

// pullError says what stopped the engine's pull. The name was resolved just before with
// the same login, so what comes here has changed meanwhile, or concerns the engine's
// own way to the registry.
func pullError(image ref.Image, l fairlead.Lease, err error) error {
	if (isRefusal(err) || isDenial(err)) && l.Kind == fairlead.Anonymous && l.Note != nil {
		return l.Note
	}
	e := explain(image, l, err)
	e.What, e.Why = "pulling "+image.Resource.String()+" with the Docker engine", whyOf(image, e.Code, err)
	return e.OfConnector(l.ConnectorName)
}

func noPlatform(image ref.Image, why string) error {
	return &fairlead.Error{
		Kind: fairlead.NotFound, Code: fairlead.CodePlatform, What: "pulling " + image.Resource.String() + " with the Docker engine", Why: why,
		Remedy: "build the image for the worker's platform too",
	}
}

// explain gives kind, code and remedy.
func explain(image ref.Image, l fairlead.Lease, err error) *fairlead.Error {
	if e := explainLogin(l, err); e != nil {
		return e
	}
	if e := explainNetwork(image, err); e != nil {
		return e
	}
	s := saidOf(err)
	switch {
	case s.any("no matching manifest", "cannot be used on this platform"):
		return &fairlead.Error{Kind: fairlead.NotFound, Code: fairlead.CodePlatform, Remedy: "build the image for the worker's platform too"}
	case s.any("no space left"):
		return &fairlead.Error{Kind: fairlead.Unavailable, Code: fairlead.CodeUnpack, Remedy: "make room on the engine's disk (docker system prune)"}
	case s.any("verification failed"):
		return &fairlead.Error{Kind: fairlead.Unavailable, Code: fairlead.CodeDigest, Remedy: "try again; if it stays, the content is damaged at " + image.Host + " or on the way from there"}
	case s.any("don't match image configuration"):
		return &fairlead.Error{Kind: fairlead.Invalid, Code: fairlead.CodeDigest, Remedy: "build and push the image anew, and tell whoever built it"}
	case s.any("max depth exceeded"):
		return &fairlead.Error{Kind: fairlead.Invalid, Code: fairlead.CodeUnpack, Remedy: "build the image with fewer layers"}
	case s.any("failed to register layer"):
		return &fairlead.Error{
			Kind: fairlead.Invalid, Code: fairlead.CodeUnpack,
			Remedy: "build the image anew (an engine older than 23.0 takes no layers that are packed with zstd), or use engine runc",
		}
	case s.any("unknown blob", "blob unknown"):
		return &fairlead.Error{
			Kind: fairlead.NotFound, Code: fairlead.CodeNoImage, Remedy: "push the image again: its manifest is there, and not all that it is made of",
		}
	case errdefs.IsNotFound(err), s.any("manifest unknown", "name unknown", "unknown blob", "not found"):
		return &fairlead.Error{Kind: fairlead.NotFound, Code: fairlead.CodeNoImage, Remedy: "check the image's name"}
	default:
		return &fairlead.Error{Kind: fairlead.Unavailable, Code: fairlead.CodeEngine, Remedy: "look at the Docker engine's own log"}
	}
}

func explainLogin(l fairlead.Lease, err error) *fairlead.Error {
	s := saidOf(err)
	switch {
	case s.any("toomanyrequests", "too many requests", "http 429"):
		return &fairlead.Error{Kind: fairlead.Limited, Code: fairlead.CodeRateLimited, Remedy: "wait, or connect the registry with a login that may pull more"}
	case isRefusal(err) && !isDenial(err) && l.Kind != fairlead.Anonymous:
		return &fairlead.Error{
			Kind: fairlead.Denied, Code: fairlead.CodeLoginRefused, Remedy: "check the connector's login: it may have been changed, revoked or have ended",
		}
	case isRefusal(err), isDenial(err):
		return &fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeNoRight, Remedy: "have the registry's owner give the login the right to pull this repository"}
	default:
		return nil
	}
}

func explainNetwork(image ref.Image, err error) *fairlead.Error {
	s := saidOf(err)
	e := &fairlead.Error{Kind: fairlead.Unavailable, Remedy: "check the network between the worker's machine and the registry"}
	switch {
	case s.any("server gave http response to https client"):
		e.Code, e.Remedy = fairlead.CodeTLS, `whoever runs the worker's machine adds "`+image.Host+`" to insecure-registries in /etc/docker/daemon.json, or uses engine runc`
	case s.any("tls handshake timeout"):
		e.Code = fairlead.CodeTimeout
	case s.any("x509:", "tls:"):
		e.Code, e.Remedy = fairlead.CodeTLS, "whoever runs the worker's machine puts the authority's certificate into /etc/docker/certs.d/"+image.Host+"/ca.crt, or uses engine runc"
	case s.any("no such host", "server misbehaving", "temporary failure in name resolution"):
		e.Code, e.Remedy = fairlead.CodeDNS, "check the name, and the DNS of the engine's machine"
	case s.any("timeout", "deadline exceeded", "request canceled"):
		e.Code = fairlead.CodeTimeout
	case s.any("unexpected http status", "error parsing http", "unexpected http response"):
		e.Code, e.Remedy = fairlead.CodeRegistryBroken, "try again; if it stays, tell those who run the registry"
	case s.any("connection refused", "no route to host", "network is unreachable", "reset by peer", "dial tcp"):
		e.Code = fairlead.CodeConnect
	case s.any("eof") && !s.any("register layer"):
		e.Code = fairlead.CodeConnect
	default:
		return nil
	}
	return e
}
