package jfrogartifactory_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/provider"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares with a file below testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name + ".golden"
	if *update {
		write(t, file, got)
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s\nrun with -update if that is meant", d)
	}
}

// sentence is an error as people read it.
func sentence(t *testing.T, err error) string {
	t.Helper()
	e, ok := errors.AsType[*fairlead.Error](err)
	if !ok {
		t.Errorf("that is no error of ours: %v", err)
		return ""
	}
	for _, canary := range []string{passwordCI, passwordAdmin, "eyJ", "canary"} {
		if strings.Contains(e.Error()+e.Remedy, canary) {
			t.Errorf("it holds a secret: %v", err)
		}
	}
	s := fmt.Sprintf("%s %s %s\n%s\n%s\n", e.Kind, e.Code, e.Field, e.Error(), e.Remedy)
	if !e.RetryAt.IsZero() {
		s += "again at " + e.RetryAt.UTC().Format(time.RFC3339) + "\n"
	}
	return s
}

// TestSentences holds what people read when no login can be had.
func TestSentences(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*world) (provider.Opened, fairlead.Scope){}
	for _, group := range []map[string]func(*world) (provider.Opened, fairlead.Scope){tokenCases(), federationCases(), serviceCases(), halfCases()} {
		maps.Copy(cases, group)
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		w := newWorld(t, nil)
		w.n.SetClock(func() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) })
		c, s := cases[name](w)
		_, err := w.family().Login(t.Context(), c, s)
		if err == nil {
			t.Errorf("%s: there is a login", name)
			continue
		}
		fmt.Fprintf(&b, "## %s\n%s\n", name, sentence(t, err))
	}
	golden(t, "sentences", b.String())
}

func tokenCases() map[string]func(*world) (provider.Opened, fairlead.Scope) {
	of := func(access string, public ...string) provider.Opened {
		return opened("access-token", append([]string{"host", "acme.jfrog.io", "!access_token", access}, public...)...)
	}
	return map[string]func(*world) (provider.Opened, fairlead.Scope){
		"token: expired": func(w *world) (provider.Opened, fairlead.Scope) {
			return of(w.jfrog.Issue(cloudtest.JFrogTokenSpec{User: "ci", Life: time.Nanosecond}).Access), fairlead.Scope{}
		},
		"token: expired, refreshable": func(w *world) (provider.Opened, fairlead.Scope) {
			x := w.jfrog.Issue(cloudtest.JFrogTokenSpec{User: "ci", Life: time.Nanosecond, Refreshable: true})
			return of(x.Access, "!refresh_token", x.Refresh), fairlead.Scope{}
		},
		"token: revoked": func(w *world) (provider.Opened, fairlead.Scope) {
			x := w.jfrog.Issue(cloudtest.JFrogTokenSpec{User: "ci"})
			w.jfrog.Revoke(x.ID)
			return of(x.Access), fairlead.Scope{}
		},
		"token: other audience": func(w *world) (provider.Opened, fairlead.Scope) {
			return of(w.jfrog.Issue(cloudtest.JFrogTokenSpec{User: "ci", Audience: "jfrt@*"}).Access), fairlead.Scope{}
		},
		"token: user disabled": func(w *world) (provider.Opened, fairlead.Scope) {
			w.jfrog.Set(func(f *cloudtest.JFrogFaults) { f.Disabled = []string{"ci"} })
			return of(w.jfrog.Issue(cloudtest.JFrogTokenSpec{User: "ci"}).Access), fairlead.Scope{}
		},
		"token: of another platform": func(*world) (provider.Opened, fairlead.Scope) {
			return of("e30.e30.canary"), fairlead.Scope{}
		},
		"token: for another user, no administrator": func(w *world) (provider.Opened, fairlead.Scope) {
			return of(w.jfrog.Issue(cloudtest.JFrogTokenSpec{User: "ci"}).Access, "username", "admin"), fairlead.Scope{}
		},
		"token: for one repository, no administrator": func(w *world) (provider.Opened, fairlead.Scope) {
			s := fairlead.Scope{Verb: fairlead.Pull}
			s.Resource.Host, s.Resource.Repository = "acme.jfrog.io", "docker-local/app"
			return of(w.jfrog.Issue(cloudtest.JFrogTokenSpec{User: "ci"}).Access, "narrow", "repository"), s
		},
	}
}

