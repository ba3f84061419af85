package oci

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"fairlead.dev/fairlead"
)

// minLife is how long a token lives at least, and lives if its reply doesn't say
// (Distribution, "Token Authentication Specification").
const minLife = time.Minute

// Bearer is a token that a registry's token endpoint gave for one scope.
type Bearer struct {
	Token   fairlead.Secret
	Expires time.Time
	claims  claims
}

// Lacks reports whether the token itself says that it doesn't allow s: the login was
// good, but has no right there. A token that says nothing lacks nothing.
func (b Bearer) Lacks(s fairlead.Scope) bool { return b.claims.lack(s) }

// tokenReply is what a token endpoint answers.
type tokenReply struct {
	token    string
	expires  time.Duration // 0 if it doesn't say
	issuedAt time.Time     // zero if it doesn't say
}

var errTokenReply = errors.New("a reply without a token")

// parseTokenReply reads `token` or `access_token`, `expires_in` in seconds (a number,
// or a number in quotes as Azure writes it) and `issued_at` (RFC 3339).
func parseTokenReply(body []byte) (tokenReply, error) {
	var raw struct {
		Token       string          `json:"token"`
		AccessToken string          `json:"access_token"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
		IssuedAt    json.RawMessage `json:"issued_at"`
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		return tokenReply{}, errTokenReply // the error would quote the body
	}
	r := tokenReply{token: raw.Token}
	if r.token == "" {
		r.token = raw.AccessToken
	}
	if !isBearerToken(r.token) {
		return tokenReply{}, errTokenReply
	}
	if seconds, ok := number(raw.ExpiresIn); ok {
		r.expires = max(minLife, asSeconds(seconds))
	}
	var at string
	if json.Unmarshal(raw.IssuedAt, &at) == nil {
		if t, err := time.Parse(time.RFC3339, at); err == nil {
			r.issuedAt = t
		}
	}
	return r, nil
}

// life is how long the token may be used from now on. It is never more than the reply
// says, and never less than [minLife] unless the server's own clock says so: a clock
// that is wrong must not make every token look old. date is what the server's clock
// showed with the reply; zero if it isn't known.
func (r tokenReply) life(c claims, now, date time.Time) time.Duration {
	clock := date
	if clock.IsZero() {
		clock = now
	}
	end := time.Duration(0)
	if !c.expires.IsZero() {
		end = max(c.expires.Sub(clock), minLife)
	}
	life := r.expires
	switch {
	case life == 0 && end == 0:
		return minLife
	case life == 0:
		return min(end, maxLife)
	}
	if !r.issuedAt.IsZero() {
		if age := clock.Sub(r.issuedAt); age > 0 {
			rest := life - age
			if rest < minLife && (date.IsZero() || rest <= 0) {
				rest = minLife
			}
			life = rest
		}
	}
	if end > 0 {
		life = min(life, end)
	}
	return min(life, maxLife)
}

// maxLife bounds what a reply may claim.
const maxLife = 24 * time.Hour

// asSeconds makes a duration of a number that may be anything.
func asSeconds(n float64) time.Duration {
	switch {
	case !(n > 0): // NaN too
		return 0
	case n > maxLife.Seconds():
		return maxLife
	default:
		return time.Duration(n * float64(time.Second))
	}
}

func number(raw json.RawMessage) (float64, bool) {
	if len(raw) == 0 || string(raw) == "null" {
		return 0, false
	}
	var n json.Number // takes a number, and a number in quotes
	if json.Unmarshal(raw, &n) != nil {
		return 0, false
	}
	f, err := n.Float64()
	return f, err == nil
}

// isBearerToken is wider than b64token of RFC 6750, section 2.1: whatever can stand in
// a header field without changing its meaning.
func isBearerToken(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// access is one entry of a registry token's claim of the same name (Distribution,
// "Docker Registry v2 Bearer Token Specification").
type access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// claims are what a token says of itself. Nothing is verified: they say what to expect
// from the registry, and decide nothing.
type claims struct {
	expires time.Time
	access  []access
	stated  bool // access was there
}

// readClaims reads the payload of a JWT. Any other token says nothing.
func readClaims(token []byte) claims {
	parts := strings.Split(string(token), ".")
	if len(parts) != 3 {
		return claims{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return claims{}
	}
	var raw struct {
		Exp    json.RawMessage `json:"exp"`
		Access json.RawMessage `json:"access"`
	}
	if json.Unmarshal(payload, &raw) != nil {
		return claims{}
	}
	var c claims
	if f, ok := number(raw.Exp); ok && f > 0 && f < math.MaxUint32*4 {
		c.expires = time.Unix(int64(f), 0)
	}
	if raw.Access != nil && json.Unmarshal(raw.Access, &c.access) == nil {
		c.stated = true
	}
	return c
}

func (c claims) lack(s fairlead.Scope) bool {
	if !c.stated || s.Resource.Repository == "" {
		return false
	}
	for _, a := range c.access {
		if a.Type == "repository" && sameRepository(a.Name, s.Resource.Repository) &&
			(slices.Contains(a.Actions, string(s.Verb)) || slices.Contains(a.Actions, "*")) {
			return false
		}
	}
	return true
}

// sameRepository reports whether a token endpoint means the repository by name. Some
// know it by a longer one, with what the registry's host stands for before it.
func sameRepository(name, repository string) bool {
	return name == repository || strings.HasSuffix(name, "/"+repository)
}
