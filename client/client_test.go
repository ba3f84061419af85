package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/ref"
	"fairlead.dev/fairlead/wire"
)

const token = "flt_c4nary"

// dial makes a client of a server whose handler the test gives.
func dial(t *testing.T, serve http.HandlerFunc, options ...client.Option) *client.Client {
	t.Helper()
	s := httptest.NewServer(serve)
	t.Cleanup(s.Close)
	c, err := client.New(s.URL, append([]client.Option{client.WithToken(fairlead.SecretText(token))}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestServers says which URLs are taken: none over which others could read the token.
func TestServers(t *testing.T) {
	t.Parallel()
	for server, want := range map[string]string{ // "" is refused
		"https://fairlead.example.com":       "https://fairlead.example.com",
		"https://fairlead.example.com/":      "https://fairlead.example.com",
		"https://example.com/fairlead/":      "https://example.com/fairlead",
		"https://example.com:8443/?x=1#y":    "https://example.com:8443",
		"http://localhost:8080":              "http://localhost:8080",
		"http://127.0.0.1:8080":              "http://127.0.0.1:8080",
		"http://127.8.9.10":                  "http://127.8.9.10",
		"http://[::1]:8080":                  "http://[::1]:8080",
		"http://fairlead.example.com":        "",
		"http://10.0.0.1":                    "",
		"http://127.0.0.1.example.com":       "",
		"http://localhost.example.com":       "",
		"http://0.0.0.0":                     "",
		"http://[::ffff:10.0.0.1]":           "",
		"http://2130706433":                  "",
		"https://ann:c4nary@example.com":     "",
		"http://localhost@example.com":       "",
		"ftp://example.com":                  "",
		"example.com":                        "",
		"localhost:8080":                     "",
		"":                                   "",
		"https://":                           "",
		"file:///etc/passwd":                 "",
		"https://example.com\r\nX-Evil: yes": "",
	} {
		c, err := client.New(server, client.WithToken(fairlead.SecretText(token)))
		switch e := fairlead.AsError("", err); {
		case want == "" && (err == nil || e.Kind != fairlead.Invalid || e.Field != "server" || e.Remedy == "" || strings.Contains(e.Error(), "c4nary")):
			t.Errorf("%q: %v", server, err)
		case want != "" && (err != nil || c.Server() != want):
			t.Errorf("%q: %v", server, err)
		}
	}
	c, err := client.New("http://fairlead.example.com", client.AllowPlainHTTP())
	if err != nil || c.Server() != "http://fairlead.example.com" {
		t.Errorf("where it is allowed: %v", err)
	}
}

func kinds() []fairlead.Kind {
	return []fairlead.Kind{
		fairlead.Invalid, fairlead.Unauthenticated, fairlead.Denied, fairlead.NotFound, fairlead.Conflict, fairlead.Limited, fairlead.Unavailable, fairlead.Internal,
	}
}

// TestErrors has every kind of error come through whole.
func TestErrors(t *testing.T) {
	t.Parallel()
	for _, k := range kinds() {
		sent := fairlead.Error{
			Kind: k, Code: fairlead.CodeInUse, What: "doing it", Why: "it is <b>so</b> & \u2028 not", Remedy: "do \"this\"", Field: "name",
			RetryAt: time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC),
		}
		c := dial(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(wire.Status(k))
			_ = json.NewEncoder(w).Encode(wire.ErrorReply{Error: sent, Problems: []wire.Problem{{File: "f", Line: 3, Text: "x"}}, Request: "abc"})
		})
		_, err := client.Do(t.Context(), c, wire.Whoami, wire.None{})
		got := *fairlead.AsError("", err)
		if diff := cmp.Diff(sent, got, cmp.Comparer(func(a, b fairlead.Error) bool {
			return a.Kind == b.Kind && a.Code == b.Code && a.What == b.What && a.Why == b.Why && a.Remedy == b.Remedy && a.Field == b.Field && a.RetryAt.Equal(b.RetryAt)
		})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", k, diff)
		}
		refusal, ok := errors.AsType[*client.Refusal](err)
		if !ok || refusal.Reply.Request != "abc" || len(refusal.Reply.Problems) != 1 {
			t.Errorf("%s: %+v", k, err)
		}
		if !errors.Is(err, &fairlead.Error{Kind: k}) || errors.Is(err, &fairlead.Error{Kind: "other"}) {
			t.Errorf("%s isn't what it is", k)
		}
	}
}

// TestForeignReplies is answered by what isn't Fairlead, or by a later one.
func TestForeignReplies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		kind   fairlead.Kind // "" is a success
	}{
		"a later server":        {200, `{"subject": {"kind": "user", "name": "ann", "new": {"x": 1}}, "memberships": [], "more": [1, 2]}`, ""},
		"a page":                {200, "<html>hello</html>", fairlead.Unavailable},
		"a page that says no":   {403, "<html>forbidden by c4nary-proxy</html>", fairlead.Denied},
		"a proxy":               {502, "bad gateway", fairlead.Unavailable},
		"a proxy that waits":    {504, "", fairlead.Unavailable},
		"another error's form":  {404, `{"error": "not found"}`, fairlead.NotFound},
		"an error without kind": {409, `{"error": {"what": "x"}}`, fairlead.Conflict},
		"nothing":               {200, "", fairlead.Unavailable},
		"half a reply":          {200, `{"subject": {"kind"`, fairlead.Unavailable},
		"nowhere":               {418, "", fairlead.Invalid},
		"too often":             {429, "", fairlead.Limited},
		"a redirect":            {302, "", fairlead.Invalid},
		"gone":                  {410, "", fairlead.NotFound},
		"in trouble":            {500, "", fairlead.Internal},
	} {
		k := dial(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		})
		me, err := client.Do(t.Context(), k, wire.Whoami, wire.None{})
		if fairlead.KindOf(err) != c.kind || c.kind == "" && me.Subject.Name != "ann" {
			t.Errorf("%s: %+v, %v", name, me, err)
		}
		if err != nil && (strings.Contains(err.Error(), "c4nary") || fairlead.AsError("", err).Remedy == "") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNoRedirect doesn't take the token where a reply leads.
