package cloudtest

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"fairlead.dev/fairlead/internal/registrytest"
)

// googleRegistryToken is a token of the registry's own token endpoint.
type googleRegistryToken struct {
	account string
	access  map[string][]string // actions by repository
	expires time.Time
}

// googleHost is one of the hosts of a location's registry.
type googleHost struct {
	g              *Google
	host, location string
	old            bool // one of Container Registry's
}

// addRegistry puts a location's registry at its hosts: the common form, and for
// regions the regional endpoint (docs.cloud.google.com/artifact-registry/docs/reference/endpoints).
func (g *Google) addRegistry(tb testing.TB, location string) {
	tb.Helper()
	g.registries[location] = registrytest.New(tb, registrytest.Config{
		Auth: registrytest.Guarded, Now: g.internet.Now,
		Guard: func(w http.ResponseWriter, r *http.Request, repository, action string) (string, bool) {
			return g.guard(w, r, location, repository, action)
		},
	})
	hosts := []string{location + "-docker.pkg.dev"}
	if strings.Contains(location, "-") {
		hosts = append(hosts, "docker."+location+".rep.pkg.dev")
	}
	for _, host := range hosts {
		g.handle(host, &googleHost{g: g, host: host, location: location})
	}
}

// Registry is a location's registry, for its faults and the record of its requests.
func (g *Google) Registry(location string) *registrytest.Registry { return g.registries[location] }

// inside gives a repository's name as Artifact Registry has it: on Container Registry's
// hosts the repository that is called like the host is left out of names.
func (h *googleHost) inside(repository string) string {
	project, image, ok := googleProjectOf(repository)
	if !h.old || !ok || strings.HasPrefix(image, h.host+"/") {
		return repository
	}
	return project + "/" + h.host + "/" + image
}

// googleProjectOf takes the project off a repository's name; one of a domain has two
// segments.
func googleProjectOf(repository string) (project, rest string, ok bool) {
	project, rest, ok = strings.Cut(repository, "/")
	if strings.Contains(project, ".") {
		var id string
		id, rest, ok = strings.Cut(rest, "/")
		project += "/" + id
	}
	return project, rest, ok
}

// ServeHTTP is the registry with its token endpoint, which knows GET alone.
func (h *googleHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/v2/token" && r.Method == http.MethodGet:
		h.serveToken(w, r)
		return
	case r.URL.Path == "/v2/token":
		http.NotFound(w, r)
		return
	}
	if path, ok := strings.CutPrefix(r.URL.Path, "/v2/"); ok && path != "" && h.old {
		r = r.Clone(r.Context())
		r.URL.Path = "/v2/" + h.inside(path)
	}
	h.g.registries[h.location].ServeHTTP(w, r)
}

