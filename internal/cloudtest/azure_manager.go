package cloudtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-jose/go-jose/v4/jwt"
)

// arm serves what Azure Resource Manager of one cloud says about registries
// (learn.microsoft.com/rest/api/containerregistry, api-version 2023-07-01).
func (a *Azure) arm(cloud AzureCloud) http.Handler {
	const registries = "/providers/Microsoft.ContainerRegistry/registries"
	mux := http.NewServeMux()
	handle := func(pattern string, h func(http.ResponseWriter, *http.Request, azureClaims)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if c, ok := a.admit(w, r, cloud); ok {
				h(w, r, c)
			}
		})
	}
	handle("GET /subscriptions", a.listSubscriptions)
	handle("GET /subscriptions/{subscription}"+registries, a.listRegistries)
	handle("POST /subscriptions/{subscription}/providers/Microsoft.ContainerRegistry/checkNameAvailability", a.checkName)
	one := "/subscriptions/{subscription}/resourceGroups/{group}" + registries + "/{name}"
	handle("GET "+one, a.getRegistry)
	handle("PUT "+one, func(w http.ResponseWriter, r *http.Request, c azureClaims) { a.putRegistry(w, r, c, cloud) })
	handle("DELETE "+one, a.deleteRegistry)
	return azureDated(a, mux)
}

// armError is an error as Resource Manager has it.
func armError(w http.ResponseWriter, status int, code, message string, args ...any) {
	azureJSON(w, status, map[string]any{"error": map[string]string{"code": code, "message": fmt.Sprintf(message, args...)}})
}

