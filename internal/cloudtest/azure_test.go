package cloudtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/containers/azcontainerregistry"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"fairlead.dev/fairlead/internal/cloudtest"
)

const (
	azureTenant  = "11111111-1111-4111-8111-111111111111"
	azureClient  = "22222222-2222-4222-8222-222222222222"
	azureSub     = "33333333-3333-4333-8333-333333333333"
	azureSecret  = "abc8Q~secret-value-of-the-application-01"
	azureImage   = "team/app"
	azureSubject = "org:acme:connector:azure"
)

type azureWorld struct {
	n        *cloudtest.Internet
	azure    *cloudtest.Azure
	host     *cloudtest.AzureHost
	registry cloudtest.AzureRegistry
	digest   string
}

// newAzure has one application with AcrPull on one registry, with one image.
func newAzure(t *testing.T, change func(*cloudtest.AzureRegistry)) azureWorld {
	t.Helper()
	w := azureWorld{n: cloudtest.New(t), registry: cloudtest.AzureRegistry{
		Name: "fairregistry", Subscription: azureSub, ResourceGroup: "rg", Location: "westeurope",
	}}
	if change != nil {
		change(&w.registry)
	}
	w.azure = cloudtest.NewAzure(t, w.n)
	w.azure.AddTenant(w.registry.Cloud, azureTenant, "contoso.onmicrosoft.com")
	w.azure.AddSubscription(azureSub, azureTenant, "rg")
	w.azure.SetApp(cloudtest.AzureApp{Tenant: azureTenant, ClientID: azureClient, Secrets: []cloudtest.AzureSecret{{ID: "one", Value: azureSecret}}})
	w.host = w.azure.AddRegistry(w.registry)
	w.azure.Assign(cloudtest.AzureRole{ClientID: azureClient, Role: "AcrPull", Scope: w.registry.ID()})
	image, err := random.Image(512, 1)
	if err != nil {
		t.Fatal(err)
	}
	if w.digest, err = w.host.Put(image, azureImage, "v1"); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w azureWorld) options() azcore.ClientOptions {
	o := azcore.ClientOptions{Transport: w.n.Client(), Retry: policy.RetryOptions{MaxRetries: -1}}
	switch w.registry.Cloud {
	case cloudtest.AzureChina:
		o.Cloud = cloud.AzureChina
	case cloudtest.AzureGovernment:
		o.Cloud = cloud.AzureGovernment
	case cloudtest.AzurePublic:
		o.Cloud = cloud.AzurePublic
	}
	return o
}

