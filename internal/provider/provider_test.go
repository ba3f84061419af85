package provider_test

import (
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/conform"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/provider/docker"
	"fairlead.dev/fairlead/internal/provider/dockerhub"
	"fairlead.dev/fairlead/internal/server"
)

func opened(family fairlead.Family, method string, public map[string]string, secret string) provider.Opened {
	return provider.Opened{
		Connector: fairlead.Connector{
			Name: "main", Family: family, Method: method, Public: public, Secrets: []string{secret}, Expires: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		},
		Secret: map[string]fairlead.Secret{secret: fairlead.SecretText("c4nary-stored")},
	}
}

func TestDocker(t *testing.T) {
	t.Parallel()
	const host = "registry.example.com"
	conform.Provider(t, docker.Provider{}, func(method string) (provider.Opened, string) {
		switch method {
		case "basic":
			return opened(docker.Family, method, map[string]string{"hosts": host, "username": "robot"}, "password"), host
		case "federation":
			o := opened(docker.Family, method, map[string]string{"hosts": "quay.io", "username": "acme+robot"}, "")
			o.Secrets, o.Secret = nil, nil
			return o, "quay.io"
		}
		return opened(docker.Family, method, map[string]string{"hosts": host, "token_use": "trade"}, "token"), host
	})
}

func TestDockerHub(t *testing.T) {
	t.Parallel()
	conform.Provider(t, dockerhub.Provider{}, func(method string) (provider.Opened, string) {
		return opened(dockerhub.Family, method, map[string]string{"username": "acme"}, "token"), dockerhub.Host
	})
}

func TestSet(t *testing.T) {
	t.Parallel()
	all := server.Providers(provider.Tools{})
	conform.Providers(t, all)
	for _, p := range all {
		t.Run(string(p.Info().Family), func(t *testing.T) {
			t.Parallel()
			conform.Description(t, p)
		})
	}
}

// TestDockerHosts reads the hosts that a connector is for.
func TestDockerHosts(t *testing.T) {
	t.Parallel()
	for hosts, c := range map[string]struct {
		why   string // "" is good
		opens []string
		not   []string
	}{
		"reg.example.com":                 {opens: []string{"reg.example.com"}, not: []string{"reg.example.com:443", "example.com", "x.reg.example.com"}},
		"reg.example.com:5000":            {opens: []string{"reg.example.com:5000"}, not: []string{"reg.example.com", "reg.example.com:5001"}},
		"a.example.com,b.example.com":     {opens: []string{"a.example.com", "b.example.com"}, not: []string{"a.example.com,b.example.com", "c.example.com"}},
		"a.example.com , b.example.com":   {opens: []string{"b.example.com"}},
		"*.example.com":                   {opens: []string{"a.example.com", "*.example.com"}, not: []string{"r*.example.com", "a.b.example.com", "example.com", "*.*.com", "*"}},
		"r*.example.com":                  {opens: []string{"reg.example.com"}, not: []string{"*.example.com", "a.example.com"}},
		"[2001:db8::1]:5000":              {opens: []string{"[2001:db8::1]:5000"}, not: []string{"[2001:db8::2]:5000"}},
		"127.0.0.1:5000":                  {opens: []string{"127.0.0.1:5000"}, not: []string{"127.0.0.1"}},
		"https://reg.example.com":         {why: "is not a registry host"},
		"reg.example.com/team":            {why: "is not a registry host"},
		"robot:c4nary@reg.example.com":    {why: "is not a registry host"},
		"reg.example.com,":                {why: "is not a registry host"},
		",":                               {why: "is not a registry host"},
		"Reg.Example.com":                 {why: "is another way to write reg.example.com"},
		"index.docker.io":                 {why: "is another way to write docker.io"},
		"not a host":                      {why: "is not a registry host"},
		"reg.example.com:99999":           {why: "is not a registry host"},
		strings.Repeat("a", 300) + ".com": {why: "is not a registry host"},
	} {
		err := docker.Provider{}.Check("basic", map[string]string{"hosts": hosts, "username": "robot"})
		if c.why != "" {
			e := fairlead.AsError("", err)
			if e.Kind != fairlead.Invalid || e.Field != "hosts" || !strings.Contains(e.Why, c.why) || e.Remedy == "" {
				t.Errorf("%s: %v", hosts, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", hosts, err)
		}
		connector := fairlead.Connector{Name: "main", Public: map[string]string{"hosts": hosts}}
		for _, host := range c.opens {
			if err := (docker.Provider{}).Accepts(connector, host); err != nil {
				t.Errorf("%s doesn't open %s: %v", hosts, host, err)
			}
		}
		for _, host := range c.not {
			if err := (docker.Provider{}).Accepts(connector, host); err == nil {
				t.Errorf("%s opens %s", hosts, host)
			}
		}
	}
}

// TestExclusion has fields that need and exclude each other, which no family here has yet.
func TestExclusion(t *testing.T) {
	t.Parallel()
	m := fairlead.Method{Name: "m", Fields: []fairlead.Field{
		{Name: "a", Title: "A", Kind: fairlead.TextField, With: []string{"b"}, Without: []string{"c"}},
		{Name: "b", Title: "B", Kind: fairlead.TextField, Secret: true},
		{Name: "c", Title: "C", Kind: fairlead.TextField, Without: []string{"a"}},
	}}
	b := map[string]fairlead.Secret{"b": fairlead.SecretText("c4nary")}
	for name, c := range map[string]struct {
		given provider.Given
		field string
	}{
		"both":            {provider.Given{Public: map[string]string{"a": "x"}, Secret: b}, ""},
		"one is kept":     {provider.Given{Public: map[string]string{"a": "x"}, Kept: []string{"b"}}, ""},
		"without it":      {provider.Given{Public: map[string]string{"a": "x"}}, "b"},
		"it alone":        {provider.Given{Secret: b}, ""},
		"excluded":        {provider.Given{Public: map[string]string{"a": "x", "c": "y"}, Secret: b}, "c"},
		"an empty secret": {provider.Given{Public: map[string]string{"a": "x"}, Secret: map[string]fairlead.Secret{"b": {}}}, "b"},
	} {
		err := provider.Check(m, c.given)
		if e := fairlead.AsError("", err); (err == nil) != (c.field == "") || err != nil && (e.Field != c.field || strings.Contains(e.Error(), "c4nary")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
