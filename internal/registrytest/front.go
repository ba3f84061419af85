package registrytest

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
)

// serveFront is the registry itself.
func (r *Registry) serveFront(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == tokenPath && r.tokens == r.front {
		r.serveTokens(w, req)
		return
	}
	note := r.record.add(Front, req)
	r.date(w)
	if !r.pass(w, req, Front) {
		return
	}
	f := r.current()
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	repository, kind, rest, ok := split(req.URL.Path)
	if req.URL.Path != "/v2/" && !ok {
		answer(w, http.StatusNotFound, "UNSUPPORTED", "there is nothing here")
		return
	}
	if f.OpenPing && req.URL.Path == "/v2/" && note.Scheme == "" {
		w.WriteHeader(http.StatusOK)
		return
	}
	if !r.admit(w, req, note, repository) {
		return
	}
	switch kind {
	case "":
		w.WriteHeader(http.StatusOK)
	case "manifests":
		r.serveManifest(w, req, repository, rest)
	case "blobs":
		r.serveBlob(w, req, repository, rest)
	case "tags":
		r.store.serveTags(w, req, repository)
	}
}

// date gives a reply the registry's own time.
func (r *Registry) date(w http.ResponseWriter) {
	w.Header().Set("Date", r.config.Now().UTC().Format(http.TimeFormat))
}

// pass holds a request back, or fails it.
func (r *Registry) pass(w http.ResponseWriter, req *http.Request, s Server) bool {
	if gate := r.current().Gate; gate != nil {
		select {
		case <-gate:
		case <-req.Context().Done():
			panic(http.ErrAbortHandler)
		case <-r.done:
			panic(http.ErrAbortHandler)
		}
	}
	f, ok := r.takeFailure(s, req)
	if !ok {
		return true
	}
	for k, v := range f.Header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(f.Status)
	_, _ = w.Write([]byte(f.Body))
	return false
}

// split takes /v2/<repository>/<manifests|blobs|tags>/<rest> apart.
func split(path string) (repository, kind, rest string, ok bool) {
	path, ok = strings.CutPrefix(path, "/v2/")
	if !ok {
		return "", "", "", false
	}
	for _, kind := range []string{"manifests", "blobs", "tags"} {
		if i := strings.LastIndex(path, "/"+kind+"/"); i > 0 {
			return path[:i], kind, path[i+len(kind)+2:], true
		}
	}
	return "", "", "", false
}

// admit lets in who has the right, and answers everybody else.
func (r *Registry) admit(w http.ResponseWriter, req *http.Request, note *Request, repository string) bool {
	action := "pull"
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		action = "push"
	}
	auth := r.config.Auth
	scheme, proof, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	switch {
	case auth == Open:
		return true
	case auth == Guarded:
		account, ok := r.config.Guard(w, req, repository, action)
		r.record.recognise(note, account)
		return ok
	case strings.EqualFold(scheme, "basic") && auth != Bearer:
		return r.admitBasic(w, req, note, repository, action)
	case strings.EqualFold(scheme, "bearer") && auth != Basic:
		return r.admitBearer(w, req, note, repository, action, proof)
	case repository != "" && auth == Basic && may(r.config.Anonymous, repository, action):
		return true
	default:
		r.challenge(w, req, repository, action, "")
		return false
	}
}

func (r *Registry) admitBasic(w http.ResponseWriter, req *http.Request, note *Request, repository, action string) bool {
	name, password, _ := req.BasicAuth()
	a, ok := r.issuer.byPassword(name, password)
	if !ok {
		r.challenge(w, req, repository, action, "")
		return false
	}
	r.record.recognise(note, a.Name)
	if repository != "" && !may(a.Rights, repository, action) {
		answer(w, http.StatusForbidden, "DENIED", "requested access to the resource is denied")
		return false
	}
	return true
}

func (r *Registry) admitBearer(w http.ResponseWriter, req *http.Request, note *Request, repository, action, token string) bool {
	c, err := r.issuer.read(token)
	if err != nil {
		r.challenge(w, req, repository, action, "invalid_token")
		return false
	}
	r.record.recognise(note, c.Subject)
	switch {
	case repository == "" || c.may(repository, action):
		return true
	case r.current().Forbid:
		answer(w, http.StatusForbidden, "DENIED", "requested access to the resource is denied")
	default:
		r.challenge(w, req, repository, action, "insufficient_scope")
	}
	return false
}

// challenge asks for a login.
func (r *Registry) challenge(w http.ResponseWriter, req *http.Request, repository, action, reason string) {
	f := r.current()
	if f.Hide && repository != "" {
		answer(w, http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry")
		return
	}
	lines := f.Challenge
	if lines == nil {
		if r.config.Auth != Bearer {
			lines = append(lines, `Basic realm="registry",service="`+r.config.Service+`"`)
		}
		if r.config.Auth != Basic {
			lines = append(lines, r.bearerChallenge(f, req, repository, action, reason))
		}
	}
	for _, line := range lines {
		w.Header().Add("WWW-Authenticate", line)
	}
	answer(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
}

func (r *Registry) bearerChallenge(f Faults, req *http.Request, repository, action, reason string) string {
	// The realm has the name under which the registry was asked, as behind a proxy.
	own := r.Scheme() + "://" + req.Host + tokenPath
	if r.tokens != r.front {
		own = r.Scheme() + "://" + r.tokens.address + tokenPath
	}
	line := fmt.Sprintf("Bearer realm=%q", cmp.Or(f.Realm, own))
	if service := cmp.Or(f.Service, r.config.Service); service != "-" {
		line += fmt.Sprintf(",service=%q", service)
	}
	if repository != "" && !f.NoScope {
		if action == "push" {
			action = "pull,push"
		}
		line += fmt.Sprintf(",scope=%q", "repository:"+repository+":"+action)
	}
	if reason != "" {
		line += fmt.Sprintf(",error=%q", reason)
	}
	return line
}

func answer(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(apiError(code, message))
}
