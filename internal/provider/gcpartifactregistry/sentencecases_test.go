package gcpartifactregistry_test

import (
	"context"
	"maps"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"

	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/provider"
)

func halfFilled() map[string]wrong {
	drop := func(field string) func(*world, *provider.Opened) {
		return func(_ *world, c *provider.Opened) { delete(c.Public, field); delete(c.Secret, field) }
	}
	set := func(f func(*provider.Opened)) func(*world, *provider.Opened) {
		return func(_ *world, c *provider.Opened) { f(c) }
	}
	return map[string]wrong{
		"half-filled: federation without a provider":    {method: "federation", change: drop("workload_identity_provider")},
		"half-filled: key":                              {method: "service-account", change: drop("key")},
		"half-filled: impersonation without an account": {method: "impersonation", change: drop("service_account")},
		"half-filled: access token":                     {method: "access-token", change: drop("token")},
		"half-filled: no such method":                   {method: "user-account"},
		"half-filled: no issuer":                        {method: "federation", spoil: func(w *world) { w.tools.Issuer = nil }},
		"half-filled: instance not allowed":             {method: "instance-identity", spoil: func(w *world) { w.tools.Instance = nil }},
		"pasted garbage: provider":                      {method: "federation", change: set(public("workload_identity_provider", "my-pool"))},
		"pasted garbage: key":                           {method: "service-account", change: set(hidden("key", "hunter2"))},
		"pasted garbage: access token":                  {method: "access-token", change: set(hidden("token", "hunter2"))},
	}
}

func keyWrongs() map[string]wrong {
	key := func(spoil func(*world)) wrong { return wrong{method: "service-account", spoil: spoil} }
	oauth := func(status int, body string) wrong {
		return key(func(w *world) { w.fault("oauth2.googleapis.com", status, body, nil) })
	}
	return map[string]wrong{
		"key: deleted or disabled":    key(func(w *world) { w.g.SetKey(w.keyID, false) }),
		"key: account deleted":        key(func(w *world) { w.g.RemoveAccount(w.reader) }),
		"key: account disabled":       key(func(w *world) { w.g.SetAccount(w.reader, false) }),
		"key: clock ahead":            key(func(w *world) { w.theirs.set(noon().Add(-20 * time.Minute)) }),
		"key: clock behind":           key(func(w *world) { w.theirs.set(noon().Add(90 * time.Minute)) }),
		"key: another refusal":        oauth(400, `{"error":"invalid_scope","error_description":"canary"}`),
		"key: a word of its own":      oauth(400, `{"error":"eyJcanary"}`),
		"key: a page instead":         oauth(403, "<html>canary"),
		"key: no token in the reply":  oauth(200, "{}"),
		"key: a lifetime of a decade": oauth(200, `{"access_token":"ya29.canary","expires_in":315360000}`),
	}
}

// fault has a host answer so.
func (w *world) fault(host string, status int, body string, header map[string]string) {
	h := map[string]string{"Date": noon().Format(http.TimeFormat)}
	maps.Copy(h, header)
	w.n.Break(cloudtest.Fault{Host: host, Status: status, Body: body, Header: h})
}

