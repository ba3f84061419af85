package cloudtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"fairlead.dev/fairlead/internal/registrytest"
)

// HubConfig is what a [Hub] is made with.
type HubConfig struct {
	Users         []HubUser
	Organizations []HubOrganization
	Repositories  []HubRepository
	// Limit is how many pulls a source has in six hours; 0 is as many as it likes.
	Limit int
}

// HubUser is a Docker ID.
type HubUser struct{ Name, Password string }

// HubOrganization owns repositories that its members reach.
type HubOrganization struct {
	Name    string
	Members []string
}

// HubRepository is namespace/name.
type HubRepository struct {
	Name    string
	Private bool
}

// HubToken is an access token: of a user (dckr_pat_) or of an organization (dckr_oat_).
//
// Source: docs.docker.com/security/access-tokens/reference. A personal one has one
// permission for all that its user reaches; an organization's has scopes.
type HubToken struct {
	Token string
	// Owner is the Docker ID, or the organization's name.
	Owner string
	// Permission of a personal one: public, read, write or admin.
	Permission string
	// Pull and Push of an organization's are repositories, or namespace/*.
	Pull, Push []string
	// List lets an organization's token see private repositories in lists
	// (scope-repository-list).
	List bool
	// Expires is zero for never.
	Expires time.Time
}

// Hub is Docker Hub: the token endpoint (auth.docker.io), the registry
// (registry-1.docker.io) and the web API (hub.docker.com).
//
// Sources: docs.docker.com/reference/api/hub/latest, /docker-hub/usage/pulls,
// /security/access-tokens; Distribution, "Token Authentication Specification".
type Hub struct {
	n        *Internet
	config   HubConfig
	key      *ecdsa.PrivateKey
	registry *registrytest.Registry

	mu      sync.Mutex
	tokens  []HubToken
	refresh map[string]string // offline tokens, and the name:secret that they stand for
	pulls   map[string]int    // by source
	// sessions are the web API's bearers by their ids, and the secrets that they were given
	// for, with which they end.
	sessions map[string]string
}

const hubSystem = "_system_"

// hubBearerLife is how long a token of the token endpoint lives.
const hubBearerLife = 5 * time.Minute

// NewHub puts Docker Hub there.
func NewHub(tb testing.TB, n *Internet, c HubConfig) *Hub {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	c.Users = append(slices.Clone(c.Users), HubUser{Name: hubSystem, Password: rand.Text()})
	h := &Hub{n: n, config: c, key: key, refresh: map[string]string{}, pulls: map[string]int{}, sessions: map[string]string{}}
	h.registry = registrytest.New(tb, registrytest.Config{Auth: registrytest.Guarded, Guard: h.guard, Now: n.Now})
	n.Handle("registry-1.docker.io", h.Front())
	n.Handle("auth.docker.io", hubDated{h, h.serveAuth})
	n.Handle("hub.docker.com", hubDated{h, h.serveWeb})
	return h
}

// Give makes an access token valid.
func (h *Hub) Give(t HubToken) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tokens = append(h.tokens, t)
}

// Revoke makes an access token invalid.
func (h *Hub) Revoke(token string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tokens = slices.DeleteFunc(h.tokens, func(t HubToken) bool { return t.Token == token })
}

// Registry is where the images are.
func (h *Hub) Registry() *registrytest.Registry { return h.registry }

// Front is the registry itself, for another of its names.
func (h *Hub) Front() http.Handler { return hubDated{h, h.registry.ServeHTTP} }

// Push puts an image there, as namespace/name:tag, and gives its digest.
func (h *Hub) Push(tb testing.TB, image v1.Image, name string) string {
	tb.Helper()
	system := h.config.Users[len(h.config.Users)-1]
	return pushThrough(tb, h.n, "registry-1.docker.io/"+name, image, system.Name, system.Password)
}

// hubIdentity is who asks, and with what.
type hubIdentity struct {
	name  string
	token *HubToken // nil for a password
}

// identify finds out whose name and secret these are.
func (h *Hub) identify(name, secret string) (hubIdentity, bool) {
	if secret == "" {
		return hubIdentity{}, false
	}
	name = strings.ToLower(name)
	for _, u := range h.config.Users {
		if u.Name == name && u.Password == secret {
			return hubIdentity{name: name}, true
		}
	}
	for i := range h.tokens {
		t := &h.tokens[i]
		if t.Token == secret && t.Owner == name && (t.Expires.IsZero() || h.n.Now().Before(t.Expires)) {
			return hubIdentity{name: name, token: t}, true
		}
	}
	return hubIdentity{}, false
}

// member reports whether a name reaches a namespace's private repositories.
func (h *Hub) member(name, namespace string) bool {
	return name == namespace || slices.ContainsFunc(h.config.Organizations, func(o HubOrganization) bool {
		return o.Name == namespace && slices.Contains(o.Members, name)
	})
}

// may reports whether somebody may do something with a repository.
func (h *Hub) may(who hubIdentity, repository, action string) bool {
	namespace, _, _ := strings.Cut(repository, "/")
	private := true
	for _, r := range h.config.Repositories {
		if r.Name == repository {
			private = r.Private
		}
	}
	switch t := who.token; {
	case who.name == hubSystem:
		return true
	case action == "pull" && !private:
		return true
	case who.name == "":
		return false
	case t == nil:
		return h.member(who.name, namespace)
	case strings.HasPrefix(t.Token, "dckr_oat_"):
		list := t.Pull
		if action == "push" {
			list = t.Push
		}
		return namespace == t.Owner && (slices.Contains(list, repository) || slices.Contains(list, namespace+"/*"))
	default:
		allowed := map[string][]string{"read": {"pull"}, "write": {"pull", "push"}, "admin": {"pull", "push", "delete"}}[t.Permission]
		return h.member(who.name, namespace) && slices.Contains(allowed, action)
	}
}
