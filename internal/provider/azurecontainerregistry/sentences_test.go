package azurecontainerregistry_test

import (
	"context"
	"crypto/x509"
	"errors"
	"maps"
	"net"
	"net/http"
	"regexp"
	"sync"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/provider"
	acr "fairlead.dev/fairlead/internal/provider/azurecontainerregistry"
)

// failing is a transport whose every request ends with an error that no fake gives.
type failing struct{ err error }

// RoundTrip fails.
func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// login gives what logging in ends with, in a world that was spoiled.
func login(c provider.Opened, spoil func(*world)) func(*testing.T) error {
	return func(t *testing.T) error {
		t.Helper()
		w := newWorld(t)
		if spoil != nil {
			spoil(w)
		}
		_, err := w.provider().Login(t.Context(), c, scope(server, fairlead.Pull))
		return err
	}
}

// answering has a host answer so.
func answering(host, path string, f cloudtest.Fault) func(*world) {
	return func(w *world) {
		f.Host, f.Path = host, path
		w.n.Break(f)
	}
}

func over(err error) func(*world) {
	return func(w *world) { w.tools.HTTP = &http.Client{Transport: failing{err}} }
}

func app(change func(*cloudtest.AzureApp)) func(*world) {
	return func(w *world) { w.app(change) }
}

const entraHost = "login.microsoftonline.com"

// entraCode has Entra answer with a code.
func entraCode(code string) func(*world) {
	return answering(entraHost, "/token", cloudtest.Fault{Status: 400, Body: `{"error":"invalid_request","error_description":"AADSTS` + code + `: eyJ","error_codes":[` + code + `]}`})
}

func entraCases() map[string]func(*testing.T) error {
	sp, fed := connector("service-principal"), connector("federation")
	return map[string]func(*testing.T) error{
		"entra: no such tenant":            login(with(sp, "tenant_id", client), nil),
		"entra: tenant of another cloud":   login(with(sp, "tenant_id", "fabrikam.onmicrosoft.com"), nil),
		"entra: no such application":       login(with(sp, "client_id", tenant), nil),
		"entra: wrong secret":              login(sp, app(func(a *cloudtest.AzureApp) { a.Secrets[0].Value = "another" })),
		"entra: expired secret":            login(sp, app(func(a *cloudtest.AzureApp) { a.Secrets[0].Expires = time.Now().Add(-time.Hour) })),
		"entra: switched off":              login(sp, app(func(a *cloudtest.AzureApp) { a.Disabled = true })),
		"entra: blocked":                   login(sp, app(func(a *cloudtest.AzureApp) { a.Blocked = true })),
		"entra: no such resource":          login(sp, entraCode("500011")),
		"entra: code that is not known":    login(sp, entraCode("7777777")),
		"entra: throttled":                 login(sp, answering(entraHost, "/token", cloudtest.Fault{Status: 429, Header: map[string]string{"Retry-After": "17"}})),
		"entra: throttled with 400":        login(sp, answering(entraHost, "/token", cloudtest.Fault{Status: 400, Header: map[string]string{"Retry-After": "17"}})),
		"entra: throttled by its code":     login(sp, entraCode("50196")),
		"entra: trouble for a moment":      login(sp, entraCode("90033")),
		"entra: in trouble":                login(sp, answering(entraHost, "/token", cloudtest.Fault{Status: 500, Body: "<html>"})),
		"entra: unavailable until":         login(sp, answering(entraHost, "/token", cloudtest.Fault{Status: 503, Header: map[string]string{"Retry-After": "5"}})),
		"entra: redirects":                 login(sp, answering(entraHost, "/token", cloudtest.Fault{Status: 302, Header: map[string]string{"Location": "https://evil.example/"}})),
		"entra: no token":                  login(sp, answering(entraHost, "/token", cloudtest.Fault{Status: 200, Body: `{"token_type":"Bearer"}`})),
		"entra: garbage":                   login(sp, answering(entraHost, "/token", cloudtest.Fault{Status: 200, Body: `<html>eyJ`})),
		"entra: token that splits headers": login(sp, answering(entraHost, "/token", cloudtest.Fault{Status: 200, Body: `{"access_token":"a\r\nb"}`})),
		"entra: proxy wants a login":       login(sp, answering(entraHost, "/token", cloudtest.Fault{Status: 407})),

		"federation: no credential for the issuer": login(fed, app(func(a *cloudtest.AzureApp) { a.Federated = nil })),
		"federation: wrong subject": login(fed, app(func(a *cloudtest.AzureApp) {
			a.Federated = a.Federated[:1]
			a.Federated[0].Subject = "org:Acme:connector:azure"
		})),
		"federation: wrong audience":                  login(fed, app(func(a *cloudtest.AzureApp) { a.Federated = a.Federated[1:] })),
		"federation: nothing fits (older code)":       login(fed, entraCode("70021")),
		"federation: clock behind":                    login(fed, func(w *world) { clock(w, -2*time.Hour) }),
		"federation: clock ahead":                     login(fed, func(w *world) { clock(w, 2*time.Hour) }),
		"federation: subject token late, clock right": login(fed, entraCode("700024")),
		"federation: issuer can't be read":            login(fed, func(w *world) { w.n.Handle(issuerHost, nil) }),
		"federation: another server's keys":           login(fed, func(w *world) { cloudtest.NewAzureIssuer(w.n, issuerHost) }),
		"federation: issuer that fails":               login(fed, func(w *world) { w.tools.Issuer = mute{} }),
	}
}