func federationWrongs() map[string]wrong {
	pool := func(change func(*cloudtest.GoogleProvider)) wrong {
		return wrong{method: "federation", spoil: func(w *world) {
			p := cloudtest.GoogleProvider{Issuer: w.issuer.URL(), Subject: subject}
			change(&p)
			w.g.AddProvider(project, "fairlead", "fairlead", p)
		}}
	}
	named := func(from, to string) wrong {
		return wrong{method: "federation", change: func(w *world, c *provider.Opened) {
			c.Public["workload_identity_provider"] = strings.Replace(w.pool, from, to, 1)
		}}
	}
	claims := func(change func(*jwt.Claims)) wrong {
		return wrong{method: "federation", spoil: func(w *world) { w.issuer.change = change }}
	}
	spoiled := func(spoil func(*world)) wrong { return wrong{method: "federation", spoil: spoil} }
	return map[string]wrong{
		"federation: another audience":     pool(func(p *cloudtest.GoogleProvider) { p.Audiences = []string{"https://other.example"} }),
		"federation: another issuer":       pool(func(p *cloudtest.GoogleProvider) { p.Issuer = "https://other.example" }),
		"federation: another subject":      pool(func(p *cloudtest.GoogleProvider) { p.Subject = "org:other:connector:gar" }),
		"federation: disabled provider":    pool(func(p *cloudtest.GoogleProvider) { p.Disabled = true }),
		"federation: no such pool":         named("workloadIdentityPools/fairlead", "workloadIdentityPools/other"),
		"federation: project's ID":         named("projects/1", "projects/acme-"),
		"federation: issuer out of reach":  spoiled(func(w *world) { w.fault("fairlead.acme.example", 503, "", nil) }),
		"federation: other keys published": spoiled(func(w *world) { w.fault("fairlead.acme.example", 200, otherKeys, nil) }),
		"federation: clock behind":         spoiled(func(w *world) { w.theirs.set(noon().Add(10 * time.Minute)) }),
		"federation: clock ahead":          spoiled(func(w *world) { w.theirs.set(noon().Add(-10 * time.Minute)) }),
		"federation: a page instead":       spoiled(func(w *world) { w.fault("sts.googleapis.com", 404, "<html>", nil) }),
		"federation: subject too long":     claims(func(c *jwt.Claims) { c.Subject = strings.Repeat("x", 128) }),
		"federation: another refusal":      claims(func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(noon().Add(48 * time.Hour)) }),
	}
}

// otherKeys is a discovery document and a set of keys in one, without a key.
const otherKeys = `{"issuer":"https://fairlead.acme.example","jwks_uri":"https://fairlead.acme.example/keys","keys":[]}`

func generationWrongs() map[string]wrong {
	const creator = "roles/iam.serviceAccountTokenCreator"
	as := func(w *world, c *provider.Opened) { c.Public["service_account"] = w.reader }
	fault := func(status int, body string) wrong {
		return wrong{method: "service-account", spoil: func(w *world) { w.fault("iamcredentials.googleapis.com", status, body, nil) }}
	}
	return map[string]wrong{
		"no role: key on itself": {method: "service-account", spoil: func(w *world) { w.g.Revoke(w.account(), creator, "serviceAccount:"+w.reader) }},
		"no role: impersonation": {method: "impersonation", spoil: func(w *world) { w.g.Revoke(w.account(), creator, "serviceAccount:"+w.caller) }},
		"no role: federation": {method: "federation", change: as, spoil: func(w *world) {
			w.g.Revoke(w.account(), "roles/iam.workloadIdentityUser", w.principal())
		}},
		"no role: machine": {method: "instance-identity", change: as, spoil: func(w *world) { w.g.Revoke(w.account(), creator, "serviceAccount:"+w.reader) }},
		"no scope: machine": {method: "instance-identity", change: as, spoil: func(w *world) {
			w.g.SetMachine(w.reader, time.Hour, "https://www.googleapis.com/auth/devstorage.read_only")
		}},
		"API switched off": {method: "impersonation", spoil: func(w *world) { w.g.SetService(project, "iamcredentials.googleapis.com", false) }},
		"no such account": {method: "impersonation", change: func(w *world, c *provider.Opened) {
			c.Public["service_account"] = "nobody@acme-train.iam.gserviceaccount.com"
			w.g.Grant("projects/-/serviceAccounts/nobody@acme-train.iam.gserviceaccount.com", creator, "serviceAccount:"+w.caller)
		}},
		"account to act as disabled":  {method: "impersonation", spoil: func(w *world) { w.g.SetAccount(w.reader, false) }},
		"short token: not taken":      fault(401, `{"error":{"code":401,"status":"UNAUTHENTICATED"}}`),
		"short token: another answer": fault(400, `{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"ya29.canary"}}`),
		"short token: a page instead": fault(404, "<html>"),
		"short token: empty":          fault(200, `{"expireTime":"2026-11-21T12:10:00Z"}`),
		"short token: for ever":       fault(200, `{"accessToken":"ya29.canary","expireTime":"2036-11-21T12:10:00Z"}`),
	}
}

