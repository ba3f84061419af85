package gateway_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/moby/moby/client"
	"github.com/regclient/regclient"
	"github.com/regclient/regclient/config"
	"github.com/regclient/regclient/types/ref"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"
	orasremote "oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"

	"fairlead.dev/fairlead/internal/dockertest"
	"fairlead.dev/fairlead/internal/registrytest"
)

// TestClients pulls an image through the gateway with what people have, from a registry
// with Basic and from one with Bearer.
func TestClients(t *testing.T) {
	t.Parallel()
	for _, kind := range []registrytest.Auth{registrytest.Basic, registrytest.Bearer} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			r := newRoom(t, kind)
			image := registrytest.RandomImage(t, 200_000, 3_000_000)
			digest := r.push(t, image, "team/app:v1")
			for _, c := range []struct {
				name string
				pull func(*testing.T, *room, v1.Image, string)
			}{
				{"crane", crane}, {"oras", orasPull}, {"regclient", regctl}, {"skopeo", skopeo}, {"podman", podman}, {"docker", docker}, {"containerd", containerd},
			} {
				t.Run(c.name, func(t *testing.T) { // one after the other: what the first has fetched, the others find
					c.pull(t, r, image, digest)
				})
			}
			if n := r.fronts("GET", "/blobs/"); n > 3+2 {
				t.Errorf("%d requests for 3 blobs", n)
			}
			if n := r.fronts("GET", "/manifests/v1") + r.fronts("GET", "/manifests/"+digest); n != 1 {
				t.Errorf("%d manifests were fetched, want 1", n)
			}
		})
	}
}

// throughGateway is the image's full name.
func (r *room) throughGateway() string { return r.gatewayHost() + "/" + r.at("team/app") + ":v1" }

func crane(t *testing.T, r *room, _ v1.Image, digest string) {
	t.Helper()
	reference, err := name.ParseReference(r.throughGateway())
	if err != nil {
		t.Fatal(err)
	}
	login := remote.WithAuth(&authn.Basic{Username: "ann", Password: r.token})
	got, err := remote.Image(reference, login, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	if d, err := got.Digest(); err != nil || d.String() != digest {
		t.Errorf("digest %s, %v", d, err)
	}
	if err := validate.Image(got); err != nil {
		t.Error(err)
	}
	tags, err := remote.List(reference.Context(), login, remote.WithContext(t.Context()))
	if err != nil || len(tags) != 1 || tags[0] != "v1" {
		t.Errorf("tags %v, %v", tags, err)
	}
	if err := remote.Push(reference.Context().Tag("v2"), got, login, remote.WithContext(t.Context())); err == nil || !strings.Contains(err.Error(), "UNSUPPORTED") {
		t.Errorf("a push: %v", err)
	}
}

func orasPull(t *testing.T, r *room, _ v1.Image, digest string) {
	t.Helper()
	repository, err := orasremote.NewRepository(r.gatewayHost() + "/" + r.at("team/app"))
	if err != nil {
		t.Fatal(err)
	}
	repository.PlainHTTP = true
	repository.Client = &auth.Client{Credential: auth.StaticCredential(r.gatewayHost(), auth.Credential{Username: "ann", Password: r.token}), Cache: auth.NewCache()}
	got, err := oras.Copy(t.Context(), repository, "v1", memory.New(), "v1", oras.DefaultCopyOptions)
	if err != nil || got.Digest.String() != digest {
		t.Errorf("%s, %v", got.Digest, err)
	}
}

func regctl(t *testing.T, r *room, image v1.Image, digest string) {
	t.Helper()
	rc := regclient.New(regclient.WithConfigHost(config.Host{Name: r.gatewayHost(), Hostname: r.gatewayHost(), TLS: config.TLSDisabled, User: "ann", Pass: r.token}))
	at, err := ref.New(r.throughGateway())
	if err != nil {
		t.Fatal(err)
	}
	m, err := rc.ManifestGet(t.Context(), at)
	if err != nil || m.GetDescriptor().Digest.String() != digest {
		t.Fatalf("%v", err)
	}
	to, err := ref.New("ocidir://" + t.TempDir() + ":v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := rc.ImageCopy(t.Context(), at, to); err != nil {
		t.Error(err)
	}
	if list, err := rc.ReferrerList(t.Context(), at); err != nil || len(list.Descriptors) != 0 {
		t.Errorf("referrers %+v, %v", list, err)
	}
	_ = image
}

// run runs a program of the machine's.
func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, args[0], err, out)
	}
	return string(out)
}

