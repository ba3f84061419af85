package cloudtest

import (
	"io"
	"net/http"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// azureNull is the user name with which a registry's own tokens are passwords.
const azureNull = "00000000-0000-0000-0000-000000000000"

func azureBytes(l v1.Layer) ([]byte, error) {
	r, err := l.Compressed()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return io.ReadAll(r)
}

// serveExchange gives a refresh token of the registry for a token of Entra
// (Azure/acr, docs/AAD-OAuth.md, "Calling POST /oauth2/exchange").
func (h *AzureHost) serveExchange(w http.ResponseWriter, r *http.Request) {
	unauthorized := func(message string) { azureRegistryError(w, http.StatusUnauthorized, "UNAUTHORIZED", message) }
	if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") || r.ParseForm() != nil {
		azureRegistryError(w, http.StatusBadRequest, "BAD_REQUEST", "the request is not a form")
		return
	}
	f := r.PostForm
	var token string
	switch f.Get("grant_type") {
	case "access_token", "access_token_refresh_token":
		token = f.Get("access_token")
	case "refresh_token":
		token = f.Get("refresh_token")
	default:
		azureRegistryError(w, http.StatusBadRequest, "BAD_REQUEST", "invalid grant_type")
		return
	}
	if f.Get("service") != h.loginServer {
		azureRegistryError(w, http.StatusBadRequest, "BAD_REQUEST", "invalid service")
		return
	}
	c, err := h.azure.readEntra(token)
	switch {
	case azureExpired(err):
		unauthorized("token is expired, visit https://aka.ms/acr/authorization for more information.")
		return
	case err != nil || len(c.Audience) != 1 || !h.takes(c.Audience[0]):
		unauthorized("token validation failed, visit https://aka.ms/acr/authorization for more information.")
		return
	case f.Get("tenant") != "" && f.Get("tenant") != c.Tenant:
		unauthorized("token tenant mismatch, visit https://aka.ms/acr/authorization for more information.")
		return
	}
	// A principal that has no role at the registry gets no further.
	if _, ok := h.azure.app(c.AppID); !ok || len(h.azure.actions(c.AppID, h.settings(), "")) == 0 {
		unauthorized(azureUnauthorized)
		return
	}
	azureJSON(w, http.StatusOK, map[string]any{
		"refresh_token": h.registryToken(azureWho{name: c.AppID, tenant: c.Tenant}, "refresh_token", nil),
	})
}

// takes reports whether the registry takes tokens for an audience: its own, and unless
// that is switched off those of Resource Manager.
func (h *AzureHost) takes(audience string) bool {
	s := h.settings()
	return audience == azureRegistryAudience ||
		!s.NoARMTokens && slices.Contains(s.Cloud.hosts().armAudiences, strings.TrimSuffix(audience, "/"))
}

// serveToken is the token endpoint: GET with Basic or without a login, POST with a
// refresh token (Azure/acr, docs/AAD-OAuth.md and docs/Token-BasicAuth.md).
func (h *AzureHost) serveToken(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil {
		azureRegistryError(w, http.StatusBadRequest, "BAD_REQUEST", "the request is not a form")
		return
	}
	if s := r.Form.Get("service"); s != "" && s != h.loginServer {
		azureRegistryError(w, http.StatusBadRequest, "BAD_REQUEST", "invalid service")
		return
	}
	var scopes []string
	for _, s := range r.Form["scope"] {
		scopes = append(scopes, strings.Fields(s)...)
	}
	who, limit, ok := h.asks(w, r)
	if !ok {
		return
	}
	access := h.grant(who, scopes)
	if limit != nil {
		access = azureLimited(access, limit)
	}
	// Nothing of what was asked for, or nobody who asks for nothing: no token.
	if len(access) == 0 && (len(scopes) > 0 || who.name == "") {
		azureRegistryError(w, http.StatusUnauthorized, "UNAUTHORIZED", azureUnauthorized)
		return
	}
	azureJSON(w, http.StatusOK, map[string]any{"access_token": h.registryToken(who, "access_token", access)})
}

// azureLimited is what two lists both allow.
func azureLimited(access, limit []azureAccess) []azureAccess {
	list := []azureAccess{}
	for _, a := range access {
		a.Actions = slices.DeleteFunc(slices.Clone(a.Actions), func(action string) bool {
			return !azureRegistryClaims{Access: limit}.may(a.Type, a.Name, action)
		})
		if len(a.Actions) > 0 {
			list = append(list, a)
		}
	}
	return list
}

// asks finds out who asks for a token. limit isn't nil if a token that has its limits
// was shown.
func (h *AzureHost) asks(w http.ResponseWriter, r *http.Request) (who azureWho, limit []azureAccess, ok bool) {
	f := r.PostForm
	switch {
	case r.Method == http.MethodPost && f.Get("grant_type") == "refresh_token":
		who, limit, ok = h.byToken(f.Get("refresh_token"))
		if limit != nil {
			ok = false
		}
	case r.Method == http.MethodPost && f.Get("grant_type") == "password" && f.Get("username") == "" && f.Get("password") == "":
		return azureWho{}, nil, true
	case r.Method == http.MethodPost:
		// What containerd tries first; ACR is known to answer 400.
		azureRegistryError(w, http.StatusBadRequest, "BAD_REQUEST", "grant_type is not supported")
		return who, nil, false
	case r.Header.Get("Authorization") == "":
		return azureWho{}, nil, true
	default:
		who, limit, ok = h.basic(r)
	}
	if !ok {
		azureRegistryError(w, http.StatusUnauthorized, "UNAUTHORIZED", azureUnauthorized)
	}
	return who, limit, ok
}

// byToken recognises a token of the registry's own.
func (h *AzureHost) byToken(token string) (azureWho, []azureAccess, bool) {
	c, err := h.readRegistry(token)
	if err != nil {
		return azureWho{}, nil, false
	}
	who := azureWho{name: c.Subject, tenant: c.Tenant}
	switch app, ok := h.azure.app(c.Subject); {
	case ok:
		who.app = app.ClientID
	default:
		who.token = c.Subject
	}
	if c.GrantType == "refresh_token" {
		return who, nil, true
	}
	return who, append([]azureAccess{}, c.Access...), true
}

// basic recognises a user name with a password: the registry's own tokens under the
// null GUID, a scope-mapped token, a service principal, the admin user.
func (h *AzureHost) basic(r *http.Request) (azureWho, []azureAccess, bool) {
	name, password, _ := r.BasicAuth()
	s := h.settings()
	switch {
	case password == "":
		return azureWho{}, nil, false
	case name == azureNull:
		return h.byToken(password)
	case name == s.Name && s.Admin != "" && password == s.Admin:
		return azureWho{name: name, admin: true}, nil, true
	}
	now := h.azure.n.Now()
	good := func(list []AzureSecret) bool {
		return slices.ContainsFunc(list, func(x AzureSecret) bool {
			return x.Value == password && (x.Expires.IsZero() || now.Before(x.Expires))
		})
	}
	for _, t := range s.Tokens {
		if t.Name == name {
			return azureWho{name: name, token: name}, nil, !t.Disabled && good(t.Passwords)
		}
	}
	app, ok := h.azure.app(name)
	return azureWho{name: app.ClientID, tenant: app.Tenant, app: app.ClientID}, nil, ok && !app.Disabled && good(app.Secrets)
}
