package clientlogin_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/clientlogin"
	"fairlead.dev/fairlead/ref"
)

const (
	server = "https://fairlead.example.com"
	canary = "c4nary-password"
)

// home is a user's home directory.
type home struct {
	clientlogin.Places
	dir string
}

func newHome(t *testing.T) home {
	t.Helper()
	dir := t.TempDir()
	return home{clientlogin.Places{Home: dir, RuntimeDir: filepath.Join(dir, "run"), State: filepath.Join(dir, "state"), UID: os.Getuid()}, dir}
}

func (h home) write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(h.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// json reads a file; nil if there is none.
func (h home) json(t *testing.T, name string) map[string]any {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(h.dir, name))
	if os.IsNotExist(err) {
		return nil
	}
	var v map[string]any
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func login(c clientlogin.Client) clientlogin.Login {
	return clientlogin.Login{
		Server: server, Connector: "main", Client: c, Resource: ref.Resource{Host: "reg.example.com", Repository: "team/app"},
		Username: "robot", Password: fairlead.SecretText(canary), Expires: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

func token() clientlogin.Login {
	l := login(clientlogin.Docker)
	l.Username, l.Password, l.Bearer = "", fairlead.Secret{}, fairlead.SecretText("c4nary-token")
	return l
}

const (
	dockerFile = ".docker/config.json"
	podmanFile = "run/containers/auth.json"
	basic      = "cm9ib3Q6YzRuYXJ5LXBhc3N3b3Jk" // robot:c4nary-password
)

// TestPutAndRemove keeps a login for each client, and leaves no trace of it.
func TestPutAndRemove(t *testing.T) {
	t.Parallel()
	hub := login(clientlogin.Docker)
	hub.Resource = ref.Resource{Host: "docker.io", Repository: "acme/app"}
	for name, row := range map[string]struct {
		l    clientlogin.Login
		file string
		key  string
		want map[string]any
	}{
		"docker":       {login(clientlogin.Docker), dockerFile, "reg.example.com", map[string]any{"auth": basic}},
		"docker token": {token(), dockerFile, "reg.example.com", map[string]any{"registrytoken": "c4nary-token"}},
		"docker hub":   {hub, dockerFile, "https://index.docker.io/v1/", map[string]any{"auth": basic}},
		"podman":       {login(clientlogin.Podman), podmanFile, "reg.example.com/team/app", map[string]any{"auth": basic}},
		"skopeo":       {login(clientlogin.Skopeo), podmanFile, "reg.example.com/team/app", map[string]any{"auth": basic}},
		"helm":         {login(clientlogin.Helm), ".config/helm/registry/config.json", "reg.example.com", map[string]any{"auth": basic}},
	} {
		for before, text := range map[string]string{
			"nothing": "", "empty": "{}", "null": `{"auths": null}`,
			"another": `{"auths": {"other.example.com": {"auth": "x"}}, "psFormat": "table {{.ID}}", "plugins": {"a": {"b": "c"}}}`,
			"one":     `{"auths": {"` + row.key + `": {"auth": "b2xkOm9sZA==", "email": "a@example.com"}}}`,
		} {
			t.Run(name+" over "+before, func(t *testing.T) {
				t.Parallel()
				h := newHome(t)
				want := map[string]any{}
				if text != "" {
					h.write(t, row.file, text)
					want = h.json(t, row.file)
				}
				for range 2 { // again is as good as once
					kept, err := h.Put(t.Context(), row.l)
					if err != nil || kept.Store != filepath.Join(h.dir, row.file) || kept.Key != row.key {
						t.Fatalf("%+v, %v", kept, err)
					}
				}
				now := h.json(t, row.file)
				auths, _ := now["auths"].(map[string]any)
				if diff := cmp.Diff(row.want, auths[row.key]); diff != "" {
					t.Errorf("what the client reads (-want +got):\n%s", diff)
				}
				if info, err := os.Stat(filepath.Join(h.dir, row.file)); err != nil || info.Mode().Perm() != 0o600 {
					t.Error(info.Mode(), err)
				}
				h.silent(t)
				done, err := h.Remove(t.Context(), server, "main", "")
				if err != nil || len(done) != 1 || done[0].Note != "" {
					t.Fatalf("%+v, %v", done, err)
				}
				now = h.json(t, row.file)
				if want["auths"] == nil {
					delete(want, "auths")
				}
				if diff := cmp.Diff(want, now); diff != "" {
					t.Errorf("what was there before (-want +got):\n%s", diff)
				}
				if done, err := h.Remove(t.Context(), server, "main", ""); err != nil || len(done) != 0 {
					t.Errorf("again: %+v, %v", done, err)
				}
			})
		}
	}
}

// silent finds what Fairlead itself has written down of a login.
func (h home) silent(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(h.State, "clientlogins.json"))
	if err != nil || strings.Contains(string(b), basic) || strings.Contains(string(b), "c4nary") {
		t.Errorf("%s %v", b, err)
	}
	if left, err := filepath.Glob(filepath.Join(h.dir, "*", ".*-*")); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
}

// TestChanged leaves what somebody else has changed since, and others' logins.
func TestChanged(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	other := login(clientlogin.Docker)
	other.Connector, other.Resource.Host = "other", "other.example.com"
	for _, l := range []clientlogin.Login{login(clientlogin.Docker), login(clientlogin.Podman), other} {
		if _, err := h.Put(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	h.write(t, dockerFile, `{"auths": {"reg.example.com": {"auth": "bWluZTptaW5l"}, "other.example.com": {"auth": "`+basic+`"}}}`)
	done, err := h.Remove(t.Context(), server, "main", clientlogin.Docker)
	if err != nil || len(done) != 1 || !strings.Contains(done[0].Note, "changed since") {
		t.Fatalf("%+v, %v", done, err)
	}
	if done, err := h.Remove(t.Context(), server, "main", ""); err != nil || len(done) != 1 || done[0].Client != clientlogin.Podman {
		t.Errorf("%+v, %v", done, err)
	}
	if done, err := h.Remove(t.Context(), "https://elsewhere.example.com", "other", ""); err != nil || len(done) != 0 {
		t.Errorf("another server's: %+v, %v", done, err)
	}
	if done, err := h.Remove(t.Context(), server, "other", ""); err != nil || len(done) != 1 || done[0].Note != "" {
		t.Errorf("%+v, %v", done, err)
	}
	want := map[string]any{"auths": map[string]any{"reg.example.com": map[string]any{"auth": "bWluZTptaW5l"}}}
	if diff := cmp.Diff(want, h.json(t, dockerFile)); diff != "" {
		t.Error(diff)
	}
}

// TestRefused are logins that can't be kept, and files that nobody should write to.
func TestRefused(t *testing.T) {
	t.Parallel()
	endless, podman, colon, strange := login(clientlogin.Docker), token(), login(clientlogin.Docker), login("nerdctl")
	endless.Expires, podman.Client, colon.Username = time.Time{}, clientlogin.Podman, "a:b"
	for name, row := range map[string]struct {
		l       clientlogin.Login
		prepare func(t *testing.T, h home)
		want    fairlead.Kind
		word    string
	}{
		"it doesn't end":   {l: endless, want: fairlead.Invalid, word: "isn't written to a disk"},
		"a token, podman":  {l: podman, want: fairlead.Invalid, word: "podman can't be given one"},
		"a colon":          {l: colon, want: fairlead.Invalid, word: "user name"},
		"a strange client": {l: strange, want: fairlead.Invalid, word: "knows"},
		"garbage":          {l: login("docker"), want: fairlead.Invalid, word: "isn't the JSON", prepare: func(t *testing.T, h home) { t.Helper(); h.write(t, dockerFile, "{") }},
		"a list":           {l: login("docker"), want: fairlead.Invalid, word: "isn't the JSON", prepare: func(t *testing.T, h home) { t.Helper(); h.write(t, dockerFile, `{"auths": []}`) }},
		"a path as helper": {l: login("docker"), want: fairlead.Invalid, word: "isn't the JSON", prepare: func(t *testing.T, h home) { t.Helper(); h.write(t, dockerFile, `{"credsStore": "../evil"}`) }},
		"no helper": {l: login("docker"), want: fairlead.Unavailable, word: "isn't on the PATH", prepare: func(t *testing.T, h home) {
			t.Helper()
			h.write(t, dockerFile, `{"credsStore": "there-is-none-of-this-name"}`)
		}},
		"a link": {l: login("docker"), want: fairlead.Invalid, word: "it is a link", prepare: func(t *testing.T, h home) {
			t.Helper()
			target := h.write(t, "target", "{}")
			h.write(t, ".docker/x", "")
			if err := os.Symlink(target, filepath.Join(h.dir, dockerFile)); err != nil {
				t.Fatal(err)
			}
		}},
		"others may write": {l: login("docker"), want: fairlead.Invalid, word: "others", prepare: func(t *testing.T, h home) {
			t.Helper()
			h.write(t, dockerFile, "{}")
			if err := os.Chmod(filepath.Join(h.dir, ".docker"), 0o777); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			if row.prepare != nil {
				row.prepare(t, h)
			}
			before, _ := os.ReadFile(filepath.Join(h.dir, dockerFile))
			_, err := h.Put(t.Context(), row.l)
			e := fairlead.AsError("", err)
			if fairlead.KindOf(err) != row.want || !strings.Contains(e.Error(), row.word) || e.Remedy == "" || strings.Contains(e.Error()+e.Remedy, "c4nary") {
				t.Errorf("%v; %s", err, e.Remedy)
			}
			if after, _ := os.ReadFile(filepath.Join(h.dir, dockerFile)); string(after) != string(before) {
				t.Errorf("the file is now %s", after)
			}
		})
	}
}

// helper is a credential helper that keeps logins in a directory.
const helper = `#!/bin/sh
cd "$(dirname "$0")" || exit 1
case $1 in
get) read -r key; if [ -f kept ]; then cat kept; else echo "credentials not found in native keychain"; exit 1; fi ;;
store) cat >kept ;;
erase) if [ -f kept ]; then rm kept; else echo "credentials not found in native keychain"; exit 1; fi ;;
esac
`

// TestHelper keeps a login in the store that Docker uses, and takes nobody else's place.
func TestHelper(t *testing.T) {
	h := newHome(t)
	bin := filepath.Join(h.dir, "bin")
	h.write(t, "bin/docker-credential-test", helper)
	if err := os.Chmod(filepath.Join(bin, "docker-credential-test"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	h.write(t, dockerFile, `{"credHelpers": {"reg.example.com": "test"}}`)
	h.write(t, "bin/kept", `{"Username": "somebody"}`)
	if _, err := h.Put(t.Context(), login(clientlogin.Docker)); fairlead.KindOf(err) != fairlead.Conflict {
		t.Fatal("another's login is replaced:", err)
	}
	if err := os.Remove(filepath.Join(bin, "kept")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		kept, err := h.Put(t.Context(), login(clientlogin.Docker))
		if err != nil || kept.Store != "docker-credential-test" {
			t.Fatalf("%+v, %v", kept, err)
		}
	}
	want := map[string]any{"ServerURL": "reg.example.com", "Username": "robot", "Secret": canary}
	if diff := cmp.Diff(want, h.json(t, "bin/kept")); diff != "" {
		t.Error(diff)
	}
	if b, _ := os.ReadFile(filepath.Join(h.dir, dockerFile)); strings.Contains(string(b), basic) {
		t.Errorf("it is in the file too: %s", b)
	}
	if done, err := h.Remove(t.Context(), server, "main", ""); err != nil || len(done) != 1 || h.json(t, "bin/kept") != nil {
		t.Errorf("%+v, %v", done, err)
	}
	if kept, err := h.Put(t.Context(), token()); err != nil || kept.Store != filepath.Join(h.dir, dockerFile) {
		t.Errorf("a registry's token goes to the file: %+v, %v", kept, err)
	}
}

// FuzzDocument keeps what it doesn't know of a client's file, and never breaks one.
func FuzzDocument(f *testing.F) {
	for _, s := range []string{"", "{}", `{"auths":{}}`, `{"auths":{"a":{}},"x":[1,{"y":null}]}`, `{"credsStore":"x"}`, "null", "[]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h := newHome(t)
		h.write(t, podmanFile, text)
		if _, err := h.Put(t.Context(), login(clientlogin.Podman)); err != nil {
			if fairlead.KindOf(err) != fairlead.Invalid {
				t.Error(err)
			}
			return
		}
		if _, err := h.Remove(t.Context(), server, "main", ""); err != nil {
			t.Error(err)
		}
		if text == "" {
			return
		}
		var want map[string]any
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		if a, ok := want["auths"].(map[string]any); !ok || len(a) == 0 {
			delete(want, "auths")
		}
		if diff := cmp.Diff(want, h.json(t, podmanFile)); diff != "" {
			t.Error(diff)
		}
	})
}
