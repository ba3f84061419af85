package oci

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// host is what was found out about a registry.
type host struct {
	endpoint  Endpoint
	challenge Challenge // zero: it asked for no login
	asked     *url.URL  // what was answered with the challenge
	private   bool      // it doesn't live in public address space
	at        time.Time
}

// hostLife is how long a registry is believed to ask for logins in the same way.
const hostLife = 10 * time.Minute

// Ping asks the registry what it wants to be shown; the zero Challenge is nothing. An
// error says why there is no registry: [fairlead.Unavailable], [fairlead.Denied]
// (CodeEgress), [fairlead.Limited] or [fairlead.Invalid].
func (c *Client) Ping(ctx context.Context, e Endpoint) (Challenge, error) {
	what := "reaching " + e.Host
	res, err := c.follow(ctx, what, target{endpoint: e, method: http.MethodGet, url: e.base()})
	if err != nil {
		return Challenge{}, err
	}
	defer drain(res.Body)
	switch res.StatusCode {
	case http.StatusOK, http.StatusUnauthorized:
		h, err := c.hostFrom(what, e, res)
		return h.challenge, err
	default:
		return Challenge{}, unwell(what, e.Host, res.Response, "", c.now())
	}
}

// learn finds out how the registry asks for logins.
func (c *Client) learn(ctx context.Context, what string, e Endpoint) (host, error) {
	h, _, err := c.hosts.get(ctx, e, c.young, func(ctx context.Context) (host, error) {
		return c.probe(ctx, what, e, e.base())
	})
	if err != nil {
		return host{}, unreachable(what, e.Host, err, c.now())
	}
	return h, nil
}

func (c *Client) young(h host) bool { return c.now().Sub(h.at) < hostLife }

// remembered is what is known of a registry; the zero host is nothing.
func (c *Client) remembered(e Endpoint) host {
	if h, ok := c.hosts.look(e); ok && c.young(h) {
		return h
	}
	return host{}
}

// learnOf finds out how the registry asks for logins to one repository. Some say it
// nowhere else, because there is something at them that everybody may see.
func (c *Client) learnOf(ctx context.Context, what string, e Endpoint, repository string) (host, error) {
	h, err := c.learn(ctx, what, e)
	if err != nil || h.challenge.Scheme != "" || repository == "" {
		return h, err
	}
	tags, err := pathTo(what, e, repository, "tags", "list")
	if err != nil {
		return host{}, err
	}
	tags.RawQuery = "n=1"
	return c.probe(ctx, what, e, tags)
}

// probe asks without a login, for the sake of the challenge.
func (c *Client) probe(ctx context.Context, what string, e Endpoint, u *url.URL) (host, error) {
	res, err := c.follow(ctx, what, target{endpoint: e, method: http.MethodGet, url: u})
	if err != nil {
		return host{}, err
	}
	defer drain(res.Body)
	// 400 is what a server with TLS says to plain HTTP, and no word on logins.
	if status := res.StatusCode; status == http.StatusTooManyRequests || status == http.StatusBadRequest || status >= 500 {
		return host{}, unwell(what, e.Host, res.Response, "", c.now())
	}
	return c.hostFrom(what, e, res)
}

// hostFrom reads the challenge of a reply, and remembers it.
func (c *Client) hostFrom(what string, e Endpoint, res *followed) (host, error) {
	if res.foreign != "" {
		return host{}, broken(what, e.Host+" redirects to "+quote(res.foreign)+", and a login doesn't follow it there")
	}
	h := host{endpoint: e, asked: res.Request.URL, private: res.private, at: c.now()}
	if res.StatusCode == http.StatusUnauthorized {
		list := ParseChallenges(res.Header.Values("WWW-Authenticate"))
		if h.challenge = choose(list); h.challenge.Scheme == "" {
			return host{}, broken(what, e.Host+" wants a login, but doesn't say how in a way that Fairlead knows"+schemes(list))
		}
	}
	c.hosts.put(e, h)
	return h, nil
}

func schemes(list []Challenge) string {
	var names []string
	for _, ch := range list {
		if !slices.Contains(names, ch.Scheme) && len(names) < 4 {
			names = append(names, ch.Scheme)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + clean(strings.Join(names, ", ")) + ")"
}

// pathTo is the URL of something in a repository.
func pathTo(what string, e Endpoint, repository string, rest ...string) (*url.URL, error) {
	if err := ref.CheckRepository(repository); err != nil {
		return nil, misnamed(what, err)
	}
	u := e.base()
	u.Path += repository + "/" + strings.Join(rest, "/")
	return u, nil
}

// misnamed is a name that could not stand in a URL.
func misnamed(what string, err error) *fairlead.Error {
	e := &fairlead.Error{Kind: fairlead.Invalid, What: what, Why: "it can't be named like that", Remedy: "correct the image's name"}
	if named, ok := errors.AsType[*ref.Error](err); ok {
		e.Why, e.Remedy = named.Why, named.Remedy
	}
	return e
}
