package cloudtest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const hubWebAudience = "https://hub.docker.com"

// serveWeb is the web API.
func (h *Hub) serveWeb(w http.ResponseWriter, req *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	path := strings.TrimSuffix(req.URL.Path, "/")
	rest, list := strings.CutPrefix(path, "/v2/namespaces/")
	namespace, below, _ := strings.Cut(rest, "/")
	switch {
	case path == "/v2/auth/token" && req.Method == http.MethodPost:
		h.serveLogin(w, req)
	case path == "/v2/user/orgs" && req.Method == http.MethodGet:
		h.serveOrganizations(w, req)
	case list && below == "repositories" && req.Method == http.MethodGet:
		h.serveRepositories(w, req, namespace)
	default:
		replyJSON(w, http.StatusNotFound, map[string]string{"detail": "Object not found"})
	}
}

// serveLogin is Create access token.
func (h *Hub) serveLogin(w http.ResponseWriter, req *http.Request) {
	var body struct {
		Identifier string `json:"identifier"`
		Secret     string `json:"secret"`
	}
	if req.Header.Get("Content-Type") != "application/json" || json.NewDecoder(req.Body).Decode(&body) != nil {
		replyJSON(w, http.StatusBadRequest, map[string]string{"detail": "JSON parse error"})
		return
	}
	who, ok := h.identify(body.Identifier, body.Secret)
	if !ok {
		replyJSON(w, http.StatusUnauthorized, map[string]string{"detail": "Incorrect authentication credentials"})
		return
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: h.key}, nil)
	if err != nil {
		panic(err)
	}
	id := rand.Text()
	h.sessions[id] = body.Secret
	token, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: hubWebAudience, Subject: who.name, Audience: jwt.Audience{hubWebAudience}, ID: id,
		Expiry: jwt.NewNumericDate(h.n.Now().Add(hubBearerLife * 2)),
	}).Serialize()
	if err != nil {
		panic(err)
	}
	replyJSON(w, http.StatusOK, map[string]string{"access_token": token})
}

// webCaller finds out who asks the web API. It takes its own bearers alone; nobody is
// allowed to ask too.
func (h *Hub) webCaller(w http.ResponseWriter, req *http.Request) (hubIdentity, bool) {
	scheme, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	if scheme == "" {
		return hubIdentity{}, true
	}
	var c jwt.Claims
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if scheme == "Bearer" && err == nil && parsed.Claims(&h.key.PublicKey, &c) == nil &&
		c.Validate(jwt.Expected{AnyAudience: jwt.Audience{hubWebAudience}, Time: h.n.Now()}) == nil {
		if who, ok := h.identify(c.Subject, h.sessions[c.ID]); ok {
			return who, true
		}
	}
	replyJSON(w, http.StatusUnauthorized, map[string]string{"detail": "Invalid or expired token"})
	return hubIdentity{}, false
}

func (h *Hub) serveOrganizations(w http.ResponseWriter, req *http.Request) {
	who, ok := h.webCaller(w, req)
	if !ok {
		return
	}
	if who.name == "" || who.token != nil && strings.HasPrefix(who.token.Token, "dckr_oat_") {
		replyJSON(w, http.StatusForbidden, map[string]string{"detail": "access to the resource is forbidden"})
		return
	}
	var rows []any
	for _, o := range h.config.Organizations {
		if h.member(who.name, o.Name) {
			rows = append(rows, map[string]any{"orgname": o.Name})
		}
	}
	hubPage(w, req, rows)
}

// serveRepositories is List repositories in a namespace. What somebody may not see is
// left out without a word.
func (h *Hub) serveRepositories(w http.ResponseWriter, req *http.Request, namespace string) {
	who, ok := h.webCaller(w, req)
	if !ok {
		return
	}
	var rows []any
	for _, r := range h.config.Repositories {
		of, name, _ := strings.Cut(r.Name, "/")
		if of != namespace || r.Private && !h.sees(who, r.Name) {
			continue
		}
		rows = append(rows, map[string]any{
			"name": name, "namespace": of, "repository_type": "image", "status": 1, "is_private": r.Private, "pull_count": 0,
		})
	}
	hubPage(w, req, rows)
}

func (h *Hub) sees(who hubIdentity, repository string) bool {
	if who.token != nil && strings.HasPrefix(who.token.Token, "dckr_oat_") {
		return who.token.List && strings.HasPrefix(repository, who.token.Owner+"/")
	}
	return h.may(who, repository, "pull")
}

// hubPage answers one page.
func hubPage(w http.ResponseWriter, req *http.Request, rows []any) {
	size, page := 10, 1
	if n, err := strconv.Atoi(req.URL.Query().Get("page_size")); err == nil {
		size = min(n, 100)
	}
	if n, err := strconv.Atoi(req.URL.Query().Get("page")); err == nil {
		page = n
	}
	from := min((page-1)*size, len(rows))
	to := min(from+size, len(rows))
	if page < 1 || page > 1 && from == to {
		replyJSON(w, http.StatusNotFound, map[string]string{"detail": "Invalid page."})
		return
	}
	body := map[string]any{"count": len(rows), "next": nil, "previous": nil, "results": append([]any{}, rows[from:to]...)}
	if to < len(rows) {
		body["next"] = fmt.Sprintf("https://hub.docker.com%s?page=%d&page_size=%d", req.URL.Path, page+1, size)
	}
	replyJSON(w, http.StatusOK, body)
}
