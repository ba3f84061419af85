package docker_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/provider/docker"
)

// catalog is a registry with a catalog in two pages, by either scheme.
type catalog struct{ realm string }

func (c catalog) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	user, password, _ := req.BasicAuth()
	good := user == "ann" && password == "password-canary"
	switch {
	case req.URL.Path == "/token":
		if !good || req.URL.Query().Get("scope") != "registry:catalog:*" || req.URL.Query().Get("service") != "reg" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, `{"token":"bearer-canary"}`)
	case c.realm == "" && good, req.Header.Get("Authorization") == "Bearer bearer-canary":
		if req.URL.Query().Get("last") == "" {
			w.Header().Set("Link", fmt.Sprintf(`<https://evil.example.com/v2/_catalog?n=%s&last=b>; rel="next"`, req.URL.Query().Get("n")))
			_, _ = io.WriteString(w, `{"repositories":["a","team/b"]}`)
			return
		}
		_, _ = io.WriteString(w, `{"repositories":["z"]}`)
	case c.realm != "":
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+c.realm+`",service="reg"`)
		w.WriteHeader(http.StatusUnauthorized)
	default:
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		w.WriteHeader(http.StatusUnauthorized)
	}
}

func TestResources(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		realm    string
		password string
		fault    cloudtest.Fault
		kind     fairlead.Kind
		code     fairlead.Code
	}{
		"basic":                 {},
		"bearer":                {realm: "https://reg.example.com/token"},
		"relative":              {realm: "/token"},
		"elsewhere":             {realm: "https://evil.example.com/token", kind: fairlead.NotFound},
		"without TLS":           {realm: "http://reg.example.com/token", kind: fairlead.NotFound},
		"wrong password":        {password: "wrong-canary", kind: fairlead.NotFound},
		"wrong password, token": {realm: "/token", password: "wrong-canary", kind: fairlead.NotFound},
		"none":                  {fault: cloudtest.Fault{Status: 404}, kind: fairlead.NotFound},
		"broken":                {fault: cloudtest.Fault{Status: 500}, kind: fairlead.Unavailable, code: fairlead.CodeRegistryBroken},
		"throttled":             {fault: cloudtest.Fault{Status: 429, Header: map[string]string{"Retry-After": "5"}}, kind: fairlead.Limited, code: fairlead.CodeRateLimited},
		"a page":                {fault: cloudtest.Fault{Status: 200, Body: "<html>"}, kind: fairlead.NotFound},
		"slow":                  {fault: cloudtest.Fault{Hang: true}, kind: fairlead.Unavailable, code: fairlead.CodeTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := cloudtest.New(t)
			n.Handle("reg.example.com", catalog{c.realm})
			client := n.Client()
			t.Cleanup(client.CloseIdleConnections)
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			if c.fault.Status != 0 || c.fault.Hang {
				n.Break(c.fault)
			}
			if c.fault.Hang {
				client.Timeout = time.Millisecond
			}
			password := c.password
			if password == "" {
				password = "password-canary"
			}
			o := opened("basic", "hosts", "reg.example.com,*.reg.example.com", "username", "ann", "!password", password)
			list, err := docker.New(provider.Tools{HTTP: client, Now: n.Now}).Resources(t.Context(), o)
			if fairlead.KindOf(err) != c.kind || fairlead.CodeOf(err) != c.code {
				t.Fatalf("%v", err)
			}
			if err != nil {
				if s := sentence(t, err); strings.Count(s, "\n") != 3 || strings.Contains(s, "\n\n") {
					t.Error(s)
				}
				for _, r := range n.Requests() {
					if r.Host == "evil.example.com" {
						t.Error("the login was sent elsewhere")
					}
				}
				return
			}
			var got []string
			for _, r := range list {
				got = append(got, r.Pattern)
			}
			if d := cmp.Diff([]string{"reg.example.com/a", "reg.example.com/team/b", "reg.example.com/z"}, got); d != "" {
				t.Error(d)
			}
		})
	}
}
