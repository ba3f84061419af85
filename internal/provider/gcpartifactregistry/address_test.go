package gcpartifactregistry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	gar "fairlead.dev/fairlead/internal/provider/gcpartifactregistry"
	"fairlead.dev/fairlead/pattern"
)

// TestOwns walks the host forms and what only looks like them.
func TestOwns(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"us-docker.pkg.dev": true, "europe-docker.pkg.dev": true, "asia-docker.pkg.dev": true,
		"us-central1-docker.pkg.dev": true, "northamerica-northeast2-docker.pkg.dev": true, "europe-west12-docker.pkg.dev": true,
		"docker.us-central1.rep.pkg.dev": true, "docker.europe-west3.rep.pkg.dev": true,
		"gcr.io": true, "us.gcr.io": true, "eu.gcr.io": true, "asia.gcr.io": true,

		"": false, "pkg.dev": false, "docker.pkg.dev": false, "-docker.pkg.dev": false, "docker.rep.pkg.dev": false,
		"us-docker.pkg.dev.evil.com": false, "us-docker.pkg.dev:8443": false, "us-docker.pkg.dev.": false, "us-docker-pkg.dev": false,
		"evil.com-docker.pkg.dev": false, "x.us-docker.pkg.dev": false, "us_docker.pkg.dev": false, "us-docker.pkg.development": false,
		"us-npm.pkg.dev": false, "us-central1.pkg.dev": false, "US-docker.pkg.dev": false, "us-docker.pkg.dev\n": false, "\nus-docker.pkg.dev": false,
		"docker.us.rep.pkg.dev": false, "docker.us-central1.rep.pkg.dev.evil.com": false, "docker.us-central1.evil.rep.pkg.dev": false,
		"xgcr.io": false, "x.gcr.io": false, "gcr.io.evil.com": false, "us-gcr.io": false, "mirror.gcr.io": false, "k8s.gcr.io": false, "gcr.io:443": false,
		"us-docker.pkgxdev": false, "gcrxio": false, "mars-docker.pkg.dev": false, "us-central-docker.pkg.dev": false,
		"europe-west1-docker.pkg.dev@evil.com": false, "docker.io": false,
	} {
		if got := (gar.Provider{}).Owns(host); got != want {
			t.Errorf("Owns(%q) is %t", host, got)
		}
	}
}

func TestAccepts(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"us-docker.pkg.dev": true, "*-docker.pkg.dev": true, "us-*-docker.pkg.dev": true, "docker.*.rep.pkg.dev": true, "*.gcr.io": true, "gcr.io": true,
		"*.pkg.dev": false, "*.dev": false, "us-docker.*.dev": false, "*.us-docker.pkg.dev": false, "docker.*.*.pkg.dev": false, "ghcr.io": false,
		"*-docker.pkg.dev.evil.com": false, "*-docker.pkg.dev:80": false,
	} {
		err := gar.Provider{}.Accepts(fairlead.Connector{Name: "gar"}, host)
		if (err == nil) != want || err != nil && fairlead.KindOf(err) != fairlead.Invalid {
			t.Errorf("Accepts(%q): %v", host, err)
		}
	}
}

const shutDown = "Container Registry was shut down on 18 March 2025; the images of gcr.io/acme-train live in Artifact Registry, in repository gcr.io of location us (us-docker.pkg.dev/acme-train/gcr.io)"

