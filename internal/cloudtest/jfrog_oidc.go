package cloudtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// JFrogOIDC is an OIDC integration of the platform, with its identity mappings.
type JFrogOIDC struct {
	Name, Issuer string
	// Audience is compared if it is set.
	Audience string
	Mappings []JFrogMapping
}

// JFrogMapping says which subject tokens become whom. The first whose claims all agree
// is taken: their order is that of their priorities.
type JFrogMapping struct {
	Name   string
	Claims map[string]string
	// Username is whose token is given; without one the token is of nobody that exists.
	Username string
	Scope    string
	// ExpiresIn is in seconds; 0 is the default of 60.
	ExpiresIn int
}

// Trust adds an OIDC integration.
func (j *JFrog) Trust(p JFrogOIDC) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.providers[p.Name] = p
}

// jfrogKeys are an issuer's keys as they were fetched.
type jfrogKeys struct {
	issuer string
	set    jose.JSONWebKeySet
}

// jfrogLeeway is how far clocks may be apart.
const jfrogLeeway = time.Minute

// serveOIDC is OIDC Token Exchange.
func (j *JFrog) serveOIDC(w http.ResponseWriter, req *http.Request) {
	form, ok := jfrogForm(req)
	j.mu.Lock()
	p, known := j.providers[form["provider_name"]]
	j.mu.Unlock()
	switch {
	case req.Method != http.MethodPost:
		jfrogCode(w, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "HTTP 405 Method Not Allowed")
		return
	case !ok:
		jfrogCode(w, http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "HTTP 415 Unsupported Media Type")
		return
	case req.Header.Get("Authorization") != "":
		jfrogCode(w, http.StatusBadRequest, "BAD_REQUEST", "the exchange takes no login")
		return
	case form["grant_type"] != "urn:ietf:params:oauth:grant-type:token-exchange":
		jfrogCode(w, http.StatusBadRequest, "BAD_REQUEST", "Unsupported grant_type")
		return
	case form["subject_token_type"] != "urn:ietf:params:oauth:token-type:id_token":
		jfrogCode(w, http.StatusBadRequest, "BAD_REQUEST", "Unsupported subject_token_type")
		return
	case !known:
		jfrogCode(w, http.StatusNotFound, "NOT_FOUND", "OIDC provider not found")
		return
	}
	claims, status, why := j.verify(req, p, form["subject_token"])
	if why != "" {
		jfrogCode(w, status, strings.ToUpper(strings.ReplaceAll(http.StatusText(status), " ", "_")), why)
		return
	}
	m, ok := p.mapping(claims, form["identity_mapping_name"])
	if !ok {
		jfrogCode(w, http.StatusForbidden, "FORBIDDEN", "No matching identity mapping was found")
		return
	}
	j.exchange(w, p, m)
}

// mapping finds the first that agrees.
func (p JFrogOIDC) mapping(claims map[string]any, name string) (JFrogMapping, bool) {
	i := slices.IndexFunc(p.Mappings, func(m JFrogMapping) bool {
		if name != "" && m.Name != name {
			return false
		}
		for k, v := range m.Claims {
			if fmt.Sprint(claims[k]) != v {
				return false
			}
		}
		return true
	})
	if i < 0 {
		return JFrogMapping{}, false
	}
	return p.Mappings[i], true
}

func (j *JFrog) exchange(w http.ResponseWriter, p JFrogOIDC, m JFrogMapping) {
	j.mu.Lock()
	defer j.mu.Unlock()
	user := m.Username
	if user == "" { // jfrog/setup-jfrog-cli#146
		user = p.Name + "/" + m.Name
	}
	life := time.Duration(m.ExpiresIn) * time.Second
	if life == 0 {
		life = time.Minute
	}
	t, access := j.issue(JFrogTokenSpec{User: user, Life: life, Scope: m.Scope})
	body := map[string]any{
		"access_token": access, "expires_in": int(life.Seconds()), "scope": strings.Join(t.scopes, " "), "token_type": "Bearer",
		"issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "username": user,
	}
	if j.faults.NoUsername {
		delete(body, "username")
	}
	replyJSON(w, http.StatusOK, body)
}

// verify checks a subject token with the issuer's own keys.
func (j *JFrog) verify(req *http.Request, p JFrogOIDC, token string) (map[string]any, int, string) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err != nil || len(parsed.Headers) != 1 {
		return nil, http.StatusBadRequest, "Invalid subject token"
	}
	var claimed jwt.Claims
	if parsed.UnsafeClaimsWithoutVerification(&claimed) != nil || claimed.Issuer != p.Issuer {
		return nil, http.StatusUnauthorized, "Invalid issuer"
	}
	key, err := j.keyOf(req, p.Issuer, parsed.Headers[0].KeyID)
	if errors.Is(err, errNoKey) {
		return nil, http.StatusUnauthorized, "Invalid token signature"
	}
	if err != nil {
		return nil, http.StatusUnauthorized, "Failed to fetch the keys of the OIDC provider"
	}
	var c jwt.Claims
	var all map[string]any
	if parsed.Claims(key, &c, &all) != nil {
		return nil, http.StatusUnauthorized, "Invalid token signature"
	}
	now := j.n.Now()
	switch {
	case p.Audience != "" && !c.Audience.Contains(p.Audience):
		return nil, http.StatusBadRequest, "Invalid audience"
	case c.Expiry == nil || c.IssuedAt == nil || !now.Before(c.Expiry.Time().Add(jfrogLeeway)):
		return nil, http.StatusUnauthorized, "Token has expired"
	case c.IssuedAt.Time().After(now.Add(jfrogLeeway)):
		return nil, http.StatusUnauthorized, "Token used before issued"
	}
	return all, 0, ""
}

var errNoKey = errors.New("the issuer has no such key")

// keyOf gives an issuer's key, which is fetched again if it isn't among those that are
// known (OpenID Connect Core 1.0, section 10.1.1).
func (j *JFrog) keyOf(req *http.Request, issuer, kid string) (*jose.JSONWebKey, error) {
	j.mu.Lock()
	known := j.keys[issuer]
	j.mu.Unlock()
	if known != nil {
		if found := known.set.Key(kid); len(found) == 1 {
			return &found[0], nil
		}
	}
	fetched, err := j.fetch(req, issuer)
	if err != nil {
		return nil, err
	}
	j.mu.Lock()
	j.keys[issuer] = fetched
	j.mu.Unlock()
	found := fetched.set.Key(kid)
	if len(found) != 1 {
		return nil, errNoKey
	}
	return &found[0], nil
}

func (j *JFrog) fetch(req *http.Request, issuer string) (*jfrogKeys, error) {
	var discovery struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := j.get(req, issuer+"/.well-known/openid-configuration", &discovery); err != nil {
		return nil, err
	}
	if discovery.Issuer != issuer || !strings.HasPrefix(discovery.JWKSURI, "https://") {
		return nil, errNoKey
	}
	keys := &jfrogKeys{issuer: issuer}
	return keys, j.get(req, discovery.JWKSURI, &keys.set)
}

func (j *JFrog) get(req *http.Request, url string, into any) error {
	r, err := http.NewRequestWithContext(req.Context(), http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := j.n.Client()
	defer client.CloseIdleConnections()
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, res.Status)
	}
	return json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(into)
}
