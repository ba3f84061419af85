package oci

import (
	"context"
	"maps"
	"net/http"
	"net/url"

	"fairlead.dev/fairlead"
)

// maxRedirects is how many requests one request may become.
const maxRedirects = 6

// target is one request to a registry, before it is known where it leads.
type target struct {
	endpoint Endpoint
	method   string // GET or HEAD
	url      *url.URL
	header   http.Header
	login    fairlead.Secret // the Authorization header; zero for none
}

// followed is where a request led.
type followed struct {
	*answer
	// foreign is the host that answered, if it isn't the registry's own origin.
	foreign string
}

// follow sends a request and goes where the registry sends it. The login goes to the
// registry's own origin only, and stays behind for good once that is left. A redirect
// never leads from TLS to plain HTTP, and in plain HTTP only to the host that may be
// spoken to like that.
func (c *Client) follow(ctx context.Context, what string, t target) (*followed, error) {
	origin, at := t.endpoint.base(), t.url
	home, beside := true, asPublic
	for range maxRedirects {
		req := newRequest(t.method, at)
		maps.Copy(req.Header, t.header)
		if home && !t.login.IsZero() {
			req.Header.Set("Authorization", string(t.login.Reveal()))
		}
		as := beside
		if sameOrigin(origin, at) {
			as = asRegistry
		}
		res, err := c.exchange(ctx, what, t.endpoint, req, as)
		if err != nil {
			return nil, err
		}
		if !isRedirect(res.StatusCode) {
			f := &followed{answer: res}
			if !home {
				f.foreign = at.Host
			}
			return f, nil
		}
		drain(res.Body)
		to, err := at.Parse(res.Header.Get("Location"))
		if err != nil || to.Host == "" {
			return nil, broken(what, at.Host+" redirects to what is not a URL")
		}
		if err := mayLead(what, t.endpoint, at, to); err != nil {
			return nil, err
		}
		if as == asRegistry {
			beside = besideOf(res.private)
		}
		home = home && sameOrigin(origin, to)
		at = to
	}
	return nil, broken(what, t.endpoint.Host+" redirects in a circle")
}

func mayLead(what string, e Endpoint, from, to *url.URL) error {
	refuse := func(why string) error {
		return &fairlead.Error{
			Kind: fairlead.Denied, Code: fairlead.CodeEgress, What: what,
			Why:    from.Host + " redirects to " + quote(to.Scheme+"://"+to.Host) + ", " + why,
			Remedy: "the registry has to be set up so that it sends downloads to an address with TLS",
		}
	}
	switch {
	case to.Scheme != "https" && to.Scheme != "http":
		return refuse("which is not a web address")
	case to.User != nil:
		return refuse("with a login in the URL")
	case to.Scheme == "http" && (from.Scheme == "https" || !e.allowsPlain(to)):
		return refuse("which is not protected by TLS")
	}
	return nil
}
