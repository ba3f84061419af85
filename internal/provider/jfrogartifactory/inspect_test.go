package jfrogartifactory_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/provider/jfrogartifactory"
)

func jwtOf(payload string) string {
	e := base64.RawURLEncoding.EncodeToString
	return e([]byte(`{"alg":"RS256"}`)) + "." + e([]byte(payload)) + "." + e([]byte("signature-canary"))
}

func reference(end int64) string {
	return base64.RawStdEncoding.EncodeToString(fmt.Appendf(nil, "reftkn:01:%010d:%s", end, strings.Repeat("x", 27)))
}

// TestInspect holds what is said of pasted secrets, without a network.
func TestInspect(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	good := jwtOf(`{"sub":"jfac@01/users/ci","scp":"applied-permissions/user","aud":"*@*","iss":"jfac@01","exp":1800000000,"iat":1790000000,"jti":"1"}`)
	type row struct {
		method string
		pairs  []string
	}
	token := func(s string) row { return row{"access-token", []string{"!access_token", s}} }
	password := func(user, s string) row { return row{"basic", []string{"username", user, "!password", s}} }
	cases := map[string]row{
		"token":                      token(good),
		"token without an end":       token(jwtOf(`{"sub":"jfac@01/users/ci","aud":["jfrt@*","jfac@*"]}`)),
		"token of an administrator":  token(jwtOf(`{"sub":"jfac@01/users/root","scp":"applied-permissions/admin","exp":1800000000}`)),
		"token of a mapping":         token(jwtOf(`{"sub":"jfac@01/users/github/mapping"}`)),
		"token, expired":             token(jwtOf(`{"sub":"jfac@01/users/ci","exp":1700000000}`)),
		"token of tomorrow":          token(jwtOf(`{"sub":"jfac@01/users/ci","iat":1899990000}`)),
		"reference":                  token(reference(1800000000)),
		"reference without an end":   token(reference(0)),
		"reference, expired":         token(reference(1700000000)),
		"API key":                    token("AKCp" + strings.Repeat("a", 69)),
		"refresh token as token":     token("0b3a2f70-6a0e-4a6b-9f3c-0123456789ab"),
		"garbage":                    token("garbage-canary"),
		"garbage with dots":          token("a.b.c"),
		"cut off":                    token(good[:len(good)/2]),
		"Bearer in front":            token("Bearer " + good),
		"line break":                 token(good[:20] + "\n" + good[20:]),
		"the whole reply":            token(`{"access_token":"` + good + `"}`),
		"with a refresh token":       {"access-token", []string{"!access_token", good, "!refresh_token", "0b3a2f70-6a0e-4a6b-9f3c-0123456789ab"}},
		"token as its refresh token": {"access-token", []string{"!access_token", good, "!refresh_token", good}},
		"kept":                       {"access-token", nil},
		"password":                   password("ci", "secret-canary"),
		"password is a token":        password("ci", good),
		"password of another":        password("admin", good),
		"password is a reference":    password("ci", reference(1800000000)),
		"password is an API key":     password("ci", "AKCp"+strings.Repeat("a", 69)),
		"password is an old token":   password("ci", jwtOf(`{"sub":"jfac@01/users/ci","exp":1700000000}`)),
		"federation":                 {"federation", nil},
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		c := cases[name]
		o := opened(c.method, c.pairs...)
		facts, err := (jfrogartifactory.Provider{}).Inspect(c.method, provider.Given{Public: o.Public, Secret: o.Secret}, now)
		fmt.Fprintf(&b, "## %s\n", name)
		if err != nil {
			b.WriteString(sentence(t, err))
		}
		for _, f := range facts {
			fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
		}
		b.WriteString("\n")
	}
	if strings.Contains(b.String(), "canary") {
		t.Error("it holds a secret")
	}
	golden(t, "inspect", b.String())
}

func FuzzInspect(f *testing.F) {
	for _, s := range []string{jwtOf(`{"sub":"a/users/b","exp":1e300,"iat":-1,"aud":[1,"x"]}`), reference(9999999999), "a.b.c", "{", "AKCp", strings.Repeat("=", 64)} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		g := provider.Given{Secret: map[string]fairlead.Secret{"access_token": fairlead.SecretText(a), "refresh_token": fairlead.SecretText(b)}}
		facts, err := (jfrogartifactory.Provider{}).Inspect("access-token", g, time.Unix(1.8e9, 0))
		if err != nil && fairlead.KindOf(err) != fairlead.Invalid {
			t.Error(err)
		}
		if err == nil && a != "" && len(facts) == 0 {
			t.Errorf("%q is taken without a word", a)
		}
	})
}
