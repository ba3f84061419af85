package azurecontainerregistry_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/provider"
	acr "fairlead.dev/fairlead/internal/provider/azurecontainerregistry"
	"fairlead.dev/fairlead/ref"
)

// keychain has one lease.
type keychain struct{ lease fairlead.Lease }

// Lease gives it, whatever is asked for: the registry has to refuse.
func (k keychain) Lease(context.Context, fairlead.Scope) (fairlead.Lease, error) { return k.lease, nil }

// pull logs in, trades and resolves an image, as the broker and an engine do.
func (w *world) pull(t *testing.T, c provider.Opened) error {
	t.Helper()
	at := scope(w.host.LoginServer(), fairlead.Pull)
	login, err := w.provider().Login(t.Context(), c, at)
	if err != nil {
		return err
	}
	trader, endpoint := w.trader(t)
	bearer, err := trader.Trade(t.Context(), endpoint, oci.Login{Username: login.Username, Password: login.Password, Identity: login.Identity}, at)
	if err != nil {
		return err
	}
	lease := fairlead.Lease{For: at, Kind: fairlead.RegistryToken, Bearer: bearer.Token, Expires: bearer.Expires, CABundle: endpoint.CABundle}
	if left := time.Until(bearer.Expires); left > 76*time.Minute || left < 70*time.Minute {
		t.Errorf("the token lives %s", left)
	}
	resolve := func(repository string) error {
		_, err := trader.Resolve(t.Context(), keychain{lease}, ref.Image{Resource: ref.Resource{Host: w.host.LoginServer(), Repository: repository}, Tag: "v1"})
		return err
	}
	if err := resolve("other/app"); err == nil {
		t.Error("the token opens another repository")
	}
	return resolve(image)
}

func TestLogin(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		registry cloudtest.AzureRegistry
		c        provider.Opened
	}{
		{"federation", cloudtest.AzureRegistry{}, connector("federation")},
		{"federation, china", cloudtest.AzureRegistry{Cloud: cloudtest.AzureChina}, with(connector("federation"), "cloud", "china")},
		{"federation, government", cloudtest.AzureRegistry{Cloud: cloudtest.AzureGovernment}, with(connector("federation"), "cloud", "government")},
		{"service principal", cloudtest.AzureRegistry{}, connector("service-principal")},
		{"service principal, tenant by its domain", cloudtest.AzureRegistry{}, with(connector("service-principal"), "tenant_id", "contoso.onmicrosoft.com")},
		{"a registry that takes no tokens of Resource Manager", cloudtest.AzureRegistry{NoARMTokens: true}, connector("service-principal")},
		{"domain name label", cloudtest.AzureRegistry{Label: "a1b2c3"}, connector("service-principal")},
		{"managed identity of the system", cloudtest.AzureRegistry{}, connector("managed-identity")},
		{"managed identity by client ID", cloudtest.AzureRegistry{}, with(connector("managed-identity"), "client_id", client)},
		{"managed identity by resource ID", cloudtest.AzureRegistry{}, with(connector("managed-identity"), "identity_id", identity)},
		{"repository token", cloudtest.AzureRegistry{}, connector("repository-token")},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.registry.Name = "fairregistry"
			w := newWorldOf(t, row.registry)
			if err := w.pull(t, row.c); err != nil {
				t.Fatal(sentence(err))
			}
		})
	}
}

// TestLoginAtRegionalEndpoint logs in where the challenge names the registry otherwise
// than the host was asked.
func TestLoginAtRegionalEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, cloudtest.AzureRegistry{Name: "fairregistry", Regions: []string{"westeurope"}})
	at := scope("fairregistry.westeurope.geo.azurecr.io", fairlead.Pull)
	login, err := w.provider().Login(t.Context(), connector("federation"), at)
	if err != nil {
		t.Fatal(sentence(err))
	}
	trader, endpoint := w.trader(t)
	endpoint.Host = at.Resource.Host
	if b, err := trader.Trade(t.Context(), endpoint, oci.Login{Identity: login.Identity}, at); err != nil || b.Lacks(at) {
		t.Error(sentence(err))
	}
}

