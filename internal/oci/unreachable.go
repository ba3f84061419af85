package oci

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"fairlead.dev/fairlead"
)

// errStalled ends a request in which the server fell silent.
var errStalled = errors.New("no byte came in time")

// unreachable says why there is no answer from host. err comes from an
// [http.Transport]; its text isn't shown, since it may hold a URL that is signed.
func unreachable(what, host string, err error, now time.Time) *fairlead.Error {
	if e, ok := errors.AsType[*fairlead.Error](err); ok {
		told := *e
		if told.What == "" {
			told.What = what
		}
		return &told
	}
	e := &fairlead.Error{Kind: fairlead.Unavailable, What: what}
	switch {
	case err == context.Canceled: //nolint:errorlint // The caller's own; a server's slowness is DeadlineExceeded too.
		e.Why = "it was cancelled"
		return e.Because(err)
	case err == context.DeadlineExceeded: //nolint:errorlint // as above
		e.Code, e.Why = fairlead.CodeTimeout, host+" gave no answer in the time that there was"
		e.Remedy = "try again"
		return e.Because(err)
	case viaProxy(err):
		e.Code, e.Why = fairlead.CodeConnect, "the proxy through which "+host+" is reached gave no connection"
		e.Remedy = "check the proxy's address in Fairlead's environment, and that the proxy allows the host"
		return e
	case unresolved(e, host, err), untrusted(e, host, err, now), late(e, host, err), unconnected(e, host, err):
		return e
	}
	e.Code, e.Why = fairlead.CodeRegistryBroken, host+" doesn't answer in HTTP"
	e.Remedy = "check that a registry listens at this host and port"
	return e
}

// cutShort says why a reply that had begun didn't come to its end.
func cutShort(what, host string, err error, now time.Time) *fairlead.Error {
	if isCut(err) || errors.Is(err, syscall.ECONNRESET) {
		return &fairlead.Error{
			Kind: fairlead.Unavailable, Code: fairlead.CodeConnect, What: what,
			Why:    "the connection to " + host + " was cut in the middle of the reply",
			Remedy: "try again; if it stays, look at the way from this machine to the host",
		}
	}
	return unreachable(what, host, err, now)
}

// viaProxy knows the error of a proxy that can't be reached itself. One that refuses is
// noticed in [proxyAnswer].
func viaProxy(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "proxyconnect"
}

// proxyAnswer judges what a proxy answers to CONNECT.
func proxyAnswer(_ context.Context, _ *url.URL, connect *http.Request, res *http.Response) error {
	if res.StatusCode == http.StatusOK {
		return nil
	}
	return &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeConnect,
		Why:    fmt.Sprintf("the proxy gave no connection to %s (%s)", connect.Host, statusText(res.StatusCode)),
		Remedy: "check the proxy's login in Fairlead's environment, and that the proxy allows the host",
	}
}

func unresolved(e *fairlead.Error, host string, err error) bool {
	d, ok := errors.AsType[*net.DNSError](err)
	if !ok {
		return false
	}
	e.Code = fairlead.CodeDNS
	if d.IsNotFound {
		e.Why = "the name " + d.Name + " has no address"
		e.Remedy = "check how the host is written, and that the name server of this machine knows it"
	} else {
		e.Why = "the name server didn't say which address " + d.Name + " has"
		e.Remedy = "check the name server of this machine, then try again"
	}
	if !strings.Contains(host, d.Name) {
		e.Why += " (for " + host + ")"
	}
	return true
}

func late(e *fairlead.Error, host string, err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	stalled := errors.Is(err, errStalled)
	if !stalled && (!ok || !timeout.Timeout()) {
		return false
	}
	e.Code = fairlead.CodeTimeout
	e.Remedy = "try again; if it stays, look at the way from this machine to the host"
	op, dialled := errors.AsType[*net.OpError](err)
	switch {
	case stalled:
		e.Why = host + " fell silent in the middle of its reply"
	case dialled && op.Op == "dial":
		e.Why = "there was no connection to " + host + " in time"
		e.Remedy = "check the host and port, and that no firewall is between"
	case strings.Contains(err.Error(), "TLS handshake"):
		e.Why = host + " took the connection, but didn't finish the TLS handshake in time"
	default:
		e.Why = host + " took the request, but didn't begin to answer in time"
	}
	return true
}

