package cloudtest_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"fairlead.dev/fairlead/internal/cloudtest"
)

const azureNobody = "00000000-0000-0000-0000-000000000000"

// azureAnswer is what a registry said.
type azureAnswer struct {
	status  int
	body    string
	header  http.Header
	refresh string
	access  string
}

func (w azureWorld) send(t *testing.T, method, path string, form url.Values, user, password string) azureAnswer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "https://"+w.host.LoginServer()+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	switch {
	case user == "bearer":
		req.Header.Set("Authorization", "Bearer "+password)
	case user != "":
		req.SetBasicAuth(user, password)
	}
	res, err := w.n.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var reply struct {
		Refresh string `json:"refresh_token"`
		Access  string `json:"access_token"`
	}
	_ = json.Unmarshal(b, &reply)
	return azureAnswer{res.StatusCode, string(b), res.Header, reply.Refresh, reply.Access}
}

func (w azureWorld) entra(t *testing.T) string {
	t.Helper()
	token, err := w.bySecret(t).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://containerregistry.azure.net/.default"}})
	if err != nil {
		t.Fatal(err)
	}
	return token.Token
}

// azureClaimsOf reads a registry's token.
func azureClaimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWT", token)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func azureLife(t *testing.T, token string) time.Duration {
	t.Helper()
	c := azureClaimsOf(t, token)
	return time.Unix(int64(c["exp"].(float64)), 0).Sub(time.Unix(int64(c["iat"].(float64)), 0))
}

// TestAzureExchange has all three grants that are met in the field, and what is wrong
// with others.
func TestAzureExchange(t *testing.T) {
	t.Parallel()
	w := newAzure(t, nil)
	token, host := w.entra(t), w.host.LoginServer()
	for _, row := range []struct {
		name   string
		form   url.Values
		status int
		says   string
	}{
		{"access_token", url.Values{"grant_type": {"access_token"}, "service": {host}, "access_token": {token}}, 200, "refresh_token"},
		{"with its tenant", url.Values{"grant_type": {"access_token"}, "service": {host}, "access_token": {token}, "tenant": {azureTenant}}, 200, "refresh_token"},
		{"access_token_refresh_token", url.Values{"grant_type": {"access_token_refresh_token"}, "service": {host}, "access_token": {token}, "refresh_token": {token}}, 200, "refresh_token"},
		{"refresh_token", url.Values{"grant_type": {"refresh_token"}, "service": {host}, "refresh_token": {token}}, 200, "refresh_token"},
		{"another tenant", url.Values{"grant_type": {"access_token"}, "service": {host}, "access_token": {token}, "tenant": {azureSub}}, 401, "tenant"},
		{"another service", url.Values{"grant_type": {"access_token"}, "service": {"other.azurecr.io"}, "access_token": {token}}, 400, "service"},
		{"another grant", url.Values{"grant_type": {"password"}, "service": {host}, "access_token": {token}}, 400, "grant_type"},
		{"no token", url.Values{"grant_type": {"access_token"}, "service": {host}}, 401, "token validation failed"},
		{"a token that was changed", url.Values{"grant_type": {"access_token"}, "service": {host}, "access_token": {token[:len(token)-8] + "AAAAAAAA"}}, 401, "token validation failed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got := w.send(t, http.MethodPost, "/oauth2/exchange", row.form, "", "")
			if got.status != row.status || !strings.Contains(got.body, row.says) {
				t.Fatalf("%d %s", got.status, got.body)
			}
			if row.status != http.StatusOK {
				return
			}
			if strings.Contains(got.body, "expires") || azureLife(t, got.refresh) != 3*time.Hour {
				t.Error("a refresh token lives three hours, and the reply doesn't say so")
			}
			if c := azureClaimsOf(t, got.refresh); c["iss"] != "Azure Container Registry" || c["grant_type"] != "refresh_token" || c["tenant"] != azureTenant {
				t.Errorf("%v", c)
			}
		})
	}
}