func clock(w *world, off time.Duration) {
	now := time.Now().Add(off)
	w.tools.Now = func() time.Time { return now }
	w.issuer.SetClock(w.tools.Now)
}

// mute is an issuer that can't sign.
type mute struct{}

// URL is its identifier.
func (mute) URL() string { return "https://" + issuerHost }

// Sign fails.
func (mute) Sign(context.Context, provider.Subject) (fairlead.Secret, error) {
	return fairlead.Secret{}, &fairlead.Error{Kind: fairlead.Internal, What: "signing subject token", Why: "there is no key", Remedy: "report it"}
}

func machineCases() map[string]func(*testing.T) error {
	mi := connector("managed-identity")
	const metadata = "169.254.169.254"
	return map[string]func(*testing.T) error{
		"machine: not allowed":         login(mi, func(w *world) { w.tools.Instance = nil }),
		"machine: no identity":         login(mi, func(w *world) { w.azure.SetMachine("") }),
		"machine: another identity":    login(with(mi, "client_id", tenant), nil),
		"machine: throttled":           login(mi, answering(metadata, "", cloudtest.Fault{Status: 429, Header: map[string]string{"Retry-After": "3"}})),
		"machine: being updated":       login(mi, answering(metadata, "", cloudtest.Fault{Status: 410})),
		"machine: in trouble":          login(mi, answering(metadata, "", cloudtest.Fault{Status: 500})),
		"machine: not of Azure":        login(mi, func(w *world) { w.n.Handle(metadata, nil) }),
		"machine: of another cloud":    login(mi, answering(metadata, "", cloudtest.Fault{Status: 404, Body: "404 page not found"})),
		"machine: doesn't answer":      hanging(mi, metadata, ""),
		"machine: wrong kind of token": login(mi, answering(metadata, "", cloudtest.Fault{Status: 200, Body: `{"access_token":7}`})),
	}
}

// hanging gives what logging in ends with when one service doesn't answer.
func hanging(c provider.Opened, host, path string) func(*testing.T) error {
	return func(t *testing.T) error {
		t.Helper()
		w := newWorld(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		w.n.Break(cloudtest.Fault{Host: host, Path: path, Hang: true})
		deadline, end := context.WithTimeout(ctx, 50*time.Millisecond)
		defer end()
		w.tools.HTTP.Transport = besides{w.tools.HTTP.Transport, host, path, deadline}
		_, err := w.provider().Login(ctx, c, scope(server, fairlead.Pull))
		return err
	}
}

// besides gives requests for one host a deadline: what a slow service meets in the end.
type besides struct {
	http.RoundTripper
	host, path string
	ctx        context.Context //nolint:containedctx // It is the deadline.
}

// RoundTrip sends the request.
func (b besides) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host == b.host && (b.path == "" || req.URL.Path == b.path) {
		<-b.ctx.Done()
		return nil, b.ctx.Err()
	}
	return b.RoundTripper.RoundTrip(req)
}