func (w azureWorld) bySecret(t *testing.T) azcore.TokenCredential {
	t.Helper()
	c, err := azidentity.NewClientSecretCredential(azureTenant, azureClient, azureSecret, &azidentity.ClientSecretCredentialOptions{ClientOptions: w.options()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// pull pulls with the vendor's own client: discovery, token, exchange, manifest.
func (w azureWorld) pull(t *testing.T, c azcore.TokenCredential) error {
	t.Helper()
	client, err := azcontainerregistry.NewClient("https://"+w.host.LoginServer(), c, &azcontainerregistry.ClientOptions{ClientOptions: w.options()})
	if err != nil {
		t.Fatal(err)
	}
	accept := "application/vnd.docker.distribution.manifest.v2+json"
	got, err := client.GetManifest(t.Context(), azureImage, "v1", &azcontainerregistry.ClientGetManifestOptions{Accept: &accept})
	if err != nil {
		return err
	}
	defer func() { _ = got.ManifestData.Close() }()
	if got.DockerContentDigest == nil || *got.DockerContentDigest != w.digest {
		t.Errorf("digest %v, want %s", got.DockerContentDigest, w.digest)
	}
	return nil
}

// TestAzureSDK has the vendor's own credentials and registry client work unchanged.
func TestAzureSDK(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		change func(*cloudtest.AzureRegistry)
	}{
		{"public", nil},
		{"china", func(r *cloudtest.AzureRegistry) { r.Cloud = cloudtest.AzureChina }},
		{"government", func(r *cloudtest.AzureRegistry) { r.Cloud = cloudtest.AzureGovernment }},
		{"domain name label", func(r *cloudtest.AzureRegistry) { r.Label = "a1b2c3d4e5f6" }},
		{"no tokens of ARM", func(r *cloudtest.AzureRegistry) { r.NoARMTokens = true }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newAzure(t, row.change)
			if err := w.pull(t, w.bySecret(t)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestAzureSDKFederation(t *testing.T) {
	t.Parallel()
	w := newAzure(t, nil)
	issuer := cloudtest.NewAzureIssuer(w.n, "fairlead.example")
	w.azure.SetApp(cloudtest.AzureApp{Tenant: azureTenant, ClientID: azureClient, Federated: []cloudtest.AzureFederation{
		{Issuer: issuer.URL(), Subject: azureSubject, Audience: "api://AzureADTokenExchange"},
	}})
	credential := func(subject, audience string) azcore.TokenCredential {
		c, err := azidentity.NewClientAssertionCredential(azureTenant, azureClient, func(context.Context) (string, error) {
			return string(issuer.Token(subject, audience).Reveal()), nil
		}, &azidentity.ClientAssertionCredentialOptions{ClientOptions: w.options()})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if err := w.pull(t, credential(azureSubject, "api://AzureADTokenExchange")); err != nil {
		t.Fatal(err)
	}
	issuer.Rotate(1)
	if err := w.pull(t, credential(azureSubject, "api://AzureADTokenExchange")); err != nil {
		t.Fatal("after a rotation:", err)
	}
	for want, c := range map[string]azcore.TokenCredential{
		"AADSTS700213": credential("org:other:connector:azure", "api://AzureADTokenExchange"),
		"AADSTS700212": credential(azureSubject, "sts.amazonaws.com"),
	} {
		if err := w.pull(t, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s, got %v", want, err)
		}
	}
	issuer.SetClock(func() time.Time { return w.n.Now().Add(-time.Hour) })
	if err := w.pull(t, credential(azureSubject, "api://AzureADTokenExchange")); err == nil || !strings.Contains(err.Error(), "AADSTS700024") {
		t.Error("an hour late:", err)
	}
}

// TestAzureSDKManagedIdentity isn't parallel: the vendor's client looks at the
// environment for other sources of identities.
func TestAzureSDKManagedIdentity(t *testing.T) { //nolint:paralleltest // The environment is everybody's.
	for _, name := range []string{"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "MSI_SECRET", "IMDS_ENDPOINT", "IDENTITY_SERVER_THUMBPRINT"} {
		t.Setenv(name, "")
	}
	w := newAzure(t, nil)
	w.azure.SetMachine(azureClient)
	for _, row := range []struct { //nolint:paralleltest // As above.
		name string
		id   azidentity.ManagedIDKind
		want string
	}{
		{"the system's", nil, ""},
		{"by client id", azidentity.ClientID(azureClient), ""},
		{"that isn't there", azidentity.ClientID(azureTenant), "Identity not found"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ClientOptions: w.options(), ID: row.id})
			if err != nil {
				t.Fatal(err)
			}
			switch err := w.pull(t, c); {
			case row.want == "" && err != nil:
				t.Error(err)
			case row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)):
				t.Errorf("want %s, got %v", row.want, err)
			}
		})
	}
}

// TestAzureRefuses has the vendor's client meet what is refused.
func TestAzureRefuses(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		spoil func(azureWorld)
		want  string
	}{
		{"no such tenant", func(w azureWorld) { w.azure.AddTenant(cloudtest.AzureChina, azureTenant) }, "AADSTS90002"},
		{"no such application", func(w azureWorld) { w.azure.RemoveApp(azureClient) }, "AADSTS700016"},
		{"wrong secret", func(w azureWorld) { w.azure.SetApp(cloudtest.AzureApp{Tenant: azureTenant, ClientID: azureClient}) }, "AADSTS7000215"},
		{"expired secret", func(w azureWorld) {
			w.azure.SetApp(cloudtest.AzureApp{Tenant: azureTenant, ClientID: azureClient, Secrets: []cloudtest.AzureSecret{{Value: azureSecret, Expires: w.n.Now().Add(-time.Hour)}}})
		}, "AADSTS7000222"},
		{"switched off", func(w azureWorld) {
			w.azure.SetApp(cloudtest.AzureApp{Tenant: azureTenant, ClientID: azureClient, Disabled: true, Secrets: []cloudtest.AzureSecret{{Value: azureSecret}}})
		}, "AADSTS7000112"},
		{"no role", func(w azureWorld) { w.azure.Unassign(azureClient) }, "401 Unauthorized"},
		{"AcrPull at a registry with ABAC", func(w azureWorld) { w.host.Change(func(r *cloudtest.AzureRegistry) { r.ABAC = true }) }, "401 Unauthorized"},
		{"firewall", func(w azureWorld) { w.host.Change(func(r *cloudtest.AzureRegistry) { r.Firewall = true }) }, "DENIED"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newAzure(t, nil)
			row.spoil(w)
			if err := w.pull(t, w.bySecret(t)); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("want %s, got %v", row.want, err)
			}
		})
	}
}

