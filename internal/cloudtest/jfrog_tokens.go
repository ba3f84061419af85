package cloudtest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	"fairlead.dev/fairlead/internal/registrytest"
)

// jfrogToken is an access token.
type jfrogToken struct {
	id, user  string
	scopes    []string
	audience  string
	expires   time.Time // zero for never
	refresh   string    // empty if it isn't refreshable
	reference string
	revoked   bool
}

// JFrogToken is an access token with what belongs to it.
type JFrogToken struct {
	ID, Access string
	// Refresh and Reference are empty unless they were asked for.
	Refresh, Reference string
}

// JFrogTokenSpec says what token is wanted. The zero one lives for a year and may what
// its user may.
type JFrogTokenSpec struct {
	User  string
	Life  time.Duration // negative is for ever
	Scope string
	// Audience are the services that take it; empty is all.
	Audience    string
	Refreshable bool
}

// Issue gives a token as an administrator would in the web interface.
func (j *JFrog) Issue(s JFrogTokenSpec) JFrogToken {
	j.mu.Lock()
	defer j.mu.Unlock()
	if s.Life == 0 {
		s.Life = jfrogDefaultLife
	}
	t, access := j.issue(s)
	t.reference = jfrogReference(t.expires)
	return JFrogToken{ID: t.id, Access: access, Refresh: t.refresh, Reference: t.reference}
}

// Revoke makes a token invalid.
func (j *JFrog) Revoke(id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tokens[id].revoked = true
}

// Live counts the tokens that are kept and neither revoked nor expired.
func (j *JFrog) Live() (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, t := range j.tokens {
		if !t.revoked && (t.expires.IsZero() || j.n.Now().Before(t.expires)) {
			n++
		}
	}
	return n
}

// jfrogInstance is the platform's own id, in its tokens.
const jfrogInstance = "jfac@01hcloudtest0000000000000"

// issue makes a token, and its JWT.
func (j *JFrog) issue(s JFrogTokenSpec) (*jfrogToken, string) {
	now := j.n.Now()
	if s.Scope == "" {
		s.Scope = "applied-permissions/user"
	}
	if s.Audience == "" {
		s.Audience = "*@*"
	}
	t := &jfrogToken{id: uuid.NewString(), user: s.User, scopes: strings.Fields(s.Scope), audience: s.Audience}
	claims := map[string]any{
		"sub": jfrogInstance + "/users/" + s.User, "scp": s.Scope, "aud": s.Audience, "iss": jfrogInstance,
		"iat": now.Unix(), "jti": t.id,
	}
	if s.Life > 0 {
		t.expires = time.Unix(now.Add(s.Life).Unix(), 0)
		claims["exp"] = t.expires.Unix()
	}
	if s.Refreshable {
		t.refresh = uuid.NewString()
		claims["ext"] = `{"refreshable":"true","revocable":"true"}`
	}
	j.tokens[t.id] = t
	return t, j.sign(claims)
}

func (j *JFrog) sign(claims any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: j.key, KeyID: "jfrog-1"}}, nil)
	if err != nil {
		panic(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		panic(err)
	}
	return token
}

// jfrogReference makes a reference token: 64 characters that say when it ends.
func jfrogReference(expires time.Time) string {
	end := int64(0)
	if !expires.IsZero() {
		end = expires.Unix()
	}
	return base64.RawStdEncoding.EncodeToString(fmt.Appendf(nil, "reftkn:01:%010d:%s", end, (rand.Text() + rand.Text())[:27]))
}

// recognise finds the token that is presented, as it is or by its reference. why says
// what is wrong with it, in Artifactory's words.
func (j *JFrog) recognise(presented string) (t *jfrogToken, why string) {
	if presented == "" {
		return nil, "Bad credentials"
	}
	for _, known := range j.tokens {
		if known.reference == presented {
			t = known
		}
	}
	if t == nil {
		parsed, err := jwt.ParseSigned(presented, []jose.SignatureAlgorithm{jose.RS256})
		var c jwt.Claims
		if err != nil || parsed.Claims(&j.key.PublicKey, &c) != nil {
			return nil, "Token failed verification: parse"
		}
		if t = j.tokens[c.ID]; t == nil {
			return nil, "Token failed verification: parse"
		}
	}
	switch _, exists := j.user(t.user); {
	case t.revoked:
		return t, "Token failed verification: revoked"
	case !t.expires.IsZero() && !j.n.Now().Before(t.expires):
		return t, "Token failed verification: expired"
	case !exists && slices.Contains(t.scopes, "applied-permissions/user"):
		return t, "Token principal is disabled or does not exist"
	}
	return t, ""
}

