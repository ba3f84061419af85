package main

import (
	"os"
	"path/filepath"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/manifest"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/server"
)

// TestExample: the file that is shown to people has no mistake, by the families that
// there are, and its secrets are secrets.
func TestExample(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("..", "..", "examples", "fairlead.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	m, problems := manifest.Parse("fairlead.yaml", b)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	now := manifest.State{Organization: fairlead.Organization{Name: "acme"}, Providers: server.Providers(provider.Tools{}).Infos()}
	changes, problems := manifest.Plan("fairlead.yaml", m, now, nil, true)
	if len(problems) > 0 || len(changes) != 9 {
		t.Errorf("%d changes, %v", len(changes), problems)
	}
}
