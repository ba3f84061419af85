package azurecontainerregistry_test

import (
	"encoding/base64"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	acr "fairlead.dev/fairlead/internal/provider/azurecontainerregistry"
	"fairlead.dev/fairlead/pattern"
)

func jwt(claims string) string {
	e := base64.RawURLEncoding.EncodeToString
	return e([]byte(`{"alg":"RS256"}`)) + "." + e([]byte(claims)) + "." + e([]byte("signature"))
}

// noon is the time at which secrets are looked at.
func noon() time.Time { return time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC) }

func TestInspect(t *testing.T) {
	t.Parallel()
	sp, token := connector("service-principal"), connector("repository-token")
	got := map[string]string{}
	for name, c := range map[string]provider.Opened{
		"service principal":                sp,
		"service principal, china":         with(sp, "cloud", "china"),
		"federation":                       connector("federation"),
		"managed identity":                 with(connector("managed-identity"), "client_id", client),
		"repository token":                 token,
		"no such method":                   connector("other"),
		"tenant is a name":                 with(sp, "tenant_id", "Contoso"),
		"secret: its ID":                   changed(sp, "client_secret", "8c8c7a4e-6e0a-4f6b-9d5a-0f5c1d2e3f40"),
		"secret: the whole output":         changed(sp, "client_secret", `{"appId":"x","password":"`+secret+`"}`),
		"secret: a certificate":            changed(sp, "client_secret", "-----BEGIN CERTIFICATE-----\nMII"),
		"secret: a token that ended":       changed(sp, "client_secret", jwt(`{"aud":"https://management.azure.com","exp":1763636400}`)),
		"secret: a token that ends":        changed(sp, "client_secret", jwt(`{"aud":["a","b"],"exp":1795262400}`)),
		"secret: a token that says little": changed(sp, "client_secret", jwt(`{}`)),
		"secret: line break":               changed(sp, "client_secret", secret+"\n"),
		"secret: blank inside":             changed(sp, "client_secret", "abc8Q~secret value-of-the-application"),
		"secret: not ASCII":                changed(sp, "client_secret", "abc8Q~secret–value-of-the-application"),
		"secret: placeholder":              changed(sp, "client_secret", "<your-client-secret-value>"),
		"secret: a variable":               changed(sp, "client_secret", "$AZURE_CLIENT_SECRET_VALUE"),
		"secret: short":                    changed(sp, "client_secret", "hunter2"),
		"password: of az acr login":        changed(token, "password", jwt(`{"aud":"fairregistry.azurecr.io","exp":1795262400}`)),
		"password: an ID":                  changed(token, "password", client),
		"password: short":                  changed(token, "password", "hunter2"),
	} {
		facts, err := acr.New(provider.Tools{}).Inspect(c.Method, provider.Given{Public: c.Public, Secret: c.Secret}, noon())
		var b strings.Builder
		for _, f := range facts {
			fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
		}
		if err != nil {
			b.WriteString(sentence(err))
			if strings.Contains(b.String(), "hunter2") || strings.Contains(b.String(), "AZURE_CLIENT") {
				t.Error("it shows what was pasted")
			}
		}
		got[name] = b.String()
	}
	golden(t, "testdata/inspect.golden", got)
}

func TestRead(t *testing.T) {
	t.Parallel()
	const id = "/subscriptions/" + subscription + "/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/MyRegistry"
	got := map[string]string{}
	for _, pasted := range []string{
		"myregistry.azurecr.io", "https://myregistry.azurecr.io", "https://MyRegistry.azurecr.io/", "myregistry.azurecr.io:443", "https://myregistry.azurecr.io/v2/",
		"myregistry.azurecr.io/*", "myregistry.azurecr.io/team/", "myregistry.azurecr.io/team/app", "myregistry.azurecr.io/team/app:v1",
		"docker pull myregistry.azurecr.io/team/app:v1", "oci://myregistry.azurecr.io/helm/chart", " \"myregistry.azurecr.io\" ",
		"myregistry.azurecr.io/team/app@sha256:" + strings.Repeat("a", 64), "myregistry-abc123.azurecr.io/team/*", "myregistry.westeurope.geo.azurecr.io/team/app",
		"*.azurecr.io/*", "myregistry.azurecr.cn", "myregistry.azurecr.us/team/app",
		id, "https://portal.azure.com/#@contoso.onmicrosoft.com/resource" + id + "/overview", "https://portal.azure.cn/#@contoso/resource" + id + "/accessKey", "https://portal.azure.us/#resource" + id,
		"https://portal.azure.com/#view/Microsoft_Azure_ContainerRegistries/RepositoryBlade/id/" + strings.ReplaceAll(id, "/", "%2F") + "/repository/team%2Fapp",
		"https://management.azure.com" + id + "?api-version=2023-07-01", "https://evil.example/#" + id, strings.Replace(id, "MyRegistry", "my", 1), strings.Replace(id, "MyRegistry", "my_registry", 1),
		"azurecr.io", "my_registry.azurecr.io/app", "<name>.azurecr.io/app", "myregistry.azurecr.io/Team/App", "myregistry.azurecr.io:5000/app", "user:pass@myregistry.azurecr.io/app", "https://user:pass@myregistry.azurecr.io/app",
		"myregistry.westeurope.data.azurecr.io", "myregistry.azurecr.de/app", "myregistry.azurecr.io/team app",
		"myregistry", "mcr.microsoft.com/dotnet/sdk", "ghcr.io/a/b", "myregistry.azurecr.io.evil.example/a", "evilazurecr.io/a", "", "https://", "/",
	} {
		p, notes, ok, err := acr.New(provider.Tools{}).Read(pasted)
		switch {
		case err != nil:
			got[pasted] = sentence(err)
			if !ok || strings.Contains(got[pasted], "pass") {
				t.Errorf("%q: %v %s", pasted, ok, got[pasted])
			}
		case !ok:
			got[pasted] = "not ours"
		default:
			got[pasted] = strings.Join(append([]string{p}, notes...), "\n")
			if _, err := pattern.Parse(p); err != nil {
				t.Error(err)
			}
		}
	}
	golden(t, "testdata/read.golden", got)
}

