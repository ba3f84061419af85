package cloudtest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// entra serves Microsoft Entra of one cloud: the discovery documents and the client
// credentials grant (learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow).
func (a *Azure) entra(cloud AzureCloud) http.Handler {
	host := cloud.hosts().login
	mux := http.NewServeMux()
	mux.HandleFunc("GET /common/discovery/instance", func(w http.ResponseWriter, r *http.Request) { a.serveInstance(w, r, host) })
	mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		t, err := a.tenant(cloud, r.PathValue("tenant"))
		if err != nil {
			err.write(w, a, host)
			return
		}
		azureJSON(w, http.StatusOK, map[string]any{
			"issuer":                                "https://" + host + "/" + t.id + "/v2.0",
			"authorization_endpoint":                "https://" + host + "/" + t.id + "/oauth2/v2.0/authorize",
			"token_endpoint":                        "https://" + host + "/" + t.id + "/oauth2/v2.0/token",
			"jwks_uri":                              "https://" + host + "/" + t.id + "/discovery/v2.0/keys",
			"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		})
	})
	mux.HandleFunc("GET /{tenant}/discovery/v2.0/keys", func(w http.ResponseWriter, _ *http.Request) {
		azureJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &a.key.PublicKey, KeyID: "entra-1", Algorithm: string(jose.RS256), Use: "sig"}}})
	})
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", func(w http.ResponseWriter, r *http.Request) {
		app, audience, err := a.clientCredentials(cloud, r)
		if err != nil {
			err.write(w, a, host)
			return
		}
		w.Header().Set("Cache-Control", "no-store, no-cache")
		azureJSON(w, http.StatusOK, map[string]any{
			"token_type": "Bearer", "expires_in": int(azureAppLife.Seconds()), "ext_expires_in": int(azureAppLife.Seconds()),
			"access_token": a.entraToken(app, audience, azureAppLife),
		})
	})
	return azureDated(a, mux)
}

// azureDated gives replies the fake's own time.
func azureDated(a *Azure, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", a.n.Now().UTC().Format(http.TimeFormat))
		h.ServeHTTP(w, r)
	})
}

func azureJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// serveInstance is instance discovery, which vendors' clients ask first.
func (a *Azure) serveInstance(w http.ResponseWriter, r *http.Request, host string) {
	at, err := url.Parse(r.URL.Query().Get("authorization_endpoint"))
	if err != nil || r.URL.Query().Get("api-version") == "" {
		azureRefuse(http.StatusBadRequest, "invalid_request", 900144, "The request body must contain the following parameter: 'authorization_endpoint'.").write(w, a, host)
		return
	}
	tenant, _, _ := strings.Cut(strings.TrimPrefix(at.Path, "/"), "/")
	azureJSON(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": "https://" + host + "/" + tenant + "/v2.0/.well-known/openid-configuration", "api-version": "1.1",
		"metadata": []map[string]any{{"preferred_network": host, "preferred_cache": host, "aliases": []string{host}}},
	})
}

// azureRefusal is an error of Entra.
type azureRefusal struct {
	status int
	name   string
	code   int
	text   string
}

func azureRefuse(status int, name string, code int, text string) *azureRefusal {
	return &azureRefusal{status, name, code, text}
}

func (e *azureRefusal) write(w http.ResponseWriter, a *Azure, host string) {
	trace, correlation, at := rand.Text(), rand.Text(), a.n.Now().UTC().Format("2006-01-02 15:04:05Z")
	azureJSON(w, e.status, map[string]any{
		"error": e.name,
		"error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s",
			e.code, e.text, trace, correlation, at),
		"error_codes": []int{e.code}, "timestamp": at, "trace_id": trace, "correlation_id": correlation,
		"error_uri": fmt.Sprintf("https://%s/error?code=%d", host, e.code),
	})
}

func (a *Azure) tenant(cloud AzureCloud, name string) (*azureTenant, *azureRefusal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range a.tenants {
		if t.cloud == cloud && (strings.EqualFold(t.id, name) || slices.Contains(t.domains, strings.ToLower(name))) {
			return t, nil
		}
	}
	return nil, azureRefuse(http.StatusBadRequest, "invalid_request", 90002, fmt.Sprintf(
		"Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. "+
			"Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.", name))
}

func (a *Azure) app(clientID string) (AzureApp, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	app, ok := a.apps[strings.ToLower(clientID)]
	if !ok {
		return AzureApp{}, false
	}
	return *app, true
}

