package azurecontainerregistry

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// Inspect looks at a pasted secret, without a network.
func (p Provider) Inspect(method string, g provider.Given, now time.Time) ([]fairlead.Fact, error) {
	if err := p.Check(method, g.Public); err != nil {
		return nil, err
	}
	var facts []fairlead.Fact
	for _, f := range [][2]string{
		{loginServer, "registry"}, {tokenName, "token"}, {tenantID, "tenant"}, {clientID, "application"}, {identityID, "identity"}, {subscriptionID, "subscription"},
	} {
		if v := g.Public[f[0]]; v != "" {
			facts = append(facts, fairlead.Fact{Name: f[1], Value: v})
		}
	}
	if method != repositoryToken && method != servicePrincipal && method != federation && method != managedIdentity {
		return facts, nil
	}
	if method != repositoryToken {
		facts = append(facts, fairlead.Fact{Name: "cloud", Value: cloudNamed(g.Public[cloudName]).title})
	}
	for _, field := range []string{clientSecret, tokenPassword} {
		if s := g.Secret[field]; !s.IsZero() {
			if err := inspectSecret(field, string(s.Reveal()), now); err != nil {
				return nil, err
			}
		}
	}
	return facts, nil
}

// inspectSecret says what a text is if it can't be the secret. It quotes none of it.
func inspectSecret(field, s string, now time.Time) error {
	say := func(why, remedy string) error { return invalid(field, "checking "+title(field), why, remedy) }
	trimmed := strings.TrimSpace(s)
	copyIt := "copy the secret's Value, which Microsoft Entra shows once when the secret is made; if it is lost, make another"
	if field == tokenPassword {
		copyIt = "make a new one with `az acr token credential generate` and copy the value alone"
	}
	switch {
	case strings.HasPrefix(trimmed, "{"):
		return say("it is a whole JSON document", "give the value of its \"password\" alone")
	case isGUID(trimmed) && field == clientSecret:
		return say("it looks like the secret's ID and not like its value", copyIt)
	case isGUID(trimmed):
		return say("it looks like an ID and not like a password", copyIt)
	case strings.HasPrefix(trimmed, "-----BEGIN"):
		return say("it is a certificate or a key", "give a client secret, or use method federation, which needs none")
	}
	if c, ok := readJWT(trimmed); ok {
		return say("it is a token"+c.describe(now)+", and tokens end soon", copyIt)
	}
	switch {
	case trimmed != s:
		return say("there is a blank or a line break before or after it", "give the value alone, without a line break at the end")
	case strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII || r <= ' ' || r == 0x7f }):
		return say("it holds a blank, a line break or a character that no such value has", copyIt)
	case strings.ContainsAny(s, `<>"'`) || strings.HasPrefix(s, "$"):
		return say("it holds a placeholder or a quotation mark", copyIt)
	case len(s) < 16:
		return say(fmt.Sprintf("it has only %d characters, and such values have more than 30", len(s)), copyIt)
	}
	return nil
}

func title(field string) string {
	if field == tokenPassword {
		return "the token's password"
	}
	return "the client secret"
}

// jwtClaims are what a token says of itself. Nothing of it is verified.
type jwtClaims struct {
	Expires  json.RawMessage `json:"exp"`
	Audience json.RawMessage `json:"aud"`
	expires  time.Time
	audience string
}

// readJWT reads a token's claims, false if it isn't a JWT.
func readJWT(s string) (jwtClaims, bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return jwtClaims{}, false
	}
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil || !json.Valid(header) {
		return jwtClaims{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return jwtClaims{}, false
	}
	var c jwtClaims
	if json.Unmarshal(payload, &c) != nil {
		return jwtClaims{}, false
	}
	var seconds float64
	if json.Unmarshal(c.Expires, &seconds) == nil && seconds > 0 && seconds < math.MaxUint32*4 {
		c.expires = time.Unix(int64(seconds), 0).UTC()
	}
	var one string
	var many []string
	if json.Unmarshal(c.Audience, &one) == nil {
		c.audience = one
	} else if json.Unmarshal(c.Audience, &many) == nil && len(many) > 0 {
		c.audience = many[0]
	}
	return c, true
}

// describe says for whom a token is and when it ends.
func (c jwtClaims) describe(now time.Time) string {
	var s string
	if c.audience != "" {
		s += " for " + quoted(c.audience)
	}
	switch {
	case c.expires.IsZero():
	case c.expires.Before(now):
		s += " that ended at " + c.expires.Format(time.RFC3339)
	default:
		s += " that ends at " + c.expires.Format(time.RFC3339)
	}
	return s
}
