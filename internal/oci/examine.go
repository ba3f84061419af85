package oci

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// Examined is what a registry says of an image's name, and on the side.
type Examined struct {
	// Top is the manifest or index that the name stands for.
	Top Descriptor
	// Limit is how many pulls are left, if the registry says so.
	Limit RateLimit
	// Lease is what it was asked with.
	Lease fairlead.Lease
}

// RateLimit is what a registry says of its limit on pulls: Of in Window seconds, Left of
// them. The zero RateLimit is a registry that says nothing.
type RateLimit struct {
	Known    bool
	Left, Of int
	Window   int // seconds; 0 if it doesn't say
	// Source is whom it counts them for: an address or an account ("docker-ratelimit-source").
	Source string
}

// Quoter is a keychain that wants to know what a registry says of its limit, with any
// reply to a login of the keychain's. What storage says that it sends to isn't told.
type Quoter interface {
	Quoted(l RateLimit)
}

// quote tells the keychain what a reply says of the registry's limit.
func (p *pull) quote(res *followed) {
	q, ok := p.kc.(Quoter)
	if !ok || res.foreign != "" {
		return
	}
	if l := rateLimit(res.Header); l.Known {
		q.Quoted(l)
	}
}

// Examine is [Client.Resolve] that also gives what stands beside the answer. It asks
// with a HEAD, which registries don't count as a pull. Errors are those of Resolve.
func (c *Client) Examine(ctx context.Context, kc fairlead.Keychain, i ref.Image) (Examined, error) {
	p := c.pullOf(kc, i, "resolving "+i.String())
	d, ok, err := p.head(ctx, i)
	if err == nil && !ok {
		var m manifest
		m, err = p.manifest(ctx, i.Reference(), fairlead.Digest(i.Digest))
		d = m.Descriptor
	}
	return Examined{Top: d, Limit: p.limit, Lease: p.lease}, err
}

// rateLimit reads ratelimit-limit and ratelimit-remaining as Docker Hub writes them:
// "100;w=21600".
func rateLimit(h http.Header) RateLimit {
	left, window, ok := limitOf(h.Get("RateLimit-Remaining"))
	of, w, there := limitOf(h.Get("RateLimit-Limit"))
	if !ok || !there || left > of {
		return RateLimit{}
	}
	return RateLimit{Known: true, Left: left, Of: of, Window: max(window, w), Source: sourceOf(h.Get("Docker-Ratelimit-Source"))}
}

// sourceOf reads an address or an identifier; what is neither is left out.
func sourceOf(s string) string {
	const most = 64
	if len(s) > most || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return s
}

func limitOf(s string) (n, window int, ok bool) {
	number, rest, _ := strings.Cut(s, ";")
	n, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil || n < 0 {
		return 0, 0, false
	}
	for part := range strings.SplitSeq(rest, ";") {
		if w, found := strings.CutPrefix(strings.TrimSpace(part), "w="); found {
			if window, err = strconv.Atoi(w); err != nil || window < 0 {
				return 0, 0, false
			}
		}
	}
	return n, window, true
}

// MayPush asks whether the keychain's login may push to the repository, by beginning an
// upload and taking it back: nothing is left. Errors are those of [Client.Transport], and
// [fairlead.Denied] (CodeNoRight), [fairlead.NotFound] (CodeNoImage), [fairlead.Limited]
// and [fairlead.Unavailable].
func (c *Client) MayPush(ctx context.Context, kc fairlead.Keychain, r ref.Resource) error {
	what := "asking to push to " + r.String()
	s := fairlead.Scope{Resource: r, Verb: fairlead.Push}
	l, err := kc.Lease(ctx, s)
	if err != nil {
		return err
	}
	u, err := pathTo(what, endpointOf(l, r.Host), r.Repository, "blobs", "uploads", "")
	if err != nil {
		return err
	}
	req := newRequest(http.MethodPost, u).WithContext(ctx)
	res, err := c.Transport(kc, s).RoundTrip(req) //nolint:bodyclose // drain closes it.
	if err != nil {
		return unreachable(what, r.Host, err, c.now())
	}
	defer drain(res.Body)
	switch status := res.StatusCode; status {
	case http.StatusAccepted, http.StatusCreated:
		if at, err := req.URL.Parse(res.Header.Get("Location")); err == nil && res.Header.Get("Location") != "" && sameOrigin(u, at) {
			c.takeBack(ctx, kc, s, at.String())
		}
		return nil
	case http.StatusNotFound:
		return &fairlead.Error{
			Kind: fairlead.NotFound, Code: fairlead.CodeNoImage, What: what, Why: r.Host + " has no repository " + r.Repository + " to push to",
			Remedy: "create the repository at the registry, or correct the name",
		}
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed:
		return (&fairlead.Error{
			Kind: fairlead.Denied, Code: fairlead.CodeNoRight, What: what,
			Why:    r.Host + " gives the login no right to push to " + r.Repository + " (" + statusText(status) + ")",
			Remedy: "give the account that right at the registry, or connect another account",
		}).OfConnector(l.ConnectorName)
	default:
		return unwell(what, r.Host, res, "", c.now())
	}
}

// takeBack ends an upload that was begun; a registry that doesn't take that ends it by
// itself.
func (c *Client) takeBack(ctx context.Context, kc fairlead.Keychain, s fairlead.Scope, at string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, at, nil)
	if err != nil {
		return
	}
	res, err := c.Transport(kc, s).RoundTrip(req) //nolint:bodyclose // drain closes it.
	if err == nil {
		drain(res.Body)
	}
}
