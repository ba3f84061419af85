package clientlogin_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/clientlogin"
	"fairlead.dev/fairlead/internal/dockertest"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
)

// tool runs a real program as this user's, with this home alone.
func (h home) tool(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"HOME=" + h.dir, "PATH=" + filepath.Join(h.dir, "bin") + ":" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + h.RuntimeDir}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestClients has the real clients pull with what is kept for them, and not without.
func TestClients(t *testing.T) {
	t.Parallel()
	robot := registrytest.Account{Name: "robot", Password: canary, Rights: registrytest.Everything()}
	engine := dockertest.Host(t)
	for name, row := range map[string]struct {
		auth   registrytest.Auth
		client clientlogin.Client
		helper bool
	}{
		"docker, a registry's token":              {auth: registrytest.Bearer, client: clientlogin.Docker},
		"docker, a registry's token, and a store": {auth: registrytest.Bearer, client: clientlogin.Docker, helper: true},
		"docker, a password":                      {auth: registrytest.Basic, client: clientlogin.Docker},
		"skopeo, a password":                      {auth: registrytest.Basic, client: clientlogin.Skopeo},
		"skopeo, a password to trade":             {auth: registrytest.Bearer, client: clientlogin.Skopeo},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			reg := registrytest.New(t, registrytest.Config{Auth: row.auth, Accounts: []registrytest.Account{robot}})
			registrytest.Push(t, reg, registrytest.RandomImage(t, 64), "team/app:v1", robot)
			image := reg.Host() + "/team/app:v1"
			pull := func() (string, error) {
				if row.client == clientlogin.Skopeo {
					return h.tool(t.Context(), "skopeo", "inspect", "--no-tags", "--tls-verify=false", "docker://"+image)
				}
				return h.tool(t.Context(), "docker", "--host", engine, "pull", image)
			}
			if row.helper { // one that has nothing
				bin := h.write(t, "bin/docker-credential-nothing", "#!/bin/sh\necho credentials not found in native keychain; exit 1\n")
				if err := os.Chmod(bin, 0o700); err != nil {
					t.Fatal(err)
				}
				h.write(t, dockerFile, `{"credsStore": "nothing"}`)
			}
			if out, err := pull(); err == nil {
				t.Fatalf("it can be pulled without a login: %s", out)
			}
			l := clientlogin.Login{
				Server: server, Connector: "main", Client: row.client, Resource: ref.Resource{Host: reg.Host(), Repository: "team/app"},
				Username: "robot", Password: fairlead.SecretText(robot.Password), Expires: time.Now().Add(5 * time.Minute),
			}
			if row.auth == registrytest.Bearer && row.client == clientlogin.Docker {
				l.Username, l.Password, l.Bearer = "", fairlead.Secret{}, fairlead.SecretText(reg.Token("robot", "repository:team/app:pull"))
			}
			if _, err := h.Put(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			if out, err := pull(); err != nil {
				t.Errorf("it can't be pulled: %v\n%s", err, out)
			}
			if _, err := h.Remove(t.Context(), server, "main", ""); err != nil {
				t.Fatal(err)
			}
			if _, err := h.tool(t.Context(), "docker", "--host", engine, "rmi", image); err != nil && row.client == clientlogin.Docker {
				t.Error(err)
			}
			if out, err := pull(); err == nil {
				t.Errorf("it can be pulled after the logout: %s", out)
			}
			if b, err := os.ReadFile(filepath.Join(h.dir, dockerFile)); err == nil && strings.Contains(string(b), "registrytoken") {
				t.Errorf("left: %s", b)
			}
		})
	}
}
