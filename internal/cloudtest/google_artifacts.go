package cloudtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const googleArtifacts = "artifactregistry.googleapis.com"

// artifacts is Artifact Registry's API
// (docs.cloud.google.com/artifact-registry/docs/reference/rest).
func (g *Google) artifacts() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /v1/projects/{project}/locations", g.listLocations)
	m.HandleFunc("GET /v1/projects/{project}/locations/{location}/repositories", g.listRepositories)
	m.HandleFunc("GET /v1/projects/{project}/locations/{location}/repositories/{id}", g.getRepository)
	m.HandleFunc("POST /v1/projects/{project}/locations/{location}/repositories", g.createRepository)
	m.HandleFunc("DELETE /v1/projects/{project}/locations/{location}/repositories/{id}", g.deleteRepository)
	m.HandleFunc("GET /v1/projects/{project}/locations/{location}/operations/{id}", g.getOperation)
	return m
}

// googleOperation is a long-running operation (google.longrunning.Operation).
type googleOperation struct {
	polls    int
	response any
}

// enter checks who calls for which permission on a project's resource ("" is the
// project), and answers whoever may not. The lock is held if ok.
func (g *Google) enter(w http.ResponseWriter, r *http.Request, permission, resource string) (p *googleProject, ok bool) {
	g.mu.Lock()
	defer func() {
		if !ok {
			g.mu.Unlock()
		}
	}()
	scopes := []string{GooglePlatform}
	if r.Method == http.MethodGet {
		scopes = append(scopes, GooglePlatformRead)
	}
	caller, no := g.caller(r, googleArtifacts, scopes...)
	if no != nil {
		no.serve(w)
		return nil, false
	}
	id := r.PathValue("project")
	above := "projects/" + id
	if resource == "" {
		resource = above
	}
	p = g.projects[id]
	location := r.PathValue("location")
	switch {
	case p != nil && p.disabled[googleArtifacts]:
		googleServiceOff("Artifact Registry API", googleArtifacts, p.number).serve(w)
	case p == nil || !g.may(caller.members, permission, resource):
		googleNoPermission(permission, resource).serve(w)
	case location != "" && !slices.Contains(GoogleLocations(), location):
		googleFail(http.StatusForbidden, "PERMISSION_DENIED", "Location %s is not found or access is unauthorized.", location).
			because("LOCATION_ACCESS_DENIED", map[string]string{"location": location}).serve(w)
	default:
		return p, true
	}
	return nil, false
}

func (g *Google) listLocations(w http.ResponseWriter, r *http.Request) {
	p, ok := g.enter(w, r, "artifactregistry.locations.list", "")
	if !ok {
		return
	}
	defer g.mu.Unlock()
	var list []any
	for _, l := range GoogleLocations() {
		list = append(list, map[string]string{"name": "projects/" + p.id + "/locations/" + l, "locationId": l, "displayName": l})
	}
	g.page(w, r, "locations", list)
}

// page answers one page of a list.
func (g *Google) page(w http.ResponseWriter, r *http.Request, field string, list []any) {
	size, _ := strconv.Atoi(r.URL.Query().Get("pageSize"))
	if size <= 0 {
		size = 100
	}
	if g.pageSize > 0 {
		size = min(size, g.pageSize)
	}
	from, err := strconv.Atoi(strings.TrimPrefix(r.URL.Query().Get("pageToken"), "page-"))
	if token := r.URL.Query().Get("pageToken"); token != "" && (err != nil || from >= len(list)) {
		googleFail(http.StatusBadRequest, "INVALID_ARGUMENT", "Invalid page token").serve(w)
		return
	}
	body := map[string]any{}
	to := min(from+size, len(list))
	if part := list[from:to]; len(part) > 0 { // empty lists are left out, as in protobuf's JSON
		body[field] = part
	}
	if to < len(list) {
		body["nextPageToken"] = "page-" + strconv.Itoa(to)
	}
	googleJSON(w, http.StatusOK, body)
}

func googleRepositoryJSON(p *googleProject, name string, r GoogleRepository) map[string]any {
	return map[string]any{
		"name": name, "format": r.Format, "mode": r.Mode, "sizeBytes": "0",
		"registryUri": fmt.Sprintf("%s-%s.pkg.dev/%s/%s", r.Location, strings.ToLower(r.Format), googlePath(p.id), r.ID),
	}
}