// serves reports whether a service takes the token: jfrt is Artifactory, jfac Access.
func (t *jfrogToken) serves(service string) bool {
	for a := range strings.FieldsSeq(t.audience) {
		if a == "*@*" || strings.HasPrefix(a, service+"@") {
			return true
		}
	}
	return false
}

// rights gives what a token allows.
func (j *JFrog) rights(t *jfrogToken) (rights []registrytest.Right) {
	for _, s := range t.scopes {
		switch {
		case s == "applied-permissions/admin":
			return registrytest.Everything()
		case s == "applied-permissions/user":
			u, _ := j.user(t.user)
			rights = append(rights, j.userRights(u)...)
		case strings.HasPrefix(s, "applied-permissions/groups:"):
			for g := range strings.SplitSeq(strings.TrimPrefix(s, "applied-permissions/groups:"), ",") {
				rights = append(rights, j.config.Groups[strings.Trim(g, `"`)]...)
			}
		case strings.HasPrefix(s, "artifact:"):
			target, actions, _ := strings.Cut(strings.TrimPrefix(s, "artifact:"), ":")
			r := registrytest.Right{Prefix: strings.TrimSuffix(target, "*")}
			if strings.Contains(actions, "r") {
				r.Actions = append(r.Actions, "pull")
			}
			if strings.Contains(actions, "w") {
				r.Actions = append(r.Actions, "push")
			}
			rights = append(rights, r)
		}
	}
	return rights
}

func (j *JFrog) userRights(u JFrogUser) []registrytest.Right {
	if u.Admin {
		return registrytest.Everything()
	}
	rights := slices.Clone(u.Rights)
	for _, g := range u.Groups {
		rights = append(rights, j.config.Groups[g]...)
	}
	return rights
}

// jfrogForm reads a body as Access does: as a form or as JSON.
func jfrogForm(req *http.Request) (map[string]string, bool) {
	form := map[string]string{}
	kind, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		var raw map[string]any
		if json.NewDecoder(req.Body).Decode(&raw) != nil {
			return nil, false
		}
		for k, v := range raw {
			form[k] = fmt.Sprint(v)
		}
	case "application/x-www-form-urlencoded":
		if req.ParseForm() != nil {
			return nil, false
		}
		for k := range req.PostForm {
			form[k] = req.PostForm.Get(k)
		}
	default:
		return nil, false
	}
	return form, true
}

// caller finds out who asks Access, which takes tokens and nothing else.
func (j *JFrog) caller(w http.ResponseWriter, req *http.Request, late time.Duration) *jfrogToken {
	scheme, presented, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	if scheme != "Bearer" {
		jfrogCode(w, http.StatusUnauthorized, "UNAUTHORIZED", "Unsupported authentication method "+scheme)
		return nil
	}
	t, why := j.recognise(presented)
	inTime := why == "Token failed verification: expired" && j.n.Now().Before(t.expires.Add(late))
	switch {
	case why != "" && !inTime:
		jfrogCode(w, http.StatusUnauthorized, "UNAUTHORIZED", why)
		return nil
	case !t.serves("jfac"):
		jfrogCode(w, http.StatusUnauthorized, "UNAUTHORIZED", "Token failed verification: audience")
		return nil
	}
	return t
}