func unconnected(e *fairlead.Error, host string, err error) bool {
	e.Code = fairlead.CodeConnect
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Why = "nothing listens at " + host
		e.Remedy = "check the host and port, and that the registry runs"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		e.Why = "there is no route to " + host
		e.Remedy = "check the network of this machine"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed), isCut(err):
		e.Why = host + " closed the connection before it had answered"
		e.Remedy = "try again; if it stays, look at the registry's log"
	default:
		if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "dial" {
			e.Code = ""
			return false
		}
		e.Why = "there is no connection to " + host
		e.Remedy = "check the host and port"
	}
	return true
}

// untrusted says why the TLS handshake with host came to nothing.
func untrusted(e *fairlead.Error, host string, err error, now time.Time) bool {
	e.Code = fairlead.CodeTLS
	var (
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
		record  tls.RecordHeaderError
	)
	alert := alertOf(err)
	switch {
	case errors.As(err, &record) && string(record.RecordHeader[:]) == "HTTP/":
		e.Why = host + " speaks HTTP without TLS"
		e.Remedy = "an administrator allows plain HTTP on the registry entry (--plain-http), or puts TLS in front of the registry"
	case errors.As(err, &name):
		e.Why = "the certificate that " + host + " shows is for " + namesOf(name.Certificate)
		e.Remedy = "use a name that the certificate has, or have whoever runs the registry give it a certificate for its name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		wrongTime(e, host, invalid.Cert, now)
	case errors.As(err, &unknown):
		e.Why = "the certificate that " + host + " shows is signed by an authority that isn't trusted here"
		if c := unknown.Cert; c != nil && c.Issuer.String() == c.Subject.String() {
			e.Why = "the certificate that " + host + " shows is signed by itself"
		}
		e.Remedy = "an administrator adds the authority's certificate to the registry entry (--ca-file)"
	case errors.As(err, &invalid):
		e.Why = "the certificate that " + host + " shows isn't valid for a server"
		e.Remedy = "give the host another certificate"
	case errors.As(err, &record):
		e.Why = host + " doesn't speak TLS"
		e.Remedy = "check that a registry listens at this host and port"
	case alert != "":
		e.Why = fmt.Sprintf("the TLS handshake with %s came to nothing (%s)", host, alert)
		e.Remedy = "look at the registry's log: it may want a client certificate, or another version of TLS"
	default:
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
			e.Code = ""
			return false
		}
		e.Why = "the certificate that " + host + " shows can't be verified"
		e.Remedy = "give the host another certificate"
	}
	return true
}

// alertOf gives what crypto/tls says when a handshake ends: a server's alert, or its
// own objection. Neither has a type of its own.
func alertOf(err error) string {
	text := err.Error()
	if op, ok := errors.AsType[*net.OpError](err); ok {
		if op.Op != "remote error" && op.Op != "local error" {
			return ""
		}
		text = op.Err.Error()
	}
	words, ok := strings.CutPrefix(text, "tls: ")
	if !ok {
		return ""
	}
	return clean(words)
}

func wrongTime(e *fairlead.Error, host string, c *x509.Certificate, now time.Time) {
	const day = "2006-01-02 15:04 MST"
	if now.Before(c.NotBefore) {
		e.Why = fmt.Sprintf("the certificate that %s shows is valid only from %s on", host, c.NotBefore.UTC().Format(day))
		e.Remedy = "check the clock of this machine"
		return
	}
	e.Why = fmt.Sprintf("the certificate that %s shows expired on %s", host, c.NotAfter.UTC().Format(day))
	e.Remedy = "whoever runs the registry renews its certificate"
}

// namesOf lists what a certificate is for, a few of it.
func namesOf(c *x509.Certificate) string {
	var names []string
	names = append(names, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	const most = 4
	switch {
	case len(names) == 0:
		return "no name at all"
	case len(names) > most:
		names = append(names[:most], fmt.Sprintf("%d more", len(names)-most))
	}
	return clean(strings.Join(names, ", "))
}
