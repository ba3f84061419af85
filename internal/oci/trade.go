package oci

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"fairlead.dev/fairlead"
)

// Login is what is traded at a token endpoint: a user name with a password, or an
// identity token. The zero Login is anonymous.
type Login struct {
	Username string
	Password fairlead.Secret
	// Identity is a refresh token (RFC 6749, section 6), which Docker calls an identity
	// token. Where it is set, the other two aren't used.
	Identity fairlead.Secret
}

// identityName is the user name under which Docker keeps an identity token.
const identityName = "<token>"

func loginOf(l fairlead.Lease) Login {
	if l.Username == identityName {
		return Login{Identity: l.Password}
	}
	return Login{Username: l.Username, Password: l.Password}
}

func (l Login) anonymous() bool {
	return l.Username == "" && l.Password.IsZero() && l.Identity.IsZero()
}

// basic is the value of an Authorization header (RFC 7617), which is as secret as the
// password.
func (l Login) basic() fairlead.Secret {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(l.Username, string(l.Password.Reveal()))
	return fairlead.SecretText(r.Header.Get("Authorization"))
}

// ErrNoTokenEndpoint is returned by [Client.Trade] for a registry that knows no token: it
// takes the login itself with every request, or asks for none. It is a sentinel.
var ErrNoTokenEndpoint = errors.New("the registry has no token endpoint")

// Trade gives a token that the registry limits to s, for the login. Without a
// repository in s the token is good for nothing, and that it is given says that the
// login is.
//
// Errors are [fairlead.Error]: [fairlead.Denied] (CodeLoginRefused, CodeNoRight,
// CodeRealm, CodeEgress), [fairlead.Limited], [fairlead.Unavailable], [fairlead.Invalid];
// or [ErrNoTokenEndpoint].
func (c *Client) Trade(ctx context.Context, e Endpoint, l Login, s fairlead.Scope) (Bearer, error) {
	what := "logging in to " + e.Host
	h, err := c.learnOf(ctx, what, e, s.Resource.Repository)
	if err != nil {
		return Bearer{}, err
	}
	if h.challenge.Scheme != bearerScheme {
		return Bearer{}, ErrNoTokenEndpoint
	}
	return c.trade(ctx, what, h, l, s)
}

// Verify reports whether the registry accepts the login, whatever rights it has: nil,
// or an error as [Client.Trade] gives it, or [ErrNoLogin].
func (c *Client) Verify(ctx context.Context, e Endpoint, l Login) error {
	what := "logging in to " + e.Host
	h, err := c.learn(ctx, what, e)
	if err != nil {
		return err
	}
	if h.challenge.Scheme == bearerScheme {
		_, err = c.trade(ctx, what, h, l, fairlead.Scope{})
		return err
	}
	if err := l.check(what); err != nil {
		return err
	}
	if h.challenge.Scheme == "" {
		// Nobody has asked for it: it isn't shown to what may be no registry.
		if ch, err := c.Ping(ctx, e); err != nil || ch.Scheme == "" {
			return cmp.Or(err, ErrNoLogin)
		}
	}
	good, err := c.accepts(ctx, what, e, l.basic())
	if err != nil || good {
		return err
	}
	return (&notGiven{status: http.StatusUnauthorized}).toError(what, e.Host, fairlead.Scope{}, l, false)
}

// ErrNoLogin is returned by [Client.Verify] where the registry's front door asks for no
// login, so that none was tried. It is a sentinel.
var ErrNoLogin = errors.New("the registry asks for no login")

// trade asks the token endpoint that h's challenge names.
func (c *Client) trade(ctx context.Context, what string, h host, l Login, s fairlead.Scope) (Bearer, error) {
	if err := l.check(what); err != nil {
		return Bearer{}, err
	}
	t := tokenRequest{c: c, what: what, host: h, login: l}
	var err error
	if t.realm, err = realm(h.endpoint, h.asked, h.challenge); err != nil {
		return Bearer{}, unreachable(what, h.endpoint.Host, err, c.now())
	}
	scope := scopeOf(s)
	b, no, err := t.ask(ctx, scope)
	if err != nil || no == nil {
		return b, err
	}
	// Refused. If the login is good for no scope at all, it is the right that is missing.
	goodLogin := l.anonymous()
	if !goodLogin && scope != "" {
		_, still, err := t.ask(ctx, "")
		if err != nil {
			return Bearer{}, err
		}
		goodLogin = still == nil
	}
	return Bearer{}, no.toError(what, h.endpoint.Host, s, l, goodLogin)
}

// check refuses a login that can't be written into a request.
func (l Login) check(what string) error {
	if l.Identity.IsZero() && strings.Contains(l.Username, ":") {
		return &fairlead.Error{
			Kind: fairlead.Invalid, Code: fairlead.CodeLoginRefused, What: what, Field: "username",
			Why: "a user name with a colon can't be sent to a registry", Remedy: "correct the user name",
		}
	}
	return nil
}

// tokenRequest asks one token endpoint for tokens.
type tokenRequest struct {
	c     *Client
	what  string
	host  host
	realm *url.URL
	login Login
}

