package azurecontainerregistry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"fairlead.dev/fairlead"
)

// patience is how long one answer may take, all of it.
const patience = 30 * time.Second

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
	// date is what the sender's clock showed; ours if it doesn't say.
	date time.Time
}

// call sends a request that has no redirect to follow. where says in words who is
// asked.
func (p Provider) call(ctx context.Context, what, where string, req *http.Request) (reply, error) {
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req.Header.Set("Accept", "application/json")
	client := p.tools.HTTP
	if req.URL.Host == machineHost {
		client = p.tools.Instance
	}
	res, err := client.Do(req.WithContext(within)) //nolint:gosec // The hosts are those of Azure alone: host.go.
	if err != nil {
		return reply{}, unreachable(what, where, req.URL.Hostname(), err)
	}
	defer func() { _ = res.Body.Close() }()
	const most = 4 << 20
	body, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	switch {
	case err != nil:
		return reply{}, unreachable(what, where, req.URL.Hostname(), err)
	case len(body) > most:
		return reply{}, broken(what, where+" sent more than such an answer can be")
	}
	r := reply{status: res.StatusCode, header: res.Header, body: body, date: p.tools.Now()}
	if at, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		r.date = at
	}
	return r, nil
}

// form is a POST of a form.
func form(ctx context.Context, address string, values url.Values) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(values.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req, nil
}

// unreachable says why there was no answer.
func unreachable(what, where, host string, err error) error {
	if e, ok := errors.AsType[*fairlead.Error](err); ok { // a rule for addresses
		told := *e
		told.What = what
		return &told
	}
	e := &fairlead.Error{Kind: fairlead.Unavailable, What: what}
	lookup, isLookup := errors.AsType[*net.DNSError](err)
	timeout, isTimeout := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, context.Canceled):
		e.Why = "it was cancelled"
		return e.Because(context.Canceled)
	case isLookup && lookup.IsNotFound:
		e.Code, e.Why = fairlead.CodeDNS, "the name "+host+" has no address"
		e.Remedy = "check how the registry's name is written (`az acr show --name NAME --query loginServer`), and that this server can look names up"
	case isLookup:
		e.Code, e.Why = fairlead.CodeDNS, "the name "+host+" couldn't be looked up"
		e.Remedy = "check this server's name resolution"
	case errors.Is(err, context.DeadlineExceeded), isTimeout && timeout.Timeout():
		e.Code, e.Why = fairlead.CodeTimeout, where+" gave no answer in time"
		e.Remedy = "try again; if it stays, look at azure.status.microsoft and at the way from this server to " + host
	case isTrust(err):
		e.Code, e.Why = fairlead.CodeTLS, "the certificate that "+host+" shows isn't trusted"
		e.Remedy = "if a proxy breaks up TLS on the way, have this server trust its authority"
	default:
		e.Code, e.Why = fairlead.CodeConnect, where+" gave no connection"
		e.Remedy = "check that this server may reach " + host + " at port 443, through its proxy if it has one"
	}
	return e
}

func isTrust(err error) bool {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	_, verification := errors.AsType[*tls.CertificateVerificationError](err)
	return unknown || name || invalid || verification
}

func broken(what, why string) *fairlead.Error {
	return &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeRegistryBroken, What: what, Why: why,
		Remedy: "try again; if it stays, look whether something between this server and Azure answers in its place",
	}
}

// unwell is an answer that says nothing about the login: too many requests, trouble, or
// nonsense. nil for one that may.
func (p Provider) unwell(what, where string, r reply) error {
	at := p.retryAt(r)
	throttled := r.status == http.StatusTooManyRequests || r.status == http.StatusBadRequest && !at.IsZero()
	switch {
	case throttled:
		return &fairlead.Error{
			Kind: fairlead.Limited, Code: fairlead.CodeRateLimited, What: what, RetryAt: at,
			Why: where + " has had too many requests", Remedy: comeBack(at),
		}
	case r.status >= http.StatusInternalServerError:
		return &fairlead.Error{
			Kind: fairlead.Unavailable, Code: fairlead.CodeRegistryBroken, What: what, RetryAt: at,
			Why:    fmt.Sprintf("%s is in trouble (%s)", where, statusText(r.status)),
			Remedy: "try again; if it stays, look at azure.status.microsoft",
		}
	case r.status == http.StatusProxyAuthRequired:
		return &fairlead.Error{
			Kind: fairlead.Unavailable, Code: fairlead.CodeConnect, What: what,
			Why: "the proxy on the way to " + where + " wants a login", Remedy: "check the proxy's login in the server's environment",
		}
	case r.status >= 300 && r.status < 400:
		return broken(what, where+" redirects, and a login doesn't follow")
	}
	return nil
}

// comeBack is the remedy of too many requests.
func comeBack(at time.Time) string {
	if at.IsZero() {
		return "wait some minutes"
	}
	return "wait until the time that it names"
}

// retryAt reads Retry-After (RFC 9110, section 10.2.3): seconds, or a date by the
// sender's clock. At most a day; zero if it isn't there.
func (p Provider) retryAt(r reply) time.Time {
	s := strings.TrimSpace(r.header.Get("Retry-After"))
	const most = 24 * time.Hour
	var wait time.Duration
	if n, err := strconv.ParseInt(s, 10, 32); err == nil && n >= 0 {
		wait = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(s); err == nil {
		wait = at.Sub(r.date)
	} else {
		return time.Time{}
	}
	return p.tools.Now().Add(min(max(wait, 0), most)).UTC()
}

func statusText(status int) string {
	return strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
}
