package oci

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"fairlead.dev/fairlead"
)

// writing is a request that changes something at the registry.
type writing struct {
	method string
	url    func(e Endpoint) (*url.URL, error)
	header http.Header
	// body gives what is sent, again for each time that it is sent; nil is nothing.
	body func() (io.ReadCloser, error)
	size int64
}

// write sends one, with a login. Whatever comes back is a success or a status that accept
// lets through; everything else is an error.
func (p *pull) write(ctx context.Context, w writing, accept func(status int) bool) (*followed, error) {
	v := &visit{c: p.c, kc: p.kc, scope: fairlead.Scope{Resource: p.resource, Verb: fairlead.Push}, what: p.what}
	v.send = func(ctx context.Context, e Endpoint, login fairlead.Secret) (*followed, error) {
		u, err := w.url(e)
		if err != nil {
			return nil, err
		}
		return p.c.direct(ctx, p.what, e, u, w, login)
	}
	res, err := v.do(ctx)
	p.lease, p.endpoint = v.lease, v.endpoint
	if err != nil {
		return nil, err
	}
	if accept(res.StatusCode) {
		return res, nil
	}
	return nil, p.notPushed(v, res)
}

// direct sends a request to the registry's own origin. It follows only what stays there:
// what is pushed goes nowhere else.
func (c *Client) direct(ctx context.Context, what string, e Endpoint, at *url.URL, w writing, login fairlead.Secret) (*followed, error) {
	origin := e.base()
	for range maxRedirects {
		res, err := c.sendOnce(ctx, what, e, at, w, login)
		if err != nil {
			return nil, err
		}
		if res.StatusCode != http.StatusTemporaryRedirect && res.StatusCode != http.StatusPermanentRedirect {
			return &followed{answer: res}, nil
		}
		drain(res.Body)
		to, err := at.Parse(res.Header.Get("Location"))
		if err != nil || !sameOrigin(origin, to) || to.User != nil {
			return nil, astray(what, e, to)
		}
		at = to
	}
	return nil, broken(what, e.Host+" redirects in a circle")
}

func (c *Client) sendOnce(ctx context.Context, what string, e Endpoint, at *url.URL, w writing, login fairlead.Secret) (*answer, error) {
	req := newRequest(w.method, at)
	maps.Copy(req.Header, w.header)
	if !login.IsZero() {
		req.Header.Set("Authorization", string(login.Reveal()))
	}
	if w.body == nil {
		return c.exchange(ctx, what, e, req, asRegistry)
	}
	body, err := w.body()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	paced := newPaced(body, cancel, c.network.timeouts.Stall)
	req.Body, req.ContentLength = paced, w.size
	if w.size == 0 {
		req.Body = http.NoBody
	}
	res, err := c.exchange(ctx, what, e, req, asRegistry)
	paced.stop()
	if err != nil {
		_ = paced.Close()
		cancel(nil)
		return nil, err
	}
	res.Body = &ending{ReadCloser: res.Body, then: func() { _ = paced.Close(); cancel(nil) }}
	return res, nil
}

// astray is a registry that wants what is pushed sent to somebody else.
func astray(what string, e Endpoint, to *url.URL) error {
	where := "nowhere"
	if to != nil && to.Host != "" {
		where = quote(to.Scheme + "://" + to.Host)
	}
	return &fairlead.Error{
		Kind: fairlead.Denied, Code: fairlead.CodeEgress, What: what,
		Why:    e.Host + " wants what is pushed sent to " + where + ", and neither a login nor an image goes there",
		Remedy: "the registry has to name its own address (behind a proxy, see to it that the registry knows its public URL)",
	}
}

// uploadAt reads where an upload goes on: at the registry's own origin. One that names its
// own host without TLS, because it doesn't know of the proxy in front of it, means that.
func uploadAt(what string, e Endpoint, from *url.URL, location string) (*url.URL, error) {
	to, err := from.Parse(location)
	if err != nil || location == "" {
		return nil, broken(what, e.Host+" began an upload and didn't say where it goes on")
	}
	base := e.base()
	if to.Scheme == "http" && base.Scheme == "https" && strings.EqualFold(to.Hostname(), base.Hostname()) && (to.Port() == "" || to.Port() == base.Port()) {
		to.Scheme, to.Host = base.Scheme, base.Host
	}
	if !sameOrigin(base, to) || to.User != nil {
		return nil, astray(what, e, to)
	}
	to.Fragment, to.RawFragment = "", ""
	return to, nil
}

// paced is a request's body that ends the request when nobody takes a byte of it in time:
// a registry that stops reading says nothing else.
type paced struct {
	io.ReadCloser
	timer *time.Timer
	limit time.Duration
}

func newPaced(body io.ReadCloser, cancel context.CancelCauseFunc, limit time.Duration) *paced {
	return &paced{ReadCloser: body, timer: time.AfterFunc(limit, func() { cancel(errStalled) }), limit: limit}
}

func (p *paced) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	if err != nil {
		p.timer.Stop() // how long the reply takes is another limit's
	} else {
		p.timer.Reset(p.limit)
	}
	return n, err
}

func (p *paced) stop() { p.timer.Stop() }

// Close may be called twice, by the transport and by us.
func (p *paced) Close() error {
	p.timer.Stop()
	return p.ReadCloser.Close()
}

// ending is a reply's body that does something when it is closed.
type ending struct {
	io.ReadCloser
	then func()
}

func (e *ending) Close() error {
	err := e.ReadCloser.Close()
	e.then()
	return err
}
