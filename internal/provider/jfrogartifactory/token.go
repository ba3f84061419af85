package jfrogartifactory

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"fairlead.dev/fairlead"
)

// tokenKind is what a secret looks like.
type tokenKind string

const (
	kindAccess    tokenKind = "access token"
	kindReference tokenKind = "reference token"
	kindAPIKey    tokenKind = "API key"
	kindRefresh   tokenKind = "refresh token"
	kindUnknown   tokenKind = ""
)

// token is what a token says of itself. Nothing of it is verified.
type token struct {
	kind     tokenKind
	user     string
	scope    string
	audience string
	issued   time.Time
	expires  time.Time // zero for never, or if it doesn't say
	id       string
}

// readToken reads an access token (a JWT), or a reference token: 64 characters, Base64
// of reftkn:<version>:<end in seconds since 1970, 0 for never>:<random>.
func readToken(s fairlead.Secret) token {
	text := string(s.Reveal())
	switch parts := strings.Split(text, "."); {
	case len(parts) == 3:
		return readJWT(parts[1])
	case strings.HasPrefix(text, "AKCp"):
		return token{kind: kindAPIKey}
	case isUUID(text):
		return token{kind: kindRefresh}
	}
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return token{}
	}
	parts := strings.SplitN(string(b), ":", 4)
	if len(parts) != 4 || parts[0] != "reftkn" {
		return token{}
	}
	t := token{kind: kindReference}
	if end, err := strconv.ParseInt(parts[2], 10, 64); err == nil && end > 0 && end < maxUnix {
		t.expires = time.Unix(end, 0)
	}
	return t
}

// maxUnix is the end of the year 9999, the last that RFC 3339 can write.
const maxUnix = 253402300800

func readJWT(payload string) token {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(payload, "="))
	if err != nil {
		return token{}
	}
	var c struct {
		Sub string      `json:"sub"`
		Scp string      `json:"scp"`
		Aud any         `json:"aud"`
		Exp json.Number `json:"exp"`
		Iat json.Number `json:"iat"`
		Jti string      `json:"jti"`
	}
	if json.Unmarshal(b, &c) != nil || c.Sub == "" {
		return token{}
	}
	t := token{kind: kindAccess, id: c.Jti, scope: c.Scp, issued: unix(c.Iat), expires: unix(c.Exp)}
	// jfac@01.../users/ci, and for the mapping of an OIDC integration
	// jfac@01.../users/<integration>/<mapping> (jfrog/setup-jfrog-cli#146)
	if _, user, ok := strings.Cut(c.Sub, "/users/"); ok {
		t.user = user
	}
	switch aud := c.Aud.(type) {
	case string:
		t.audience = aud
	case []any:
		for _, a := range aud {
			if s, ok := a.(string); ok {
				t.audience = strings.TrimSpace(t.audience + " " + s)
			}
		}
	}
	return t
}

func unix(n json.Number) time.Time {
	f, err := n.Float64()
	if err != nil || !(f > 0 && f < maxUnix) {
		return time.Time{}
	}
	return time.Unix(int64(f), 0)
}

// isUUID reports whether s has the form of a refresh token.
func isUUID(s string) bool {
	ok, err := regexp.MatchString(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`, s)
	return err == nil && ok
}
