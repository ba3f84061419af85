package cloudtest

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// resourceManager is the Resource Manager's API
// (docs.cloud.google.com/resource-manager/reference/rest/v3/projects).
func (g *Google) resourceManager() http.Handler {
	const service = "cloudresourcemanager.googleapis.com"
	m := http.NewServeMux()
	m.HandleFunc("GET /v3/projects:search", func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		caller, no := g.caller(r, service, GooglePlatform, GooglePlatformRead)
		if no != nil {
			no.serve(w)
			return
		}
		var list []any
		for _, id := range slices.Sorted(maps.Keys(g.projects)) {
			if g.may(caller.members, "resourcemanager.projects.get", "projects/"+id) {
				list = append(list, googleProjectJSON(g.projects[id]))
			}
		}
		g.page(w, r, "projects", list)
	})
	m.HandleFunc("GET /v3/projects/{project}", func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		caller, no := g.caller(r, service, GooglePlatform, GooglePlatformRead)
		if no != nil {
			no.serve(w)
			return
		}
		p := g.projects[r.PathValue("project")]
		if p == nil || !g.may(caller.members, "resourcemanager.projects.get", "projects/"+p.id) {
			googleFail(http.StatusForbidden, "PERMISSION_DENIED", "The caller does not have permission").serve(w)
			return
		}
		googleJSON(w, http.StatusOK, googleProjectJSON(p))
	})
	return m
}

func googleProjectJSON(p *googleProject) map[string]string {
	return map[string]string{"name": "projects/" + p.number, "projectId": p.id, "state": "ACTIVE", "displayName": p.id}
}

// serviceUsage says which services a project has, and switches them on
// (docs.cloud.google.com/service-usage/docs/reference/rest/v1/services).
func (g *Google) serviceUsage() http.Handler {
	m := http.NewServeMux()
	serve := func(permission string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			g.mu.Lock()
			defer g.mu.Unlock()
			caller, no := g.caller(r, "serviceusage.googleapis.com", GooglePlatform)
			if no != nil {
				no.serve(w)
				return
			}
			service, enable := strings.CutSuffix(r.PathValue("service"), ":enable")
			p := g.projects[r.PathValue("project")]
			if p == nil || enable != (r.Method == http.MethodPost) || !g.may(caller.members, permission, "projects/"+p.id) {
				googleFail(http.StatusForbidden, "PERMISSION_DENIED", "Permission denied to get service [%s]", service).serve(w)
				return
			}
			if enable {
				p.disabled[service] = false
				googleJSON(w, http.StatusOK, map[string]any{"name": "operations/noop.DONE_OPERATION", "done": true})
				return
			}
			state := "ENABLED"
			if p.disabled[service] {
				state = "DISABLED"
			}
			googleJSON(w, http.StatusOK, map[string]string{"name": "projects/" + p.number + "/services/" + service, "parent": "projects/" + p.number, "state": state})
		}
	}
	m.HandleFunc("GET /v1/projects/{project}/services/{service}", serve("serviceusage.services.get"))
	m.HandleFunc("POST /v1/projects/{project}/services/{service}", serve("serviceusage.services.enable"))
	return m
}
