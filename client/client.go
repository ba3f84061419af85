// Package client is the Go SDK of Fairlead: it asks a server for the operations of
// package wire, and gives logins as a [fairlead.Keychain].
//
//	c, err := client.New("https://fairlead.example.com", client.WithToken(token))
//	list, err := client.Do(ctx, c, wire.ListProjects, wire.None{})
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/wire"
)

// maxReply is the greatest size of a JSON reply, in bytes.
const maxReply = 256 << 20

// Client asks one server. It is safe for concurrent use.
type Client struct {
	base      *url.URL
	token     fairlead.Secret
	http      *http.Client
	userAgent string
	plain     bool
	patience  time.Duration
}

// Option sets something of a client.
type Option func(*Client)

// WithToken gives the token that every request carries.
func WithToken(t fairlead.Secret) Option { return func(c *Client) { c.token = t } }

// WithTransport gives the transport that requests go through.
func WithTransport(t http.RoundTripper) Option {
	return func(c *Client) { c.http.Transport = t }
}

// WithPatience says how long the server may take to begin its reply, if no transport is
// given: two minutes if nothing is said, which is more than any operation waits. What is
// slower is hung, and would hang the caller.
func WithPatience(d time.Duration) Option { return func(c *Client) { c.patience = d } }

// WithUserAgent says what the requests' User-Agent is.
func WithUserAgent(s string) Option { return func(c *Client) { c.userAgent = s } }

// AllowPlainHTTP lets the token travel without TLS to a server that isn't on this
// machine. Whoever sees the network then sees the token.
func AllowPlainHTTP() Option { return func(c *Client) { c.plain = true } }

// New makes a client of the server with that URL. [fairlead.Invalid] for a URL that
// isn't one, or that is of plain http to another machine without [AllowPlainHTTP].
func New(server string, options ...Option) (*Client, error) {
	c := &Client{http: &http.Client{CheckRedirect: noRedirect}, userAgent: "fairlead-go", patience: patience}
	for _, o := range options {
		o(c)
	}
	if c.http.Transport == nil {
		c.http.Transport = transport(c.patience)
	}
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return nil, &fairlead.Error{
			Kind: fairlead.Invalid, Field: "server", What: "reading the server's URL", Why: "it isn't one", Remedy: "write it like https://fairlead.example.com",
		}
	}
	if u.Scheme == "http" && !c.plain && !onThisMachine(u.Hostname()) {
		return nil, &fairlead.Error{
			Kind: fairlead.Invalid, Field: "server", What: "reading the server's URL", Why: "over plain http, everybody on the way to " + u.Host + " could read the token",
			Remedy: "use https, or allow it with --insecure-http",
		}
	}
	u.Path, u.RawQuery, u.Fragment = strings.TrimRight(u.Path, "/"), "", ""
	c.base = u
	return c, nil
}

// How long a server may be silent.
const (
	patience  = 2 * time.Minute
	dialTime  = 30 * time.Second
	handshake = 15 * time.Second
	keepIdle  = 90 * time.Second
	mostIdle  = 32
)

// transport is [http.DefaultTransport], but that it doesn't wait for a reply for ever.
func transport(patience time.Duration) *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: dialTime}).DialContext, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: handshake, ResponseHeaderTimeout: patience, IdleConnTimeout: keepIdle, MaxIdleConnsPerHost: mostIdle,
	}
}

// Server is the URL of the server, without a slash at its end.
func (c *Client) Server() string { return c.base.String() }

// As gives a client of the same server with another token.
func (c *Client) As(token fairlead.Secret) *Client {
	d := *c
	d.token = token
	return &d
}

// noRedirect keeps the token from going where it wasn't meant to.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func onThisMachine(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.IsLoopback()
	}
	return host == "localhost"
}