func registryCases() map[string]func(*testing.T) error {
	fed := connector("federation")
	exchange := func(f cloudtest.Fault) func(*testing.T) error {
		return login(fed, answering(server, "/oauth2/exchange", f))
	}
	front := func(f cloudtest.Fault) func(*testing.T) error { return login(fed, answering(server, "/v2/", f)) }
	challenge := func(line string) func(*testing.T) error {
		return front(cloudtest.Fault{Status: 401, Header: map[string]string{"WWW-Authenticate": line}})
	}
	return map[string]func(*testing.T) error{
		"registry: no role":                 login(fed, func(w *world) { w.azure.Unassign(client) }),
		"registry: AcrPull where ABAC is":   login(fed, func(w *world) { w.host.Change(func(r *cloudtest.AzureRegistry) { r.ABAC = true }) }),
		"registry: another tenant's":        exchange(cloudtest.Fault{Status: 401, Body: `{"errors":[{"code":"UNAUTHORIZED","message":"token validation failed, visit https://aka.ms/acr/authorization for more information."}]}`}),
		"registry: firewall":                login(fed, func(w *world) { w.host.Change(func(r *cloudtest.AzureRegistry) { r.Firewall = true }) }),
		"registry: firewall, wordless":      exchange(cloudtest.Fault{Status: 403}),
		"registry: throttled":               exchange(cloudtest.Fault{Status: 429, Header: map[string]string{"Retry-After": "Fri, 01 Jan 2027 00:00:00 GMT", "Date": "Thu, 31 Dec 2026 23:59:00 GMT"}}),
		"registry: in trouble":              exchange(cloudtest.Fault{Status: 502}),
		"registry: exchange isn't there":    exchange(cloudtest.Fault{Status: 404}),
		"registry: gives nothing":           exchange(cloudtest.Fault{Status: 200, Body: `{"refresh_token":""}`}),
		"registry: asks for no login":       front(cloudtest.Fault{Status: 200}),
		"registry: without a challenge":     front(cloudtest.Fault{Status: 401}),
		"registry: with Basic alone":        challenge(`Basic realm="x"`),
		"registry: another realm":           challenge(`Bearer realm="https://evil.example/oauth2/token",service="` + server + `"`),
		"registry: realm without TLS":       challenge(`Bearer realm="http://` + server + `/oauth2/token",service="` + server + `"`),
		"registry: realm with a login":      challenge(`Bearer realm="https://a:b@` + server + `/oauth2/token",service="` + server + `"`),
		"registry: another service":         challenge(`Bearer realm="https://` + server + `/oauth2/token",service="other.azurecr.io"`),
		"registry: doesn't answer":          hanging(fed, server, "/v2/"),
		"registry: exchange hangs":          hanging(fed, server, "/oauth2/exchange"),
		"registry: entra doesn't answer":    hanging(fed, entraHost, ""),
		"registry: name without address":    login(fed, over(&net.DNSError{Err: "no such host", Name: server, IsNotFound: true})),
		"registry: names can't be found":    login(fed, over(&net.DNSError{Err: "server misbehaving", Name: server})),
		"registry: connection refused":      login(fed, over(errors.New("connection refused"))),
		"registry: certificate":             login(fed, over(x509.UnknownAuthorityError{})),
		"registry: a rule for addresses":    login(fed, over(&fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeEgress, Why: "10.0.0.5 is a private address", Remedy: "the operator allows it"})),
		"registry: cancelled":               login(fed, over(context.Canceled)),
		"registry: more than it can be":     exchange(cloudtest.Fault{Status: 200, Body: string(make([]byte, 5<<20))}),
		"registry: token, wrong password":   listing(changed(connector("repository-token"), "password", "WrongPasswordOfTheToken01"), nil),
		"registry: token that is disabled":  listing(connector("repository-token"), func(w *world) { w.host.Change(func(r *cloudtest.AzureRegistry) { r.Tokens[0].Disabled = true }) }),
		"registry: token behind a firewall": listing(connector("repository-token"), func(w *world) { w.host.Change(func(r *cloudtest.AzureRegistry) { r.Firewall = true }) }),
	}
}

func changed(c provider.Opened, field, value string) provider.Opened {
	c.Secret = maps.Clone(c.Secret)
	c.Secret[field] = fairlead.SecretText(value)
	return c
}