// googlePath is a project's ID as it stands in an image's name: a domain's project has
// its domain in front (docs.cloud.google.com/artifact-registry/docs/docker/names).
func googlePath(project string) string { return strings.Replace(project, ":", "/", 1) }

func (g *Google) listRepositories(w http.ResponseWriter, r *http.Request) {
	p, ok := g.enter(w, r, "artifactregistry.repositories.list", "")
	if !ok {
		return
	}
	defer g.mu.Unlock()
	var list []any
	for _, name := range slices.Sorted(maps.Keys(p.repositories)) {
		if repository := p.repositories[name]; repository.Location == r.PathValue("location") {
			list = append(list, googleRepositoryJSON(p, name, repository))
		}
	}
	g.page(w, r, "repositories", list)
}

func googleRepositoryName(r *http.Request, id string) string {
	return "projects/" + r.PathValue("project") + "/locations/" + r.PathValue("location") + "/repositories/" + id
}

func (g *Google) getRepository(w http.ResponseWriter, r *http.Request) {
	name := googleRepositoryName(r, r.PathValue("id"))
	p, ok := g.enter(w, r, "artifactregistry.repositories.get", name)
	if !ok {
		return
	}
	defer g.mu.Unlock()
	repository, ok := p.repositories[name]
	if !ok {
		googleFail(http.StatusNotFound, "NOT_FOUND", "Requested entity was not found.").serve(w)
		return
	}
	googleJSON(w, http.StatusOK, googleRepositoryJSON(p, name, repository))
}

func (g *Google) createRepository(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("repositoryId")
	p, ok := g.enter(w, r, "artifactregistry.repositories.create", "")
	if !ok {
		return
	}
	defer g.mu.Unlock()
	var in struct {
		Format string `json:"format"`
	}
	name := googleRepositoryName(r, id)
	_, there := p.repositories[name]
	switch {
	case json.NewDecoder(r.Body).Decode(&in) != nil, in.Format == "", id == "", strings.ToLower(id) != id:
		googleFail(http.StatusBadRequest, "INVALID_ARGUMENT", "Request contains an invalid argument.").serve(w)
		return
	case there:
		googleFail(http.StatusConflict, "ALREADY_EXISTS", "the repository already exists").serve(w)
		return
	}
	g.addRepository(p, GoogleRepository{Location: r.PathValue("location"), ID: id, Format: in.Format})
	g.begin(w, r, googleRepositoryJSON(p, name, p.repositories[name]))
}

func (g *Google) deleteRepository(w http.ResponseWriter, r *http.Request) {
	name := googleRepositoryName(r, r.PathValue("id"))
	p, ok := g.enter(w, r, "artifactregistry.repositories.delete", name)
	if !ok {
		return
	}
	defer g.mu.Unlock()
	if _, there := p.repositories[name]; !there {
		googleFail(http.StatusNotFound, "NOT_FOUND", "Requested entity was not found.").serve(w)
		return
	}
	delete(p.repositories, name)
	g.begin(w, r, map[string]string{"@type": "type.googleapis.com/google.protobuf.Empty"})
}

// begin answers with an operation that has begun.
func (g *Google) begin(w http.ResponseWriter, r *http.Request, response any) {
	name := fmt.Sprintf("projects/%s/locations/%s/operations/operation-%d", r.PathValue("project"), r.PathValue("location"), len(g.operations)+1)
	g.operations[name] = &googleOperation{polls: g.polls, response: response}
	g.serveOperation(w, name)
}

func (g *Google) getOperation(w http.ResponseWriter, r *http.Request) {
	_, ok := g.enter(w, r, "artifactregistry.repositories.get", "")
	if !ok {
		return
	}
	defer g.mu.Unlock()
	g.serveOperation(w, strings.TrimPrefix(r.URL.Path, "/v1/"))
}

func (g *Google) serveOperation(w http.ResponseWriter, name string) {
	o := g.operations[name]
	switch {
	case o == nil:
		googleFail(http.StatusNotFound, "NOT_FOUND", "Requested entity was not found.").serve(w)
	case o.polls > 0:
		o.polls--
		googleJSON(w, http.StatusOK, map[string]any{"name": name})
	default:
		googleJSON(w, http.StatusOK, map[string]any{"name": name, "done": true, "response": o.response})
	}
}
