package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	moby "github.com/moby/moby/client"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/wire"
)

const awsPush = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":["ecr:GetAuthorizationToken","ecr:BatchGetImage",` +
	`"ecr:GetDownloadUrlForLayer","ecr:BatchCheckLayerAvailability","ecr:ListImages","ecr:InitiateLayerUpload","ecr:UploadLayerPart",` +
	`"ecr:CompleteLayerUpload","ecr:PutImage","ecr:CreateRepository"]}]}`

// pushTable is every family with one method whose identity may push, and one that its
// cloud can't narrow. They are for images below push/ where the family has paths.
func (c *clouds) pushTable() []connected {
	assumer, user := c.aws.User("pushing-assumer", awsAssume), c.aws.User("pusher", awsPush)
	c.google.Grant("projects/"+gcpProject+"/locations/us/repositories/models", "roles/artifactregistry.writer", "serviceAccount:"+c.reader)
	c.azure.Assign(cloudtest.AzureRole{ClientID: azureApp, Role: "AcrPush", Scope: c.acrID})
	const hubWrite = "dckr_pat_c4n4ry111111111111111111111"
	c.hub.Give(cloudtest.HubToken{Token: hubWrite, Owner: "ann", Permission: "write"})
	return []connected{
		{
			family: "aws-ecr", method: "assume-role", label: "-push", at: ecrOf(c, "push-role"), kind: fairlead.ShortLogin,
			flags:   []string{"--role-arn", "arn:aws:iam::" + awsAccount + ":role/pushing", "--source", "keys", "--access-key-id", assumer.ID},
			secrets: map[string]string{"secret-access-key": assumer.Secret},
			finish: func(public map[string]string) {
				trust := strings.ReplaceAll(externalTrust(public["external_id"]), "user/assumer", "user/pushing-assumer")
				c.aws.Role("pushing", trust, awsPush)
			},
		},
		{
			family: "aws-ecr", method: "secret-key", label: "-push", at: ecrOf(c, "push-key"), kind: fairlead.ShortLogin, wide: true,
			flags: []string{"--access-key-id", user.ID}, secrets: map[string]string{"secret-access-key": user.Secret},
		},
		{
			family: "gcp-artifact-registry", method: "service-account", label: "-push", at: gcpOf("push"), kind: fairlead.RegistryToken,
			secrets: map[string]string{"key": string(c.readerKey)},
		},
		{
			family: "azure-container-registry", method: "service-principal", label: "-push", at: azureHost + "/push", kind: fairlead.RegistryToken,
			flags: []string{"--tenant-id", azureTenant, "--client-id", azureApp}, secrets: map[string]string{"client-secret": azureSecret},
		},
		{
			family: "jfrog-artifactory", method: "basic", label: "-push", at: jfrogHost + "/docker-local/push", kind: fairlead.RegistryToken,
			flags: []string{"--host", jfrogHost, "--username", "pusher"}, secrets: map[string]string{"password": jfrogPass},
		},
		{
			family: "docker-hub", method: "access-token", label: "-push", at: "docker.io/ann", kind: fairlead.RegistryToken,
			flags: []string{"--username", "ann"}, secrets: map[string]string{"token": hubWrite},
		},
		{
			family: "docker", method: "basic", label: "-push", at: dockerBearer + "/push", kind: fairlead.RegistryToken,
			flags: []string{"--username", "publisher"}, secrets: map[string]string{"password": publisherPassword},
		},
		{
			family: "docker", method: "basic", label: "-push-without-tokens", at: dockerBasic + "/push", kind: fairlead.SecretItself, wide: true,
			flags:   []string{"--username", "publisher", "--disclosure", "secret"},
			secrets: map[string]string{"password": publisherPassword},
		},
	}
}

