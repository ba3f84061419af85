package oci_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	rt "fairlead.dev/fairlead/internal/registrytest"
)

func loginAs(a rt.Account) oci.Login {
	return oci.Login{Username: a.Name, Password: fairlead.SecretText(a.Password)}
}

func at(c *clock) func(*oci.Options) { return func(o *oci.Options) { o.Now = c.Now } }

// TestTrade trades at every kind of token endpoint, and uses what it gets.
func TestTrade(t *testing.T) {
	t.Parallel()
	identity := oci.Login{Identity: fairlead.SecretText(reader.Identity)}
	for name, c := range map[string]struct {
		faults rt.Faults
		config func(*rt.Config)
		login  oci.Login
		life   time.Duration // 0 is five minutes
	}{
		"as it should be":             {},
		"identity token":              {login: identity},
		"anonymous":                   {login: oci.Login{}},
		"only token":                  {faults: rt.Faults{TokenField: "token"}},
		"only access_token":           {faults: rt.Faults{TokenField: "access_token"}},
		"opaque":                      {faults: rt.Faults{Opaque: true}},
		"opaque, no expires_in":       {faults: rt.Faults{Opaque: true, ExpiresIn: "-"}, life: time.Minute},
		"no expires_in, but exp":      {faults: rt.Faults{ExpiresIn: "-"}},
		"expires_in 0":                {faults: rt.Faults{ExpiresIn: "0"}, life: time.Minute},
		"expires_in 59":               {faults: rt.Faults{ExpiresIn: "59"}, life: time.Minute},
		"expires_in negative":         {faults: rt.Faults{ExpiresIn: "-300"}, life: time.Minute},
		"expires_in in quotes":        {faults: rt.Faults{ExpiresIn: `"120"`}, life: 2 * time.Minute},
		"expires_in with a fraction":  {faults: rt.Faults{ExpiresIn: "90.5"}, life: 90500 * time.Millisecond},
		"expires_in null":             {faults: rt.Faults{ExpiresIn: "null"}},
		"expires_in beyond exp":       {faults: rt.Faults{ExpiresIn: "100000"}},
		"expires_in nonsense":         {faults: rt.Faults{ExpiresIn: `{"a":1}`}},
		"opaque, for ever":            {faults: rt.Faults{Opaque: true, ExpiresIn: "1e30"}, life: 24 * time.Hour},
		"issued now":                  {faults: rt.Faults{IssuedAt: time.Nanosecond}},
		"issued a while ago":          {faults: rt.Faults{IssuedAt: -2 * time.Minute}, life: 3 * time.Minute},
		"issued nearly too long ago":  {faults: rt.Faults{IssuedAt: -280 * time.Second}, life: 20 * time.Second},
		"issued too long ago":         {faults: rt.Faults{IssuedAt: -time.Hour}, life: time.Minute},
		"issued in the future":        {faults: rt.Faults{IssuedAt: time.Hour}},
		"clock of the registry early": {config: func(c *rt.Config) { c.Now = skewed(-time.Hour) }},
		"clock of the registry late":  {config: func(c *rt.Config) { c.Now = skewed(time.Hour) }},
		"clock wrong and issued_at":   {config: func(c *rt.Config) { c.Now = skewed(-time.Hour) }, faults: rt.Faults{IssuedAt: -time.Minute}, life: 4 * time.Minute},
		"relative realm":              {faults: rt.Faults{Realm: "/token"}},
		"relative realm, path":        {faults: rt.Faults{Realm: "../token"}},
		"realm with query":            {faults: rt.Faults{Realm: "/token?service=registry.test&tenant=a%2Fb"}},
		"realm at another server":     {config: func(c *rt.Config) { c.TokensApart = true }},
		"no service":                  {faults: rt.Faults{Service: "-"}},
		"service with a port":         {faults: rt.Faults{Service: "registry.test:443"}, config: func(c *rt.Config) { c.Service = "registry.test:443" }},
		"no scope":                    {faults: rt.Faults{NoScope: true}},
		"open /v2/":                   {faults: rt.Faults{OpenPing: true}},
		"open /v2/, no scope":         {faults: rt.Faults{OpenPing: true, NoScope: true, Service: "-"}},
		"POST is refused":             {faults: rt.Faults{Fail: []rt.Failure{{Server: rt.Tokens, Method: http.MethodPost, Status: 401}}}},
		"both schemes":                {config: func(c *rt.Config) { c.Auth = rt.Mixed }},
		"redirect within the host":    {faults: rt.Faults{TokenRedirect: "/token/redirected"}, config: redirectable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := accounts(rt.Bearer, c.faults)
			config.TLS, config.Anonymous = rt.GoodTLS, rt.Reads("")
			if c.config != nil {
				c.config(&config)
			}
			r := rt.New(t, config)
			r.PutBlob("team/app", []byte("content"))
			clock := newClock()
			login := c.login
			if login.Identity.IsZero() && name != "anonymous" {
				login = loginAs(reader)
			}
			b, err := client(t, at(clock)).Trade(t.Context(), endpoint(r), login, pullOf(r.Host(), "team/app"))
			if err != nil {
				t.Fatal(err)
			}
			life := c.life
			if life == 0 {
				life = 5 * time.Minute
			}
			if got := b.Expires.Sub(clock.Now()); got < life-2*time.Second || got > life+2*time.Second {
				t.Errorf("it lives %v, want %v", got, life)
			}
			if b.Lacks(pullOf(r.Host(), "team/app")) {
				t.Error("it lacks the right")
			}
			// It is good for what it was asked for, and nothing else.
			kc := token(r, string(b.Token.Reveal()))
			c := client(t)
			if _, err := c.Blob(t.Context(), kc, image(t, r.Host(), "team/app").Resource, content()); err != nil {
				t.Error(err)
			}
			keptAway(t, r)
		})
	}
}