func skopeo(t *testing.T, r *room, _ v1.Image, digest string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "auth.json")
	login := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, r.gatewayHost(), base64.StdEncoding.EncodeToString([]byte("ann:"+r.token)))
	if err := os.WriteFile(file, []byte(login), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "skopeo", "copy", "--src-tls-verify=false", "--authfile", file, "docker://"+r.throughGateway(), "oci:"+dir+"/image:v1")
	out := run(t, "skopeo", "inspect", "--tls-verify=false", "--authfile", file, "docker://"+r.throughGateway())
	if !strings.Contains(out, digest) {
		t.Errorf("%s", out)
	}
}

// podman pulls into a storage of its own, without a service.
func podman(t *testing.T, r *room, image v1.Image, digest string) {
	t.Helper()
	dir := t.TempDir()
	own := []string{"--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--tmpdir", filepath.Join(dir, "tmp"), "--storage-driver", "vfs"}
	file := filepath.Join(dir, "auth.json")
	login := exec.CommandContext(t.Context(), "podman", append(own, "login", "--tls-verify=false", "--authfile", file, "--username", "ann", "--password-stdin", r.gatewayHost())...)
	login.Stdin = strings.NewReader(r.token)
	if out, err := login.CombinedOutput(); err != nil {
		t.Fatalf("podman login: %v\n%s", err, out)
	}
	run(t, "podman", append(own, "pull", "--quiet", "--tls-verify=false", "--authfile", file, r.throughGateway())...)
	config, err := image.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	if out := run(t, "podman", append(own, "image", "inspect", "--format", "{{.Digest}} {{.Id}}", r.throughGateway())...); out != digest+" "+config.Hex+"\n" {
		t.Errorf("it has %s", out)
	}
}

func docker(t *testing.T, r *room, image v1.Image, digest string) {
	t.Helper()
	engine, err := client.New(client.WithHost(dockertest.Host(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close() //nolint:errcheck // A test's.
	login, err := json.Marshal(map[string]string{"username": "ann", "password": r.token, "serveraddress": r.gatewayHost()})
	if err != nil {
		t.Fatal(err)
	}
	reply, err := engine.ImagePull(t.Context(), r.throughGateway(), client.ImagePullOptions{RegistryAuth: base64.URLEncoding.EncodeToString(login)})
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Close() //nolint:errcheck // A test's.
	said, err := io.ReadAll(reply)
	if err != nil || !bytes.Contains(said, []byte(digest)) || bytes.Contains(said, []byte(`"error"`)) {
		t.Fatalf("%s %v", said, err)
	}
	t.Cleanup(func() {
		_, _ = engine.ImageRemove(context.WithoutCancel(t.Context()), r.throughGateway(), client.ImageRemoveOptions{Force: true})
	})
	config, err := image.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	got, err := engine.ImageInspect(t.Context(), r.throughGateway())
	if err != nil || got.ID != config.String() && got.ID != digest {
		t.Errorf("%s, %v", got.ID, err)
	}
}

// containerd is told by its hosts.toml to ask the gateway for the registry's images,
// which keep their own names; it says which registry with ns=.
func containerd(t *testing.T, r *room, _ v1.Image, digest string) {
	t.Helper()
	dir := t.TempDir()
	hosts := filepath.Join(dir, strings.Replace(r.reg.Host(), ":", "_", 1)+"_")
	if err := os.MkdirAll(hosts, 0o700); err != nil {
		t.Fatal(err)
	}
	toml := fmt.Sprintf("server = %q\n\n[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n", r.URL, r.URL)
	if err := os.WriteFile(filepath.Join(hosts, "hosts.toml"), []byte(toml), 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(filepath.Dir(strings.TrimPrefix(dockertest.Host(t), "unix://")), "containerd.sock")
	full := r.reg.Host() + "/team/app:v1"
	before := len(r.reg.Requests())
	out := run(t, "ctr", "--address", socket, "--namespace", "gateway", "content", "fetch", "--hosts-dir", dir, "--user", "ann:"+r.token, full)
	if !strings.Contains(out, digest) {
		t.Errorf("%s", out)
	}
	for _, q := range r.reg.Requests()[before:] {
		if q.Holds(r.token) {
			t.Errorf("the registry itself was shown the gateway's login: %s %s", q.Method, q.Path)
		}
	}
	run(t, "ctr", "--address", socket, "--namespace", "gateway", "images", "rm", full)
}