// TestCloudsPush pushes to every family, from a layout and from the Docker engine, runs
// what was pushed, and holds the logins that were leased for it against what the
// registries let them do.
func TestCloudsPush(t *testing.T) {
	t.Parallel()
	c := newClouds(t)
	rows := c.pushTable()
	home := c.install(fairleadHost)
	home.begin()
	for _, row := range rows {
		t.Run(row.name(), func(t *testing.T) {
			t.Parallel()
			home.pushes(t, row, row.name())
		})
	}
}

// own is an image that runs, and that no other test has.
func (c *clouds) own(t *testing.T) v1.Image {
	t.Helper()
	i, err := mutate.AppendLayers(registrytest.Image(t, c.base), registrytest.RandomLayer(t, 200))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func (i *cloudHouse) pushes(t *testing.T, row connected, name string) {
	t.Helper()
	image, other := row.at+"/app", row.at+"/other"
	i.push(t, image) // which makes the repositories, where a registry doesn't
	i.push(t, other)
	i.connect(t, row, name)
	if row.finish != nil {
		var made fairlead.Connector
		if err := json.Unmarshal([]byte(i.try(t, "connector", "describe", name, "-o", "json")), &made); err != nil {
			t.Fatal(err)
		}
		row.finish(made.Public)
	}
	if r := i.run("image", "push", "oci:nothing", image+":v2"); r.code != 1 || !strings.Contains(r.err, "fairlead registry update "+name+" --push") {
		t.Errorf("before it is allowed: %d %s", r.code, r.err)
	}
	i.try(t, "registry", "update", name, "--push")
	i.fromLayout(t, row, image+":v2", name)
	i.fromEngine(t, row, image+":v3", name)
	i.apart(t, row, image, other)
	if row.family == "aws-ecr" {
		i.creates(t, row, name)
	}
}

// fromLayout pushes a layout: what is pulled has the layout's own digest.
func (i *cloudHouse) fromLayout(t *testing.T, row connected, to, entry string) {
	t.Helper()
	made := i.own(t)
	dir := filepath.Join(i.dir, "layouts", entry)
	p, err := layout.Write(dir, empty.Index)
	if err == nil {
		err = p.AppendImage(made)
	}
	if err != nil {
		t.Fatal(err)
	}
	digest, err := made.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if got := i.pushed(t, row, entry, "oci:"+dir, to); got != digest.String() {
		t.Errorf("the layout %s was pushed as %s", digest, got)
	}
}

// pushed pushes, runs what was pushed, and gives its digest.
func (i *cloudHouse) pushed(t *testing.T, row connected, entry, from, to string) string {
	t.Helper()
	out := i.try(t, "image", "push", from, to, "--docker-host", i.engine.Host(), "-o", "json")
	var report struct{ Digest, Registry, Connector string }
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.Registry != entry || report.Connector != entry {
		t.Fatalf("%v %s", err, out)
	}
	log := i.try(t, "run", "hello", "--image", to)
	want := []string{"Pulling image: " + to, "Image digest: " + report.Digest, "hello"}
	if diff := cmp.Diff(want, strings.Split(log, "\n")[:min(3, strings.Count(log, "\n"))]); diff != "" {
		t.Errorf("the log begins otherwise (-want +got):\n%s", diff)
	}
	i.recorded(t, to, fairlead.PullRecord{
		Image: to, Digest: fairlead.Digest(report.Digest), Registry: fairlead.Name(entry), Connector: fairlead.Name(entry), Lease: row.kind,
	})
	return report.Digest
}

// fromEngine pushes an image that the engine has, under a name of its own.
func (i *cloudHouse) fromEngine(t *testing.T, row connected, to, entry string) {
	t.Helper()
	tag, err := name.NewTag("local/" + entry + ":v3")
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := tarball.Write(tag, i.own(t), &archive); err != nil {
		t.Fatal(err)
	}
	api, err := moby.New(moby.WithHost(i.engine.Host()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = api.Close() }()
	loaded, err := api.ImageLoad(t.Context(), &archive)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, loaded)
	_ = loaded.Close()
	if err != nil {
		t.Fatal(err)
	}
	i.pushed(t, row, entry, "local/"+entry+":v3", to)
}

// leasePush asks the server for a login to push with.
func (i *cloudHouse) leasePush(t *testing.T, image string) wire.Lease {
	t.Helper()
	l, err := client.Do(t.Context(), i.client(t), wire.LeasePush, wire.PushLeaseRequest{ProjectPath: wire.ProjectPath{Owner: "acme", Project: "rings"}, Image: image})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// apart holds a login to push and one to pull against each other: neither does the
// other's work, but where the cloud can't tell.
func (i *cloudHouse) apart(t *testing.T, row connected, image, other string) {
	t.Helper()
	push := i.leasePush(t, image)
	pull, err := i.lease(t, image)
	if err != nil {
		t.Fatal(err)
	}
	if push.Kind != row.kind || push.Verb != fairlead.Push || row.life != 0 && time.Until(push.Expires) > row.life {
		t.Errorf("the lease to push is a %s, %s", push.Kind, push.Verb)
	}
	got := map[string]bool{}
	for name, c := range map[string]struct {
		lease         wire.Lease
		method, image string
		path          string
	}{
		"a push pushes":               {push, http.MethodPost, image, "/blobs/uploads/"},
		"a push pulls":                {push, http.MethodGet, image, "/manifests/v1"},
		"a push pushes another":       {push, http.MethodPost, other, "/blobs/uploads/"},
		"a push pulls another":        {push, http.MethodGet, other, "/manifests/v1"},
		"a pull pulls":                {pull, http.MethodGet, image, "/manifests/v1"},
		"a pull pushes":               {pull, http.MethodPost, image, "/blobs/uploads/"},
		"a pull pushes a manifest":    {pull, http.MethodPut, image, "/manifests/v9"},
		"a push pushes its manifests": {push, http.MethodHead, image, "/manifests/v2"},
	} {
		status, _ := i.ask(t, c.lease, c.method, c.image, c.path)
		got[name] = status != http.StatusUnauthorized && status != http.StatusForbidden
	}
	want := map[string]bool{
		"a push pushes": true, "a push pulls": true, "a push pushes its manifests": true, "a pull pulls": true,
		"a push pushes another": row.wide, "a push pulls another": row.wide, "a pull pushes": row.wide, "a pull pushes a manifest": row.wide,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what leases open (-want +got):\n%s", diff)
	}
}

// creates pushes to a repository that the registry doesn't make of itself.
func (i *cloudHouse) creates(t *testing.T, row connected, entry string) {
	t.Helper()
	dir, to := filepath.Join(i.dir, "layouts", entry), row.at+"/fresh:v1"
	r := i.run("image", "push", "oci:"+dir, to)
	if r.code != 1 || !strings.Contains(r.err, "--create") {
		t.Errorf("without --create: %d %s", r.code, r.err)
	}
	out := i.try(t, "image", "push", "oci:"+dir, to, "--create", "-o", "json")
	if !strings.Contains(out, `"created_repository": true`) {
		t.Errorf("with --create: %s", out)
	}
	_, repository, _ := strings.Cut(row.at+"/fresh", "/")
	if !i.aws.HasRepository(awsRegion, repository) {
		t.Errorf("there is no repository %s", repository)
	}
}

// TestCloudsPushIsWhole finds a family that nobody pushes to.
func TestCloudsPushIsWhole(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("clouds_push_test.go")
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, "")
	h.setUp()
	var types struct {
		Providers []fairlead.ProviderInfo `json:"providers"`
	}
	if err := json.Unmarshal([]byte(h.ok("connector", "types", "-o", "json")), &types); err != nil {
		t.Fatal(err)
	}
	missing := map[string]bool{}
	for _, p := range types.Providers {
		if !bytes.Contains(b, []byte(`family: "`+string(p.Family)+`"`)) {
			missing[string(p.Family)] = true
		}
	}
	if len(types.Providers) < 6 || len(missing) > 0 {
		t.Errorf("nobody pushes to %v", slices.Sorted(maps.Keys(missing)))
	}
}
