package oci

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"

	"fairlead.dev/fairlead"
)

// no is a registry's refusal, read.
type no struct {
	status int
	said   func() string // what the registry says, ready to be shown
	reason string        // `error` of a Bearer challenge (RFC 6750, section 3.1)
	lacks  bool          // the token that was shown says itself that it doesn't allow it
}

// read reads a refusal and ends the reply.
func (v *visit) read(ctx context.Context, p proof, res *followed) no {
	words := said(v.c.errorsOf(res), v.secrets(p)...)
	return no{
		status: res.StatusCode, lacks: p.bearer.Lacks(v.scope),
		reason: choose(ParseChallenges(res.Header.Values("WWW-Authenticate"))).Params["error"],
		said: func() string {
			if v.explain == nil {
				return words
			}
			more, err := v.explain(ctx, v.endpoint, p.login)
			if err != nil {
				return ""
			}
			return said(v.c.errorsOf(more), v.secrets(p)...)
		},
	}
}

// errorsOf reads what a registry says with an error and ends the reply.
func (c *Client) errorsOf(res *followed) []registryError {
	defer drain(res.Body)
	if res.foreign != "" {
		return nil // a storage's errors are not a registry's
	}
	const limit = 64 << 10
	body, err := readAll(res.Body, limit)
	if err != nil {
		return nil // The status says enough.
	}
	return parseRegistryErrors(body)
}

// secrets lists what must not be quoted back.
func (v *visit) secrets(p proof) []fairlead.Secret {
	bare := strings.TrimPrefix(string(p.login.Reveal()), "Basic ")
	return []fairlead.Secret{fairlead.SecretText(bare), p.bearer.Token, v.lease.Password, v.lease.Bearer}
}

// again tells the keychain of a refusal and leases once more. It reports whether there
// is another login than before.
func (v *visit) again(ctx context.Context) (bool, error) {
	if v.told {
		return false, nil
	}
	v.told = true
	old := v.lease
	if r, ok := v.kc.(fairlead.Refuser); ok {
		r.Refused(ctx, old)
	}
	v.leased = false
	if err := v.take(ctx); err != nil {
		return false, err
	}
	l := v.lease
	return l.Username != old.Username || !l.Password.Equal(old.Password) || !l.Bearer.Equal(old.Bearer), nil
}

// tradeRefused is for what came of showing the lease's login to the token endpoint. nil
// means that there is another one to try.
func (v *visit) tradeRefused(ctx context.Context, err error) error {
	switch code := fairlead.CodeOf(err); {
	case v.anonymous() && code == fairlead.CodeNoRight:
		return v.note(fairlead.AsError(v.what, err).Why, err)
	case code != fairlead.CodeLoginRefused || fairlead.KindOf(err) != fairlead.Denied:
		return err
	}
	again, other := v.again(ctx)
	if again {
		return nil
	}
	return cmp.Or(other, err)
}

// tradedRefused is for a token of our own: the login was good, or nothing was needed.
func (v *visit) tradedRefused(p proof, n no, changed bool) (again bool, err error) {
	forget := func() { v.c.tokens.forget(p.key, func(b Bearer) bool { return b.Token.Equal(p.bearer.Token) }) }
	switch {
	case n.status == http.StatusUnauthorized && changed:
		forget()
		return true, nil
	case n.status == http.StatusUnauthorized && !p.fresh && !v.retried:
		// It may have been revoked, or have ended by the registry's clock.
		forget()
		v.retried = true
		return true, nil
	case v.anonymous():
		return false, v.denied(n)
	case n.status == http.StatusUnauthorized && n.reason == "invalid_token" && !n.lacks:
		forget()
		e := broken(v.what, fmt.Sprintf("%s doesn't accept the token that its own token endpoint gave (%s)", v.endpoint.Host, n.reply()))
		e.Remedy = "tell those who run the registry: it and its token endpoint may not agree on the time or on a key"
		return false, e
	default:
		return false, v.noRight(n)
	}
}