// notGiven is that a token endpoint refused: 400, 401 or 403.
type notGiven struct {
	status int
	code   string // a code that specifications know, else ""
}

// ask asks for one scope; "" is none.
func (t *tokenRequest) ask(ctx context.Context, scope string) (Bearer, *notGiven, error) {
	res, err := t.send(ctx, t.request(scope)) //nolint:bodyclose // drain closes it.
	if err != nil {
		return Bearer{}, nil, err
	}
	defer drain(res.Body)
	body, err := readAll(res.Body, maxTokenReply)
	where := "the token endpoint " + res.Request.URL.Host
	if err != nil {
		if errors.Is(err, errTooLong) {
			return Bearer{}, nil, broken(t.what, where+" sent more than a token can be")
		}
		return Bearer{}, nil, cutShort(t.what, where, err, t.c.now())
	}
	switch status := res.StatusCode; {
	case status == http.StatusOK:
		b, err := t.bearer(body, res)
		return b, nil, err
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusBadRequest,
		status == http.StatusMethodNotAllowed && !t.login.Identity.IsZero(),
		status == http.StatusNotFound && !t.login.Identity.IsZero():
		return Bearer{}, &notGiven{status: status, code: knownCode(body)}, nil
	default:
		return Bearer{}, nil, unwell(t.what, where, res, "", t.c.now())
	}
}

const maxTokenReply = 256 << 10

func (t *tokenRequest) bearer(body []byte, res *http.Response) (Bearer, error) {
	reply, err := parseTokenReply(body)
	if err != nil {
		return Bearer{}, broken(t.what, "the token endpoint "+res.Request.URL.Host+" gave no token that can be used")
	}
	now := t.c.now()
	date, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		date = now
	}
	b := Bearer{Token: fairlead.SecretText(reply.token)}
	b.claims = readClaims(b.Token.Reveal())
	b.Expires = now.Add(reply.life(b.claims, now, date))
	return b, nil
}

// request is a GET with the login as Basic, or for an identity token a POST (RFC 6749,
// section 6, in Distribution's "OAuth2 Token Authentication").
func (t *tokenRequest) request(scope string) *http.Request {
	service := t.host.challenge.Service()
	if t.login.Identity.IsZero() {
		req := newRequest(http.MethodGet, tokenURL(t.realm, service, scope))
		if !t.login.anonymous() {
			req.Header.Set("Authorization", string(t.login.basic().Reveal()))
		}
		return req
	}
	form := url.Values{
		"grant_type": {"refresh_token"}, "client_id": {clientID},
		"refresh_token": {string(t.login.Identity.Reveal())},
	}
	if service != "" {
		form.Set("service", service)
	}
	if scope != "" {
		form.Set("scope", scope)
	}
	req := newRequest(http.MethodPost, t.realm)
	body := form.Encode()
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	return req
}

// clientID is what Fairlead calls itself at token endpoints.
const clientID = "fairlead"

// send follows redirects within the endpoint's own origin, and from there to the same
// host with TLS. A form is sent once, wherever that leads.
func (t *tokenRequest) send(ctx context.Context, req *http.Request) (*http.Response, error) {
	req.Header.Set("Accept", "application/json")
	for range maxRedirects {
		res, err := t.c.exchange(ctx, t.what, t.host.endpoint, req, t.beside(req.URL))
		if err != nil {
			return nil, err
		}
		if !isRedirect(res.StatusCode) {
			return res.Response, nil
		}
		drain(res.Body)
		to, err := req.URL.Parse(res.Header.Get("Location"))
		if err != nil || req.Method != http.MethodGet || !t.mayFollow(req.URL, to) {
			return nil, t.strayed(req.URL, to)
		}
		next := newRequest(http.MethodGet, to)
		next.Header = req.Header
		req = next
	}
	return nil, broken(t.what, "the token endpoint "+t.realm.Host+" redirects in a circle")
}

// beside says how the token endpoint is reached: as the registry itself if it is at
// the registry's host, and otherwise as what the registry named.
func (t *tokenRequest) beside(u *url.URL) reach {
	if strings.EqualFold(u.Host, t.host.endpoint.base().Host) {
		return asRegistry
	}
	return besideOf(t.host.private)
}

func (t *tokenRequest) mayFollow(from, to *url.URL) bool {
	upgrade := from.Scheme == "http" && to.Scheme == "https" && strings.EqualFold(from.Hostname(), to.Hostname())
	return to.User == nil && (sameOrigin(from, to) || upgrade)
}

func (t *tokenRequest) strayed(from, to *url.URL) error {
	where := "nowhere"
	if to != nil {
		where = quote(to.Scheme + "://" + to.Host)
	}
	return &fairlead.Error{
		Kind: fairlead.Denied, Code: fairlead.CodeRealm, What: t.what,
		Why:    "the token endpoint " + from.Host + " redirects to " + where + ", and a login doesn't follow a redirect there",
		Remedy: "the registry has to name the token endpoint itself",
	}
}