// Do asks for an operation. The error is a [fairlead.Error], from the server or about
// reaching it.
func Do[In, Out any](ctx context.Context, c *Client, op wire.Operation[In, Out], in In) (Out, error) {
	var out Out
	route := op.Route()
	target, hasBody := place(route, in)
	var body io.Reader
	if hasBody {
		b, err := json.Marshal(in)
		if err != nil {
			return out, fairlead.AsError("writing request", err)
		}
		body = bytes.NewReader(b)
	}
	resp, err := c.send(ctx, route.Method, target, body, -1)
	if err != nil {
		return out, err
	}
	defer func() { drain(resp.Body); _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusNoContent {
		return out, nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxReply)).Decode(&out); err != nil {
		return out, c.broken(ctx, "reading the server's reply", err)
	}
	return out, nil
}

// Put sends bytes. size is their number, -1 if it isn't known.
func Put[In any](ctx context.Context, c *Client, op wire.Stream[In], in In, body io.Reader, size int64) error {
	target, _ := place(op.Route(), in)
	resp, err := c.send(ctx, op.Method, target, body, size)
	if err != nil {
		return err
	}
	drain(resp.Body)
	_ = resp.Body.Close()
	return nil
}

// Get receives bytes, and their number if it is known, -1 otherwise.
func Get[In any](ctx context.Context, c *Client, op wire.Stream[In], in In) (io.ReadCloser, int64, error) {
	target, _ := place(op.Route(), in)
	resp, err := c.send(ctx, op.Method, target, nil, 0)
	if err != nil {
		return nil, 0, err
	}
	return resp.Body, resp.ContentLength, nil
}

// send sends a request and gives a reply that is a success.
func (c *Client) send(ctx context.Context, method, target string, body io.Reader, size int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base.String()+target, body)
	if err != nil {
		return nil, fairlead.AsError("writing request", err)
	}
	req.Header.Set("User-Agent", c.userAgent)
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
		if size >= 0 {
			req.ContentLength = size
			req.Header.Set("Content-Type", "application/octet-stream")
		}
	}
	if !c.token.IsZero() {
		req.Header.Set("Authorization", "Bearer "+string(c.token.Reveal()))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.broken(ctx, "reaching "+c.base.Host, err)
	}
	if resp.StatusCode < http.StatusOK || resp.StatusCode >= http.StatusMultipleChoices {
		defer func() { drain(resp.Body); _ = resp.Body.Close() }()
		return nil, c.refusal(resp)
	}
	return resp, nil
}

// Refusal is what a server answered instead of what was asked for.
type Refusal struct{ Reply wire.ErrorReply }

// Error is the reply's error.
func (r *Refusal) Error() string { return r.Reply.Error.Error() }

// Unwrap gives it as a [fairlead.Error].
func (r *Refusal) Unwrap() error { return &r.Reply.Error }

func (c *Client) refusal(resp *http.Response) error {
	var reply wire.ErrorReply
	err := json.NewDecoder(io.LimitReader(resp.Body, maxReply)).Decode(&reply)
	if err != nil || reply.Error.Kind == "" {
		reply.Error = fairlead.Error{
			Kind: wire.KindOfStatus(resp.StatusCode), What: "asking " + c.base.Host, Why: "it answered " + resp.Status + ", and not as Fairlead does",
			Remedy: "check that the URL is that of a Fairlead server, and what is in between",
		}
	}
	return &Refusal{Reply: reply}
}

// broken says why a server couldn't be reached, or broke off.
func (c *Client) broken(ctx context.Context, what string, err error) error {
	e := &fairlead.Error{Kind: fairlead.Unavailable, What: what, Remedy: "check that `fairlead serve` runs there and that this machine can reach it"}
	if ctx.Err() != nil {
		e.Why = "there was no more time"
		return e.Because(ctx.Err())
	}
	e.Why = reason(err)
	return e
}

// reason is the innermost text of a network error: what of it concerns a person.
func reason(err error) string {
	if o, ok := errors.AsType[*net.OpError](err); ok {
		return fmt.Sprint(o.Err)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err.Error()
	}
	return err.Error()
}

// drain reads what little may be left of a reply, so that its connection can be used
// again.
func drain(body io.Reader) { _, _ = io.CopyN(io.Discard, body, 64<<10) }