// admit checks the token and the version.
func (a *Azure) admit(w http.ResponseWriter, r *http.Request, cloud AzureCloud) (azureClaims, bool) {
	refuse := func(code, message string) (azureClaims, bool) {
		w.Header().Set("WWW-Authenticate", `Bearer authorization_uri="https://`+cloud.hosts().login+`/common", error="invalid_token"`)
		armError(w, http.StatusUnauthorized, code, "%s", message)
		return azureClaims{}, false
	}
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return refuse("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
	}
	c, err := a.readEntra(token)
	switch {
	case errors.Is(err, jwt.ErrExpired):
		return refuse("ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time.")
	case err != nil:
		return refuse("InvalidAuthenticationToken", "The access token is invalid.")
	case len(c.Audience) != 1 || !slices.Contains(cloud.hosts().armAudiences, c.Audience[0]):
		return refuse("InvalidAuthenticationTokenAudience", "The access token has been obtained for wrong audience or resource. It should exactly match (including forward slash) with one of the allowed audiences.")
	case r.URL.Query().Get("api-version") == "":
		armError(w, http.StatusBadRequest, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
		return c, false
	}
	if id := r.PathValue("subscription"); id != "" {
		a.mu.Lock()
		s, ok := a.subscriptions[strings.ToLower(id)]
		a.mu.Unlock()
		switch {
		case !ok:
			armError(w, http.StatusNotFound, "SubscriptionNotFound", "The subscription '%s' could not be found.", id)
			return c, false
		case s.tenant != c.Tenant:
			return refuse("InvalidAuthenticationTokenTenant", "The access token is from the wrong issuer. It must match the tenant associated with this subscription.")
		}
	}
	return c, true
}

func (a *Azure) listSubscriptions(w http.ResponseWriter, _ *http.Request, c azureClaims) {
	a.mu.Lock()
	var all []*azureSubscription
	for _, s := range a.subscriptions {
		all = append(all, s)
	}
	a.mu.Unlock()
	list := []map[string]any{}
	for _, s := range all {
		if s.tenant == c.Tenant && a.within(c.AppID, "/subscriptions/"+s.id) {
			list = append(list, map[string]any{"id": "/subscriptions/" + s.id, "subscriptionId": s.id, "tenantId": s.tenant, "displayName": "Subscription " + s.id[:4], "state": "Enabled"})
		}
	}
	azureJSON(w, http.StatusOK, map[string]any{"value": list, "count": map[string]any{"type": "Total", "value": len(list)}})
}

// forbid says what right is missing.
func (a *Azure) forbid(w http.ResponseWriter, c azureClaims, action, scope string) {
	armError(w, http.StatusForbidden, "AuthorizationFailed",
		"The client '%s' with object id '%s' does not have authorization to perform action '%s' over scope '%s' or the scope is invalid. If access was recently granted, please refresh your credentials.",
		c.AppID, c.ObjectID, action, scope)
}

// SetPageSize says how many registries and repositories are on a page.
func (a *Azure) SetPageSize(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pageSize = n
}

func (a *Azure) listRegistries(w http.ResponseWriter, r *http.Request, c azureClaims) {
	subscription := r.PathValue("subscription")
	if !a.within(c.AppID, "/subscriptions/"+subscription) {
		a.forbid(w, c, "Microsoft.ContainerRegistry/registries/read", "/subscriptions/"+subscription)
		return
	}
	a.mu.Lock()
	var all []*AzureHost
	for _, h := range a.registries {
		all = append(all, h)
	}
	size := a.pageSize
	a.mu.Unlock()
	list := []any{}
	slices.SortFunc(all, func(x, y *AzureHost) int { return strings.Compare(x.config.Name, y.config.Name) })
	for _, h := range all {
		if s := h.settings(); strings.EqualFold(s.Subscription, subscription) && a.may(c.AppID, s.ID(), false) {
			list = append(list, h.document())
		}
	}
	from, _ := strconv.Atoi(r.URL.Query().Get("$skiptoken"))
	reply := map[string]any{"value": list[min(from, len(list)):min(from+size, len(list))]}
	if from+size < len(list) {
		next := *r.URL
		q := next.Query()
		q.Set("$skiptoken", strconv.Itoa(from+size))
		next.Scheme, next.Host, next.RawQuery = "https", r.Host, q.Encode()
		reply["nextLink"] = next.String()
	}
	azureJSON(w, http.StatusOK, reply)
}

// document is the registry as Resource Manager shows it.
func (h *AzureHost) document() map[string]any {
	c := h.settings()
	policy, mode := "enabled", "LegacyRegistryPermissions"
	if c.NoARMTokens {
		policy = "disabled"
	}
	if c.ABAC {
		mode = "AbacRepositoryPermissions"
	}
	return map[string]any{
		"id": c.ID(), "name": c.Name, "type": "Microsoft.ContainerRegistry/registries", "location": c.Location,
		"sku": map[string]string{"name": "Premium", "tier": "Premium"},
		"properties": map[string]any{
			"loginServer": c.LoginServer(), "provisioningState": h.state(), "adminUserEnabled": c.Admin != "",
			"anonymousPullEnabled": c.Anonymous, "roleAssignmentMode": mode,
			"policies": map[string]any{"azureADAuthenticationAsArmPolicy": map[string]string{"status": policy}},
		},
	}
}

// find gives the registry that a path names.
func (a *Azure) find(r *http.Request) *AzureHost {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, h := range a.registries {
		c := &h.config
		if strings.EqualFold(c.Subscription, r.PathValue("subscription")) && strings.EqualFold(c.ResourceGroup, r.PathValue("group")) &&
			strings.EqualFold(c.Name, r.PathValue("name")) {
			return h
		}
	}
	return nil
}

func armNotFound(w http.ResponseWriter, r *http.Request) {
	armError(w, http.StatusNotFound, "ResourceNotFound",
		"The Resource 'Microsoft.ContainerRegistry/registries/%s' under resource group '%s' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
		r.PathValue("name"), r.PathValue("group"))
}

func (a *Azure) getRegistry(w http.ResponseWriter, r *http.Request, c azureClaims) {
	h := a.find(r)
	switch {
	case !a.may(c.AppID, r.URL.Path, false):
		a.forbid(w, c, "Microsoft.ContainerRegistry/registries/read", r.URL.Path)
	case h == nil:
		armNotFound(w, r)
	default:
		azureJSON(w, http.StatusOK, h.document())
	}
}

// taken reports whether a registry's name is, which is so in all subscriptions.
func (a *Azure) taken(name string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, h := range a.registries {
		if strings.EqualFold(h.config.Name, name) {
			return true
		}
	}
	return false
}

func (a *Azure) checkName(w http.ResponseWriter, r *http.Request, _ azureClaims) {
	var ask struct{ Name, Type string }
	if json.NewDecoder(r.Body).Decode(&ask) != nil || ask.Type != "Microsoft.ContainerRegistry/registries" {
		armError(w, http.StatusBadRequest, "InvalidRequestContent", "The request content was invalid.")
		return
	}
	if a.taken(ask.Name) {
		azureJSON(w, http.StatusOK, map[string]any{"nameAvailable": false, "reason": "AlreadyExists", "message": "The registry " + ask.Name + " is already in use."})
		return
	}
	azureJSON(w, http.StatusOK, map[string]any{"nameAvailable": true})
}

var azureName = regexp.MustCompile(`^[a-zA-Z0-9]{5,50}$`)

// putRegistry makes a registry, which is there after it was looked at once more.
func (a *Azure) putRegistry(w http.ResponseWriter, r *http.Request, c azureClaims, cloud AzureCloud) {
	var ask struct {
		Location string
		SKU      struct{ Name string } `json:"sku"`
	}
	name, group, subscription := r.PathValue("name"), r.PathValue("group"), r.PathValue("subscription")
	a.mu.Lock()
	known := slices.Contains(a.subscriptions[strings.ToLower(subscription)].groups, group)
	a.mu.Unlock()
	switch {
	case !a.may(c.AppID, r.URL.Path, true):
		a.forbid(w, c, "Microsoft.ContainerRegistry/registries/write", r.URL.Path)
	case !known:
		armError(w, http.StatusNotFound, "ResourceGroupNotFound", "Resource group '%s' could not be found.", group)
	case json.NewDecoder(r.Body).Decode(&ask) != nil:
		armError(w, http.StatusBadRequest, "InvalidRequestContent", "The request content was invalid and could not be deserialized.")
	case ask.Location == "":
		armError(w, http.StatusBadRequest, "LocationRequired", "The location property is required for this definition.")
	case !slices.Contains([]string{"Basic", "Standard", "Premium"}, ask.SKU.Name):
		armError(w, http.StatusBadRequest, "InvalidSku", "The SKU '%s' is invalid.", ask.SKU.Name)
	case !azureName.MatchString(name):
		armError(w, http.StatusBadRequest, "InvalidRegistryName", "Registry names may contain alpha numeric characters only and must be between 5 and 50 characters.")
	case a.taken(name):
		armError(w, http.StatusConflict, "AlreadyInUse", "The registry DNS name %s.%s is already in use.", name, cloud.hosts().suffix)
	default:
		h, err := a.addRegistry(AzureRegistry{Name: name, Cloud: cloud, Subscription: subscription, ResourceGroup: group, Location: ask.Location})
		if err != nil {
			armError(w, http.StatusInternalServerError, "InternalServerError", "%s", err)
			return
		}
		document := h.document()
		h.creating(1)
		document["properties"].(map[string]any)["provisioningState"] = "Creating"
		azureJSON(w, http.StatusCreated, document)
	}
}

func (a *Azure) deleteRegistry(w http.ResponseWriter, r *http.Request, c azureClaims) {
	h := a.find(r)
	switch {
	case !a.may(c.AppID, r.URL.Path, true):
		a.forbid(w, c, "Microsoft.ContainerRegistry/registries/delete", r.URL.Path)
	case h == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		a.mu.Lock()
		delete(a.registries, h.loginServer)
		a.mu.Unlock()
		a.n.Handle(h.loginServer, nil)
		w.WriteHeader(http.StatusOK)
	}
}
