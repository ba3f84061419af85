package oci

import (
	"context"
	"io"
	"net/http"

	"fairlead.dev/fairlead"
)

// Transport is login as an [http.RoundTripper]: requests to the registry of s get a
// login that kc leases for s, and one more if that is refused. Requests to any other
// host, where a redirect may have led, get none; the egress policy holds for them too.
// A refusal of the registry is an error, as [Client.Resolve] gives it, and not a reply.
func (c *Client) Transport(kc fairlead.Keychain, s fairlead.Scope) http.RoundTripper {
	return &transport{c: c, kc: kc, scope: s}
}

type transport struct {
	c     *Client
	kc    fairlead.Keychain
	scope fairlead.Scope
}

// RoundTrip sends the request, with a login if it is the registry's.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	body := &replay{req: req}
	defer body.close()
	v := &visit{c: t.c, kc: t.kc, scope: t.scope, what: "asking " + t.scope.Resource.Host}
	v.send = func(ctx context.Context, e Endpoint, login fairlead.Secret) (*followed, error) {
		return t.send(ctx, v.what, body, e, login)
	}
	if err := v.take(req.Context()); err != nil {
		return nil, err
	}
	ask := v.do
	if !sameOrigin(v.endpoint.base(), req.URL) {
		ask = func(ctx context.Context) (*followed, error) { return v.send(ctx, v.endpoint, fairlead.Secret{}) }
	}
	res, err := ask(req.Context())
	if err != nil {
		return nil, err
	}
	return res.Response, nil
}

// send sends the request once.
func (t *transport) send(ctx context.Context, what string, body *replay, e Endpoint, login fairlead.Secret) (*followed, error) {
	out := body.req.Clone(ctx)
	var err error
	if out.Body, err = body.next(what, e); err != nil {
		return nil, err
	}
	as, foreign := asRegistry, ""
	switch {
	case !sameOrigin(e.base(), out.URL):
		as, foreign = besideOf(t.c.remembered(e).private), out.URL.Host
		out.Header.Del("Authorization")
		if err := mayLead(what, e, e.base(), out.URL); err != nil {
			return nil, err
		}
	case !login.IsZero():
		out.Header.Set("Authorization", string(login.Reveal()))
	}
	res, err := t.c.exchange(ctx, what, e, out, as)
	if err != nil {
		return nil, err
	}
	return &followed{answer: res, foreign: foreign}, nil
}

// replay gives a request's body once, and again if it can be had again.
type replay struct {
	req  *http.Request
	used bool
}

func (r *replay) next(what string, e Endpoint) (io.ReadCloser, error) {
	switch {
	case r.req.Body == nil || r.req.Body == http.NoBody:
		return r.req.Body, nil
	case !r.used:
		r.used = true
		return r.req.Body, nil
	case r.req.GetBody == nil:
		return nil, broken(what, e.Host+" wants another login for what can't be sent twice")
	default:
		return r.req.GetBody()
	}
}

// close closes a body that was never sent, as a RoundTripper has to.
func (r *replay) close() {
	if !r.used && r.req.Body != nil {
		_ = r.req.Body.Close()
	}
}
