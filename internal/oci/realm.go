package oci

import (
	"net/http"
	"net/url"
	"strings"

	"fairlead.dev/fairlead"
)

// realm gives the token endpoint that a challenge names, if it may see a login: it is
// https, or has the host name of a registry that is itself spoken to without TLS. A
// relative one is meant from the place that sent the challenge. Docker Hub's has to be
// Docker Hub's.
func realm(e Endpoint, asked *url.URL, c Challenge) (*url.URL, error) {
	u, err := asked.Parse(c.Realm())
	if err != nil || u.Host == "" {
		return nil, badRealm(e, quote(c.Realm())+", which is not a URL")
	}
	u.Scheme = strings.ToLower(u.Scheme)
	u.Fragment, u.RawFragment = "", ""
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, badRealm(e, quote(u.Scheme+"://"+u.Host)+", which is not a web address")
	case u.User != nil:
		return nil, badRealm(e, "a URL with a login in it")
	case u.Scheme == "http" && !e.allowsPlain(u):
		return nil, badRealm(e, quote("http://"+u.Host)+", which is not protected by TLS")
	case e.base().Host == hubHost && !e.PlainHTTP && hostKey(u.Host) != hubRealm:
		return nil, badRealm(e, quote(u.Host)+", which is not Docker Hub's")
	}
	return u, nil
}

func badRealm(e Endpoint, names string) error {
	return &fairlead.Error{
		Kind: fairlead.Denied, Code: fairlead.CodeRealm,
		Why:    e.Host + " wants the login sent to " + names,
		Remedy: "check that the host is the registry that you mean; if so, its token endpoint has to be set right",
	}
}

// scopeOf is the scope to ask the token endpoint for: what the lease is for and
// nothing else. The scope of a challenge is never taken: GHCR's first one names a
// repository that doesn't exist, JFrog's is missing, and any could ask for too much.
func scopeOf(s fairlead.Scope) string {
	if s.Resource.Repository == "" {
		return ""
	}
	return s.String()
}

// tokenURL adds to the realm what is asked for. What its query holds stays.
func tokenURL(realm *url.URL, service, scope string) *url.URL {
	u := *realm
	given := u.Query()
	var add []string
	if service != "" && !given.Has("service") {
		add = append(add, "service="+url.QueryEscape(service))
	}
	if scope != "" {
		add = append(add, "scope="+url.QueryEscape(scope))
	}
	if u.RawQuery != "" {
		add = append([]string{u.RawQuery}, add...)
	}
	u.RawQuery = strings.Join(add, "&")
	return &u
}

// newRequest is a request without a body.
func newRequest(method string, u *url.URL) *http.Request {
	return &http.Request{
		Method: method, URL: u, Host: u.Host, Header: http.Header{},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
}