// TestAzureToken has every way to ask the token endpoint.
func TestAzureToken(t *testing.T) {
	t.Parallel()
	w := newAzure(t, func(r *cloudtest.AzureRegistry) { r.Admin = "admin-password" })
	host := w.host.LoginServer()
	refresh := w.send(t, http.MethodPost, "/oauth2/exchange", url.Values{"grant_type": {"access_token"}, "service": {host}, "access_token": {w.entra(t)}}, "", "").refresh
	const pull = "repository:" + azureImage + ":pull"
	get := func(scope string) string {
		return "/oauth2/token?" + url.Values{"service": {host}, "scope": {scope}}.Encode()
	}
	access := w.send(t, http.MethodGet, get(pull), nil, azureNobody, refresh).access
	for _, row := range []struct {
		name           string
		method, path   string
		form           url.Values
		user, password string
		status         int
	}{
		{"refresh token as an identity token", "POST", "/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "service": {host}, "scope": {pull}, "refresh_token": {refresh}}, "", "", 200},
		{"refresh token as a password", "GET", get(pull), nil, azureNobody, refresh, 200},
		{"access token as a password", "GET", get(pull), nil, azureNobody, access, 200},
		{"access token for more than it is for", "GET", get("repository:other:pull"), nil, azureNobody, access, 401},
		{"access token as an identity token", "POST", "/oauth2/token", url.Values{"grant_type": {"refresh_token"}, "service": {host}, "scope": {pull}, "refresh_token": {access}}, "", "", 401},
		{"service principal", "GET", get(pull), nil, azureClient, azureSecret, 200},
		{"service principal, wrong secret", "GET", get(pull), nil, azureClient, "wrong", 401},
		{"admin", "GET", get(pull), nil, "fairregistry", "admin-password", 200},
		{"password grant, as containerd tries first", "POST", "/oauth2/token", url.Values{"grant_type": {"password"}, "service": {host}, "scope": {pull}, "username": {azureClient}, "password": {azureSecret}}, "", "", 400},
		{"a right that isn't there", "GET", get("repository:" + azureImage + ":delete"), nil, azureClient, azureSecret, 401},
		{"half of the rights", "GET", get("repository:" + azureImage + ":pull,push"), nil, azureClient, azureSecret, 200},
		{"nobody", "GET", get(pull), nil, "", "", 401},
		{"another service", "GET", "/oauth2/token?service=other&scope=" + url.QueryEscape(pull), nil, azureClient, azureSecret, 400},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got := w.send(t, row.method, row.path, row.form, row.user, row.password)
			if got.status != row.status {
				t.Fatalf("%d %s", got.status, got.body)
			}
			if got.status != http.StatusOK {
				return
			}
			if azureLife(t, got.access) != 75*time.Minute || strings.Contains(got.body, "expires") {
				t.Error("an access token lives 75 minutes, and the reply doesn't say so")
			}
			if got := w.send(t, http.MethodGet, "/v2/"+azureImage+"/manifests/v1", nil, "bearer", got.access); got.status != http.StatusOK {
				t.Errorf("%d %s", got.status, got.body)
			}
			if got := w.send(t, http.MethodGet, "/v2/other/manifests/v1", nil, "bearer", got.access); got.status != http.StatusUnauthorized ||
				!strings.Contains(got.header.Get("WWW-Authenticate"), `error="insufficient_scope"`) {
				t.Errorf("%d %s", got.status, got.header)
			}
		})
	}
}

// TestAzureTokensEnd has a registry's tokens end by its clock.
func TestAzureTokensEnd(t *testing.T) {
	t.Parallel()
	w := newAzure(t, nil)
	host := w.host.LoginServer()
	refresh := w.send(t, http.MethodPost, "/oauth2/exchange", url.Values{"grant_type": {"access_token"}, "service": {host}, "access_token": {w.entra(t)}}, "", "").refresh
	const ask = "/oauth2/token?scope=repository:" + azureImage + ":pull"
	access := w.send(t, http.MethodGet, ask, nil, azureNobody, refresh).access
	w.n.SetClock(func() time.Time { return time.Now().Add(2 * time.Hour) })
	got := w.send(t, http.MethodGet, "/v2/"+azureImage+"/manifests/v1", nil, "bearer", access)
	if got.status != http.StatusUnauthorized || !strings.Contains(got.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("%d %s", got.status, got.header)
	}
	if got := w.send(t, http.MethodGet, ask, nil, azureNobody, refresh); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
	w.n.SetClock(func() time.Time { return time.Now().Add(4 * time.Hour) })
	if got := w.send(t, http.MethodGet, ask, nil, azureNobody, refresh); got.status != http.StatusUnauthorized {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestAzureFront has the challenge that dockerd learns from, and anonymous pulls.
func TestAzureFront(t *testing.T) {
	t.Parallel()
	w := newAzure(t, func(r *cloudtest.AzureRegistry) { r.Regions = []string{"westeurope"} })
	host := w.host.LoginServer()
	got := w.send(t, http.MethodGet, "/v2/", nil, "", "")
	if want := `Bearer realm="https://` + host + `/oauth2/token",service="` + host + `"`; got.status != 401 || got.header.Get("WWW-Authenticate") != want {
		t.Errorf("%d %s", got.status, got.header)
	}
	if code, _ := get(t, w.n.Client(), "https://fairregistry.westeurope.geo.azurecr.io/v2/"); code != 401 {
		t.Error(code)
	}
	if got := w.send(t, http.MethodGet, "/v2/"+azureImage+"/manifests/v1", nil, azureClient, azureSecret); got.status != 200 {
		t.Errorf("Basic at the registry itself: %d", got.status)
	}
	const anonymous = "/oauth2/token?scope=repository:" + azureImage + ":pull"
	if got := w.send(t, http.MethodGet, anonymous, nil, "", ""); got.status != 401 {
		t.Error(got.status)
	}
	w.host.Change(func(r *cloudtest.AzureRegistry) { r.Anonymous = true })
	if got := w.send(t, http.MethodGet, anonymous, nil, "", ""); got.status != 200 {
		t.Errorf("an anonymous pull: %d %s", got.status, got.body)
	}
	if got := w.send(t, http.MethodGet, anonymous, nil, azureClient, "stale"); got.status != 401 {
		t.Errorf("a stale login where nobody needs one: %d", got.status)
	}
}