// TestLoginIsShort has the login end with the first of what it is made of, by the
// server's own clock even if that is wrong.
func TestLoginIsShort(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		off  time.Duration // how far the server's clock is ahead
		ends time.Duration // the connector's own end, from now
		want time.Duration
	}{
		{"refresh token", 0, 0, 3 * time.Hour},
		{"the connector's own date", 0, time.Hour, time.Hour},
		{"clock behind", -26 * time.Hour, 0, 3 * time.Hour},
		{"clock ahead", 26 * time.Hour, 0, 3 * time.Hour},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			now := time.Now().Add(row.off)
			w.tools.Now = func() time.Time { return now }
			c := connector("service-principal")
			if row.ends != 0 {
				c.Expires = now.Add(row.ends)
			}
			login, err := w.provider().Login(t.Context(), c, scope(server, fairlead.Pull))
			if err != nil {
				t.Fatal(sentence(err))
			}
			if d := login.Expires.Sub(now.Add(row.want)).Abs(); d > 5*time.Second {
				t.Errorf("it ends %s after now", login.Expires.Sub(now))
			}
			if !login.Password.IsZero() || !login.Bearer.IsZero() || login.Stored || login.Username != "" {
				t.Error("it is more than an identity token")
			}
		})
	}
}

// TestSecretGoesToEntraAlone looks at every request that carries something.
func TestSecretGoesToEntraAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.provider().Login(t.Context(), connector("service-principal"), scope(server, fairlead.Pull)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range w.n.Requests() {
		got = append(got, r.Method+" "+r.Host+r.Path)
	}
	want := "GET " + server + "/v2/\nPOST login.microsoftonline.com/" + tenant + "/oauth2/v2.0/token\nPOST " + server + "/oauth2/exchange"
	if s := strings.Join(got, "\n"); s != want {
		t.Error(s)
	}
}

// TestForeignRealm has a registry name another host: no token is made, let alone sent.
func TestForeignRealm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.n.Break(cloudtest.Fault{Host: server, Path: "/v2/", Status: 401, Header: map[string]string{
		"WWW-Authenticate": `Bearer realm="https://fairregistry.azurecr.io.evil.example/oauth2/token",service="fairregistry.azurecr.io"`,
	}})
	_, err := w.provider().Login(t.Context(), connector("federation"), scope(server, fairlead.Pull))
	if fairlead.CodeOf(err) != fairlead.CodeRealm {
		t.Error(sentence(err))
	}
	if n := len(w.n.Requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// TestRotationOfTheIssuer changes the issuer's keys between logins.
func TestRotationOfTheIssuer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 3 {
		if err := w.pull(t, connector("federation")); err != nil {
			t.Fatal(sentence(err))
		}
		w.issuer.Rotate(1)
	}
}

// TestPush has each lease do its own work and no other, whatever else the identity may.
func TestPush(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	trader, endpoint := w.trader(t)
	trade := func(verb fairlead.Verb) (oci.Bearer, error) {
		at := scope(server, verb)
		login, err := w.provider().Login(t.Context(), connector("federation"), at)
		if err != nil {
			t.Fatal(sentence(err))
		}
		return trader.Trade(t.Context(), endpoint, oci.Login{Identity: login.Identity}, at)
	}
	upload := func(b oci.Bearer) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+server+"/v2/"+image+"/blobs/uploads/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+string(b.Token.Reveal()))
		res, err := w.tools.HTTP.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	if b, err := trade(fairlead.Push); err == nil && !b.Lacks(scope(server, fairlead.Push)) {
		t.Error("AcrPull pushes")
	}
	w.azure.Assign(cloudtest.AzureRole{ClientID: client, Role: "AcrPush", Scope: "/subscriptions/" + subscription})
	for verb, want := range map[fairlead.Verb]int{fairlead.Pull: http.StatusUnauthorized, fairlead.Push: http.StatusAccepted} {
		b, err := trade(verb)
		if err != nil {
			t.Fatal(sentence(err))
		}
		if got := upload(b); got != want {
			t.Errorf("a lease to %s begins an upload with %d", verb, got)
		}
	}
}

