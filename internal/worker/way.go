package worker

import (
	"context"
	"net"
	"net/netip"
	"net/url"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/ref"
)

// Route is where a worker pulls images from.
type Route string

// The routes.
const (
	// Auto is the server's gateway, if it offers one over TLS or at a loopback address, and
	// the registry itself otherwise, or where the gateway can't give the image.
	Auto Route = "auto"
	// Gateway is the server's gateway alone.
	Gateway Route = "gateway"
	// Direct is the registry itself, with a login that the server leases.
	Direct Route = "direct"
)

// Routes lists them.
func Routes() []Route { return []Route{Auto, Gateway, Direct} }

// way is how one pull goes.
type way struct {
	keychain *noting
	// through is the image's repository behind the gateway; zero for the registry itself.
	through ref.Resource
}

func (w way) gateway() bool { return w.through.Host != "" }

// from is the image by the name under which it is pulled.
func (w way) from(image ref.Image) ref.Image {
	if w.gateway() {
		image.Resource = w.through
	}
	return image
}

func (j *job) direct() way {
	return way{keychain: &noting{Keychain: j.Client.HeldKeychain(j.run.ID, j.run.Fence, j.Now)}}
}

// way finds out where the image is pulled from. That the server can't read it at its
// registry is told by the error, with the registry's code.
func (j *job) way(ctx context.Context, image ref.Image) (way, error) {
	if j.Route == Direct {
		return j.direct(), nil
	}
	l, err := j.Client.HeldGatewayLease(ctx, j.run.ID, j.run.Fence, image.Resource)
	code := fairlead.CodeOf(err)
	switch {
	case err == nil && isLoopback(l.For.Resource.Host) && !j.besideServer():
		// Whoever listens there on this machine is not the server, and is shown no login.
		err = &fairlead.Error{
			Kind: fairlead.Conflict, Code: fairlead.CodeNoGateway, What: "pulling through the gateway",
			Why: "the server offers its gateway at " + l.For.Resource.Host + ", which is this machine and not the server's", Remedy: "start the server with the --public-url by which workers reach it, or let the worker pull directly",
		}
	case err == nil && l.PlainHTTP && !isLoopback(l.For.Resource.Host):
		err = &fairlead.Error{
			Kind: fairlead.Conflict, Code: fairlead.CodeNoGateway, What: "pulling through the gateway",
			Why: "the server offers its gateway at " + l.For.Resource.Host + " without TLS", Remedy: "give the server TLS and a --public-url with https, or let the worker pull directly",
		}
	case err == nil:
		j.OCI.Permit(oci.Endpoint{Host: l.For.Resource.Host, PlainHTTP: l.PlainHTTP})
		kc := j.Client.GatewayKeychain(j.run.ID, j.run.Fence, image.Resource, j.Now)
		return way{keychain: &noting{Keychain: kc}, through: l.For.Resource}, nil
	case fairlead.OfHost(code) && j.Route == Auto:
		j.log.status("The server can't read the image for its gateway (" + err.Error() + "). Pulling from " + image.Host + " directly.")
		return j.direct(), nil
	}
	if code = fairlead.CodeOf(err); code == fairlead.CodeNoGateway && j.Route == Auto {
		return j.direct(), nil
	}
	return way{}, err
}

// besides is for a pull through the gateway that failed with err: nil means that it may be
// tried directly, which it has said. Where the registry is the reason, that is the error.
func (j *job) besides(ctx context.Context, image ref.Image, w way, err error) error {
	if !ofGateway(err) {
		return err
	}
	if _, why := j.Client.HeldGatewayLease(ctx, j.run.ID, j.run.Fence, image.Resource); why != nil {
		return why
	}
	if j.Route != Auto {
		return err
	}
	j.log.status("The gateway at " + w.through.Host + " doesn't give the image (" + err.Error() + "). Pulling from " + image.Host + " directly.")
	return nil
}

// ofGateway reports whether an error may be the gateway's own doing, and not that of the
// image, of the machine or of the engine.
func ofGateway(err error) bool {
	switch code := fairlead.CodeOf(err); code {
	case fairlead.CodeLoginRefused, fairlead.CodeNoRight, fairlead.CodeNoImage, fairlead.CodeRateLimited:
		return true
	default:
		return fairlead.OfHost(code)
	}
}

// bothWays is the error of a pull that failed through the gateway and then directly. That
// no login leaves the house for the direct way is what the gateway is there for: then it
// is the gateway that is to be mended.
func bothWays(through, directly error) error {
	if fairlead.CodeOf(directly) != fairlead.CodeDisclosure {
		return directly
	}
	e := *fairlead.AsError("pulling through the gateway", through)
	d := fairlead.AsError("", directly)
	e.Why += "; and directly it isn't pulled: " + d.Why
	return &e
}

// besideServer reports whether the worker reaches the server at an address of its own
// machine, as the worker inside a server does.
func (w *Worker) besideServer() bool {
	u, err := url.Parse(w.Client.Server())
	return err == nil && isLoopback(u.Host)
}

// isLoopback reports whether a host, with a port or without, is this machine by its
// address or by its name (RFC 6761, section 6.3).
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}
