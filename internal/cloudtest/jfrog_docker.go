package cloudtest

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"fairlead.dev/fairlead/internal/registrytest"
)

// jfrogBearer is a token of the Docker token endpoint.
type jfrogBearer struct {
	user    string
	rights  []registrytest.Right
	expires time.Time
	parent  *jfrogToken // nil for one that was given for a password
}

// keyAt gives the repository that a host stands for by itself.
func (j *JFrog) keyAt(host string) (string, bool) {
	for _, r := range j.config.Repositories {
		if slices.Contains(j.hostsOf(r.Key), host) {
			return r.Key, true
		}
	}
	return "", false
}

// serveDocker is the Docker API. At a repository's own host its key isn't in the path.
func (j *JFrog) serveDocker(w http.ResponseWriter, req *http.Request) {
	if key, ok := j.keyAt(req.Host); ok && req.URL.Path != "/v2/" {
		inner := req.Clone(req.Context())
		inner.URL.Path = "/v2/" + key + strings.TrimPrefix(req.URL.Path, "/v2")
		inner.URL.RawPath = ""
		w, req = &relocated{ResponseWriter: w, key: key}, inner
	}
	j.registry.ServeHTTP(w, req)
}

// relocated takes the repository's key out of where an upload goes on.
type relocated struct {
	http.ResponseWriter
	key string
}

// WriteHeader writes the Location as it is from outside.
func (r *relocated) WriteHeader(status int) {
	if l := r.Header().Get("Location"); l != "" {
		r.Header().Set("Location", strings.Replace(l, "/v2/"+r.key+"/", "/v2/", 1))
	}
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (r *relocated) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// guard decides on requests to the Docker API.
func (j *JFrog) guard(w http.ResponseWriter, req *http.Request, repository, action string) (string, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.faults.Anonymous && action == "pull" && req.Header.Get("Authorization") == "" {
		return "", true
	}
	user, rights, why := j.dockerLogin(req)
	if why != "" {
		j.challenge(w, req, why)
		return "", false
	}
	if repository == "" || jfrogAllows(rights, repository, action) {
		return user, true
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusForbidden)
	_, _ = w.Write([]byte(`{"errors":[{"code":"DENIED","message":"not authorized to access this resource","detail":{"manifest":"` + repository + `"}}]}`))
	return user, false
}

// jfrogAllows reports whether rights allow something. A prefix ends at a slash: the
// target of a scope that ends in one covers what is below it.
func jfrogAllows(rights []registrytest.Right, repository, action string) bool {
	return slices.ContainsFunc(rights, func(r registrytest.Right) bool {
		return strings.HasPrefix(repository+"/", r.Prefix) && slices.Contains(r.Actions, action)
	})
}

// dockerLogin finds out who asks the Docker API: by a token of its token endpoint, an
// access token, or a name and password.
func (j *JFrog) dockerLogin(req *http.Request) (user string, rights []registrytest.Right, why string) {
	scheme, presented, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	if scheme != "Bearer" {
		return j.basicLogin(req)
	}
	if b, ok := j.bearers[presented]; ok {
		if !j.n.Now().Before(b.expires) || b.parent != nil && b.parent.revoked {
			return "", nil, "Token failed verification: expired"
		}
		return b.user, b.rights, ""
	}
	t, why := j.recognise(presented)
	if why == "" && !t.serves("jfrt") {
		why = "Token failed verification: audience"
	}
	if why != "" {
		return "", nil, why
	}
	return t.user, j.rights(t), ""
}

// basicLogin takes a user's password, or an access or reference token of that user.
func (j *JFrog) basicLogin(req *http.Request) (user string, rights []registrytest.Right, why string) {
	name, password, ok := req.BasicAuth()
	if !ok {
		return "", nil, "Authentication is required"
	}
	if u, ok := j.user(name); ok && password != "" && u.Password == password {
		return name, j.userRights(u), ""
	}
	t, why := j.recognise(password)
	switch {
	case t == nil:
		return "", nil, "Bad credentials"
	case why != "":
		return "", nil, why
	case t.user != name:
		return "", nil, "Wrong username was used"
	case !t.serves("jfrt"):
		return "", nil, "Token failed verification: audience"
	}
	return name, j.rights(t), ""
}

// challenge asks for a login as Artifactory does: with the port in the service, and
// without a scope (containerd/containerd#3556).
func (j *JFrog) challenge(w http.ResponseWriter, req *http.Request, why string) {
	service := req.Host
	if !strings.Contains(service, ":") {
		service += ":443"
	}
	w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer realm=%q,service=%q", "https://"+req.Host+"/v2/token", service))
	replyJSON(w, http.StatusUnauthorized, map[string]any{"errors": []any{map[string]any{
		"code": "UNAUTHORIZED", "message": why, "detail": nil,
	}}})
}

// serveDockerToken is the token endpoint. It doesn't know POST and answers it with 401
// (containerd/containerd#2148).
func (j *JFrog) serveDockerToken(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet {
		jfrogStatus(w, http.StatusUnauthorized, "Authentication is required")
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.faults.Anonymous && req.Header.Get("Authorization") == "" {
		j.giveBearer(w, &jfrogBearer{user: "anonymous", rights: registrytest.Reads("")})
		return
	}
	user, rights, why := j.basicLogin(req)
	if why != "" {
		jfrogStatus(w, http.StatusUnauthorized, why)
		return
	}
	_, password, _ := req.BasicAuth()
	b := &jfrogBearer{user: user, rights: rights}
	if u, ok := j.user(user); !ok || u.Password != password {
		b.parent, _ = j.recognise(password)
	}
	if key, _ := j.keyAt(req.Host); len(req.URL.Query()["scope"]) > 0 {
		b.rights = narrowed(rights, key, req.URL.Query()["scope"])
	}
	j.giveBearer(w, b)
}

// narrowed gives what of the scopes the rights allow.
func narrowed(rights []registrytest.Right, key string, scopes []string) (list []registrytest.Right) {
	for _, s := range scopes {
		kind, rest, _ := strings.Cut(s, ":")
		last := strings.LastIndexByte(rest, ':')
		if kind != "repository" || last < 0 {
			continue
		}
		name := rest[:last]
		if key != "" {
			name = key + "/" + name
		}
		r := registrytest.Right{Prefix: name + "/"}
		for action := range strings.SplitSeq(rest[last+1:], ",") {
			if jfrogAllows(rights, name, action) {
				r.Actions = append(r.Actions, action)
			}
		}
		list = append(list, r)
	}
	return list
}

func (j *JFrog) giveBearer(w http.ResponseWriter, b *jfrogBearer) {
	now := j.n.Now()
	b.expires = now.Add(jfrogBearerLife)
	if b.parent != nil && !b.parent.expires.IsZero() && b.parent.expires.Before(b.expires) {
		b.expires = b.parent.expires
	}
	token := rand.Text() + rand.Text()
	if !j.faults.Opaque {
		token = j.sign(map[string]any{
			"sub": jfrogInstance + "/users/" + b.user, "iss": jfrogInstance, "aud": "jfrt@*", "jti": uuid.NewString(),
			"iat": now.Unix(), "exp": b.expires.Unix(), "scp": "applied-permissions/user",
		})
	}
	j.bearers[token] = b
	replyJSON(w, http.StatusOK, map[string]any{"token": token, "expires_in": int(b.expires.Sub(now).Seconds())})
}