// serveToken trades a login for a token of the scopes, all of which it must have.
func (h *googleHost) serveToken(w http.ResponseWriter, r *http.Request) {
	h.g.mu.Lock()
	defer h.g.mu.Unlock()
	var who googleToken
	if username, password, given := r.BasicAuth(); given {
		var ok bool
		if who, ok = h.g.login(username, password); !ok {
			googleRegistryFail(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication failed")
			return
		}
	} else if r.Header.Get("Authorization") != "" {
		googleRegistryFail(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication failed")
		return
	}
	grant := googleRegistryToken{account: who.account, access: map[string][]string{}, expires: h.g.internet.Now().Add(time.Hour)}
	if !who.expires.IsZero() && who.expires.Before(grant.expires) {
		grant.expires = who.expires
	}
	for _, scope := range r.URL.Query()["scope"] {
		kind, rest, _ := strings.Cut(scope, ":")
		i := strings.LastIndexByte(rest, ':')
		if kind != "repository" || i < 0 {
			continue
		}
		repository := h.inside(rest[:i])
		for action := range strings.SplitSeq(rest[i+1:], ",") {
			if !h.g.allowed(w, who, h.location, repository, action) {
				return
			}
			grant.access[repository] = append(grant.access[repository], action)
		}
	}
	token := "ar." + rand.Text()
	h.g.grants[token] = grant
	googleJSON(w, http.StatusOK, map[string]any{"token": token, "expires_in": int(grant.expires.Sub(h.g.internet.Now()).Seconds())})
}

var googleTokenUser = regexp.MustCompile(`^(oauth2accesstoken|_token|_dcgcr_[0-9_]+_token)$`)

// login knows the logins that docs.cloud.google.com/artifact-registry/docs/docker/authentication
// lists, and those of the vendor's helpers. The lock is held.
func (g *Google) login(username, password string) (googleToken, bool) {
	switch {
	case googleTokenUser.MatchString(username):
		t, reason := g.recognise(password)
		return t, reason == ""
	case username == "_json_key":
		return g.keyLogin([]byte(password))
	case username == "_json_key_base64":
		if strings.ContainsAny(password, "\r\n") { // which the decoder would take no notice of
			return googleToken{}, false
		}
		b, err := base64.StdEncoding.DecodeString(password)
		if err != nil {
			return googleToken{}, false
		}
		return g.keyLogin(b)
	}
	return googleToken{}, false
}

// keyLogin takes a whole key file as a password.
func (g *Google) keyLogin(file []byte) (googleToken, bool) {
	var f struct {
		ID      string `json:"private_key_id"`
		Email   string `json:"client_email"`
		Private string `json:"private_key"`
	}
	if json.Unmarshal(file, &f) != nil {
		return googleToken{}, false
	}
	k, a := g.keys[f.ID], g.accounts[f.Email]
	block, _ := pem.Decode([]byte(f.Private))
	if k == nil || k.disabled || k.email != f.Email || a == nil || a.disabled || block == nil {
		return googleToken{}, false
	}
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil || !k.private.Equal(private) {
		return googleToken{}, false
	}
	return googleAccountToken(f.Email, []string{GooglePlatform}, time.Time{}), true
}

// allowed reports whether somebody may pull from or push to a repository's image, and
// answers whoever may not. The lock is held.
func (g *Google) allowed(w http.ResponseWriter, who googleToken, location, repository, action string) bool {
	permission, scopes := "artifactregistry.repositories.downloadArtifacts", []string{GooglePlatform, GooglePlatformRead, googleStorageRead, googleStorageWrite}
	if action != "pull" {
		permission, scopes = "artifactregistry.repositories.uploadArtifacts", []string{GooglePlatform, googleStorageWrite}
	}
	path, rest, _ := googleProjectOf(repository)
	id, _, ok := strings.Cut(rest, "/")
	p := g.projects[strings.Replace(path, "/", ":", 1)]
	project := path
	if p != nil {
		project = p.id
	}
	resource := fmt.Sprintf("projects/%s/locations/%s/repositories/%s", project, location, id)
	what := fmt.Sprintf("Permission %q denied on resource %q (or it may not exist)", permission, resource)
	switch {
	case len(who.members) == 0 && (p == nil || !g.may(nil, permission, resource)):
		googleRegistryFail(w, http.StatusForbidden, "DENIED", "Unauthenticated request. Unauthenticated requests do not have permission \""+permission+"\" on resource \""+resource+"\" (or it may not exist)")
	case len(who.members) > 0 && !who.scoped(scopes...):
		googleRegistryFail(w, http.StatusForbidden, "DENIED", "Request had insufficient authentication scopes.")
	case p == nil || !ok || !g.may(who.members, permission, resource):
		googleRegistryFail(w, http.StatusForbidden, "DENIED", what)
	case p.repositories[resource].Format == "":
		googleRegistryFail(w, http.StatusNotFound, "NAME_UNKNOWN", fmt.Sprintf("Repository %q not found", id))
	case p.repositories[resource].Format != "DOCKER":
		googleRegistryFail(w, http.StatusBadRequest, "NAME_INVALID", "The repository's format is not DOCKER")
	default:
		return true
	}
	return false
}

// guard decides on a request to a location's registry.
func (g *Google) guard(w http.ResponseWriter, r *http.Request, location, repository, action string) (string, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	var who googleToken
	ok := false
	switch {
	case strings.EqualFold(scheme, "bearer"):
		if grant, own := g.grants[token]; own {
			return grant.account, g.granted(w, r, grant, repository, action)
		}
		var reason string
		who, reason = g.recognise(token)
		ok = reason == ""
	case strings.EqualFold(scheme, "basic"):
		username, password, _ := r.BasicAuth()
		who, ok = g.login(username, password)
	}
	switch {
	case !ok:
		googleChallenge(w, r, repository, action)
		return "", false
	case repository == "":
		return who.account, true
	}
	return who.account, g.allowed(w, who, location, repository, action)
}

// granted reports whether a token of the token endpoint is good for a request.
func (g *Google) granted(w http.ResponseWriter, r *http.Request, t googleRegistryToken, repository, action string) bool {
	switch {
	case !g.internet.Now().Before(t.expires):
		googleChallenge(w, r, repository, action)
	case repository != "" && !slices.Contains(t.access[repository], action):
		googleRegistryFail(w, http.StatusForbidden, "DENIED", "The token is not for "+action+" of "+repository)
	default:
		return true
	}
	return false
}

func googleChallenge(w http.ResponseWriter, r *http.Request, repository, action string) {
	line := fmt.Sprintf("Bearer realm=%q,service=%q", "https://"+r.Host+"/v2/token", r.Host)
	if repository != "" {
		if action == "push" {
			action = "pull,push"
		}
		line += fmt.Sprintf(",scope=%q", "repository:"+repository+":"+action)
	}
	w.Header().Set("WWW-Authenticate", line)
	googleRegistryFail(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication failed")
}

// googleRegistryFail answers with an error (Distribution specification, "Error Codes").
func googleRegistryFail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	googleJSON(w, status, map[string]any{"errors": []map[string]string{{"code": code, "message": message}}})
}

// Push pushes an image, as somebody who may, to a name such as
// "us-docker.pkg.dev/project/repository/image:tag", and gives its digest.
func (g *Google) Push(tb testing.TB, image remote.Taggable, to string) string {
	tb.Helper()
	reference, err := name.ParseReference(to)
	if err != nil {
		tb.Fatal(err)
	}
	host := reference.Context().RegistryStr()
	location, _, _ := strings.Cut(host, "-docker.pkg.dev")
	old, isOld := googleOldHosts()[host]
	if isOld {
		location = old
	}
	repository := (&googleHost{host: host, location: location, old: isOld}).inside(reference.Context().RepositoryStr())
	token := "ar." + rand.Text()
	g.mu.Lock()
	g.grants[token] = googleRegistryToken{access: map[string][]string{repository: {"pull", "push"}}, expires: g.internet.Now().Add(time.Hour)}
	g.mu.Unlock()
	if err := remote.Push(reference, image, remote.WithContext(tb.Context()), remote.WithTransport(g.client.Transport),
		remote.WithAuth(authn.FromConfig(authn.AuthConfig{RegistryToken: token}))); err != nil {
		tb.Fatal(err)
	}
	d, err := remote.Head(reference, remote.WithContext(tb.Context()), remote.WithTransport(g.client.Transport),
		remote.WithAuth(authn.FromConfig(authn.AuthConfig{RegistryToken: token})))
	if err != nil {
		tb.Fatal(err)
	}
	return d.Digest.String()
}
