package gcpartifactregistry

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// Inspect says whose key or token it is, as far as that can be seen from it.
func (Provider) Inspect(method string, g provider.Given, now time.Time) ([]fairlead.Fact, error) {
	switch method {
	case accountKey, impersonation:
		return inspectKey(method, g)
	case accessToken:
		s, given := g.Secret[tokenField]
		if !given {
			return nil, nil
		}
		return inspectToken(s.Reveal(), now)
	}
	return nil, nil
}

func inspectKey(method string, g provider.Given) ([]fairlead.Fact, error) {
	s, given := g.Secret[keyField]
	if !given {
		return nil, nil
	}
	k, err := parseKey(s.Reveal())
	if err != nil {
		return nil, err
	}
	if method == impersonation && g.Public[emailField] == k.email {
		return nil, &fairlead.Error{
			Kind: fairlead.Invalid, Field: emailField, What: "reading service account", Why: "it is the key's own account",
			Remedy: "name the account to act as, or use method " + accountKey,
		}
	}
	facts := []fairlead.Fact{{Name: "account", Value: k.email}, {Name: "key", Value: k.id}}
	if k.project != "" {
		facts = append(facts, fairlead.Fact{Name: "project", Value: k.project})
	}
	return facts, nil
}

func badToken(why, remedy string) error {
	return &fairlead.Error{Kind: fairlead.Invalid, Field: tokenField, What: "reading access token", Why: why, Remedy: remedy}
}

const printed = "give what `gcloud auth print-access-token` prints"

// inspectToken tells access tokens, which only Google can read, from what else looks
// like one.
func inspectToken(b []byte, now time.Time) ([]fairlead.Fact, error) {
	s := string(bytes.TrimSpace(b))
	switch {
	case s == "":
		return nil, badToken("the token is empty", printed)
	case strings.HasPrefix(s, "{"):
		if _, err := parseKey(b); err == nil {
			return nil, badToken("it is a service account's key", "use method "+accountKey)
		}
		return nil, badToken("it is a JSON file", printed)
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, badToken("it holds characters that a token can't have", printed)
	case strings.HasPrefix(s, "1//"):
		return nil, badToken("it is a refresh token, which is only good for a client's secret beside it", printed)
	case strings.HasPrefix(s, "AIza"):
		return nil, badToken("it is an API key, with which nobody logs in to a registry", printed)
	case strings.HasPrefix(s, "GOCSPX-"):
		return nil, badToken("it is an OAuth client's secret", printed)
	case strings.Count(s, ".") == 2 && strings.HasPrefix(s, "eyJ"):
		return inspectJWT(s, now)
	case !strings.HasPrefix(s, "ya29.") && len(s) < 40:
		return nil, badToken("it is too short for an access token", printed)
	}
	return []fairlead.Fact{{Name: "token", Value: "opaque; whose it is and when it ends only Google knows"}}, nil
}

// jwtClaims is what is looked at of a JWT (RFC 7519, section 4.1).
type jwtClaims struct {
	Issuer   string          `json:"iss"`
	Subject  string          `json:"sub"`
	Audience json.RawMessage `json:"aud"`
	Expires  float64         `json:"exp"`
	Scope    string          `json:"scope"`
}

func readJWT(s string) (jwtClaims, bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return jwtClaims{}, false
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	var c jwtClaims
	if err != nil || json.Unmarshal(b, &c) != nil {
		return jwtClaims{}, false
	}
	return c, true
}

func (c jwtClaims) expires() time.Time {
	const most = 1 << 33 // far beyond any token's, and safe to convert
	if c.Expires <= 0 || c.Expires > most {
		return time.Time{}
	}
	return time.Unix(int64(c.Expires), 0).UTC()
}

func (c jwtClaims) audience() string {
	var one string
	var many []string
	switch {
	case json.Unmarshal(c.Audience, &one) == nil:
		return one
	case json.Unmarshal(c.Audience, &many) == nil:
		return strings.Join(many, ", ")
	}
	return ""
}

// inspectJWT looks at a JWT: one that a service account has signed itself is good as an
// access token (google.aip.dev/auth/4111), an identity token isn't.
func inspectJWT(s string, now time.Time) ([]fairlead.Fact, error) {
	c, ok := readJWT(s)
	end := c.expires()
	switch {
	case !ok:
		return nil, badToken("it looks like a JWT and can't be read as one", printed)
	case c.Issuer == "https://accounts.google.com" || c.Issuer == "accounts.google.com":
		return nil, badToken("it is an identity token for "+quoted(c.audience())+", not an access token", printed)
	case c.Issuer != c.Subject || !isAccount(c.Issuer):
		return nil, badToken("it is a token of "+quoted(c.Issuer)+" for "+quoted(c.audience())+", which Google's registry doesn't take", "trade it by method "+federation+", or "+printed)
	case end.IsZero():
		return nil, badToken("it doesn't say when it ends, and Google takes no such token", printed)
	case !now.Before(end):
		return nil, badToken("it has expired at "+end.Format(time.RFC3339), printed)
	}
	facts := []fairlead.Fact{{Name: "account", Value: c.Issuer}, {Name: "expires", Value: end.Format(time.RFC3339)}}
	if a := c.audience(); a != "" {
		facts = append(facts, fairlead.Fact{Name: "audience", Value: fairlead.Clip(a)})
	}
	if c.Scope != "" {
		facts = append(facts, fairlead.Fact{Name: "scope", Value: fairlead.Clip(c.Scope)})
	}
	return facts, nil
}