func TestGuide(t *testing.T) {
	t.Parallel()
	got := map[string]string{}
	bare := fairlead.Connector{Name: "azure", Family: acr.Family}
	for _, m := range acr.New(provider.Tools{}).Info().Methods {
		bare.Method = m.Name
		for name, c := range map[string]fairlead.Connector{m.Name: connector(m.Name).Connector, m.Name + ", not filled in": bare} {
			g := acr.New(provider.Tools{}).Guide(c, "https://"+issuerHost, provider.SubjectName("acme", "azure"))
			var b strings.Builder
			b.WriteString(g.Intro + "\n")
			for _, s := range g.Steps {
				fmt.Fprintf(&b, "\n# %s (%s)\n%s", s.Title, s.Language, s.Text)
				if s.Language == "sh" {
					if out, err := exec.CommandContext(t.Context(), "bash", "-n", "-c", s.Text).CombinedOutput(); err != nil {
						t.Errorf("%s: %v\n%s", s.Title, err, out)
					}
				}
			}
			got[name] = b.String()
		}
	}
	got["federation, china"] = acr.New(provider.Tools{}).Guide(with(connector("federation"), "cloud", "china").Connector, "https://"+issuerHost, "s").Steps[1].Text
	golden(t, "testdata/guide.golden", got)
}

func TestPower(t *testing.T) {
	t.Parallel()
	got := map[string]string{}
	for _, m := range acr.New(provider.Tools{}).Info().Methods {
		got[m.Name] = acr.New(provider.Tools{}).Power(connector(m.Name).Connector)
	}
	golden(t, "testdata/power.golden", got)
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"myregistry.azurecr.io", "https://MyRegistry.azurecr.io/team/app:v1", "/subscriptions/x/resourceGroups/y/providers/Microsoft.ContainerRegistry/registries/abcde",
		"https://portal.azure.com/#resource%2Fproviders%2FMicrosoft.ContainerRegistry%2Fregistries%2Fabcde", "*.azurecr.io/*", "a@b.azurecr.io", "x.azurecr.io.evil.example",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, pasted string) {
		read, _, ok, err := acr.New(provider.Tools{}).Read(pasted)
		if err != nil {
			if !ok || fairlead.KindOf(err) != fairlead.Invalid {
				t.Errorf("%q: %v, %v", pasted, ok, err)
			}
			return
		}
		if !ok {
			if read != "" {
				t.Errorf("%q gives %q", pasted, read)
			}
			return
		}
		p, err := pattern.Parse(read)
		if err != nil || p.String() != read {
			t.Fatalf("%q gives %q: %v", pasted, read, err)
		}
		if host := strings.ReplaceAll(p.Host(), "*", "x"); !acr.New(provider.Tools{}).Owns(host) {
			t.Errorf("%q gives a host of somebody else's: %q", pasted, host)
		}
		if again, _, ok, err := acr.New(provider.Tools{}).Read(read); again != read || !ok || err != nil {
			t.Errorf("%q is read as %q and that as %q (%v)", pasted, read, again, err)
		}
	})
}

func FuzzInspect(f *testing.F) {
	for _, s := range []string{secret, jwt(`{"exp":1e300,"aud":[]}`), jwt(`{"exp":-1,"aud":7}`), "a.b.c", "{}", "", client} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, pasted string) {
		for _, c := range []provider.Opened{changed(connector("service-principal"), "client_secret", pasted), changed(connector("repository-token"), "password", pasted)} {
			_, err := acr.New(provider.Tools{}).Inspect(c.Method, provider.Given{Public: c.Public, Secret: c.Secret}, noon())
			if err == nil {
				continue
			}
			if e := fairlead.AsError("", err); e.Kind != fairlead.Invalid || e.Field == "" || e.Remedy == "" {
				t.Errorf("%#v", e)
			} else if len(pasted) > 24 && !strings.Contains(pasted, ".") && strings.Contains(e.Error(), pasted) {
				t.Error("it shows what was pasted")
			}
		}
	})
}

func FuzzHost(f *testing.F) {
	for _, s := range []string{"a.azurecr.io", "a-b.azurecr.cn", "a.b.geo.azurecr.us", "a.azurecr.io.evil.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if !acr.New(provider.Tools{}).Owns(host) {
			return
		}
		if strings.ContainsAny(host, "/:@?#%\\ \r\n\t*") || !strings.HasSuffix(host[:len(host)-2], ".azurecr.") {
			t.Errorf("%q", host)
		}
	})
}