func skewed(d time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(d) }
}

// redirectable has a token server that answers below its path too.
func redirectable(c *rt.Config) { c.TokensApart = true }

func content() oci.Descriptor {
	return oci.Descriptor{Digest: "sha256:ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73", Size: 7}
}

// TestTradeAsks checks what a token endpoint is asked.
func TestTradeAsks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		faults rt.Faults
		login  oci.Login
		scope  fairlead.Verb
		want   []string
	}{
		"password": {
			login: loginAs(reader), scope: fairlead.Pull,
			want: []string{"registry GET /v2/", "tokens GET /token?service=registry.test&scope=repository%3Ateam%2Fapp%3Apull basic reader"},
		},
		"anonymous": {
			scope: fairlead.Pull,
			want:  []string{"registry GET /v2/", "tokens GET /token?service=registry.test&scope=repository%3Ateam%2Fapp%3Apull"},
		},
		"push": {
			login: loginAs(pusher), scope: fairlead.Push,
			want: []string{"registry GET /v2/", "tokens GET /token?service=registry.test&scope=repository%3Ateam%2Fapp%3Apull%2Cpush basic pusher"},
		},
		"identity token": {
			login: oci.Login{Identity: fairlead.SecretText(reader.Identity)}, scope: fairlead.Pull,
			want: []string{"registry GET /v2/", "tokens POST /token reader"},
		},
		"the challenge's scope is not taken": {
			faults: rt.Faults{Challenge: []string{`Bearer realm="/token",service="registry.test",scope="repository:user/image:pull,push,delete registry:catalog:*"`}},
			login:  loginAs(reader), scope: fairlead.Pull,
			want: []string{"registry GET /v2/", "tokens GET /token?service=registry.test&scope=repository%3Ateam%2Fapp%3Apull basic reader"},
		},
		"open /v2/": {
			faults: rt.Faults{OpenPing: true},
			login:  loginAs(reader), scope: fairlead.Pull,
			want: []string{"registry GET /v2/", "registry GET /v2/team/app/tags/list?n=1", "tokens GET /token?service=registry.test&scope=repository%3Ateam%2Fapp%3Apull basic reader"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rt.New(t, accounts(rt.Bearer, c.faults))
			s := pullOf(r.Host(), "team/app")
			s.Verb = c.scope
			if _, err := client(t).Trade(t.Context(), endpoint(r), c.login, s); err != nil && name != "anonymous" {
				t.Fatal(err)
			}
			var got []string
			for _, q := range r.Requests() {
				line := string(q.Server) + " " + q.Method + " " + q.Path
				if q.Query != "" {
					line += "?" + q.Query
				}
				got = append(got, strings.TrimSpace(line+strings.TrimRight(" "+q.Scheme+" "+q.Account, " ")))
			}
			for i := range got {
				got[i] = strings.Join(strings.Fields(got[i]), " ")
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			keptAway(t, r)
		})
	}
}

