package cloudtest

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-jose/go-jose/v4/jwt"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"fairlead.dev/fairlead/internal/registrytest"
)

// AzureHost is one registry of Azure.
type AzureHost struct {
	azure       *Azure
	store       *registrytest.Registry
	loginServer string

	mu           sync.Mutex
	config       AzureRegistry
	repositories map[string]bool
	pending      int // how often it still says that it is being made
}

// Change changes the registry's settings, all but its names.
func (h *AzureHost) Change(change func(*AzureRegistry)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(&h.config)
}

func (h *AzureHost) settings() AzureRegistry {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.config
}

func (h *AzureHost) creating(times int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pending = times
}

func (h *AzureHost) state() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pending > 0 {
		h.pending--
		return "Creating"
	}
	return "Succeeded"
}

// Registry is what holds the images, for its faults and its record.
func (h *AzureHost) Registry() *registrytest.Registry { return h.store }

// LoginServer is its host.
func (h *AzureHost) LoginServer() string { return h.loginServer }

// Repositories lists what it holds.
func (h *AzureHost) Repositories() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.repositories))
}

func (h *AzureHost) add(repository string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.repositories[repository] = true
}

// Put puts an image there, past all rights, and gives its digest.
func (h *AzureHost) Put(image v1.Image, repository, tag string) (string, error) {
	layers, err := image.Layers()
	if err != nil {
		return "", err
	}
	for _, l := range layers {
		b, err := azureBytes(l)
		if err != nil {
			return "", err
		}
		h.store.PutBlob(repository, b)
	}
	config, err := image.RawConfigFile()
	if err != nil {
		return "", err
	}
	h.store.PutBlob(repository, config)
	raw, err := image.RawManifest()
	if err != nil {
		return "", err
	}
	mediaType, err := image.MediaType()
	if err != nil {
		return "", err
	}
	h.add(repository)
	return h.store.PutManifest(repository, tag, string(mediaType), raw), nil
}

// ServeHTTP serves the registry: its logins, what is Azure's own, and images.
func (h *AzureHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", h.azure.n.Now().UTC().Format(http.TimeFormat))
	if h.settings().Firewall {
		azureRegistryError(w, http.StatusForbidden, "DENIED", "client with IP '203.0.113.7' is not allowed access. Refer https://aka.ms/acr/firewall to grant access.")
		return
	}
	path := r.URL.Path
	switch {
	case path == "/oauth2/exchange":
		h.serveExchange(w, r)
	case path == "/oauth2/token":
		h.serveToken(w, r)
	case path == "/v2/_catalog" || path == "/acr/v1/_catalog":
		h.serveCatalog(w, r)
	case strings.HasPrefix(path, "/acr/v1/"):
		h.serveOwn(w, r, strings.TrimPrefix(path, "/acr/v1/"))
	default:
		if repository, _, ok := strings.Cut(strings.TrimPrefix(path, "/v2/"), "/manifests/"); ok && r.Method == http.MethodPut {
			caught := &azureStatus{ResponseWriter: w}
			h.store.ServeHTTP(caught, r)
			if caught.status == http.StatusCreated {
				h.add(repository)
			}
			return
		}
		h.store.ServeHTTP(w, r)
	}
}

// azureStatus keeps the status of a reply.
type azureStatus struct {
	http.ResponseWriter
	status int
}

// WriteHeader keeps it.
func (s *azureStatus) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

func azureRegistryError(w http.ResponseWriter, status int, code, message string) {
	azureJSON(w, status, map[string]any{"errors": []map[string]any{{"code": code, "message": message, "detail": nil}}})
}

const azureUnauthorized = "authentication required, visit https://aka.ms/acr/authorization for more information."

