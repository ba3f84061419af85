package gcpartifactregistry_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/provider"
)

// TestAmbient fills the environment with logins of the machine's own that work, and
// holds that a connector which is empty or broken gets none of them.
func TestAmbient(t *testing.T) {
	w := newWorld(t)
	surround(t, w)
	control := context.WithValue(t.Context(), oauth2.HTTPClient, w.n.Client())
	for _, unset := range []string{"", "GOOGLE_APPLICATION_CREDENTIALS"} { // the variable, then the file that gcloud leaves
		if unset != "" {
			t.Setenv(unset, "")
		}
		c, err := google.FindDefaultCredentials(control, cloudtest.GooglePlatform)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.TokenSource.Token(); err != nil {
			t.Fatalf("the environment has no login that works: %v", err)
		}
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(os.Getenv("HOME"), "key.json"))
	w.tools.Instance = nil
	before := len(w.n.Requests())
	garbage := func(c *provider.Opened) {
		for _, f := range []string{"key", "token"} {
			c.Secret[f] = fairlead.SecretText("hunter2")
		}
		c.Public["workload_identity_provider"] = "hunter2"
	}
	// These name what is on the machine, and would have Google's own libraries use it.
	file := hidden("key", `{"type":"external_account","audience":"//iam.googleapis.com/x","credential_source":{"file":"`+os.Getenv("GOOGLE_APPLICATION_CREDENTIALS")+`"}}`)
	path := hidden("key", os.Getenv("GOOGLE_APPLICATION_CREDENTIALS"))
	for _, m := range w.provider().Info().Methods {
		for name, change := range map[string]func(*provider.Opened){
			"empty": func(*provider.Opened) {}, "broken": garbage, "a configuration that reads a file": file, "a file's name": path,
		} {
			c := provider.Opened{Owner: "acme", Secret: map[string]fairlead.Secret{}}
			c.Name, c.Method, c.Public = "gar", m.Name, map[string]string{"service_account": w.reader}
			change(&c)
			if l, err := w.provider().Login(t.Context(), c, scope(t, fairlead.Pull)); err == nil || !l.Password.IsZero() {
				t.Errorf("%s, %s: a login", m.Name, name)
			}
			if found, err := w.provider().Resources(t.Context(), c); err == nil || found != nil {
				t.Errorf("%s, %s: resources", m.Name, name)
			}
			if err := w.provider().Deploy(t.Context(), c, "us-docker.pkg.dev/acme-train/fresh"); err == nil {
				t.Errorf("%s, %s: a repository", m.Name, name)
			}
		}
	}
	for _, r := range w.n.Requests()[before:] {
		t.Errorf("asked %s %s%s", r.Method, r.Host, r.Path)
	}
}

// surround puts logins wherever Google's libraries look.
func surround(t *testing.T, w *world) {
	t.Helper()
	home := t.TempDir()
	gcloud := filepath.Join(home, ".config", "gcloud")
	docker := filepath.Join(home, ".docker")
	for _, dir := range []string{gcloud, docker} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	token := w.g.AccessToken(w.reader, time.Hour, cloudtest.GooglePlatform)
	for file, text := range map[string]string{
		filepath.Join(home, "key.json"):                               string(w.key),
		filepath.Join(gcloud, "application_default_credentials.json"): string(w.key),
		filepath.Join(docker, "config.json"):                          `{"auths":{"us-docker.pkg.dev":{"username":"oauth2accesstoken","password":"` + token + `"}}}`,
		filepath.Join(home, ".config", "gcloud", "access_tokens.db"):  token,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.g.SetMachine(w.reader, time.Hour, cloudtest.GooglePlatform)
	for name, value := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": filepath.Join(home, ".config"), "DOCKER_CONFIG": docker,
		"GOOGLE_APPLICATION_CREDENTIALS": filepath.Join(home, "key.json"), "CLOUDSDK_CONFIG": "", "CLOUDSDK_AUTH_ACCESS_TOKEN": token,
		"GOOGLE_CLOUD_PROJECT": project, "GOOGLE_OAUTH_ACCESS_TOKEN": token, "GCE_METADATA_HOST": "metadata.google.internal",
		"GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1",
	} {
		t.Setenv(name, value)
	}
	for _, v := range w.n.Env() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
}
