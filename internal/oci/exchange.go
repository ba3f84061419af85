package oci

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"time"
)

// reach says as what a server is reached, and with it which addresses it may have.
type reach int

const (
	// asRegistry: the registry itself, which may live in private address space.
	asRegistry reach = iota
	// asPrivate: what a registry in private address space named.
	asPrivate
	// asPublic: what any other registry named.
	asPublic
)

// besideOf is how something is reached that a registry has named.
func besideOf(registryIsPrivate bool) reach {
	if registryIsPrivate {
		return asPrivate
	}
	return asPublic
}

// answer is a reply, and where its sender lives.
type answer struct {
	*http.Response
	private bool // not in public address space
}

// exchange sends one request and follows nothing. Every byte of the reply has to come
// within the stall timeout after the one before; closing the body ends the request.
func (c *Client) exchange(ctx context.Context, what string, e Endpoint, req *http.Request, as reach) (*answer, error) {
	route, err := c.network.route(e.CABundle, as != asPublic)
	if err != nil {
		return nil, unreachable(what, req.URL.Host, err, c.now())
	}
	req.Header.Set("User-Agent", c.userAgent)
	ctx, cancel := context.WithCancelCause(ctx)
	var peer string
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) { peer = i.Conn.RemoteAddr().String() },
	})
	res, err := route.RoundTrip(req.WithContext(traced)) //nolint:bodyclose // The caller closes it.
	if err != nil {
		if over := ended(ctx); over != nil {
			err = over
		}
		cancel(nil)
		return nil, unreachable(what, req.URL.Host, err, c.now())
	}
	res.Body = newAttentive(ctx, res.Body, cancel, c.network.timeouts.Stall)
	return &answer{Response: res, private: c.isPrivate(req, peer)}, nil
}

// ended says why ctx is over: the server fell silent, or the caller went away.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); errors.Is(cause, errStalled) {
		return cause
	}
	return ctx.Err()
}

// isPrivate reports whether the server that answered lives outside of public address
// space. Behind a proxy that is known only of a host that is an address.
func (c *Client) isPrivate(req *http.Request, peer string) bool {
	if c.network.proxy != nil {
		if via, err := c.network.proxy(req); err != nil || via != nil {
			a, err := netip.ParseAddr(req.URL.Hostname())
			if err != nil {
				return false
			}
			s, _ := place(a)
			return s != public
		}
	}
	ap, err := netip.ParseAddrPort(peer)
	if err != nil {
		return false
	}
	s, _ := place(ap.Addr())
	return s != public
}

// attentive is a reply's body that ends with errStalled when no byte comes in time. The
// time runs only while somebody reads.
type attentive struct {
	io.ReadCloser
	ended  func() error
	cancel context.CancelCauseFunc
	timer  *time.Timer
	limit  time.Duration
}

func newAttentive(ctx context.Context, body io.ReadCloser, cancel context.CancelCauseFunc, limit time.Duration) *attentive {
	timer := time.AfterFunc(limit, func() { cancel(errStalled) })
	timer.Stop()
	return &attentive{
		ReadCloser: body, ended: func() error { return ended(ctx) },
		cancel: cancel, timer: timer, limit: limit,
	}
}

func (a *attentive) Read(p []byte) (int, error) {
	a.timer.Reset(a.limit)
	n, err := a.ReadCloser.Read(p)
	a.timer.Stop()
	if err != nil && err != io.EOF { //nolint:errorlint // io.Reader returns io.EOF itself.
		if over := a.ended(); over != nil {
			err = over
		}
	}
	return n, err
}

func (a *attentive) Close() error {
	err := a.ReadCloser.Close()
	a.timer.Stop()
	a.cancel(nil)
	return err
}