func TestRead(t *testing.T) {
	t.Parallel()
	const all, sure = "us-central1-docker.pkg.dev/acme-train/models/*", "it covers all images of repository models"
	for _, row := range []struct {
		pasted, match string
		notes         []string
	}{
		{"us-central1-docker.pkg.dev/acme-train/models", all, []string{sure}},
		{" https://us-central1-docker.pkg.dev/acme-train/models/ ", all, []string{sure}},
		{"http://US-central1-docker.pkg.dev:443/acme-train/models", all, []string{sure}},
		{"docker://us-central1-docker.pkg.dev/acme-train/models", all, []string{sure}},
		{"docker pull us-central1-docker.pkg.dev/acme-train/models/app:v1", "us-central1-docker.pkg.dev/acme-train/models/app:v1", nil},
		{"us-central1-docker.pkg.dev/acme-train/*", "us-central1-docker.pkg.dev/acme-train/*", nil},
		{"us-central1-docker.pkg.dev/acme-train", "us-central1-docker.pkg.dev/acme-train/*", nil},
		{"us-central1-docker.pkg.dev/*", "us-central1-docker.pkg.dev/*", nil},
		{"*-docker.pkg.dev/acme-train/models/*", "*-docker.pkg.dev/acme-train/models/*", nil},
		{"us-central1-docker.pkg.dev/acme-train/models/app", "us-central1-docker.pkg.dev/acme-train/models/app", nil},
		{"us-central1-docker.pkg.dev/acme-train/models/*:v1", "us-central1-docker.pkg.dev/acme-train/models/*:v1", nil},
		{"docker.us-central1.rep.pkg.dev/acme-train/models", "docker.us-central1.rep.pkg.dev/acme-train/models/*", []string{sure}},
		{"projects/acme-train/locations/us-central1/repositories/models", all, []string{sure}},
		{"projects/acme-train/locations/us-central1/repositories/models/packages/app", all, []string{sure}},
		{"//artifactregistry.googleapis.com/projects/acme-train/locations/us/repositories/models", "us-docker.pkg.dev/acme-train/models/*", []string{sure}},
		{"https://artifactregistry.googleapis.com/v1/projects/acme-train/locations/us-central1/repositories/models/dockerImages/x@sha256:1", all, []string{sure}},
		{"https://console.cloud.google.com/artifacts/docker/acme-train/us-central1/models?project=acme-train", all, []string{sure}},
		{"https://console.cloud.google.com/artifacts/docker/acme-train/us-central1/models/app%2Fsub/sha256:1;tab=manifest?hl=en", all, []string{sure}},
		{"https://console.cloud.google.com/gcr/images/acme-train/GLOBAL/app", "gcr.io/acme-train/*", []string{shutDown}},
		{"https://console.cloud.google.com/gcr/images/acme-train/EU", "eu.gcr.io/acme-train/*", []string{strings.NewReplacer("gcr.io", "eu.gcr.io", "location us", "location europe", "us-docker", "europe-docker").Replace(shutDown)}},
		{"gcr.io/acme-train", "gcr.io/acme-train/*", []string{shutDown}},
		{"gcr.io/acme-train/app:*", "gcr.io/acme-train/app", []string{shutDown}},
		{"gcr.io/acme-train/app", "gcr.io/acme-train/app", []string{shutDown}},
		{"https://gcr.io/acme-train/*", "gcr.io/acme-train/*", []string{shutDown}},
		{"us-docker.pkg.dev/acme-train/models/app@sha256:" + strings.Repeat("a", 64), "us-docker.pkg.dev/acme-train/models/app", []string{"the digest \"sha256:" + strings.Repeat("a", 64) + "\" is left out: a pattern has none"}},
		{"us-docker.pkg.dev/example.com:acme-train/models", "us-docker.pkg.dev/example.com/acme-train/models/*", []string{"the project \"example.com:acme-train\" is written with a slash in images' names", sure}},
		{"us-docker.pkg.dev/example.com/acme-train", "us-docker.pkg.dev/example.com/acme-train/*", nil},
		{"projects/example.com:acme-train/locations/us/repositories/models", "us-docker.pkg.dev/example.com/acme-train/models/*", []string{"the project \"example.com:acme-train\" is written with a slash in images' names", sure}},
	} {
		match, notes, ok, err := gar.Provider{}.Read(row.pasted)
		if err != nil || !ok || match != row.match || !cmp.Equal(notes, row.notes) {
			t.Errorf("Read(%q): %s %q %t %v, want %s %q", row.pasted, match, notes, ok, err, row.match, row.notes)
		}
	}
	for _, pasted := range []string{
		"", "ghcr.io/acme/app", "docker.io/library/alpine", "acme-train", "mirror.gcr.io/library/alpine", "k8s.gcr.io/pause", "us-docker.pkg.dev.evil.com/a/b",
		"projects/acme", "https://console.aws.amazon.com/ecr", "projects/acme/team/app", "xgcr.io/a",
	} {
		if match, _, ok, err := (gar.Provider{}).Read(pasted); ok || err != nil {
			t.Errorf("Read(%q): %s %v", pasted, match, err)
		}
	}
}