// challenge asks for a token of one scope.
func (h *AzureHost) challenge(w http.ResponseWriter, r *http.Request, scope, reason string) {
	line := fmt.Sprintf("Bearer realm=%q,service=%q", "https://"+r.Host+"/oauth2/token", h.loginServer)
	if scope != "" {
		line += fmt.Sprintf(",scope=%q", scope)
	}
	if reason != "" {
		line += fmt.Sprintf(",error=%q", reason)
	}
	w.Header().Set("WWW-Authenticate", line)
	azureRegistryError(w, http.StatusUnauthorized, "UNAUTHORIZED", azureUnauthorized)
}

// guard decides on the requests for images.
func (h *AzureHost) guard(w http.ResponseWriter, r *http.Request, repository, action string) (string, bool) {
	scope := ""
	if repository != "" {
		scope = "repository:" + repository + ":" + action
		if action == "push" {
			scope = "repository:" + repository + ":pull,push"
		}
	}
	return h.admits(w, r, scope, "repository", repository, action)
}

// admits lets in who has a token, or a login, for one action on one thing.
func (h *AzureHost) admits(w http.ResponseWriter, r *http.Request, scope, kind, name, action string) (string, bool) {
	scheme, proof, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	var c azureRegistryClaims
	switch {
	case strings.EqualFold(scheme, "bearer"):
		var err error
		if c, err = h.readRegistry(proof); err != nil || c.GrantType != "access_token" {
			h.challenge(w, r, scope, "invalid_token")
			return "", false
		}
	case strings.EqualFold(scheme, "basic"):
		who, granted, ok := h.basic(r)
		if !ok {
			h.challenge(w, r, scope, "")
			return "", false
		}
		c.Subject, c.Access = who.name, granted
		if granted == nil {
			c.Access = h.grant(who, []string{scope})
		}
	default:
		h.challenge(w, r, scope, "")
		return "", false
	}
	if name != "" && !c.may(kind, name, action) {
		h.challenge(w, r, scope, "insufficient_scope")
		return c.Subject, false
	}
	return c.Subject, true
}

// serveCatalog lists repositories, page by page.
func (h *AzureHost) serveCatalog(w http.ResponseWriter, r *http.Request) {
	if _, ok := h.admits(w, r, "registry:catalog:*", "registry", "catalog", "*"); !ok {
		return
	}
	all := h.Repositories()
	last := r.URL.Query().Get("last")
	all = slices.DeleteFunc(all, func(s string) bool { return s <= last })
	h.azure.mu.Lock()
	size := h.azure.pageSize
	h.azure.mu.Unlock()
	if n, err := strconv.Atoi(r.URL.Query().Get("n")); err == nil && n > 0 {
		size = min(size, n)
	}
	if len(all) > size {
		all = all[:size]
		w.Header().Set("Link", fmt.Sprintf(`<%s?last=%s&n=%d&orderby=>; rel="next"`, r.URL.Path, strings.ReplaceAll(all[size-1], "/", "%2F"), size))
	}
	var list any // null when there is none
	if len(all) > 0 {
		list = all
	}
	azureJSON(w, http.StatusOK, map[string]any{"repositories": list})
}

// serveOwn deletes a repository, which is Azure's own way
// (learn.microsoft.com/rest/api/containerregistry/repository).
func (h *AzureHost) serveOwn(w http.ResponseWriter, r *http.Request, repository string) {
	if r.Method != http.MethodDelete {
		azureRegistryError(w, http.StatusNotFound, "NOT_FOUND", "the requested data does not exist")
		return
	}
	if _, ok := h.admits(w, r, "repository:"+repository+":delete", "repository", repository, "delete"); !ok {
		return
	}
	h.mu.Lock()
	known := h.repositories[repository]
	delete(h.repositories, repository)
	h.mu.Unlock()
	if !known {
		azureRegistryError(w, http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry")
		return
	}
	azureJSON(w, http.StatusAccepted, map[string]any{"manifestsDeleted": []string{}, "tagsDeleted": []string{}})
}

// expired reports whether a token was refused for its age.
func azureExpired(err error) bool { return errors.Is(err, jwt.ErrExpired) }