func federationCases() map[string]func(*world) (provider.Opened, fairlead.Scope) {
	whole := func(public ...string) provider.Opened {
		return opened("federation", append([]string{"host", "acme.jfrog.io", "provider_name", "fairlead"}, public...)...)
	}
	return map[string]func(*world) (provider.Opened, fairlead.Scope){
		"federation: no issuer": func(w *world) (provider.Opened, fairlead.Scope) {
			w.tools.Issuer = nil
			return whole(), fairlead.Scope{}
		},
		"federation: wrong audience": func(*world) (provider.Opened, fairlead.Scope) {
			return whole("audience", "https://other.jfrog.io"), fairlead.Scope{}
		},
		"federation: no such integration": func(*world) (provider.Opened, fairlead.Scope) {
			c := whole()
			c.Public["provider_name"] = "nobody"
			return c, fairlead.Scope{}
		},
		"federation: no mapping": func(*world) (provider.Opened, fairlead.Scope) {
			c := whole()
			c.Name = "other"
			return c, fairlead.Scope{}
		},
		"federation: clock ahead": func(w *world) (provider.Opened, fairlead.Scope) {
			w.skew = time.Hour
			return whole(), fairlead.Scope{}
		},
		"federation: clock behind": func(w *world) (provider.Opened, fairlead.Scope) {
			w.skew = -90 * time.Minute
			return whole(), fairlead.Scope{}
		},
		"federation: another issuer": func(w *world) (provider.Opened, fairlead.Scope) {
			w.jfrog.Trust(cloudtest.JFrogOIDC{Name: "fairlead", Issuer: "https://gone.example.com"})
			return whole(), fairlead.Scope{}
		},
		"federation: the keys are old": func(w *world) (provider.Opened, fairlead.Scope) {
			w.n.Break(cloudtest.Fault{Host: "fairlead.example.com", Path: "/jwks", Status: 200, Body: `{"keys":[]}`})
			return whole(), fairlead.Scope{}
		},
		"federation: the keys can't be fetched": func(w *world) (provider.Opened, fairlead.Scope) {
			w.n.Break(cloudtest.Fault{Host: "fairlead.example.com", Status: 503})
			return whole(), fairlead.Scope{}
		},
	}
}

func serviceCases() map[string]func(*world) (provider.Opened, fairlead.Scope) {
	breaking := func(f cloudtest.Fault) func(*world) (provider.Opened, fairlead.Scope) {
		return func(w *world) (provider.Opened, fairlead.Scope) {
			f.Host = "acme.jfrog.io"
			w.n.Break(f)
			return opened("access-token", "host", "acme.jfrog.io", "!access_token", "canary"), fairlead.Scope{}
		}
	}
	return map[string]func(*world) (provider.Opened, fairlead.Scope){
		"service: throttled":                breaking(cloudtest.Fault{Status: 429, Header: map[string]string{"Retry-After": "30"}}),
		"service: throttled until a date":   breaking(cloudtest.Fault{Status: 429, Header: map[string]string{"Retry-After": "Sat, 21 Nov 2026 12:05:00 GMT", "Date": "Sat, 21 Nov 2026 12:00:00 GMT"}}),
		"service: throttled without a time": breaking(cloudtest.Fault{Status: 429}),
		"service: broken":                   breaking(cloudtest.Fault{Status: 500, Body: "canary"}),
		"service: a proxy's page":           breaking(cloudtest.Fault{Status: 200, Body: "<html>canary"}),
		"service: a proxy's 403":            breaking(cloudtest.Fault{Status: 403, Body: "<html>canary"}),
		"service: redirect":                 breaking(cloudtest.Fault{Status: 302, Header: map[string]string{"Location": "https://evil.example.com/canary"}}),
		"service: reply without token":      breaking(cloudtest.Fault{Status: 200, Body: `{}`}),
		"service: reply without user":       breaking(cloudtest.Fault{Status: 200, Body: `{"access_token":"opaque-canary","expires_in":60}`}),
		"service: says something unknown":   breaking(cloudtest.Fault{Status: 400, Body: `{"errors":[{"code":"BAD_REQUEST","message":"canary"}]}`}),
		"service: slow": func(w *world) (provider.Opened, fairlead.Scope) {
			w.n.Break(cloudtest.Fault{Host: "acme.jfrog.io", Hang: true})
			w.tools.HTTP.Timeout = time.Millisecond
			return opened("access-token", "host", "acme.jfrog.io", "!access_token", "canary"), fairlead.Scope{}
		},
		"service: no such host": func(*world) (provider.Opened, fairlead.Scope) {
			return opened("access-token", "host", "nobody.jfrog.io", "!access_token", "canary"), fairlead.Scope{}
		},
		"service: no address": func(w *world) (provider.Opened, fairlead.Scope) {
			w.tools.HTTP = &http.Client{Transport: refusing{&net.DNSError{Err: "no such host", Name: "gone.jfrog.io", IsNotFound: true}}}
			return opened("access-token", "host", "gone.jfrog.io", "!access_token", "canary"), fairlead.Scope{}
		},
		"service: untrusted": func(w *world) (provider.Opened, fairlead.Scope) {
			w.tools.HTTP = &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(w.n.ProxyURL())}}
			return opened("access-token", "host", "acme.jfrog.io", "!access_token", "canary"), fairlead.Scope{}
		},
		"service: refused by the rules for addresses": func(w *world) (provider.Opened, fairlead.Scope) {
			w.tools.HTTP = &http.Client{Transport: refusing{&fairlead.Error{
				Kind: fairlead.Denied, Code: fairlead.CodeEgress, What: "connecting", Why: "the rules forbid it", Remedy: "ask the operator",
			}}}
			return opened("access-token", "host", "acme.jfrog.io", "!access_token", "canary"), fairlead.Scope{}
		},
	}
}