// basicRefused asks whether the registry takes the login for anything at all.
func (v *visit) basicRefused(ctx context.Context, p proof, n no) (again bool, err error) {
	good, err := v.c.accepts(ctx, v.what, v.endpoint, p.login)
	switch {
	case err != nil:
		return false, err
	case good:
		return false, v.noRight(n)
	}
	again, err = v.again(ctx)
	if again || err != nil {
		return again, err
	}
	return false, v.loginRefused(n, "the login of "+quote(v.lease.Username))
}

// leaseRefused is for a token that was leased.
func (v *visit) leaseRefused(ctx context.Context, n no) (again bool, err error) {
	if n.status == http.StatusForbidden || n.lacks || n.reason == "insufficient_scope" {
		return false, v.noRight(n)
	}
	again, err = v.again(ctx)
	if again || err != nil {
		return again, err
	}
	if n.reason == "invalid_token" || v.lease.Kind == fairlead.ShortLogin || v.lease.Kind == fairlead.SecretItself {
		return false, v.loginRefused(n, "the token that was leased for it")
	}
	return false, v.noRight(n)
}

// accepts asks the registry's front door whether it takes the login.
func (c *Client) accepts(ctx context.Context, what string, e Endpoint, login fairlead.Secret) (bool, error) {
	res, err := c.follow(ctx, what, target{endpoint: e, method: http.MethodGet, url: e.base(), login: login})
	if err != nil {
		return false, err
	}
	defer drain(res.Body)
	switch status := res.StatusCode; {
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusBadRequest:
		return false, nil // A 400 is ECR's: see badRequest.
	case status == http.StatusTooManyRequests, status >= 500:
		return false, unwell(what, e.Host, res.Response, "", c.now())
	default:
		return true, nil
	}
}

func (v *visit) loginRefused(n no, proof string) error {
	e := &fairlead.Error{
		Kind: fairlead.Denied, Code: fairlead.CodeLoginRefused, What: v.what,
		Why:    fmt.Sprintf("%s doesn't accept %s (%s)", v.endpoint.Host, proof, n.reply()),
		Remedy: "check the connector's login: it may have been changed, revoked or have ended",
	}
	return e.OfConnector(v.lease.ConnectorName)
}

func (v *visit) noRight(n no) error {
	e := &fairlead.Error{
		Kind: fairlead.Denied, Code: fairlead.CodeNoRight, What: v.what,
		Why: fmt.Sprintf("%s accepts the login, but gives it no right to %s %s (%s)",
			v.endpoint.Host, v.scope.Verb, v.scope.Resource.Repository, n.reply()),
		Remedy: "give the account that right at the registry, or connect another account",
	}
	return e.OfConnector(v.lease.ConnectorName)
}

// denied is a refusal of what was asked for without a login.
func (v *visit) denied(n no) error {
	if !v.anonymous() {
		e := broken(v.what, fmt.Sprintf("%s refuses, and doesn't say how to log in (%s)", v.endpoint.Host, n.reply()))
		e.Kind = fairlead.Denied
		return e
	}
	return v.note(fmt.Sprintf("%s refuses it without a login (%s)", v.endpoint.Host, n.reply()), nil)
}

// note is the error of a pull without a login: why there was none, and what that led to.
func (v *visit) note(why string, otherwise error) error {
	if v.lease.Note == nil {
		if otherwise != nil {
			return otherwise
		}
		return &fairlead.Error{
			Kind: fairlead.Denied, Code: fairlead.CodeNoRight, What: v.what, Why: why,
			Remedy: "connect the registry with a login",
		}
	}
	e := *v.lease.Note
	if e.What == "" {
		e.What = v.what
	}
	if e.Why != "" {
		why += ", and " + e.Why
	}
	e.Why = why
	if e.Code == fairlead.CodeNoEntry {
		e.Remedy = "check the image's name; if it is right, " + e.Remedy
	}
	return &e
}

func (n no) reply() string {
	if words := n.said(); words != "" {
		return statusText(n.status) + ": " + quote(words)
	}
	return statusText(n.status)
}
