package cloudtest

import (
	"slices"
	"strings"
)

// azureWho is whom a registry deals with: a service principal, a token of its own, the
// admin user, or nobody.
type azureWho struct {
	name, tenant string
	app          string // a client id
	token        string // a token's name
	admin        bool
}

// azureRole says what a role allows: at a registry's data without and with ABAC, and
// whether it may read or change the registry itself. Source: learn.microsoft.com
// container-registry-rbac-built-in-roles-overview.
func azureRoleOf(role string) (classic, abac []string, reads, writes bool) {
	all := []string{"pull", "push", "delete", "metadata_read", "metadata_write"}
	switch role {
	case "AcrPull":
		return []string{"pull", "metadata_read"}, nil, false, false
	case "AcrPush":
		return []string{"pull", "push", "metadata_read", "metadata_write"}, nil, false, false
	case "AcrDelete":
		return []string{"delete"}, nil, false, false
	case "Reader":
		return []string{"pull", "metadata_read"}, nil, true, false
	case "Contributor", "Owner":
		return all, nil, true, true
	case "Container Registry Contributor and Data Access Configuration Administrator":
		return nil, nil, true, true
	case "Container Registry Repository Reader":
		return nil, []string{"pull", "metadata_read"}, false, false
	case "Container Registry Repository Writer":
		return nil, []string{"pull", "push", "metadata_read", "metadata_write"}, false, false
	case "Container Registry Repository Contributor":
		return nil, all, false, false
	case "Container Registry Repository Catalog Lister":
		return nil, []string{"catalog"}, false, false
	default:
		return nil, nil, false, false
	}
}

// azureCovers reports whether a role's scope is the resource or above it.
func azureCovers(scope, id string) bool {
	scope, id = strings.ToLower(strings.TrimSuffix(scope, "/")), strings.ToLower(id)
	return scope == id || strings.HasPrefix(id, scope+"/")
}

// may reports whether an application has a control right over a resource: reading it,
// or changing it.
func (a *Azure) may(app, id string, write bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.roles, func(r AzureRole) bool {
		_, _, reads, writes := azureRoleOf(r.Role)
		return strings.EqualFold(r.ClientID, app) && azureCovers(r.Scope, id) && (writes || reads && !write)
	})
}

// within reports whether an application has any role at or below a resource.
func (a *Azure) within(app, id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.roles, func(r AzureRole) bool {
		return strings.EqualFold(r.ClientID, app) && (azureCovers(r.Scope, id) || azureCovers(id, r.Scope))
	})
}

// actions gives what an application may do with a repository; "" is any repository.
func (a *Azure) actions(app string, c AzureRegistry, repository string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []string
	for _, r := range a.roles {
		if !strings.EqualFold(r.ClientID, app) || !azureCovers(r.Scope, c.ID()) {
			continue
		}
		classic, abac, _, _ := azureRoleOf(r.Role)
		if !c.ABAC {
			list = append(list, classic...)
			continue
		}
		if len(r.Repositories) == 0 || repository == "" || slices.ContainsFunc(r.Repositories, func(p string) bool { return strings.HasPrefix(repository, p) }) {
			list = append(list, abac...)
		}
	}
	return list
}

// azureScopeActions are what a scope map's actions are at the token endpoint.
func azureScopeActions(actions []string) []string {
	var list []string
	for _, action := range actions {
		switch action {
		case "content/read":
			list = append(list, "pull")
		case "content/write":
			list = append(list, "push")
		case "content/delete":
			list = append(list, "delete")
		case "metadata/read":
			list = append(list, "metadata_read")
		case "metadata/write":
			list = append(list, "metadata_write")
		}
	}
	return list
}

// allows gives what somebody may do with a repository.
func (h *AzureHost) allows(who azureWho, repository string) []string {
	switch {
	case who.admin:
		return []string{"pull", "push", "delete", "metadata_read", "metadata_write", "catalog"}
	case who.token != "":
		return h.mapped(who.token, repository)
	case who.app != "":
		list := h.azure.actions(who.app, h.settings(), repository)
		if !h.settings().ABAC && slices.Contains(list, "pull") {
			list = append(list, "catalog")
		}
		return list
	case h.settings().Anonymous:
		return []string{"pull", "metadata_read"}
	default:
		return nil
	}
}

// mapped gives what a token's scope map allows. A wildcard is the last segment
// (learn.microsoft.com container-registry-token-based-repository-permissions).
func (h *AzureHost) mapped(token, repository string) []string {
	var list []string
	for _, t := range h.settings().Tokens {
		if t.Name != token {
			continue
		}
		for pattern, actions := range t.Actions {
			prefix, wild := strings.CutSuffix(pattern, "*")
			if pattern == repository || wild && (prefix == "" || strings.HasSuffix(prefix, "/")) && strings.HasPrefix(repository, prefix) {
				list = append(list, azureScopeActions(actions)...)
			}
		}
	}
	return list
}

// grant gives what of the scopes somebody may do; one of which nothing is left is
// dropped.
func (h *AzureHost) grant(who azureWho, scopes []string) []azureAccess {
	list := []azureAccess{}
	for _, s := range scopes {
		kind, rest, _ := strings.Cut(s, ":")
		last := strings.LastIndexByte(rest, ':')
		if last < 0 {
			continue
		}
		name, wanted := rest[:last], strings.Split(rest[last+1:], ",")
		a := azureAccess{Type: kind, Name: name, Actions: []string{}}
		switch {
		case kind == "registry" && name == "catalog":
			if slices.Contains(h.allows(who, ""), "catalog") {
				a.Actions = wanted
			}
		case kind == "repository":
			have := h.allows(who, name)
			for _, w := range wanted {
				if w == "*" && len(have) > 0 {
					a.Actions = have
				} else if slices.Contains(have, w) {
					a.Actions = append(a.Actions, w)
				}
			}
		}
		if len(a.Actions) > 0 {
			list = append(list, a)
		}
	}
	return list
}