func TestNoRedirect(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		c := dial(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) })
		if _, err := client.Do(t.Context(), c, wire.CreateToken, wire.TokenRequest{Name: "x"}); err == nil {
			t.Errorf("%d is followed", status)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the other server was asked %d times", n)
	}
}

// TestNotRepeated has the connection end when the server has the request: what it asked
// for may have been done, and isn't asked for again.
func TestNotRepeated(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1); r.Method == http.MethodGet {
			_, _ = io.WriteString(w, "{}") // the connection is kept, as one that was used before
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	})
	if _, err := client.Do(t.Context(), c, wire.Whoami, wire.None{}); err != nil {
		t.Fatal(err)
	}
	asked.Store(0)
	if _, err := client.Do(t.Context(), c, wire.CreateToken, wire.TokenRequest{Name: "x"}); fairlead.KindOf(err) != fairlead.Unavailable {
		t.Errorf("%v", err)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	archive := wire.ArchivePath{ProjectPath: wire.ProjectPath{Owner: "acme", Project: "models"}, Digest: "sha256:00"}
	if err := client.Put(t.Context(), c, wire.PutArchive, archive, bytes.NewReader([]byte("bytes")), 5); fairlead.KindOf(err) != fairlead.Unavailable || asked.Load() != 2 {
		t.Errorf("%v, asked %d times", err, asked.Load())
	}
}

// TestTimes ends with the caller's context, and says so.
func TestTimes(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{}, 1)
	c := dial(t, func(_ http.ResponseWriter, r *http.Request) {
		reached <- struct{}{}
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-reached
		cancel()
	}()
	_, err := client.Do(ctx, c, wire.Whoami, wire.None{})
	if fairlead.KindOf(err) != fairlead.Unavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestSilentServer takes connections and says nothing: without anybody's context that
// ends too.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c, err := client.New("http://"+l.Addr().String(), client.WithPatience(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Do(t.Context(), c, wire.Whoami, wire.None{})
	e := fairlead.AsError("", err)
	if e.Kind != fairlead.Unavailable || !strings.Contains(e.Why, "timeout") {
		t.Errorf("%v", err)
	}
}

// TestUnreachable says why there is no server.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	c, err := client.New(s.URL, client.WithToken(fairlead.SecretText(token)))
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Do(t.Context(), c, wire.Whoami, wire.None{})
	e := fairlead.AsError("", err)
	if e.Kind != fairlead.Unavailable || !strings.Contains(e.Why, "connection refused") || !strings.Contains(e.Remedy, "fairlead serve") || strings.Contains(e.Error(), "c4nary") {
		t.Errorf("%v", err)
	}
}

