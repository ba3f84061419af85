package provider_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/server"
	"fairlead.dev/fairlead/pattern"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestRead reads what people give as a pattern: patterns stay as they are, what was
// pasted becomes one, and what is wrong is said by the family whose it is.
func TestRead(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	all := server.Providers(provider.Tools{})
	for _, given := range []string{
		// Patterns.
		"docker.io/myusername/*", "registry.acme.example/team/*", "registry.acme.example/team", "registry.acme.example:5000/team/app:v*", "localhost:5000/*",
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com/*", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app", "123456789012.dkr.ecr.*.amazonaws.com/*",
		"us-central1-docker.pkg.dev/my-project/*", "us-central1-docker.pkg.dev/my-project/ml-images/*", "us-central1-docker.pkg.dev/my-project/ml-images/app",
		"myregistry.azurecr.io/*", "*.acme.example/team/*", "acme.jfrog.io/docker-local/*", "ghcr.io/acme/*", "public.ecr.aws/acme/*",
		// Pasted.
		"https://registry.acme.example", "https://registry.acme.example/", "registry.acme.example", "registry.acme.example/team/", "docker pull registry.acme.example/team/app:v1", " registry.acme.example/team/* ",
		"https://robot:hunter2@registry.acme.example/team",
		"arn:aws:ecr:eu-west-1:123456789012:repository/team/app",
		"https://eu-west-1.console.aws.amazon.com/ecr/repositories/private/123456789012/team/app?region=eu-west-1",
		"https://123456789012.dkr.ecr.eu-west-1.amazonaws.com",
		"projects/acme-train/locations/europe-west1/repositories/models",
		"https://console.cloud.google.com/artifacts/docker/acme-train/europe-west1/models?project=acme-train",
		"https://europe-west1-docker.pkg.dev/acme-train/models/",
		"https://portal.azure.com/#@acme.example/resource/subscriptions/33333333-3333-4333-8333-333333333333/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/fairregistry/overview",
		"https://fairregistry.azurecr.io", "https://acme.jfrog.io/ui/repos/tree/General/docker-local", "https://hub.docker.com/r/acme/train", "https://index.docker.io/v1/",
		"https://github.com/orgs/acme/packages/container/package/train",
		"gcr.io/acme-train", "eu.gcr.io/acme-train/app:*",
		"docker pull --platform=linux/amd64 europe-west1-docker.pkg.dev/acme-train/models/app:v1", "docker login acme.jfrog.io",
		"FROM 123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app:v1 AS base", "skopeo inspect docker://fairregistry.azurecr.io/app:v1", "docker pull",
		// Wrong.
		"", "*", "*/team/*", "acme/train", "team/*", "ubuntu", "registry.acme.example/Team/*", "robot:hunter2@registry.acme.example/team",
		"12345.dkr.ecr.eu-west-1.amazonaws.com/*", "api.ecr.eu-west-1.amazonaws.com", "europe-west1.pkg.dev/acme-train/models", "europe-west1-docker.pkg.dev",
		"us-central9-docker.pkg.dev/acme-train/models", "ab.azurecr.io", "https://hub.docker.com/search?q=x", "https://portal.azure.com/", "hub.docker.com",
		"registry.acme.example/a b", "<account>.dkr.ecr.<region>.amazonaws.com/*",
	} {
		fmt.Fprintf(&b, "%s\n", strings.ReplaceAll(given, "hunter2", "PASSWORD"))
		read, notes, err := all.Read(given)
		var p pattern.Pattern
		if err == nil {
			if p, err = pattern.Parse(read); err != nil {
				err = fairlead.Misread("pattern", err)
			}
		}
		if err != nil {
			e := fairlead.AsError("reading", err)
			fmt.Fprintf(&b, "  %s %s: %s\n  remedy: %s\n", e.Kind, e.Field, e, e.Remedy)
			continue
		}
		fmt.Fprintf(&b, "  = %s\n", p)
		for _, n := range notes {
			fmt.Fprintf(&b, "  note: %s\n", n)
		}
	}
	if strings.Contains(b.String(), "hunter2") {
		t.Error("a password is shown")
	}
	file := filepath.Join("testdata", "read.golden")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// FuzzRead never gives what isn't a pattern without saying so, and reads what it gave as
// the same again.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"https://registry.acme.example/", "arn:aws:ecr:eu-west-1:123456789012:repository/a", "gcr.io/acme-train", "a.azurecr.io/x@sha256:", "*.x.y/z"} {
		f.Add(s)
	}
	all := server.Providers(provider.Tools{})
	f.Fuzz(func(t *testing.T, s string) {
		read, _, err := all.Read(s)
		if err != nil {
			return
		}
		p, err := pattern.Parse(read)
		if err != nil {
			return // it is told then
		}
		again, _, err := all.Read(p.String())
		if err != nil {
			return // what the family refuses although it could be a pattern
		}
		if q, err := pattern.Parse(again); err != nil || !q.Equal(p) {
			t.Errorf("%q is read as %s, and that as %q", s, p, again)
		}
	})
}
