package localcredentials_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/dockertest"
	"fairlead.dev/fairlead/internal/registrytest"
)

// TestRealClients takes what the real clients write when somebody logs in with them.
func TestRealClients(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t, registrytest.Config{
		Auth: registrytest.Bearer, Accounts: []registrytest.Account{{Name: "robot", Password: "c4nary-of-the-robot", Rights: registrytest.Everything()}},
	})
	run := func(t *testing.T, env []string, args ...string) {
		t.Helper()
		if _, err := exec.LookPath(args[0]); err != nil {
			t.Skipf("%s isn't here", args[0])
		}
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Stdin, cmd.Env = strings.NewReader("c4nary-of-the-robot"), append(os.Environ(), env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	taken := func(t *testing.T, h *home, source string) {
		t.Helper()
		got := h.search(t, "")
		if len(got) != 1 || got[0].Why != nil || got[0].Source != source || got[0].Public["hosts"] != reg.Host() || got[0].Public["username"] != "robot" ||
			!got[0].Secrets["password"].Equal(fairlead.SecretText("c4nary-of-the-robot")) || len(got[0].Notes) != 0 {
			t.Errorf("found %+v", got)
		}
	}
	t.Run("skopeo", func(t *testing.T) {
		t.Parallel()
		h := newHome(t)
		h.env["REGISTRY_AUTH_FILE"] = filepath.Join(h.dir, "auth.json")
		run(t, []string{"HOME=" + h.dir, "REGISTRY_AUTH_FILE=" + h.env["REGISTRY_AUTH_FILE"]}, "skopeo", "login", "--tls-verify=false", "--username", "robot", "--password-stdin", reg.Host())
		taken(t, h, "podman login")
	})
	t.Run("docker", func(t *testing.T) {
		t.Parallel()
		h := newHome(t)
		run(t, []string{"HOME=" + h.dir, "DOCKER_CONFIG=", "DOCKER_HOST=" + dockertest.Host(t)}, "docker", "login", "--username", "robot", "--password-stdin", reg.Host())
		taken(t, h, "docker login")
	})
	t.Run("docker with a helper", func(t *testing.T) {
		t.Parallel()
		h := newHome(t)
		bin := filepath.Join(h.dir, "bin")
		h.write(t, "bin/docker-credential-notes", helper)
		if err := os.Chmod(filepath.Join(bin, "docker-credential-notes"), 0o700); err != nil {
			t.Fatal(err)
		}
		h.write(t, ".docker/config.json", `{"credsStore":"notes"}`)
		env := []string{"HOME=" + h.dir, "NOTES=" + h.dir, "DOCKER_CONFIG=", "DOCKER_HOST=" + dockertest.Host(t), "PATH=" + bin + ":" + os.Getenv("PATH")}
		run(t, env, "docker", "login", "--username", "robot", "--password-stdin", reg.Host())
		h.machine.Run = func(ctx context.Context, program string, args []string, input string) ([]byte, error) {
			cmd := exec.CommandContext(ctx, filepath.Join(bin, program), args...)
			cmd.Stdin, cmd.Env = strings.NewReader(input), append(os.Environ(), env...)
			return cmd.Output()
		}
		taken(t, h, "docker login")
	})
	t.Run("aws", func(t *testing.T) {
		t.Parallel()
		h := newHome(t)
		for key, value := range map[string]string{"aws_access_key_id": awsID, "aws_secret_access_key": awsSecret, "region": "eu-west-1"} {
			run(t, []string{"HOME=" + h.dir, "AWS_CONFIG_FILE=" + h.dir + "/.aws/config", "AWS_SHARED_CREDENTIALS_FILE=" + h.dir + "/.aws/credentials"},
				"aws", "configure", "set", key, value, "--profile", "ml")
		}
		got := h.search(t, "")
		if len(got) != 1 || got[0].Why != nil || got[0].Where != "ml" || got[0].Public["access_key_id"] != awsID || got[0].Public["regions"] != "eu-west-1" {
			t.Errorf("found %+v", got)
		}
	})
}

// helper is a credential helper that notes logins in a directory.
const helper = `#!/bin/sh
case "$1" in
store) cat > "$NOTES/note" ;;
get) cat "$NOTES/note" ;;
list) sed 's/.*"ServerURL":"\([^"]*\)","Username":"\([^"]*\)".*/{"\1":"\2"}/' "$NOTES/note" ;;
esac
`