// TestRequests writes paths, queries and bodies as the contract has them.
func TestRequests(t *testing.T) {
	t.Parallel()
	var got string
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = r.Method + " " + r.URL.EscapedPath() + "?" + r.URL.RawQuery + " " + r.Header.Get("Content-Type") + " " + string(b)
		if r.Header.Get("Authorization") != "Bearer "+token || r.Header.Get("User-Agent") != "test/1" {
			t.Errorf("%v", r.Header)
		}
		_, _ = io.WriteString(w, "{}")
	}, client.WithUserAgent("test/1"))
	run := wire.RunPath{ProjectPath: wire.ProjectPath{Owner: "a/b", Project: "c d"}, Number: 7}
	for want, do := range map[string]func() error{
		`GET /api/v1/projects/a%2Fb/c%20d/runs/7/outputs/x/y%20z%3F?  `: func() error {
			r, _, err := client.Get(t.Context(), c, wire.GetOutput, wire.OutputPath{RunPath: run, Name: "x/y z?"})
			if err == nil {
				_ = r.Close()
			}
			return err
		},
		`GET /api/v1/organizations/acme/events?since=2026-01-02T03%3A04%3A05.000006Z  `: func() error {
			since := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
			_, err := client.Do(t.Context(), c, wire.ListEvents, wire.EventsRequest{OrganizationPath: wire.OrganizationPath{Organization: "acme"}, Since: since})
			return err
		},
		`GET /api/v1/organizations/acme/events?action=run.create&limit=5  `: func() error {
			_, err := client.Do(t.Context(), c, wire.ListEvents, wire.EventsRequest{OrganizationPath: wire.OrganizationPath{Organization: "acme"}, Action: fairlead.RunCreate, Limit: 5})
			return err
		},
		`POST /api/v1/sessions? application/json {"name":"ann","password":"p"}`: func() error {
			_, err := client.Do(t.Context(), c, wire.Login, wire.LoginRequest{Name: "ann", Password: wire.Clear{Secret: fairlead.SecretText("p")}})
			return err
		},
		`DELETE /api/v1/session?  `: func() error {
			_, err := client.Do(t.Context(), c, wire.Logout, wire.None{})
			return err
		},
		`PUT /api/v1/work/runs/r/outputs/o?digest=d&fence=2&size=5 application/octet-stream bytes`: func() error {
			in := wire.HeldOutputPath{HeldPath: wire.HeldPath{Run: "r", Fence: 2}, Name: "o", Digest: "d", Size: 5}
			return client.Put(t.Context(), c, wire.PutOutput, in, strings.NewReader("bytes"), 5)
		},
	} {
		if err := do(); err != nil || got != want {
			t.Errorf("sent %q, want %q (%v)", got, want, err)
		}
	}
}

// TestKeychain keeps leases while they hold, and tells the server of those that a
// registry refused.
func TestKeychain(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var asked []wire.LeaseRequest
	n, expires := 0, now.Add(time.Minute)
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		var in wire.LeaseRequest
		_ = json.NewDecoder(r.Body).Decode(&in)
		asked, n = append(asked, in), n+1
		_ = json.NewEncoder(w).Encode(wire.Lease{
			ID: strings.Repeat("x", n), Host: "reg.example.com", Repository: "team/app", Verb: fairlead.Pull, Kind: fairlead.RegistryToken,
			Bearer: wire.Clear{Secret: fairlead.SecretText("b")}, Expires: expires,
		})
	})
	image, err := ref.Parse("reg.example.com/team/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	k := c.ProjectKeychain("acme", "models", image, func() time.Time { return now })
	s := fairlead.Scope{Resource: image.Resource, Verb: fairlead.Pull}
	lease := func(want int) fairlead.Lease {
		t.Helper()
		l, err := k.Lease(t.Context(), s)
		if err != nil || len(asked) != want {
			t.Fatalf("asked %d times, want %d: %v", len(asked), want, err)
		}
		return l
	}
	first := lease(1)
	lease(1)
	now = now.Add(56 * time.Second) // not for the last seconds
	expires = now.Add(time.Hour)
	second := lease(2)
	k.Refused(t.Context(), first) // an old one
	lease(2)
	k.Refused(t.Context(), second)
	lease(3)
	lease(3)
	if asked[0].Image != "reg.example.com/team/app:v1" || asked[1].Refused != "" || asked[2].Refused != second.ID {
		t.Errorf("asked %+v", asked)
	}
}
