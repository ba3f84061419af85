package awsecr

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strings"

	"fairlead.dev/fairlead"
)

// unreached says why there is no answer of AWS. The SDK's own text isn't shown, since it
// may hold what was sent.
func (t task) unreached(service string, err error) error {
	if fe, ok := errors.AsType[*fairlead.Error](err); ok {
		told := *fe
		told.What = t.what
		return &told
	}
	host := hostOf(err, service)
	e := &fairlead.Error{Kind: fairlead.Unavailable, Code: fairlead.CodeConnect, What: t.what}
	var timeout net.Error
	switch dns, isDNS := errors.AsType[*net.DNSError](err); {
	case errors.Is(err, context.Canceled):
		e.Code, e.Why = "", "it was cancelled"
		return e.Because(context.Canceled)
	case isDNS && dns.IsNotFound:
		e.Code, e.Why = fairlead.CodeDNS, "the name "+host+" has no address: there is no region "+t.at.region+", or this server's name server doesn't know it"
		e.Remedy = "check the region in the registry's host, and this server's name server"
	case isDNS:
		e.Code, e.Why, e.Remedy = fairlead.CodeDNS, "the name server didn't say which address "+host+" has", "check this server's name server, then try again"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		e.Code, e.Why = fairlead.CodeTimeout, host+" gave no answer in time"
		e.Remedy = "try again; if it stays, look at the way from this server to AWS"
	case untrusted(err):
		e.Code, e.Why = fairlead.CodeTLS, "the certificate that "+host+" shows isn't trusted here"
		e.Remedy = "have the operator add the authority of the proxy on the way to the certificates that this server trusts"
	default:
		e.Why, e.Remedy = "there is no connection to "+host, "check the proxy and the firewall between this server and AWS"
	}
	return e
}

func untrusted(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}

// hostOf finds out which host wasn't reached; otherwise it is the service's.
func hostOf(err error, service string) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		if at, err := url.Parse(u.URL); err == nil && at.Host != "" {
			return strings.ToLower(at.Host)
		}
	}
	return service
}