// TestAzureAudience has tokens for Resource Manager taken until that is switched off.
func TestAzureAudience(t *testing.T) {
	t.Parallel()
	w := newAzure(t, nil)
	exchange := func() int {
		token, err := w.bySecret(t).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://management.azure.com/.default"}})
		if err != nil {
			t.Fatal(err)
		}
		o := w.options()
		c, err := azcontainerregistry.NewAuthenticationClient("https://"+w.host.LoginServer(), &azcontainerregistry.AuthenticationClientOptions{ClientOptions: o})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.ExchangeAADAccessTokenForACRRefreshToken(t.Context(), azcontainerregistry.PostContentSchemaGrantTypeAccessToken, w.host.LoginServer(),
			&azcontainerregistry.AuthenticationClientExchangeAADAccessTokenForACRRefreshTokenOptions{AccessToken: &token.Token})
		if e, ok := errors.AsType[*azcore.ResponseError](err); ok {
			return e.StatusCode
		} else if err != nil {
			t.Fatal(err)
		}
		return http.StatusOK
	}
	if got := exchange(); got != http.StatusOK {
		t.Error(got)
	}
	w.host.Change(func(r *cloudtest.AzureRegistry) { r.NoARMTokens = true })
	if got := exchange(); got != http.StatusUnauthorized {
		t.Error(got)
	}
}