// TestNoAmbientCredentials has a machine on which everything is set up that the
// vendor's clients look for, and connectors that lack something.
func TestNoAmbientCredentials(t *testing.T) { //nolint:paralleltest // The environment is everybody's.
	home := t.TempDir()
	for name, content := range map[string]string{
		".azure/azureProfile.json": `{"subscriptions":[{"id":"` + subscription + `","tenantId":"` + tenant + `","isDefault":true}]}`,
		".azure/accessTokens.json": `[{"tokenType":"Bearer","accessToken":"ambient"}]`, "token": "ambient",
		".docker/config.json": `{"auths":{"` + server + `":{"auth":"` + "YTpi" + `"}}}`,
	} {
		file := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"HOME": home, "AZURE_CONFIG_DIR": filepath.Join(home, ".azure"), "AZURE_TENANT_ID": tenant, "AZURE_CLIENT_ID": client, "AZURE_CLIENT_SECRET": secret,
		"AZURE_FEDERATED_TOKEN_FILE": filepath.Join(home, "token"), "AZURE_AUTHORITY_HOST": "https://evil.example/", "AZURE_REGIONAL_AUTHORITY_NAME": "evil",
		"IDENTITY_ENDPOINT": "http://169.254.169.254/metadata/identity/oauth2/token", "IDENTITY_HEADER": "x", "IMDS_ENDPOINT": "http://169.254.169.254", "MSI_ENDPOINT": "http://169.254.169.254/",
	} {
		t.Setenv(name, value)
	}
	w := newWorld(t)
	w.tools.Instance = nil
	empty := func(method string, fields ...string) provider.Opened {
		c := connector(method)
		for _, f := range fields {
			c = with(c, f, "")
			delete(c.Secret, f)
		}
		return c
	}
	noIssuer := w.tools
	noIssuer.Issuer = nil
	for _, row := range []struct {
		name  string
		tools provider.Tools
		c     provider.Opened
	}{
		{"no method", w.tools, empty("")},
		{"an empty service principal", w.tools, empty("service-principal", "tenant_id", "client_id", "client_secret")},
		{"no client secret", w.tools, empty("service-principal", "client_secret")},
		{"no tenant", w.tools, empty("service-principal", "tenant_id")},
		{"no client", w.tools, empty("service-principal", "client_id")},
		{"an empty federation", w.tools, empty("federation", "tenant_id", "client_id")},
		{"federation without an issuer", noIssuer, empty("federation")},
		{"managed identity that isn't allowed", w.tools, empty("managed-identity")},
		{"no password", w.tools, empty("repository-token", "password")},
		{"no token name", w.tools, empty("repository-token", "username")},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := acr.New(row.tools)
			if _, err := p.Login(t.Context(), row.c, scope(server, fairlead.Pull)); err == nil {
				t.Error("it logged in")
			}
			if _, err := p.Resources(t.Context(), row.c); err == nil {
				t.Error("it listed")
			}
			if err := p.Deploy(t.Context(), row.c, server); err == nil {
				t.Error("it deployed")
			}
		})
	}
	if r := w.n.Requests(); len(r) != 0 {
		t.Errorf("something was asked: %v", r)
	}
	if err := w.pull(t, connector("service-principal")); err != nil {
		t.Error("a whole connector in the same environment:", sentence(err))
	}
	for _, r := range w.n.Requests() { //nolint:paralleltest // As above.
		if r.Host == "169.254.169.254" || strings.Contains(r.Host, "evil") {
			t.Error(r)
		}
	}
}
