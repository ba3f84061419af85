package docker_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/provider/docker"
)

// quayWorld is a Quay with one robot that trusts one subject of one issuer.
type quayWorld struct {
	n      *cloudtest.Internet
	issuer *cloudtest.JFrogIssuer
	tools  provider.Tools
	skew   time.Duration
}

func newQuay(t *testing.T) *quayWorld {
	t.Helper()
	w := &quayWorld{n: cloudtest.New(t)}
	start := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	w.n.SetClock(func() time.Time { return start })
	now := func() time.Time { return start.Add(w.skew) }
	w.issuer = cloudtest.NewJFrogIssuer(t, w.n, "fairlead.example.com", now)
	w.n.Handle("quay.io", w)
	client := w.n.Client()
	t.Cleanup(client.CloseIdleConnections)
	w.tools = provider.Tools{HTTP: client, Now: now, Issuer: w.issuer}
	return w
}

// ServeHTTP exchanges a subject token as Quay does (projectquay, "Exchanging an OAuth2
// robot account token").
func (w *quayWorld) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	rw.Header().Set("Date", w.n.Now().Format(http.TimeFormat))
	robot, token, _ := req.BasicAuth()
	if req.URL.Path != "/oauth2/federation/robot/token" || req.Method != http.MethodGet {
		rw.WriteHeader(http.StatusNotFound)
		return
	}
	client := w.n.Client()
	defer client.CloseIdleConnections()
	keys, err := http.NewRequestWithContext(req.Context(), http.MethodGet, w.issuer.URL()+"/jwks", nil)
	if err != nil {
		panic(err)
	}
	res, err := client.Do(keys)
	if err != nil {
		panic(err)
	}
	defer func() { _ = res.Body.Close() }()
	var set jose.JSONWebKeySet
	if err := json.NewDecoder(res.Body).Decode(&set); err != nil {
		panic(err)
	}
	var c jwt.Claims
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || parsed.Claims(set, &c) != nil || robot != "acme+fairlead" || c.Subject != "org:acme:connector:reg" ||
		c.Validate(jwt.Expected{Issuer: w.issuer.URL(), AnyAudience: jwt.Audience{"https://quay.io"}, Time: w.n.Now()}) != nil {
		rw.WriteHeader(http.StatusUnauthorized)
		return
	}
	_, _ = io.WriteString(rw, `{"token":"robot-canary"}`)
}

func robot(pairs ...string) provider.Opened {
	return opened("federation", append([]string{"hosts", "quay.io", "username", "acme+fairlead"}, pairs...)...)
}

// TestFederation gets a robot's password for a subject token.
func TestFederation(t *testing.T) {
	t.Parallel()
	w := newQuay(t)
	for i := range 2 {
		l, err := docker.New(w.tools).Login(t.Context(), robot(), fairlead.Scope{})
		if err != nil || l.Username != "acme+fairlead" || string(l.Password.Reveal()) != "robot-canary" || l.Stored || !l.Expires.Equal(w.n.Now().Add(time.Hour)) {
			t.Error(i, l, err)
		}
		w.issuer.Rotate()
	}
	soon := robot()
	soon.Expires = w.n.Now().Add(time.Minute)
	if l, err := docker.New(w.tools).Login(t.Context(), soon, fairlead.Scope{}); err != nil || !l.Expires.Equal(soon.Expires) {
		t.Error(l, err)
	}
	expiring := newQuay(t) // a password that says itself when it ends
	expiring.n.Break(cloudtest.Fault{Host: "quay.io", Status: 200, Body: `{"token":"x.eyJleHAiOjE3OTUyNjI3MDB9.y"}`, Header: map[string]string{"Date": "Sat, 21 Nov 2026 12:00:00 GMT"}})
	if l, err := docker.New(expiring.tools).Login(t.Context(), robot(), fairlead.Scope{}); err != nil || !l.Expires.Equal(w.n.Now().Add(5*time.Minute)) {
		t.Error(l.Expires, err)
	}
}

// TestFederationSentences holds what is said where none is to be had.
func TestFederationSentences(t *testing.T) {
	t.Parallel()
	breaking := func(f cloudtest.Fault) func(*quayWorld) provider.Opened {
		return func(w *quayWorld) provider.Opened {
			f.Host = "quay.io"
			w.n.Break(f)
			return robot()
		}
	}
	cases := map[string]func(*quayWorld) provider.Opened{
		"no issuer":      func(w *quayWorld) provider.Opened { w.tools.Issuer = nil; return robot() },
		"another robot":  func(*quayWorld) provider.Opened { return robot("username", "acme+other") },
		"wrong audience": func(*quayWorld) provider.Opened { return robot("audience", "https://other.example.com") },
		"another subject": func(*quayWorld) provider.Opened {
			c := robot()
			c.Name = "other"
			return c
		},
		"clock":         func(w *quayWorld) provider.Opened { w.skew = time.Hour; return robot() },
		"old Quay":      breaking(cloudtest.Fault{Status: 404}),
		"broken":        breaking(cloudtest.Fault{Status: 500}),
		"throttled":     breaking(cloudtest.Fault{Status: 429}),
		"a page":        breaking(cloudtest.Fault{Status: 200, Body: "<html>"}),
		"a person":      func(*quayWorld) provider.Opened { return robot("username", "ann") },
		"several hosts": func(*quayWorld) provider.Opened { return robot("hosts", "quay.io,quay.example.com") },
		"GHCR":          func(*quayWorld) provider.Opened { return robot("hosts", "ghcr.io") },
		"no robot":      func(*quayWorld) provider.Opened { return opened("federation", "hosts", "quay.io") },
		"slow": func(w *quayWorld) provider.Opened {
			w.n.Break(cloudtest.Fault{Hang: true})
			w.tools.HTTP.Timeout = time.Millisecond
			return robot()
		},
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		w := newQuay(t)
		c := cases[name](w)
		_, err := docker.New(w.tools).Login(t.Context(), c, fairlead.Scope{})
		fmt.Fprintf(&b, "## %s\n%s\n", name, sentence(t, err))
	}
	golden(t, "federation", b.String())
}