// fieldCases are connectors that aren't whole or right.
func fieldCases() map[string]func(*testing.T) error {
	sp, fed, token := connector("service-principal"), connector("federation"), connector("repository-token")
	cases := map[string]func(*testing.T) error{
		"fields: no client secret":              login(provider.Opened{Connector: sp.Connector}, nil),
		"fields: no issuer":                     login(fed, func(w *world) { w.tools.Issuer = nil }),
		"fields: managed identity twice":        login(with(with(connector("managed-identity"), "client_id", client), "identity_id", identity), nil),
		"fields: group without subscription":    login(with(fed, "resource_group", "rg"), nil),
		"fields: another cloud's host":          login(with(fed, "cloud", "china"), nil),
		"fields: another registry's token":      login(with(token, "login_server", "other.azurecr.io"), nil),
		"fields: no such cloud":                 login(with(fed, "cloud", "germany"), nil),
		"fields: a token deploys nothing":       func(t *testing.T) error { t.Helper(); return newWorld(t).provider().Deploy(t.Context(), token, server) },
		"fields: no method":                     login(with(connector(""), "x", "y"), nil),
		"fields: a registry of somebody else's": func(*testing.T) error { return acr.New(provider.Tools{}).Accepts(fed.Connector, "ghcr.io") },
		"fields: a data endpoint": func(*testing.T) error {
			return acr.New(provider.Tools{}).Accepts(fed.Connector, "a.westeurope.data.azurecr.io")
		},
		"fields: a closed cloud": func(*testing.T) error {
			return acr.New(provider.Tools{}).Accepts(fed.Connector, "myregistry.azurecr.de")
		},
	}
	for name, f := range map[string][2]string{
		"tenant common": {"tenant_id", "common"}, "tenant zero": {"tenant_id", "00000000-0000-0000-0000-000000000000"}, "tenant with a slash": {"tenant_id", "a/../b"},
		"client zero": {"client_id", "00000000-0000-0000-0000-000000000000"}, "client name": {"client_id", "my-app"},
		"subscription name": {"subscription_id", "Pay as you go"}, "resource group": {"resource_group", "a/b"}, "location": {"location", "West Europe"},
		"identity": {"identity_id", "fairlead"}, "login server as a URL": {"login_server", "https://myregistry.azurecr.io"}, "login server in capitals": {"login_server", "MyRegistry.azurecr.io"},
		"login server regional": {"login_server", "myregistry.westeurope.geo.azurecr.io"}, "login server closed": {"login_server", "myregistry.azurecr.de"}, "login server elsewhere": {"login_server", "myregistry.azurecr.io.evil.example"},
		"user null": {"username", "00000000-0000-0000-0000-000000000000"}, "user client": {"username", client}, "user admin": {"username", "myregistry"}, "user with a colon": {"username", "a:b"},
	} {
		cases["fields: "+name] = func(*testing.T) error {
			public := map[string]string{"login_server": "myregistry.azurecr.io"}
			public[f[0]] = f[1]
			return acr.New(provider.Tools{}).Check("", public)
		}
	}
	return cases
}

// TestSentences holds what people read when a login fails against a golden file.
func TestSentences(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*testing.T) error{}
	for _, group := range []map[string]func(*testing.T) error{entraCases(), machineCases(), registryCases(), fieldCases(), managerCases()} {
		maps.Copy(cases, group)
	}
	var mu sync.Mutex
	got := map[string]string{}
	t.Run("all", func(t *testing.T) {
		for name, f := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				err := f(t)
				if err == nil {
					t.Error("it worked")
				}
				s := regexp.MustCompile(`(2h0m|1h59m)\d+s`).ReplaceAllString(sentence(err), "TWO HOURS")
				mu.Lock()
				defer mu.Unlock()
				got[name] = s
			})
		}
	})
	golden(t, "testdata/sentences.golden", got)
}

// TestRetryAt reads when to come back, by our clock.
func TestRetryAt(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		header map[string]string
		want   time.Duration
	}{
		{"seconds", map[string]string{"Retry-After": "17"}, 17 * time.Second},
		{"a date by their clock", map[string]string{"Retry-After": "Fri, 01 Jan 2027 00:00:00 GMT", "Date": "Thu, 31 Dec 2026 23:59:00 GMT"}, time.Minute},
		{"too long", map[string]string{"Retry-After": "999999999"}, 24 * time.Hour},
		{"not said", nil, 0},
		{"nonsense", map[string]string{"Retry-After": "-4"}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			now := time.Now()
			w.tools.Now = func() time.Time { return now }
			w.n.Break(cloudtest.Fault{Host: entraHost, Status: 429, Header: row.header})
			_, err := w.provider().Login(t.Context(), connector("service-principal"), scope(server, fairlead.Pull))
			var got time.Duration
			if at := fairlead.AsError("", err).RetryAt; !at.IsZero() {
				got = at.Sub(now)
			}
			if got != row.want {
				t.Errorf("%s, want %s", got, row.want)
			}
		})
	}
}