// TestAzureScopeMap pulls and pushes as docker would, with a token's password.
func TestAzureScopeMap(t *testing.T) {
	t.Parallel()
	w := newAzure(t, func(r *cloudtest.AzureRegistry) {
		r.Tokens = []cloudtest.AzureToken{
			{Name: "puller", Passwords: []cloudtest.AzureSecret{{Value: "p1"}, {Value: "old", Expires: time.Unix(1, 0)}}, Actions: map[string][]string{"team/*": {"content/read", "metadata/read"}}},
			{Name: "pusher", Passwords: []cloudtest.AzureSecret{{Value: "p2"}}, Actions: map[string][]string{"team/new": {"content/read", "content/write"}}},
			{Name: "off", Disabled: true, Passwords: []cloudtest.AzureSecret{{Value: "p3"}}, Actions: map[string][]string{"*": {"content/read"}}},
		}
	})
	image, err := random.Image(256, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, user, password, image string
		push, good                  bool
	}{
		{"pulls", "puller", "p1", "team/app:v1", false, true},
		{"pulls elsewhere", "puller", "p1", "other/app:v1", false, false},
		{"pushes without the right", "puller", "p1", "team/old:v1", true, false},
		{"pushes", "pusher", "p2", "team/new:v1", true, true},
		{"pushes elsewhere", "pusher", "p2", "team/app:v2", true, false},
		{"wrong password", "puller", "p2", "team/app:v1", false, false},
		{"expired password", "puller", "old", "team/app:v1", false, false},
		{"switched off", "off", "p3", "team/app:v1", false, false},
		{"service principal", azureClient, azureSecret, "team/app:v1", false, true},
		{"nobody", "", "", "team/app:v1", false, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			at, err := name.ParseReference(w.host.LoginServer() + "/" + row.image)
			if err != nil {
				t.Fatal(err)
			}
			options := []remote.Option{remote.WithContext(t.Context()), remote.WithTransport(w.n.Client().Transport)}
			if row.user != "" {
				options = append(options, remote.WithAuth(&authn.Basic{Username: row.user, Password: row.password}))
			}
			if row.push {
				err = remote.Write(at, image, options...)
			} else {
				_, err = remote.Get(at, options...)
			}
			if row.good != (err == nil) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestAzureSkopeo has another program pull by nothing but its environment.
func TestAzureSkopeo(t *testing.T) {
	t.Parallel()
	w := newAzure(t, nil)
	for _, row := range []struct {
		name, login, want string
		good              bool
	}{
		{"a service principal", azureClient + ":" + azureSecret, w.digest, true},
		{"a wrong secret", azureClient + ":wrong", "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), "skopeo", "inspect", "--no-tags", "--creds", row.login, "docker://"+w.host.LoginServer()+"/"+azureImage+":v1")
			cmd.Env = append(w.n.Env(), "PATH=/usr/bin:/bin", "HOME="+t.TempDir())
			out, err := cmd.CombinedOutput()
			if (err == nil) != row.good || row.good && !strings.Contains(string(out), row.want) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestAzureCatalog lists all pages.
func TestAzureCatalog(t *testing.T) {
	t.Parallel()
	w := newAzure(t, nil)
	image, err := random.Image(16, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []string{"a", "b/c", "d", "e"} {
		if _, err := w.host.Put(image, r, "v1"); err != nil {
			t.Fatal(err)
		}
	}
	client, err := azcontainerregistry.NewClient("https://"+w.host.LoginServer(), w.bySecret(t), &azcontainerregistry.ClientOptions{ClientOptions: w.options()})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for pager := client.NewListRepositoriesPager(nil); pager.More(); {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Names {
			got = append(got, *r)
		}
	}
	if diff := cmp.Diff([]string{"a", "b/c", "d", "e", azureImage}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := client.DeleteRepository(t.Context(), "d", nil); err == nil {
		t.Error("AcrPull deleted a repository")
	}
	w.azure.Assign(cloudtest.AzureRole{ClientID: azureClient, Role: "AcrDelete", Scope: w.registry.ID()})
	if _, err := client.DeleteRepository(t.Context(), "d", nil); err != nil || slices.Contains(w.host.Repositories(), "d") {
		t.Error(err)
	}
}

// TestAzureManager walks the registries of a subscription as Resource Manager has them.
func TestAzureManager(t *testing.T) {
	t.Parallel()
	w := newAzure(t, nil)
	ask := func(method, path, body, scope string) (int, string) {
		token, err := w.bySecret(t).GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{scope}})
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), method, "https://management.azure.com"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token.Token)
		req.Header.Set("Content-Type", "application/json")
		res, err := w.n.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		var reply struct {
			Error      struct{ Code string }
			Value      []struct{ Name string }
			Properties struct{ ProvisioningState string }
		}
		_ = json.NewDecoder(res.Body).Decode(&reply)
		said := reply.Error.Code + reply.Properties.ProvisioningState
		for _, v := range reply.Value {
			said += v.Name
		}
		return res.StatusCode, said
	}
	const version = "?api-version=2023-07-01"
	list := "/subscriptions/" + azureSub + "/providers/Microsoft.ContainerRegistry/registries" + version
	created := strings.Replace(w.registry.ID(), "fairregistry", "newregistry", 1) + version
	const arm, acr = "https://management.azure.com/.default", "https://containerregistry.azure.net/.default"
	for _, step := range []struct {
		name, role, method, path, body, scope string
		status                                int
		said                                  string
	}{
		{"wrong audience", "", "GET", list, "", acr, 401, "InvalidAuthenticationTokenAudience"},
		{"AcrPull reads nothing", "", "GET", list, "", arm, 200, ""},
		{"no version", "", "GET", "/subscriptions", "", arm, 400, "MissingApiVersionParameter"},
		{"no such subscription", "", "GET", strings.Replace(list, azureSub, azureTenant, 1), "", arm, 404, "SubscriptionNotFound"},
		{"no right to create", "", "PUT", created, `{"location":"westeurope","sku":{"name":"Basic"}}`, arm, 403, "AuthorizationFailed"},
		{"Reader", "Reader", "GET", list, "", arm, 200, "fairregistry"},
		{"no place", "Contributor", "PUT", created, `{"sku":{"name":"Basic"}}`, arm, 400, "LocationRequired"},
		{"no group", "", "PUT", strings.Replace(created, "/rg/", "/other/", 1), `{"location":"westeurope","sku":{"name":"Basic"}}`, arm, 404, "ResourceGroupNotFound"},
		{"create", "", "PUT", created, `{"location":"westeurope","sku":{"name":"Basic"}}`, arm, 201, "Creating"},
		{"still", "", "GET", created, "", arm, 200, "Creating"},
		{"there", "", "GET", created, "", arm, 200, "Succeeded"},
		{"delete", "", "DELETE", created, "", arm, 200, ""},
		{"gone", "", "GET", created, "", arm, 404, "ResourceNotFound"},
	} {
		if step.role != "" {
			w.azure.Assign(cloudtest.AzureRole{ClientID: azureClient, Role: step.role, Scope: "/subscriptions/" + azureSub})
		}
		if status, said := ask(step.method, step.path, step.body, step.scope); status != step.status || said != step.said {
			t.Errorf("%s: %d %s, want %d %s", step.name, status, said, step.status, step.said)
		}
	}
}

// TestAzureClock has tokens end by the fake's clock.
func TestAzureClock(t *testing.T) {
	t.Parallel()
	w := newAzure(t, nil)
	c := w.bySecret(t)
	if err := w.pull(t, c); err != nil {
		t.Fatal(err)
	}
	w.n.SetClock(func() time.Time { return time.Now().Add(2 * time.Hour) })
	if err := w.pull(t, c); err == nil || !strings.Contains(err.Error(), "401") {
		t.Error("the client's cached token should have ended:", err)
	}
}
