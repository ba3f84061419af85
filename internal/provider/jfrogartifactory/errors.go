package jfrogartifactory

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fairlead.dev/fairlead"
)

// unreachable says why there is no answer.
func unreachable(ctx context.Context, c call, err error) error {
	if known, ok := asKnown(err); ok {
		return known
	}
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	e := &fairlead.Error{Kind: fairlead.Unavailable, Code: fairlead.CodeConnect, What: c.what}
	dns, isDNS := errors.AsType[*net.DNSError](err)
	netErr, isNet := errors.AsType[net.Error](err)
	_, isAuthority := errors.AsType[x509.UnknownAuthorityError](err)
	_, isName := errors.AsType[x509.HostnameError](err)
	_, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	_, isVerification := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case isDNS && dns.IsNotFound:
		e.Code, e.Why, e.Remedy = fairlead.CodeDNS, "the name "+c.host+" has no address", "check the connector's host"
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded), isNet && netErr.Timeout():
		e.Code, e.Why, e.Remedy = fairlead.CodeTimeout, c.host+" gave no answer in time", "try again; if it stays so, look at the platform's health and at the way to it"
	case isAuthority, isName, isInvalid, isVerification:
		e.Code, e.Why, e.Remedy = fairlead.CodeTLS, "the certificate of "+c.host+" isn't trusted for that name", "give the platform a certificate for its name, or have the operator trust its authority"
	default:
		e.Why, e.Remedy = "there is no connection to "+c.host, "check the connector's host, and that this server may connect to it"
	}
	return e
}

// refused says what an answer other than 200 means.
func (p Provider) refused(c call, a answer) error {
	e := &fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeLoginRefused, What: c.what}
	switch {
	case a.status == http.StatusTooManyRequests:
		return p.limited(c, a)
	case a.status >= http.StatusInternalServerError:
		e.Kind, e.Code = fairlead.Unavailable, fairlead.CodeRegistryBroken
		e.Why, e.Remedy = fmt.Sprintf("%s has an error of its own (status %d)", c.host, a.status), "try again; if it stays so, look at the platform's logs"
		return e
	case !a.isOwn():
		return broken(c, fmt.Sprintf("status %d without JFrog's error", a.status))
	case a.status == http.StatusUnauthorized:
		e.Why, e.Remedy = unauthorized(c.host, a.message())
	case a.status == http.StatusForbidden:
		e.Code = fairlead.CodeNoRight
		e.Why, e.Remedy = c.host+" knows the login, and it has no right to do this", "give its user the right in JFrog, or use a connector whose user has it"
	default:
		e.Kind, e.Code = fairlead.Invalid, ""
		e.Why, e.Remedy = fmt.Sprintf("%s doesn't take the request (status %d)", c.host, a.status), "check the connector's fields against what is set up in JFrog"
	}
	return e
}

// unauthorized says why a login isn't accepted, in the cases that JFrog tells apart.
func unauthorized(host, message string) (why, remedy string) {
	const again = "make a new token in JFrog (User Management, Access Tokens) and give it to the connector"
	for _, known := range []struct{ said, why, remedy string }{
		{"verification: expired", "its token has expired", again},
		{"verification: revoked", "its token was revoked", again},
		{"verification: audience", "its token is for other services of the platform", "make a token whose services include Artifactory and Access, or all"},
		{"verification", "its token isn't one of that platform", "check that host and token belong together; copy the token again, whole"},
		{"disabled or does not exist", "its token's user doesn't exist any more or is disabled", "make a token for a user that exists"},
		{"Wrong username", "its token belongs to another user", "give the token's own user, or leave the user out"},
		{"Unsupported authentication method", "tokens are made for tokens alone", "use method basic for a password"},
	} {
		if strings.Contains(message, known.said) {
			return host + " doesn't accept the login: " + known.why, known.remedy
		}
	}
	return host + " doesn't accept the login", "check user and secret, and give the connector a login that works"
}

// limited says until when to wait.
func (p Provider) limited(c call, a answer) error {
	e := &fairlead.Error{
		Kind: fairlead.Limited, Code: fairlead.CodeRateLimited, What: c.what, Why: c.host + " gets too many requests",
		Remedy: "wait; if it stays so, ask JFrog for a higher limit",
	}
	now := p.now()
	after := a.header.Get("Retry-After") // RFC 9110, section 10.2.3
	if seconds, err := strconv.Atoi(after); err == nil && seconds >= 0 && seconds < 86400 {
		e.RetryAt = now.Add(time.Duration(seconds) * time.Second)
	} else if at, err := http.ParseTime(after); err == nil {
		e.RetryAt = now.Add(max(0, at.Sub(a.date)))
	}
	return e
}

// skew is how far this server's clock is from the platform's, if it is so far that
// tokens are refused for it; else 0.
func (p Provider) skew(a answer) time.Duration {
	d := p.now().Sub(a.date).Round(time.Second)
	if d.Abs() < time.Minute {
		return 0
	}
	return d
}
