package gcpartifactregistry_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	gar "fairlead.dev/fairlead/internal/provider/gcpartifactregistry"
)

const account = "puller@acme-train.iam.gserviceaccount.com"

// described is connectors of every method, empty and filled in.
func described() []fairlead.Connector {
	full := map[string]string{
		"workload_identity_provider": "projects/123456789012/locations/global/workloadIdentityPools/machines/providers/fairlead-prod",
		"service_account":            account, "project": "acme-train",
	}
	var list []fairlead.Connector
	for _, m := range (gar.Provider{}).Info().Methods {
		empty := fairlead.Connector{Name: "gar", Method: m.Name, Public: map[string]string{}}
		filled := fairlead.Connector{Name: "gar", Method: m.Name, Public: map[string]string{}}
		for _, f := range m.Fields {
			if v, ok := full[f.Name]; ok {
				filled.Public[f.Name] = v
			}
		}
		list = append(list, empty, filled)
	}
	return append(list, fairlead.Connector{Name: "gar", Method: "service-account", Public: map[string]string{"token_lifetime": "1h", "project": "example.com:legacy"}})
}

func TestGuide(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, c := range described() {
		g := gar.Provider{}.Guide(c, "https://fairlead.acme.example", subject)
		fmt.Fprintf(&b, "# %s %v\n%s\n\n", c.Method, c.Public, g.Intro)
		for _, s := range g.Steps {
			fmt.Fprintf(&b, "## %s (%s)\n%s\n", s.Title, s.Language, s.Text)
		}
	}
	golden(t, "guide", b.String())
}

func TestPower(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, c := range described() {
		fmt.Fprintf(&b, "%s %v: %s\n", c.Method, c.Public, gar.Provider{}.Power(c))
	}
	plan, err := gar.Provider{}.Plan(fairlead.Connector{}, "europe-west1-docker.pkg.dev/example.com/legacy/models")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "\nplan:\n%s\n", strings.Join(plan, "\n"))
	golden(t, "power", b.String())
}

// TestGuideIsShell has a shell read what is meant for one, also with values that have
// no place in it.
func TestGuideIsShell(t *testing.T) {
	t.Parallel()
	nasty := fairlead.Connector{Name: "gar", Method: "federation", Public: map[string]string{"project": "x'; touch gotcha; '", "service_account": "$(touch gotcha)"}}
	stub := filepath.Join(t.TempDir(), "bin")
	if err := os.Mkdir(stub, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"gcloud", "fairlead"} {
		if err := os.WriteFile(filepath.Join(stub, command), []byte("#!/bin/sh\n[ -t 0 ] || true\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range append(described(), nasty) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "key.json"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, s := range (gar.Provider{}).Guide(c, "https://fairlead.acme.example", subject).Steps {
			if s.Language != "sh" {
				continue
			}
			cmd := exec.CommandContext(t.Context(), "/bin/sh", "-eu", "-c", s.Text)
			cmd.Dir, cmd.Env = dir, []string{"PATH=" + stub + ":/usr/bin:/bin"}
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s: %v %s\n%s", s.Title, err, out, s.Text)
			}
			if _, err := os.Stat(filepath.Join(dir, "gotcha")); err == nil {
				t.Errorf("a value got out of its quotes: %s", s.Text)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	const pool = "projects/123456789012/locations/global/workloadIdentityPools/machines/providers/fairlead-prod"
	var b strings.Builder
	for _, row := range []struct {
		name, method string
		public       map[string]string
		ok           bool
	}{
		{"a provider", "federation", map[string]string{"workload_identity_provider": pool, "service_account": account, "project": "acme-train"}, true},
		{"with //", "federation", map[string]string{"workload_identity_provider": "//iam.googleapis.com/" + pool}, true},
		{"with https", "federation", map[string]string{"workload_identity_provider": "https://iam.googleapis.com/" + pool, "project": "example.com:legacy"}, true},
		{"the default accounts", "impersonation", map[string]string{"service_account": "123-compute@developer.gserviceaccount.com"}, true},
		{"no provider", "federation", map[string]string{}, false},
		{"project's ID", "federation", map[string]string{"workload_identity_provider": strings.Replace(pool, "123456789012", "acme-train", 1)}, false},
		{"the pool alone", "federation", map[string]string{"workload_identity_provider": strings.TrimSuffix(pool, "/providers/fairlead-prod")}, false},
		{"another host", "federation", map[string]string{"workload_identity_provider": "https://iam.googleapis.com.evil.example/" + pool}, false},
		{"a person", "impersonation", map[string]string{"service_account": "ada@example.com"}, false},
		{"a way out", "impersonation", map[string]string{"service_account": "x@y.gserviceaccount.com/../z"}, false},
		{"project's number", "access-token", map[string]string{"project": "123456789012"}, false},
		{"no project", "access-token", map[string]string{"project": "Acme"}, false},
	} {
		err := gar.Provider{}.Check(row.method, row.public)
		if (err == nil) != row.ok {
			t.Errorf("%s: %v", row.name, err)
		}
		if err != nil {
			fmt.Fprintf(&b, "## %s\n%s\n\n", row.name, sentence(t, err))
		}
	}
	golden(t, "check", b.String())
}

// TestFields has the general check refuse half-filled forms.
func TestFields(t *testing.T) {
	t.Parallel()
	for _, m := range (gar.Provider{}).Info().Methods {
		for _, f := range m.Fields {
			g := provider.Given{Public: map[string]string{}, Secret: map[string]fairlead.Secret{}}
			for _, other := range m.Fields {
				switch {
				case other.Name == f.Name:
				case other.Secret:
					g.Secret[other.Name] = fairlead.SecretText("x")
				case len(other.Choices) > 0:
					g.Public[other.Name] = other.Choices[0]
				default:
					g.Public[other.Name] = "x"
				}
			}
			if err := provider.Check(m, g); (err != nil) != f.Required {
				t.Errorf("%s without %s: %v (%v)", m.Name, f.Name, err, maps.Keys(g.Public))
			}
		}
	}
}
