package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"fairlead.dev/fairlead"
)

var errTooLong = errors.New("a reply longer than is sensible")

// broken is a server that answers, but not as the specification says.
func broken(what, why string) *fairlead.Error {
	return &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeRegistryBroken, What: what, Why: why,
		Remedy: "check that the host is a registry; if it is, tell those who run it",
	}
}

// unwell is what a status says that is neither success nor about the login nor about
// what was asked for: too many requests, the server's own trouble, or nonsense.
func unwell(what, where string, res *http.Response, said string, now time.Time) *fairlead.Error {
	status := res.StatusCode
	e := &fairlead.Error{Kind: fairlead.Unavailable, Code: fairlead.CodeRegistryBroken, What: what}
	tail := ""
	if said != "" {
		tail = ": " + quote(said)
	}
	switch {
	case status == http.StatusTooManyRequests:
		e.Kind, e.Code = fairlead.Limited, fairlead.CodeRateLimited
		e.RetryAt = retryAfter(res.Header, now)
		e.Why = where + " has had too many requests" + tail
		e.Remedy = "wait" + until(e.RetryAt) + ", or pull with a login that has a higher limit"
	case status == http.StatusProxyAuthRequired:
		e.Code = fairlead.CodeConnect
		e.Why = "the proxy on the way to " + where + " wants a login"
		e.Remedy = "check the proxy's login in Fairlead's environment"
	case status >= 500:
		e.RetryAt = retryAfter(res.Header, now)
		e.Why = fmt.Sprintf("%s is in trouble (%s)%s", where, statusText(status), tail)
		e.Remedy = "try again" + after(e.RetryAt) + "; if it stays, tell those who run the registry"
	case status == http.StatusBadRequest && said == "" && res.Request != nil && res.Request.URL.Scheme == "http":
		e.Why = fmt.Sprintf("%s doesn't take the request (%s)", where, statusText(status))
		e.Remedy = "if it speaks TLS, an administrator takes plain HTTP off the registry entry (--plain-http=false)"
	default:
		e.Why = fmt.Sprintf("%s answers %s%s", where, statusText(status), tail)
		e.Remedy = "check that the host is a registry; if it is, tell those who run it"
	}
	return e
}

// until and after say when a server wants to be asked again, if it said so.
func until(at time.Time) string { return when(" until ", at) }
func after(at time.Time) string { return when(" after ", at) }

func when(word string, at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return word + at.UTC().Format("2006-01-02 15:04:05 MST")
}

// storage gives an error of a registry's storage the remedy that there is.
func storage(e *fairlead.Error) *fairlead.Error {
	e.Remedy = "try again; if it stays, tell those who run the registry"
	return e
}

// knownCode finds the error code in what a token endpoint refused with. Only words of
// the specifications are let through: the rest may echo what was sent.
func knownCode(body []byte) string {
	var oauth struct {
		Error json.RawMessage `json:"error"`
	}
	var code string
	if json.Unmarshal(body, &oauth) == nil && json.Unmarshal(oauth.Error, &code) == nil {
		switch code {
		case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client",
			"unsupported_grant_type", "invalid_scope": // RFC 6749, section 5.2
			return code
		}
	}
	for _, e := range parseRegistryErrors(body) {
		switch code := strings.ToUpper(e.Code); code {
		case "UNAUTHORIZED", denied, nameUnknown, "NAME_INVALID", "UNSUPPORTED":
			return code
		}
	}
	return ""
}

// toError says what a token endpoint's refusal means.
func (n *notGiven) toError(what, host string, s fairlead.Scope, l Login, goodLogin bool) error {
	reply := statusText(n.status)
	if n.code != "" {
		reply += ": " + n.code
	}
	e := &fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeLoginRefused, What: what}
	switch {
	case l.anonymous():
		e.Code = fairlead.CodeNoRight
		e.Why = fmt.Sprintf("%s gives no token without a login (%s)", host, reply)
		e.Remedy = "connect the registry with a login"
	case goodLogin:
		e.Code = fairlead.CodeNoRight
		e.Why = fmt.Sprintf("%s accepts the login, but gives it no right to %s %s (%s)", host, s.Verb, s.Resource.Repository, reply)
		e.Remedy = "give the account that right at the registry, or connect another account"
	case n.status == http.StatusNotFound, n.status == http.StatusMethodNotAllowed:
		e.Why = fmt.Sprintf("the token endpoint of %s takes no identity tokens (%s)", host, reply)
		e.Remedy = "connect the registry with a user name and a password"
	case !l.Identity.IsZero():
		e.Why = fmt.Sprintf("%s doesn't accept the identity token (%s)", host, reply)
		e.Remedy = "log in again, and update the connector"
	default:
		e.Why = fmt.Sprintf("%s doesn't accept the login of %s (%s)", host, quote(l.Username), reply)
		e.Remedy = "check the user name and password, and update the connector"
	}
	return e
}