// refusing is a transport that gets nowhere.
type refusing struct{ why error }

func (r refusing) RoundTrip(*http.Request) (*http.Response, error) { return nil, r.why }

func halfCases() map[string]func(*world) (provider.Opened, fairlead.Scope) {
	half := func(method string, pairs ...string) func(*world) (provider.Opened, fairlead.Scope) {
		return func(*world) (provider.Opened, fairlead.Scope) { return opened(method, pairs...), fairlead.Scope{} }
	}
	return map[string]func(*world) (provider.Opened, fairlead.Scope){
		"half: no token":             half("access-token", "host", "acme.jfrog.io"),
		"half: no host":              half("access-token", "!access_token", "canary"),
		"half: no password":          half("basic", "host", "acme.jfrog.io", "username", "ci"),
		"half: no user":              half("basic", "host", "acme.jfrog.io", "!password", "canary"),
		"half: no provider":          half("federation", "host", "acme.jfrog.io"),
		"half: unknown method":       half("oauth", "host", "acme.jfrog.io"),
		"half: a secret in public":   half("basic", "host", "acme.jfrog.io", "username", "ci", "password", "canary"),
		"half: a field of another":   half("federation", "host", "acme.jfrog.io", "provider_name", "x", "username", "ci"),
		"place: URL":                 half("basic", "host", "https://acme.jfrog.io/artifactory", "username", "ci", "!password", "canary"),
		"place: upper case":          half("basic", "host", "ACME.jfrog.io", "username", "ci", "!password", "canary"),
		"place: port without any":    half("basic", "host", "acme.jfrog.io", "path_method", "port", "username", "ci", "!password", "canary"),
		"place: port missing":        half("basic", "host", "acme.jfrog.io", "path_method", "port", "repositories", "docker-local", "username", "ci", "!password", "canary"),
		"place: path, repositories":  half("basic", "host", "acme.jfrog.io", "repositories", "docker-local", "username", "ci", "!password", "canary"),
		"place: cloud, any":          half("basic", "host", "acme.jfrog.io", "path_method", "subdomain", "username", "ci", "!password", "canary"),
		"place: subdomain, port":     half("basic", "host", "acme.jfrog.io", "path_method", "subdomain", "repositories", "a=1", "username", "ci", "!password", "canary"),
		"place: not a label":         half("basic", "host", "acme.jfrog.io", "path_method", "subdomain", "repositories", "a_b", "username", "ci", "!password", "canary"),
		"place: not a key":           half("basic", "host", "acme.jfrog.io", "path_method", "port", "repositories", "a/b=1", "username", "ci", "!password", "canary"),
		"place: colon in the user":   half("basic", "host", "acme.jfrog.io", "username", "a:b", "!password", "canary"),
		"place: odd provider name":   half("federation", "host", "acme.jfrog.io", "provider_name", "a'b"),
		"place: unknown path method": half("basic", "host", "acme.jfrog.io", "path_method", "magic", "username", "ci", "!password", "canary"),
	}
}

// TestCancelled gives up with its caller, and makes no sentence of it.
func TestCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	w.n.Break(cloudtest.Fault{Host: "acme.jfrog.io", Hang: true, Match: func(*http.Request) bool { cancel(); return true }})
	if _, err := w.family().Login(ctx, w.connector("access-token"), fairlead.Scope{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