// TestReadRefuses holds what is said of addresses that are meant to be the family's and
// aren't right.
func TestReadRefuses(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, pasted := range []string{
		"us-central1-docker.pkg.dev", "https://gcr.io/", "docker.pkg.dev/acme-train/models", "pkg.dev/acme-train/models", "us-central1.pkg.dev/acme-train/models",
		"us-central1-npm.pkg.dev/acme-train/models", "us-central-docker.pkg.dev/acme-train/models", "uk.gcr.io/acme-train/app",
		"us-docker.pkg.dev/123456789012/models/app", "us-docker.pkg.dev/acme-train/models:v1", "us-docker.pkg.dev/Acme-Train/Models/app",
		"us-docker.pkg.dev/<PROJECT_ID>/models", "us-docker.pkg.dev/example.com", "projects/acme-train/locations/us", "projects/acme-train/locations/mars/repositories/models",
		"https://console.cloud.google.com/artifacts?project=acme-train", "https://console.cloud.google.com/kubernetes/list", "https://artifactregistry.googleapis.com/v1/projects/acme-train",
	} {
		match, _, ok, err := gar.Provider{}.Read(pasted)
		if !ok || match != "" || fairlead.KindOf(err) != fairlead.Invalid {
			t.Errorf("Read(%q): %s %t %v", pasted, match, ok, err)
			continue
		}
		b.WriteString("## " + pasted + "\n" + sentence(t, err) + "\n\n")
	}
	golden(t, "read", b.String())
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"us-docker.pkg.dev/acme-train/models", "https://console.cloud.google.com/artifacts/docker/p/us/r", "projects/p/locations/us/repositories/r",
		"gcr.io/p", "us-docker.pkg.dev/example.com:p/r@sha256:1", "*-docker.pkg.dev/*", "//artifactregistry.googleapis.com/", "gcr.io/a.b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		match, _, ok, err := gar.Provider{}.Read(s)
		switch {
		case err != nil:
			e, house := errors.AsType[*fairlead.Error](err)
			if !ok || match != "" || !house || e.Kind != fairlead.Invalid || e.Remedy == "" {
				t.Errorf("%q: %q %t %v", s, match, ok, err)
			}
			return
		case !ok:
			return
		}
		p, err := pattern.Parse(match)
		if err != nil || p.String() != match || !gar.MayBeHost(p.Host()) {
			t.Fatalf("%q is read as %q: %v", s, match, err)
		}
		if again, _, ok, err := (gar.Provider{}).Read(match); again != match || !ok || err != nil {
			t.Errorf("%q is read as %q, and that as %q: %v", s, match, again, err)
		}
	})
}

func FuzzParsePool(f *testing.F) {
	f.Add("projects/123/locations/global/workloadIdentityPools/fairlead/providers/fairlead")
	f.Add("//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/fairlead/providers/fairlead")
	f.Add("https://iam.googleapis.com/projects/x/locations/global/workloadIdentityPools/a/providers/b")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := gar.ParsePool(s)
		if err != nil {
			if fairlead.KindOf(err) != fairlead.Invalid {
				t.Error(err)
			}
			return
		}
		if !strings.HasSuffix(strings.TrimSpace(s), gar.PoolName(p)) || strings.ContainsAny(gar.PoolName(p), " \t\r\n'\"`$\\;&|<>") {
			t.Errorf("%q is read as %q", s, gar.PoolName(p))
		}
	})
}
