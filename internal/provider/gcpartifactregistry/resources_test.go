package gcpartifactregistry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/provider"
	gar "fairlead.dev/fairlead/internal/provider/gcpartifactregistry"
)

// admin gives reader the roles for listing and making repositories.
func (w *world) admin(roles ...string) *world {
	for _, role := range roles {
		w.g.Grant("projects/"+project, role, "serviceAccount:"+w.reader)
	}
	return w
}

func found(address, location, detail string) fairlead.FoundResource {
	return fairlead.FoundResource{Kind: fairlead.RepositoryResource, Address: address, Pattern: address + "/*", Location: location, Detail: detail}
}

func TestResources(t *testing.T) {
	t.Parallel()
	w := newWorld(t).admin("roles/artifactregistry.reader", "roles/browser")
	for _, r := range []cloudtest.GoogleRepository{
		{Location: "us", ID: "gcr.io"},
		{Location: "europe-west1", ID: "cache", Mode: "REMOTE_REPOSITORY"},
		{Location: "europe-west1", ID: "all", Mode: "VIRTUAL_REPOSITORY"},
		{Location: "europe-west1", ID: "wheels", Format: "PYTHON"},
		{Location: "asia", ID: "gcr.io"}, // which gcr.io doesn't lead to
	} {
		w.g.AddRepository(project, r)
	}
	w.g.AddProject("hidden-one")
	w.g.AddRepository("hidden-one", cloudtest.GoogleRepository{Location: "us", ID: "models"})
	w.g.AddProject("example.com:legacy")
	w.g.AddRepository("example.com:legacy", cloudtest.GoogleRepository{Location: "us", ID: "models"})
	for _, role := range []string{"roles/artifactregistry.reader", "roles/browser"} {
		w.g.Grant("projects/example.com:legacy", role, "serviceAccount:"+w.reader)
	}
	own := []fairlead.FoundResource{
		found("asia-docker.pkg.dev/acme-train/gcr.io", "asia", "standard"),
		found("europe-west1-docker.pkg.dev/acme-train/all", "europe-west1", "virtual: gathers other repositories"),
		found("europe-west1-docker.pkg.dev/acme-train/cache", "europe-west1", "remote: caches another registry"),
		found("gcr.io/acme-train", "us", "standard"),
		found("us-docker.pkg.dev/acme-train/gcr.io", "us", "standard"),
		found("us-docker.pkg.dev/acme-train/models", "us", "standard"),
	}
	legacy := []fairlead.FoundResource{found("us-docker.pkg.dev/example.com/legacy/models", "us", "standard")}
	for _, row := range []struct {
		name, method string
		change       []func(*provider.Opened)
		page         int
		want         []fairlead.FoundResource
	}{
		{"the key's project", "service-account", nil, 0, own},
		{"page by page", "service-account", nil, 1, own},
		{"a project that is named", "access-token", []func(*provider.Opened){public("project", "example.com:legacy")}, 1, legacy},
		{"every project", "access-token", nil, 1, append(slices.Clip(own), legacy...)},
	} {
		w.g.SetPageSize(row.page)
		got, err := w.provider().Resources(t.Context(), w.connector(row.method, row.change...))
		if d := cmp.Diff(row.want, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", row.name, err, d)
		}
	}
}

// TestResourcesGuess looks in the project of the account to act as, if nobody says
// another and no project can be seen.
func TestResourcesGuess(t *testing.T) {
	t.Parallel()
	w := newWorld(t).admin("roles/artifactregistry.reader")
	want := []fairlead.FoundResource{found("us-docker.pkg.dev/acme-train/models", "us", "standard")}
	got, err := w.provider().Resources(t.Context(), w.connector("impersonation"))
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Error(err, d)
	}
	w.fault("cloudresourcemanager.googleapis.com", 403, `{"error":{"code":403,"status":"PERMISSION_DENIED"}}`, nil)
	got, err = w.provider().Resources(t.Context(), w.connector("federation", public("service_account", w.reader)))
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Error(err, d)
	}
}

// TestResourcesMany lists more than any page holds.
func TestResourcesMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t).admin("roles/artifactregistry.reader")
	for i := range 1100 {
		w.g.AddRepository(project, cloudtest.GoogleRepository{Location: "us-east1", ID: fmt.Sprintf("r%04d", i)})
	}
	got, err := w.provider().Resources(t.Context(), w.connector("service-account"))
	if err != nil || len(got) != 1101 {
		t.Error(len(got), err)
	}
}

// TestResourcesInPart gives what could be listed beside the error.
func TestResourcesInPart(t *testing.T) {
	t.Parallel()
	w := newWorld(t).admin("roles/artifactregistry.reader")
	w.g.AddRepository(project, cloudtest.GoogleRepository{Location: "asia", ID: "far"})
	w.n.Break(cloudtest.Fault{Path: "/locations/asia/repositories", Status: 500})
	got, err := w.provider().Resources(t.Context(), w.connector("service-account"))
	if d := cmp.Diff([]fairlead.FoundResource{found("us-docker.pkg.dev/acme-train/models", "us", "standard")}, got); d != "" || fairlead.KindOf(err) != fairlead.Unavailable {
		t.Error(err, d)
	}
}

