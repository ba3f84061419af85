package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/pgtest"
	"fairlead.dev/fairlead/internal/pyimage"
	"fairlead.dev/fairlead/internal/registrytest"
)

// Accounts of the tests' registries.
const (
	robotPassword     = "c4n4ry-r0b0t-p4ssw0rd"
	publisherPassword = "publisher-password"
)

func accounts() []registrytest.Account {
	return []registrytest.Account{
		{Name: "robot", Password: robotPassword, Rights: registrytest.Reads("acme/")},
		{Name: "publisher", Password: publisherPassword, Rights: registrytest.Everything()},
	}
}

// python is the image that steps run in.
func python(t *testing.T) v1.Image {
	t.Helper()
	dir, err := pyimage.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	image, err := pyimage.Image(t.Context(), dir, func(s string) { t.Log(s) })
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// publish pushes an image, or an index, as somebody who may.
func publish(t *testing.T, to string, what remote.Taggable) {
	t.Helper()
	tag, err := name.NewTag(to, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	o := []remote.Option{remote.WithContext(t.Context()), remote.WithAuth(&authn.Basic{Username: "publisher", Password: publisherPassword})}
	switch w := what.(type) {
	case v1.Image:
		err = remote.Write(tag, w, o...)
	case v1.ImageIndex:
		err = remote.WriteIndex(tag, w, o...)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// skopeoDigest is what another client says that the registry serves for a name.
func skopeoDigest(t *testing.T, image string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "skopeo", "inspect", "--raw", "--tls-verify=false",
		"--creds", "publisher:"+publisherPassword, "docker://"+image).Output()
	if err != nil {
		t.Fatalf("skopeo: %v", err)
	}
	file := filepath.Join(t.TempDir(), "manifest")
	if err := os.WriteFile(file, out, 0o600); err != nil {
		t.Fatal(err)
	}
	digest, err := exec.CommandContext(t.Context(), "skopeo", "manifest-digest", file).Output()
	if err != nil {
		t.Fatalf("skopeo: %v", err)
	}
	return strings.TrimSpace(string(digest))
}

// example copies the example project with another image name.
func (h *house) example(image string) {
	h.t.Helper()
	for _, f := range []string{"valohai.yaml", "train.py"} {
		b, err := os.ReadFile(filepath.Join("..", "..", "examples", "train", f))
		if err != nil {
			h.t.Fatal(err)
		}
		h.write(f, strings.ReplaceAll(string(b), "registry.acme.example/acme/train:v1", image))
	}
	h.write(".gitignore", "data/\nconfig/\n*.txt\n")
}

// TestMainJob goes the whole way, from connecting a registry to the digest in a run's
// log: on each engine, with each database, from registries with Bearer and with Basic.
func TestMainJob(t *testing.T) {
	t.Parallel()
	for _, engine := range engines() {
		for _, row := range []struct {
			name     string
			postgres bool
			auth     registrytest.Auth
			pull     string
			lease    fairlead.LeaseKind
		}{
			// A registry with Basic has nothing narrower than the stored secret, which stays inside.
			{"sqlite and basic", false, registrytest.Basic, "auto", fairlead.ThroughGateway},
			{"postgres and bearer", true, registrytest.Bearer, "auto", fairlead.ThroughGateway},
			{"sqlite and bearer, directly", false, registrytest.Bearer, "direct", fairlead.RegistryToken},
			{"postgres and basic, directly", true, registrytest.Basic, "direct", fairlead.SecretItself},
		} {
			t.Run(engine+" with "+row.name, func(t *testing.T) {
				t.Parallel()
				registry := registrytest.Debian(t, registrytest.DebianOptions{Auth: row.auth, Accounts: accounts()})
				flags := []string{"--pull", row.pull}
				if row.postgres {
					flags = append(flags, "--database", bare(pgtest.URL(t)))
				}
				h := newHouse(t, engine, flags...)
				h.mainJob(registry.Host(), row.lease)
			})
		}
	}
}

func (h *house) mainJob(registry string, lease fairlead.LeaseKind) {
	t := h.t
	single, index := registry+"/acme/train:v1", registry+"/acme/train:any"
	publish(t, single, python(t))
	other, err := mutate.ConfigFile(python(t), &v1.ConfigFile{OS: "plan9", Architecture: "mips", RootFS: v1.RootFS{Type: "layers"}})
	if err != nil {
		t.Fatal(err)
	}
	both := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: other, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "plan9", Architecture: "mips"}}},
		mutate.IndexAddendum{Add: python(t), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}})
	publish(t, index, both)

	h.write("robot.txt", robotPassword+"\n")
	h.example(single)
	h.setUp()
	disclosure := "scoped"
	if lease == fairlead.SecretItself {
		disclosure = "secret"
	}
	h.ok("registry", "add", "main", "--pattern", registry+"/acme/*", "--username", "robot", "--password-file", "robot.txt", "--plain-http", "--disclosure", disclosure)
	h.ok("project", "create", "rings")
	for i, image := range []string{single, index} {
		out := h.ok("run", "train", "--param", "epochs=2", "--image", image)
		want := []string{"Pulling image: " + image, "Image digest: " + skopeoDigest(t, image)}
		if diff := cmp.Diff(want, strings.Split(out, "\n")[:2]); diff != "" {
			t.Errorf("the log begins otherwise (-want +got):\n%s", diff)
		}
		if !strings.Contains(out, "accuracy on points never seen: 0.") {
			t.Errorf("nothing was trained:\n%s", out)
		}
		var run fairlead.Run
		if err := json.Unmarshal([]byte(h.ok("runs", "show", string(rune('1'+i)), "-o", "json")), &run); err != nil {
			t.Fatal(err)
		}
		p := *run.Pulled
		p.Bytes, p.Took = 0, 0
		if diff := cmp.Diff(fairlead.PullRecord{
			Image: image, Digest: fairlead.Digest(skopeoDigest(t, image)), Platform: "linux/amd64", Registry: "main", Connector: "main", Lease: lease,
		}, p); diff != "" {
			t.Errorf("the run's record (-want +got):\n%s", diff)
		}
	}
	h.ok("runs", "outputs", "1", "--download", "outputs")
	if b, err := os.ReadFile(filepath.Join(h.dir, "outputs", "model.json")); err != nil || !json.Valid(b) {
		t.Errorf("the output: %v", err)
	}
	h.server.stop(15)
	h.canary(robotPassword)
}

// canary looks for a secret where it must not be: in what the server and the commands
// left on disk, but for the file that it came from, and in the log.
func (h *house) canary(secret string) {
	h.t.Helper()
	if strings.Contains(h.server.output(), secret) {
		h.t.Error("the secret is in the server's log")
	}
	err := filepath.WalkDir(h.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || filepath.Base(path) == "robot.txt" {
			return nil //nolint:nilerr // What a run's container made unreadable holds no secret of ours.
		}
		b, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(b), secret) {
			h.t.Errorf("the secret is in %s", path)
		}
		return nil
	})
	if err != nil {
		h.t.Error(err)
	}
}