// clientCredentials recognises an application and what it asks a token for.
func (a *Azure) clientCredentials(cloud AzureCloud, r *http.Request) (AzureApp, string, *azureRefusal) {
	t, no := a.tenant(cloud, r.PathValue("tenant"))
	if no != nil {
		return AzureApp{}, "", no
	}
	invalid := func(code int, text string) (AzureApp, string, *azureRefusal) {
		return AzureApp{}, "", azureRefuse(http.StatusBadRequest, "invalid_request", code, text)
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") || r.ParseForm() != nil {
		return invalid(900144, "The request body must contain the following parameter: 'grant_type'.")
	}
	f := r.PostForm
	switch {
	case f.Get("grant_type") != "client_credentials":
		return AzureApp{}, "", azureRefuse(http.StatusBadRequest, "unsupported_grant_type", 70003, fmt.Sprintf("The app requested an unsupported grant type '%s'.", f.Get("grant_type")))
	case f.Get("client_id") == "":
		return invalid(900144, "The request body must contain the following parameter: 'client_id'.")
	}
	app, ok := a.app(f.Get("client_id"))
	if !ok || app.Tenant != t.id {
		return AzureApp{}, "", azureRefuse(http.StatusBadRequest, "unauthorized_client", 700016, fmt.Sprintf(
			"Application with identifier '%s' was not found in the directory '%s'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.",
			f.Get("client_id"), t.id))
	}
	if no := a.prove(r.Context(), app, f); no != nil {
		return AzureApp{}, "", no
	}
	switch {
	case app.Disabled:
		return AzureApp{}, "", azureRefuse(http.StatusUnauthorized, "unauthorized_client", 7000112, fmt.Sprintf("Application '%s' is disabled.", app.ClientID))
	case app.Blocked:
		return AzureApp{}, "", azureRefuse(http.StatusBadRequest, "access_denied", 53003, "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.")
	}
	audience, no := azureAudience(cloud, f.Get("scope"), t.id)
	return app, audience, no
}

// prove checks a client secret or a client assertion.
func (a *Azure) prove(ctx context.Context, app AzureApp, f url.Values) *azureRefusal {
	secret, assertion := f.Get("client_secret"), f.Get("client_assertion")
	switch {
	case assertion != "" && f.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
		return azureRefuse(http.StatusUnauthorized, "invalid_client", 7000214, "The client assertion type is not supported.")
	case assertion != "":
		return a.proveAssertion(ctx, app, assertion)
	case secret == "":
		return azureRefuse(http.StatusUnauthorized, "invalid_client", 7000216, "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.")
	}
	for _, s := range app.Secrets {
		if s.Value != secret {
			continue
		}
		if !s.Expires.IsZero() && !a.n.Now().Before(s.Expires) {
			return azureRefuse(http.StatusUnauthorized, "invalid_client", 7000222, fmt.Sprintf(
				"The provided client secret keys for app '%s' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.", app.ClientID))
		}
		return nil
	}
	return azureRefuse(http.StatusUnauthorized, "invalid_client", 7000215, fmt.Sprintf(
		"Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'.", app.ClientID))
}

// azureRegistryAudience is the same in all clouds.
const azureRegistryAudience = "https://containerregistry.azure.net"

// azureAudience reads a scope: one resource with /.default, and what OpenID Connect
// clients add.
func azureAudience(cloud AzureCloud, scope, tenant string) (string, *azureRefusal) {
	var resources []string
	for s := range strings.FieldsSeq(scope) {
		if !slices.Contains([]string{"openid", "offline_access", "profile"}, s) {
			resources = append(resources, s)
		}
	}
	if len(resources) != 1 || !strings.HasSuffix(resources[0], "/.default") {
		return "", azureRefuse(http.StatusBadRequest, "invalid_scope", 1002012, fmt.Sprintf(
			"The provided value for scope %s is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).", scope))
	}
	audience := strings.TrimSuffix(strings.TrimSuffix(resources[0], "/.default"), "/")
	if audience != azureRegistryAudience && !slices.Contains(cloud.hosts().armAudiences, audience) {
		return "", azureRefuse(http.StatusBadRequest, "invalid_resource", 500011, fmt.Sprintf(
			"The resource principal named %s was not found in the tenant named %s. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.",
			audience, tenant))
	}
	return audience, nil
}