// serveTokens is Create Token, and Refresh Token.
func (j *JFrog) serveTokens(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodPost {
		jfrogCode(w, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "HTTP 405 Method Not Allowed")
		return
	}
	form, ok := jfrogForm(req)
	if !ok {
		jfrogCode(w, http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "HTTP 415 Unsupported Media Type")
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch form["grant_type"] {
	case "refresh_token":
		j.refresh(w, req, form)
	case "", "client_credentials":
		if t := j.caller(w, req, 0); t != nil {
			j.mint(w, t, form)
		}
	default:
		jfrogCode(w, http.StatusBadRequest, "BAD_REQUEST", "Unsupported grant_type")
	}
}

// mint makes a token for who asks, or for whom an administrator names.
func (j *JFrog) mint(w http.ResponseWriter, asker *jfrogToken, form map[string]string) {
	u, _ := j.user(asker.user)
	admin := u.Admin && slices.Contains(asker.scopes, "applied-permissions/user") || slices.Contains(asker.scopes, "applied-permissions/admin")
	s := JFrogTokenSpec{
		User: asker.user, Life: jfrogDefaultLife, Scope: form["scope"], Audience: form["audience"], Refreshable: form["refreshable"] == "true",
	}
	if name := form["username"]; name != "" {
		s.User = name
	}
	if text := form["expires_in"]; text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 0 {
			jfrogCode(w, http.StatusBadRequest, "BAD_REQUEST", "Invalid expires_in")
			return
		}
		s.Life = time.Duration(seconds) * time.Second
		if seconds == 0 {
			s.Life = -1
		}
	}
	switch {
	case !admin && s.User != asker.user:
		jfrogCode(w, http.StatusForbidden, "FORBIDDEN", "Only an admin user can create a token for another user")
	case !admin && s.Scope != "" && s.Scope != "applied-permissions/user":
		jfrogCode(w, http.StatusForbidden, "FORBIDDEN", "User is not allowed to create a token with the requested scope")
	case !admin && (s.Life < 0 || s.Life > jfrogDefaultLife):
		jfrogCode(w, http.StatusForbidden, "FORBIDDEN", "User is not allowed to exceed the default expiry")
	default:
		j.reply(w, s, form["include_reference_token"] == "true")
	}
}

func (j *JFrog) reply(w http.ResponseWriter, s JFrogTokenSpec, reference bool) {
	t, access := j.issue(s)
	body := map[string]any{
		"token_id": t.id, "access_token": access, "scope": strings.Join(t.scopes, " "), "token_type": "Bearer",
	}
	if !t.expires.IsZero() {
		body["expires_in"] = int(s.Life.Seconds())
	}
	if t.refresh != "" {
		body["refresh_token"] = t.refresh
	}
	if reference {
		t.reference = jfrogReference(t.expires)
		body["reference_token"] = t.reference
	}
	replyJSON(w, http.StatusOK, body)
}

// refresh makes a new pair, and ends the old one at once.
func (j *JFrog) refresh(w http.ResponseWriter, req *http.Request, form map[string]string) {
	asker := j.caller(w, req, j.faults.Grace)
	if asker == nil {
		return
	}
	var old *jfrogToken
	for _, t := range j.tokens {
		if t.refresh != "" && t.refresh == form["refresh_token"] && !t.revoked {
			old = t
		}
	}
	switch {
	case old == nil:
		jfrogCode(w, http.StatusBadRequest, "BAD_REQUEST", "Invalid refresh token")
		return
	case old.user != asker.user:
		jfrogCode(w, http.StatusForbidden, "FORBIDDEN", "The authenticated user does not match the token's user")
		return
	}
	old.revoked = true
	j.reply(w, JFrogTokenSpec{
		User: old.user, Life: jfrogDefaultLife, Scope: strings.Join(old.scopes, " "), Audience: old.audience, Refreshable: true,
	}, old.reference != "")
}

// serveToken is Revoke Token by ID. A token that lives for too short to be kept isn't
// found.
func (j *JFrog) serveToken(w http.ResponseWriter, req *http.Request, id string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	asker := j.caller(w, req, 0)
	if asker == nil {
		return
	}
	t, ok := j.tokens[id]
	u, _ := j.user(asker.user)
	switch {
	case req.Method != http.MethodDelete:
		jfrogCode(w, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "HTTP 405 Method Not Allowed")
	case !ok || t.revoked || !t.expires.IsZero() && t.expires.Sub(j.n.Now()) < jfrogPersistency:
		jfrogCode(w, http.StatusNotFound, "NOT_FOUND", "Token not found")
	case t.user != asker.user && !u.Admin:
		jfrogCode(w, http.StatusForbidden, "FORBIDDEN", "Forbidden")
	default:
		t.revoked = true
		w.WriteHeader(http.StatusOK)
	}
}