func networkWrongs() map[string]wrong {
	oauth := func(f cloudtest.Fault) wrong {
		f.Host = "oauth2.googleapis.com"
		return wrong{method: "service-account", spoil: func(w *world) { w.n.Break(f) }}
	}
	sts := func(f cloudtest.Fault) wrong {
		f.Host = "sts.googleapis.com"
		return wrong{method: "federation", spoil: func(w *world) { w.n.Break(f) }}
	}
	date := map[string]string{"Date": noon().Format(http.TimeFormat), "Retry-After": noon().Add(2 * time.Minute).Format(http.TimeFormat)}
	hang := oauth(cloudtest.Fault{Hang: true})
	hang.ctx = func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, 50*time.Millisecond)
	}
	cancelled := oauth(cloudtest.Fault{Hang: true})
	cancelled.ctx = func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		return ctx, cancel
	}
	return map[string]wrong{
		"throttled: 429 in seconds":       oauth(cloudtest.Fault{Status: 429, Header: map[string]string{"Retry-After": "30"}}),
		"throttled: 429 with a date":      oauth(cloudtest.Fault{Status: 429, Header: date}),
		"throttled: 400 with Retry-After": sts(cloudtest.Fault{Status: 400, Header: map[string]string{"Retry-After": "7"}, Body: `{"error":"invalid_request"}`}),
		"throttled: a quota": {method: "impersonation", spoil: func(w *world) {
			w.fault("iamcredentials.googleapis.com", 403, `{"error":{"code":403,"status":"RESOURCE_EXHAUSTED"}}`, nil)
		}},
		"500": oauth(cloudtest.Fault{Status: 500, Body: "canary"}),
		"503 with Retry-After": sts(cloudtest.Fault{
			Status: 503, Header: map[string]string{"Retry-After": "60"},
		}),
		"slow":             hang,
		"cancelled":        cancelled,
		"a long reply":     oauth(cloudtest.Fault{Status: 200, Body: strings.Repeat("x", 9<<20)}),
		"no trust in TLS":  {method: "service-account", spoil: func(w *world) { w.tools.HTTP = w.distrusting() }},
		"no such name":     {method: "service-account", spoil: func(w *world) { w.tools.HTTP = failing(&net.DNSError{Name: "oauth2.googleapis.com", IsNotFound: true}) }},
		"no name server":   {method: "federation", spoil: func(w *world) { w.tools.HTTP = failing(&net.DNSError{Name: "sts.googleapis.com", IsTemporary: true}) }},
		"nothing listens":  {method: "service-account", spoil: func(w *world) { w.tools.HTTP = unconnected() }},
		"egress forbidden": {method: "instance-identity", spoil: func(w *world) { w.tools.Instance = forbidden() }},
	}
}

func otherWrongs() map[string]wrong {
	return map[string]wrong{
		"machine: no account": {method: "instance-identity", spoil: func(w *world) {
			w.fault("metadata.google.internal", 404, "", map[string]string{"Metadata-Flavor": "Google"})
		}},
		"machine: something else": {method: "instance-identity", spoil: func(w *world) {
			w.fault("metadata.google.internal", 200, `{"access_token":"ya29.canary","expires_in":60}`, nil)
		}},
		"machine: in trouble": {method: "instance-identity", spoil: func(w *world) {
			w.fault("metadata.google.internal", 418, "", map[string]string{"Metadata-Flavor": "Google"})
		}},
		"machine: not at Google":    {method: "instance-identity", spoil: func(w *world) { w.tools.Instance = unconnected() }},
		"expired: a JWT":            {method: "access-token", change: func(w *world, c *provider.Opened) { hidden("token", selfSigned(w, noon().Add(-time.Minute)))(c) }},
		"identity token for access": {method: "access-token", change: func(_ *world, c *provider.Opened) { hidden("token", identityToken())(c) }},
	}
}
