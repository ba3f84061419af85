package awsecr_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/registrytest"
)

// copying has skopeo, which knows nothing of Fairlead, copy an image with a login.
func (w *world) copying(host string, l provider.Login, from, to string) (string, error) {
	w.t.Helper()
	dir := w.t.TempDir()
	login := base64.StdEncoding.EncodeToString([]byte(l.Username + ":" + string(l.Password.Reveal())))
	config := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, login)
	if err := os.WriteFile(filepath.Join(dir, "auth.json"), []byte(config), 0o600); err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.CommandContext(w.t.Context(), "skopeo", "copy", "--insecure-policy", "--authfile", filepath.Join(dir, "auth.json"), from, to)
	cmd.Env = append(w.net.Env(), "PATH=/usr/bin:/bin", "HOME="+dir, "TMPDIR="+dir)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestClient pulls and pushes with a client of another house: the narrowed logins are
// enough for their own work, and for nobody else's.
func TestClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := connector("federation", "role_arn="+roleARN)
	w.guided(c, true)
	host := w.account.Host(region)
	w.account.Push(region, "team/app", "v1", registrytest.RandomImage(t, 3000, 2000))
	w.account.Repository(region, "team/new")
	local := "oci:" + filepath.Join(t.TempDir(), "image") + ":v1"
	pull, push := w.login(c, w.pull()), w.login(c, scope(host, "team/new", fairlead.Push))
	again := w.login(c, scope(host, "team/new", fairlead.Pull))
	for _, row := range []struct {
		name     string
		login    provider.Login
		from, to string
		refused  string
	}{
		{"pulled", pull, "docker://" + host + "/team/app:v1", local, ""},
		{"pushed with a login to pull", again, local, "docker://" + host + "/team/new:v1", "ecr:InitiateLayerUpload"},
		{"pushed elsewhere", push, local, "docker://" + host + "/team/app:v2", "team/app"},
		{"pushed", push, local, "docker://" + host + "/team/new:v1", ""},
		{"pulled with a login to push", push, "docker://" + host + "/team/new:v1", local + "2", "403"},
		{"pulled what was pushed", again, "docker://" + host + "/team/new:v1", local + "3", ""},
	} {
		out, err := w.copying(host, row.login, row.from, row.to)
		if (err == nil) != (row.refused == "") || !strings.Contains(out, row.refused) {
			t.Fatalf("%s: %v\n%s", row.name, err, out)
		}
	}
}
