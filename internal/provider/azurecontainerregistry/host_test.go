package azurecontainerregistry_test

import (
	"strings"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	acr "fairlead.dev/fairlead/internal/provider/azurecontainerregistry"
)

func TestOwns(t *testing.T) {
	t.Parallel()
	p := acr.New(provider.Tools{})
	for host, kind := range map[string]string{
		"myregistry.azurecr.io":                          "login server",
		"a1.azurecr.io":                                  "login server",
		"myregistry.azurecr.cn":                          "login server",
		"myregistry.azurecr.us":                          "login server",
		"myregistry-a1b2c3d4e5f6.azurecr.io":             "login server",
		"myregistry-a1b2c3d4e5f6.azurecr.us":             "login server",
		"myregistry.westeurope.geo.azurecr.io":           "regional endpoint",
		"myregistry-a1b2c3.westeurope.geo.azurecr.io":    "regional endpoint",
		"myregistry.chinanorth2.geo.azurecr.cn":          "regional endpoint",
		"myregistry.westeurope.data.azurecr.io":          "data endpoint",
		"myregistry.azurecr.de":                          "closed cloud",
		"azurecr.io":                                     "",
		".azurecr.io":                                    "",
		"-a.azurecr.io":                                  "",
		"a-.azurecr.io":                                  "",
		"a-b-c.azurecr.io":                               "",
		"my_registry.azurecr.io":                         "",
		"MyRegistry.azurecr.io":                          "",
		"myregistry.azurecr.io:443":                      "",
		"myregistry.azurecr.io:5000":                     "",
		"myregistry.azurecr.io.":                         "",
		"myregistry.azurecr.io.evil.example":             "",
		"myregistry.azurecr.io-evil.example":             "",
		"evil.example/myregistry.azurecr.io":             "",
		"myregistryazurecr.io":                           "",
		"myregistry.xazurecr.io":                         "",
		"myregistry.azurecr.ioo":                         "",
		"myregistry.azurecr.com":                         "",
		"myregistry.azurecrxio":                          "",
		"a.b.azurecr.io":                                 "",
		"myregistry.westeurope.azurecr.io":               "",
		"myregistry.geo.azurecr.io":                      "",
		"a.b.c.geo.azurecr.io":                           "",
		"mcr.microsoft.com":                              "",
		"myregistry.azurecr.io\n":                        "",
		"\nmyregistry.azurecr.io":                        "",
		"myregistry.azurecr.io\nx.example":               "",
		"fairregistry.blob.core.windows.net":             "",
		strings.Repeat("a", 64) + ".azurecr.io":          "",
		"":                                               "",
		"*.azurecr.io":                                   "",
		"myregistrу.azurecr.io" /* a Cyrillic letter */ : "",
	} {
		if got := acr.KindOfHost(host); got != kind {
			t.Errorf("%q is %q, want %q", host, got, kind)
		}
		if got := p.Owns(host); got != (kind != "") {
			t.Errorf("Owns(%q) is %v", host, got)
		}
	}
}

func TestAccepts(t *testing.T) {
	t.Parallel()
	p := acr.New(provider.Tools{})
	token, fed := connector("repository-token").Connector, connector("federation").Connector
	china := with(connector("federation"), "cloud", "china").Connector
	for _, row := range []struct {
		c    fairlead.Connector
		host string
		good bool
	}{
		{fed, "myregistry.azurecr.io", true},
		{fed, "myregistry-abc.azurecr.io", true},
		{fed, "myregistry.westeurope.geo.azurecr.io", true},
		{fed, "*.azurecr.io", true},
		{fed, "team*.azurecr.io", true},
		{fed, "*.*.geo.azurecr.io", true},
		{fed, "myregistry.*", false},
		{fed, "*.azurecr.*", false},
		{fed, "myregistry.azurecr.cn", false},
		{fed, "myregistry.westeurope.data.azurecr.io", false},
		{fed, "myregistry.azurecr.de", false},
		{fed, "myregistry.azurecr.io:5000", false},
		{fed, "docker.io", false},
		{china, "myregistry.azurecr.cn", true},
		{china, "myregistry.azurecr.io", false},
		{token, server, true},
		{token, "fairregistry.westeurope.geo.azurecr.io", true},
		{token, "other.azurecr.io", false},
		{token, "*.azurecr.io", false},
		{token, "fairregistry-abc.azurecr.io", false},
	} {
		err := p.Accepts(row.c, row.host)
		if (err == nil) != row.good {
			t.Errorf("%s at %s: %v", row.c.Method, row.host, err)
		}
		if err != nil && fairlead.KindOf(err) != fairlead.Invalid {
			t.Error(sentence(err))
		}
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	p := acr.New(provider.Tools{})
	for _, m := range p.Info().Methods {
		c := connector(m.Name)
		if err := provider.Check(m, provider.Given{Public: c.Public, Secret: c.Secret}); err != nil {
			t.Error(err)
		}
		if err := p.Check(m.Name, c.Public); err != nil {
			t.Error(err)
		}
	}
	if _, ok := any(p).(interface {
		provider.Provider
		provider.Inspector
		provider.Describer
		provider.Reader
		provider.Guider
		provider.Lister
		provider.Deployer
	}); !ok {
		t.Error("an ability is missing")
	}
}
