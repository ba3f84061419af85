package cloudtest

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// serveIMDS is the part of the instance metadata service that gives tokens of the
// machine's managed identities, with its numbers as strings
// (learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token).
func (a *Azure) serveIMDS(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, name, text string) {
		azureJSON(w, status, map[string]any{"error": name, "error_description": text})
	}
	q := r.URL.Query()
	switch {
	case r.URL.Path != "/metadata/identity/oauth2/token":
		refuse(http.StatusNotFound, "Not found", "")
		return
	case r.Method != http.MethodGet:
		refuse(http.StatusMethodNotAllowed, "method_not_allowed", "Only GET is supported")
		return
	case r.TLS != nil:
		refuse(http.StatusBadRequest, "invalid_request", "The service speaks http")
		return
	case r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Metadata") != "true":
		refuse(http.StatusBadRequest, "invalid_request", "Required metadata header not specified")
		return
	case q.Get("api-version") < "2018-02-01":
		refuse(http.StatusBadRequest, "bad_request_102", "Required api-version was not specified or is not supported")
		return
	}
	audience := strings.TrimSuffix(q.Get("resource"), "/")
	if audience != azureRegistryAudience && !slices.Contains(AzurePublic.hosts().armAudiences, audience) {
		refuse(http.StatusBadRequest, "invalid_resource", "AADSTS500011: The resource principal named "+q.Get("resource")+" was not found in the tenant.")
		return
	}
	app, ok := a.identity(q)
	if !ok {
		refuse(http.StatusBadRequest, "invalid_request", "Identity not found")
		return
	}
	now := a.n.Now()
	seconds := strconv.Itoa(int(azureMachineLife.Seconds()))
	azureJSON(w, http.StatusOK, map[string]any{
		"access_token": a.entraToken(app, audience, azureMachineLife), "client_id": app.ClientID,
		"expires_in": seconds, "ext_expires_in": seconds, "expires_on": strconv.FormatInt(now.Add(azureMachineLife).Unix(), 10),
		"not_before": strconv.FormatInt(now.Unix(), 10), "resource": q.Get("resource"), "token_type": "Bearer",
	})
}

// identity finds the managed identity that a query names; without a name it is the
// system's, or the only one that there is.
func (a *Azure) identity(q url.Values) (AzureApp, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var there []*AzureApp
	for _, id := range a.machine {
		if app, ok := a.apps[strings.ToLower(id)]; ok {
			there = append(there, app)
		}
	}
	resource := q.Get("msi_res_id") + q.Get("mi_res_id")
	named := q.Get("client_id")+q.Get("object_id")+resource != ""
	for i, app := range there {
		switch {
		case named && (strings.EqualFold(q.Get("client_id"), app.ClientID) || strings.EqualFold(q.Get("object_id"), app.ObjectID) ||
			resource != "" && strings.EqualFold(resource, app.ResourceID)):
			return *app, true
		case !named && (len(there) == 1 || i == 0 && a.machine[0] != ""):
			return *app, true
		}
	}
	return AzureApp{}, false
}