// TestAPISentences holds what people read when listing, making or removing goes wrong.
func TestAPISentences(t *testing.T) {
	t.Parallel()
	const address = "us-docker.pkg.dev/acme-train/fresh"
	list := func(_ *world, p gar.Provider, c provider.Opened) error {
		_, err := p.Resources(t.Context(), c)
		return err
	}
	deploy := func(at string) func(*world, gar.Provider, provider.Opened) error {
		return func(_ *world, p gar.Provider, c provider.Opened) error { return p.Deploy(t.Context(), c, at) }
	}
	admin := func(w *world) { w.admin("roles/artifactregistry.admin") }
	var b strings.Builder
	for _, row := range []struct {
		name  string
		spoil func(*world)
		do    func(*world, gar.Provider, provider.Opened) error
	}{
		{"list: no role", nil, list},
		{"list: API off", func(w *world) { w.g.SetService(project, "artifactregistry.googleapis.com", false) }, list},
		{"list: half-filled", nil, func(w *world, p gar.Provider, c provider.Opened) error { delete(c.Secret, "key"); return list(w, p, c) }},
		{"list: a list that can't be read", func(w *world) { w.fault("artifactregistry.googleapis.com", 200, "[", nil) }, list},
		{"list: a page instead", func(w *world) { w.fault("artifactregistry.googleapis.com", 403, "<html>", nil) }, list},
		{"list: no project", nil, func(w *world, p gar.Provider, _ provider.Opened) error {
			return list(w, p, w.connector("access-token"))
		}},
		{"list: revoked token", nil, func(w *world, p gar.Provider, _ provider.Opened) error {
			c := w.connector("access-token", public("project", project))
			w.g.RevokeTokens()
			return list(w, p, c)
		}},
		{"list: scopes", nil, func(w *world, p gar.Provider, _ provider.Opened) error {
			token := w.g.AccessToken(w.reader, time.Hour, "https://www.googleapis.com/auth/devstorage.read_only")
			return list(w, p, w.connector("access-token", public("project", project), hidden("token", token)))
		}},
		{"make: no role", nil, deploy(address)},
		{"make: there already", admin, deploy("us-docker.pkg.dev/acme-train/models")},
		{"make: wrong region", admin, deploy("us-east9-docker.pkg.dev/acme-train/fresh")},
		{"make: no region", admin, deploy("docker.pkg.dev/acme-train/fresh")},
		{"make: no repository", admin, deploy("us-docker.pkg.dev/acme-train")},
		{"make: no project", admin, deploy("us-docker.pkg.dev/Acme/fresh")},
		{"make: it fails at Google", func(w *world) {
			admin(w)
			w.n.Break(cloudtest.Fault{Method: "POST", Host: "artifactregistry.googleapis.com", Status: 200, Body: `{"name":"projects/acme-train/locations/us/operations/x","done":true,"error":{"code":9}}`})
		}, deploy(address)},
		{"make: an operation from elsewhere", func(w *world) {
			admin(w)
			w.n.Break(cloudtest.Fault{Method: "POST", Host: "artifactregistry.googleapis.com", Status: 200, Body: `{"name":"../../x?y"}`})
		}, deploy(address)},
		{"make: never done", func(w *world) { admin(w); w.g.SetPolls(1000) }, deploy(address)},
		{"remove: not there", admin, func(_ *world, p gar.Provider, c provider.Opened) error { return p.Destroy(t.Context(), c, address) }},
	} {
		w := newWorld(t)
		w.ours.set(noon())
		w.theirs.set(noon())
		if row.spoil != nil {
			row.spoil(w)
		}
		p := gar.Wait(w.provider(), func(context.Context, time.Duration) error { return nil })
		fmt.Fprintf(&b, "## %s\n%s\n\n", row.name, sentence(t, row.do(w, p, w.connector("service-account"))))
	}
	golden(t, "api", b.String())
}

// TestDeploy makes a repository, fills it, and removes it again.
func TestDeploy(t *testing.T) {
	t.Parallel()
	w := newWorld(t).admin("roles/artifactregistry.admin")
	w.g.SetPolls(3)
	waits := 0
	p := gar.Wait(w.provider(), func(context.Context, time.Duration) error { waits++; return nil })
	c := w.connector("service-account")
	for address, name := range map[string]string{
		"europe-west1-docker.pkg.dev/acme-train/fresh":       "europe-west1-docker.pkg.dev/acme-train/fresh/app:v1",
		"docker.europe-west1.rep.pkg.dev/acme-train/other/*": "europe-west1-docker.pkg.dev/acme-train/other/app:v1",
		"eu.gcr.io/acme-train":                               "eu.gcr.io/acme-train/app:v1",
	} {
		waits = 0
		if err := p.Deploy(t.Context(), c, address); err != nil || waits != 3 {
			t.Fatal(address, waits, err)
		}
		push(t, w, name)
		if err := p.Destroy(t.Context(), c, strings.TrimSuffix(name, ":v1")); fairlead.KindOf(err) != fairlead.Invalid {
			t.Error("an image's address:", err)
		}
		if err := p.Destroy(t.Context(), c, address); err != nil {
			t.Error(address, err)
		}
		if err := p.Destroy(t.Context(), c, address); fairlead.KindOf(err) != fairlead.NotFound {
			t.Error(address, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancelling := gar.Wait(w.provider(), func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() })
	if err := cancelling.Deploy(ctx, c, "us-docker.pkg.dev/acme-train/fresh"); fairlead.KindOf(err) != fairlead.Unavailable {
		t.Error("cancelled:", err)
	}
}

// TestWait waits no longer than its context lives.
func TestWait(t *testing.T) {
	t.Parallel()
	if err := gar.WaitFor(t.Context(), 0); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := gar.WaitFor(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
