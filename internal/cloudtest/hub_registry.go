package cloudtest

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"fairlead.dev/fairlead/internal/registrytest"
)

// hubDated gives replies Docker Hub's own time.
type hubDated struct {
	h *Hub
	http.HandlerFunc
}

func (d hubDated) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Date", d.h.n.Now().UTC().Format(http.TimeFormat))
	d.HandlerFunc(w, req)
}

// hubService is what the registry calls itself.
const hubService = "registry.docker.io"

type hubClaims struct {
	jwt.Claims
	Access []registrytest.Access `json:"access"`
}

// serveAuth is the token endpoint.
func (h *Hub) serveAuth(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path != "/token" || req.ParseForm() != nil {
		http.NotFound(w, req)
		return
	}
	if req.Form.Get("service") != hubService {
		replyJSON(w, http.StatusBadRequest, map[string]string{"details": "invalid service"})
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	who, ok := h.authLogin(w, req)
	if !ok {
		return
	}
	access := []registrytest.Access{}
	for _, line := range req.Form["scope"] {
		for s := range strings.FieldsSeq(line) {
			if a, ok := h.grant(who, s); ok {
				access = append(access, a)
			}
		}
	}
	token := h.bearer(who.name, access)
	body := map[string]any{
		"token": token, "access_token": token, "expires_in": int(hubBearerLife.Seconds()), "issued_at": h.n.Now().UTC().Format(time.RFC3339Nano),
	}
	if req.Form.Get("offline_token") == "true" || req.Form.Get("access_type") == "offline" {
		refresh := rand.Text()
		_, secret, _ := req.BasicAuth()
		h.refresh[refresh] = who.name + ":" + secret
		body["refresh_token"] = refresh
	}
	replyJSON(w, http.StatusOK, body)
}

// authLogin finds out who asks: GET with Basic or without, POST as OAuth 2.0 has it.
func (h *Hub) authLogin(w http.ResponseWriter, req *http.Request) (hubIdentity, bool) {
	name, secret, given := req.BasicAuth()
	if req.Method == http.MethodPost {
		given = true
		switch req.PostForm.Get("grant_type") {
		case "password":
			name, secret = req.PostForm.Get("username"), req.PostForm.Get("password")
		case "refresh_token":
			name, secret, _ = strings.Cut(h.refresh[req.PostForm.Get("refresh_token")], ":")
		}
		if req.PostForm.Get("client_id") == "" {
			replyJSON(w, http.StatusBadRequest, map[string]string{"details": "client_id is required"})
			return hubIdentity{}, false
		}
	}
	if !given {
		return hubIdentity{}, true
	}
	who, ok := h.identify(name, secret)
	if !ok {
		replyJSON(w, http.StatusUnauthorized, map[string]string{"details": "incorrect username or password"})
	}
	return who, ok
}

// grant gives what of a scope somebody may do, which may be nothing.
func (h *Hub) grant(who hubIdentity, scope string) (registrytest.Access, bool) {
	kind, rest, _ := strings.Cut(scope, ":")
	last := strings.LastIndexByte(rest, ':')
	if kind != "repository" || last < 0 {
		return registrytest.Access{}, false
	}
	a := registrytest.Access{Type: kind, Name: rest[:last], Actions: []string{}}
	for action := range strings.SplitSeq(rest[last+1:], ",") {
		if h.may(who, a.Name, action) {
			a.Actions = append(a.Actions, action)
		}
	}
	return a, true
}

func (h *Hub) bearer(name string, access []registrytest.Access) string {
	now := h.n.Now()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: h.key}, nil)
	if err != nil {
		panic(err)
	}
	token, err := jwt.Signed(signer).Claims(hubClaims{Access: access, Claims: jwt.Claims{
		Issuer: "auth.docker.io", Subject: name, Audience: jwt.Audience{hubService}, ID: rand.Text(),
		IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(hubBearerLife)),
	}}).Serialize()
	if err != nil {
		panic(err)
	}
	return token
}

// guard decides on requests to the registry.
func (h *Hub) guard(w http.ResponseWriter, req *http.Request, repository, action string) (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	scheme, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	var c hubClaims
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	valid := scheme == "Bearer" && err == nil && parsed.Claims(&h.key.PublicKey, &c) == nil &&
		c.Validate(jwt.Expected{Issuer: "auth.docker.io", AnyAudience: jwt.Audience{hubService}, Time: h.n.Now()}) == nil
	reason := ""
	switch {
	case token != "" && !valid:
		reason = "invalid_token"
	case valid && (repository == "" || hubHolds(c.Access, repository, action)):
		return c.Subject, h.limit(w, req, c.Subject)
	case valid:
		reason = "insufficient_scope"
	}
	h.challenge(w, repository, action, reason)
	return c.Subject, false
}

func hubHolds(access []registrytest.Access, repository, action string) bool {
	for _, a := range access {
		for _, allowed := range a.Actions {
			if a.Name == repository && allowed == action {
				return true
			}
		}
	}
	return false
}

func (h *Hub) challenge(w http.ResponseWriter, repository, action, reason string) {
	line := fmt.Sprintf("Bearer realm=%q,service=%q", "https://auth.docker.io/token", hubService)
	if repository != "" {
		if action == "push" {
			action = "pull,push"
		}
		line += fmt.Sprintf(",scope=%q", "repository:"+repository+":"+action)
	}
	if reason != "" {
		line += fmt.Sprintf(",error=%q", reason)
	}
	w.Header().Set("WWW-Authenticate", line)
	replyJSON(w, http.StatusUnauthorized, map[string]any{"errors": []any{map[string]any{
		"code": "UNAUTHORIZED", "message": "authentication required",
		"detail": []any{map[string]string{"Type": "repository", "Class": "", "Name": repository, "Action": action}},
	}}})
}

// limit counts a GET of a manifest as a pull, for its source; HEAD isn't counted
// (docs.docker.com/docker-hub/usage/pulls).
func (h *Hub) limit(w http.ResponseWriter, req *http.Request, source string) bool {
	if h.config.Limit == 0 || !strings.Contains(req.URL.Path, "/manifests/") || source == hubSystem {
		return true
	}
	if source == "" {
		source = "192.0.2.7"
	}
	over := h.pulls[source] >= h.config.Limit
	if req.Method == http.MethodGet && !over {
		h.pulls[source]++
	}
	w.Header().Set("ratelimit-limit", strconv.Itoa(h.config.Limit)+";w=21600")
	w.Header().Set("ratelimit-remaining", strconv.Itoa(h.config.Limit-h.pulls[source])+";w=21600")
	w.Header().Set("docker-ratelimit-source", source)
	if !over || req.Method != http.MethodGet {
		return true
	}
	w.Header().Set("Retry-After", "3600")
	replyJSON(w, http.StatusTooManyRequests, map[string]any{"errors": []any{map[string]string{
		"code":    "TOOMANYREQUESTS",
		"message": "You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: https://www.docker.com/increase-rate-limits",
	}}})
	return false
}