// TestTradeRedirects has token endpoints that send the login elsewhere.
func TestTradeRedirects(t *testing.T) {
	t.Parallel()
	identity := oci.Login{Identity: fairlead.SecretText(reader.Identity)}
	for name, c := range map[string]struct {
		to     string
		status int
		login  oci.Login
	}{
		"another host":            {"https://127.0.0.2:1/token", 307, loginAs(reader)},
		"another port":            {"https://127.0.0.1:1/token", 302, loginAs(reader)},
		"without TLS":             {"http://127.0.0.1/token", 301, loginAs(reader)},
		"with a login in it":      {"https://a:b@127.0.0.1/token", 308, loginAs(reader)},
		"nowhere":                 {":", 303, loginAs(reader)},
		"POST, another host":      {"https://127.0.0.2:1/token", 308, identity},
		"POST, within the host":   {"/token/redirected", 307, identity},
		"POST, to GET":            {"/token/redirected", 303, identity},
		"anonymous, another host": {"https://127.0.0.2:1/token", 307, oci.Login{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := accounts(rt.Bearer, rt.Faults{TokenRedirect: c.to, TokenRedirectStatus: c.status})
			config.TLS, config.TokensApart = rt.GoodTLS, true
			r := rt.New(t, config)
			_, err := client(t).Trade(t.Context(), endpoint(r), c.login, pullOf(r.Host(), "team/app"))
			codeIs(t, err, fairlead.CodeRealm)
			if n := len(r.Requests()); n != 2 {
				t.Errorf("%v", asked(r))
			}
		})
	}
	t.Run("in a circle", func(t *testing.T) {
		t.Parallel()
		config := accounts(rt.Bearer, rt.Faults{TokenRedirect: "/token"})
		config.TokensApart = true
		r := rt.New(t, config)
		_, err := client(t).Trade(t.Context(), endpoint(r), loginAs(reader), pullOf(r.Host(), "team/app"))
		codeIs(t, err, fairlead.CodeRegistryBroken)
	})
}

func TestTradeWithoutTokenEndpoint(t *testing.T) {
	t.Parallel()
	for name, auth := range map[string]rt.Auth{"open": rt.Open, "basic": rt.Basic} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rt.New(t, accounts(auth, rt.Faults{}))
			_, err := client(t).Trade(t.Context(), endpoint(r), loginAs(reader), pullOf(r.Host(), "team/app"))
			if !errors.Is(err, oci.ErrNoTokenEndpoint) {
				t.Error(err)
			}
			for _, q := range r.Requests() {
				if q.Scheme != "" {
					t.Errorf("the login was shown: %v", asked(r))
				}
			}
		})
	}
}

// TestVerify checks logins without a repository.
func TestVerify(t *testing.T) {
	t.Parallel()
	for name, r := range everywhere(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := client(t)
			err := c.Verify(t.Context(), endpoint(r), loginAs(reader))
			if strings.Contains(name, "open") { // it asks for none, and is shown none
				if !errors.Is(err, oci.ErrNoLogin) {
					t.Errorf("a login that nobody asks for: %v", err)
				}
				return
			}
			if err != nil {
				t.Errorf("a good login: %v", err)
			}
			err = c.Verify(t.Context(), endpoint(r), oci.Login{Username: "reader", Password: fairlead.SecretText(wrong)})
			codeIs(t, err, fairlead.CodeLoginRefused)
		})
	}
}

// TestVerifyNoRegistry has something answer that is no registry: it isn't shown the login.
func TestVerifyNoRegistry(t *testing.T) {
	t.Parallel()
	shown := make(chan string, 100)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown <- r.Header.Get("Authorization")
		http.NotFound(w, r)
	}))
	t.Cleanup(s.Close)
	err := client(t).Verify(t.Context(), oci.Endpoint{Host: strings.TrimPrefix(s.URL, "http://"), PlainHTTP: true}, loginAs(reader))
	if fairlead.KindOf(err) != fairlead.Unavailable || fairlead.CodeOf(err) != fairlead.CodeRegistryBroken {
		t.Errorf("%v", err)
	}
	for len(shown) > 0 {
		if login := <-shown; login != "" {
			t.Error("it was shown the login")
		}
	}
}

// TestLacks reads in a token what it doesn't allow.
func TestLacks(t *testing.T) {
	t.Parallel()
	for name, opaque := range map[string]bool{"JWT": false, "opaque": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rt.New(t, accounts(rt.Bearer, rt.Faults{Opaque: opaque}))
			c := client(t)
			for repository, want := range map[string]bool{"team/app": false, "other/app": true} {
				b, err := c.Trade(t.Context(), endpoint(r), loginAs(reader), pullOf(r.Host(), repository))
				if err != nil {
					t.Fatal(err)
				}
				if got := b.Lacks(pullOf(r.Host(), repository)); got != (want && !opaque) {
					t.Errorf("%s: lacks %v", repository, got)
				}
			}
		})
	}
}
