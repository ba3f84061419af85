package e2e

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"fairlead.dev/fairlead/internal/registrytest"
)

// TestPush pushes to Debian's docker-registry, the real thing, with each way in which it
// asks for logins, and has skopeo say what is there: the digest that fairlead printed.
func TestPush(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	h.setUp()
	h.write("publisher.txt", publisherPassword)
	h.ok("project", "create", "rings")
	index := registrytest.Attest(t, registrytest.Index(t, "linux/amd64", "linux/arm64/v8"))
	one, several := filepath.Join(h.dir, "one"), filepath.Join(h.dir, "several")
	writeLayout(t, one, "v1")
	p, err := layout.Write(several, empty.Index)
	if err == nil {
		err = p.AppendIndex(index)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, auth := range map[string]registrytest.Auth{"basic": registrytest.Basic, "bearer": registrytest.Bearer} {
		registry := registrytest.Debian(t, registrytest.DebianOptions{Auth: auth, Accounts: accounts()})
		h.ok("registry", "add", name, "--pattern", registry.Host()+"/acme/*", "--username", "publisher", "--password-file", "publisher.txt",
			"--plain-http", "--disclosure", "secret", "--push")
		for at, dir := range map[string]string{"one:v1": one, "several:v1": several} {
			image := registry.Host() + "/acme/" + at
			out := h.ok("image", "push", dir, image)
			_, digest, ok := strings.Cut(strings.TrimSpace(out), "Digest: ")
			if got := skopeoDigest(t, image); !ok || got != digest {
				t.Errorf("%s: fairlead says %q, and skopeo %s", image, out, got)
			}
			var again struct {
				Sent   int64
				Before string
			}
			if err := json.Unmarshal([]byte(h.ok("image", "push", dir, image, "-o", "json")), &again); err != nil || again.Sent != 0 || again.Before != digest {
				t.Errorf("again: %+v %v", again, err)
			}
		}
	}
}
