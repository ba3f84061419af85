package cloudtest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"fairlead.dev/fairlead/internal/registrytest"
)

// apiLogin finds out who asks Artifactory's REST API: with a token in the header of the
// API key too, which reference tokens are made for.
func (j *JFrog) apiLogin(w http.ResponseWriter, req *http.Request) (u JFrogUser, rights []registrytest.Right, ok bool) {
	if key := req.Header.Get("X-JFrog-Art-Api"); key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	name, rights, why := j.dockerLogin(req)
	if why != "" {
		jfrogStatus(w, http.StatusUnauthorized, why)
		return JFrogUser{}, nil, false
	}
	u, _ = j.user(name)
	return u, rights, true
}

// serveRepositories is Get Repositories.
func (j *JFrog) serveRepositories(w http.ResponseWriter, req *http.Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, rights, ok := j.apiLogin(w, req)
	if !ok {
		return
	}
	list := []JFrogRepository{}
	for _, r := range j.repos {
		kind := req.URL.Query().Get("packageType")
		if kind != "" && !strings.EqualFold(kind, r.PackageType) || !reaches(rights, r.Key) {
			continue
		}
		r.URL = "https://" + j.config.Host + "/artifactory/" + r.Key
		if r.PackageType == "Docker" {
			r.URL = "https://" + j.config.Host + "/artifactory/api/docker/" + r.Key
		}
		list = append(list, r)
	}
	replyJSON(w, http.StatusOK, list)
}

// reaches reports whether rights are about something in the repository.
func reaches(rights []registrytest.Right, key string) bool {
	return slices.ContainsFunc(rights, func(r registrytest.Right) bool {
		return strings.HasPrefix(key+"/", r.Prefix) || strings.HasPrefix(r.Prefix, key+"/")
	})
}

// serveRepository is Create Repository and Delete Repository, for administrators.
func (j *JFrog) serveRepository(w http.ResponseWriter, req *http.Request, key string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	u, _, ok := j.apiLogin(w, req)
	if !ok {
		return
	}
	if !u.Admin {
		jfrogStatus(w, http.StatusForbidden, "This request is blocked due to insufficient permissions")
		return
	}
	at := slices.IndexFunc(j.repos, func(r JFrogRepository) bool { return r.Key == key })
	switch req.Method {
	case http.MethodPut:
		var body struct {
			Key         string `json:"key"`
			RClass      string `json:"rclass"`
			PackageType string `json:"packageType"`
		}
		switch err := json.NewDecoder(req.Body).Decode(&body); {
		case err != nil || body.RClass != "local" || body.PackageType != "docker" || body.Key != "" && body.Key != key:
			jfrogStatus(w, http.StatusBadRequest, "Could not create repository: invalid configuration")
		case at >= 0:
			jfrogStatus(w, http.StatusBadRequest, "Case insensitive repository key already exists")
		default:
			j.repos = append(j.repos, JFrogRepository{Key: key, Type: "LOCAL", PackageType: "Docker"})
			w.WriteHeader(http.StatusOK)
			_, _ = w.Write([]byte("Successfully created repository '" + key + "' \n"))
		}
	case http.MethodDelete:
		if at < 0 {
			jfrogStatus(w, http.StatusNotFound, "Repository "+key+" does not exist")
			return
		}
		j.repos = slices.Delete(j.repos, at, at+1)
		_, _ = w.Write([]byte("Repository '" + key + "' and all its content have been removed successfully.\n"))
	default:
		jfrogStatus(w, http.StatusMethodNotAllowed, "Method Not Allowed")
	}
}
