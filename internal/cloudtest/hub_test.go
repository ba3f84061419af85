package cloudtest_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/registrytest"
)

const (
	hubRead   = "dckr_pat_read000000000000000000000000"
	hubPublic = "dckr_pat_public0000000000000000000000"
	hubWrite  = "dckr_pat_write00000000000000000000000"
	hubOrg    = "dckr_oat_org0000000000000000000000000"
	hubEnded  = "dckr_pat_ended00000000000000000000000"
)

func newHub(t *testing.T, limit int) (*cloudtest.Internet, *cloudtest.Hub) {
	t.Helper()
	n := cloudtest.New(t)
	h := cloudtest.NewHub(t, n, cloudtest.HubConfig{
		Users: []cloudtest.HubUser{{Name: "ann", Password: "ann-password"}}, Limit: limit,
		Organizations: []cloudtest.HubOrganization{{Name: "acme", Members: []string{"ann"}}},
		Repositories:  []cloudtest.HubRepository{{Name: "acme/train", Private: true}, {Name: "acme/other", Private: true}, {Name: "acme/open"}},
	})
	for _, token := range []cloudtest.HubToken{
		{Token: hubRead, Owner: "ann", Permission: "read"},
		{Token: hubPublic, Owner: "ann", Permission: "public"},
		{Token: hubWrite, Owner: "ann", Permission: "write"},
		{Token: hubOrg, Owner: "acme", Pull: []string{"acme/train"}, List: true},
		{Token: hubEnded, Owner: "ann", Permission: "read", Expires: time.Now().Add(-time.Minute)},
	} {
		h.Give(token)
	}
	return n, h
}

// TestHubClients has clients that aren't ours, by the names that they have for Docker Hub.
func TestHubClients(t *testing.T) {
	t.Parallel()
	n, h := newHub(t, 0)
	digest := h.Push(t, registrytest.RandomImage(t, 1000), "acme/train:v1")
	h.Push(t, registrytest.RandomImage(t, 1000), "acme/open:v1")
	skopeo := func(image, login string) (string, error) {
		args := []string{"inspect", "--no-creds"}
		if login != "" {
			args = []string{"inspect", "--creds", login}
		}
		cmd := exec.CommandContext(t.Context(), "skopeo", append(args, "docker://"+image)...)
		cmd.Env = append(n.Env(), "PATH=/usr/bin:/bin", "HOME="+t.TempDir())
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for login, want := range map[string]bool{
		"ann:ann-password": true, "ann:" + hubRead: true, "ann:" + hubWrite: true, "acme:" + hubOrg: true,
		"ann:" + hubPublic: false, "ann:" + hubEnded: false, "ann:" + hubOrg: false, "acme:" + hubRead: false, "": false,
	} {
		out, err := skopeo("docker.io/acme/train:v1", login)
		if (err == nil) != want || want && !strings.Contains(out, digest) {
			t.Errorf("%q: %v %s", login, err, out)
		}
	}
	for _, login := range []string{"", "ann:" + hubPublic} {
		if out, err := skopeo("docker.io/acme/open:v1", login); err != nil {
			t.Errorf("%q: %v %s", login, err, out)
		}
	}
	to, err := name.ParseReference("docker.io/acme/train:v2")
	if err != nil {
		t.Fatal(err)
	}
	if to.Context().RegistryStr() != "index.docker.io" {
		t.Fatal(to)
	}
	n.Handle("index.docker.io", h.Front())
	for token, want := range map[string]bool{hubRead: false, hubWrite: true} {
		client := n.Client()
		err := remote.Write(to, registrytest.RandomImage(t, 100), remote.WithContext(t.Context()), remote.WithTransport(client.Transport),
			remote.WithAuth(&authn.Basic{Username: "ann", Password: token}))
		client.CloseIdleConnections()
		if (err == nil) != want {
			t.Errorf("pushing with %s: %v", token, err)
		}
	}
}

// TestHubTokens asks the token endpoint.
func TestHubTokens(t *testing.T) {
	t.Parallel()
	n, h := newHub(t, 0)
	const at = "https://auth.docker.io/token?service=registry.docker.io&scope=repository:acme/train:pull,push"
	actions := func(a asked) []string {
		var c struct {
			Access []registrytest.Access `json:"access"`
		}
		payload(t, a.body["token"].(string), &c)
		return c.Access[0].Actions
	}
	good := send(t, n, "GET", at+"&offline_token=true", "ann:"+hubRead, "", "")
	if good.status != 200 || good.body["expires_in"] != 300.0 || good.body["token"] != good.body["access_token"] {
		t.Fatal(good.raw)
	}
	if d := cmp.Diff([]string{"pull"}, actions(good)); d != "" {
		t.Error(d)
	}
	form := "grant_type=refresh_token&client_id=x&service=registry.docker.io&scope=repository:acme/train:pull&refresh_token=" + good.body["refresh_token"].(string)
	if a := send(t, n, "POST", "https://auth.docker.io/token", "", formType, form); a.status != 200 || len(actions(a)) != 1 {
		t.Error(a.raw)
	}
	h.Revoke(hubRead)
	if a := send(t, n, "POST", "https://auth.docker.io/token", "", formType, form); a.status != 401 {
		t.Error(a.raw)
	}
	for login, want := range map[string]int{"": 200, "ann:" + hubRead: 401, "ann:x": 401, "ANN:" + hubWrite: 200} {
		if a := send(t, n, "GET", at, login, "", ""); a.status != want {
			t.Errorf("%q: %s", login, a.raw)
		}
	}
	if a := send(t, n, "GET", "https://auth.docker.io/token?service=evil", "", "", ""); a.status != 400 {
		t.Error(a.raw)
	}
}

// TestHubLimit counts pulls, and looks don't count.
func TestHubLimit(t *testing.T) {
	t.Parallel()
	n, h := newHub(t, 2)
	h.Push(t, registrytest.RandomImage(t, 100), "acme/open:v1")
	token := send(t, n, "GET", "https://auth.docker.io/token?service=registry.docker.io&scope=repository:acme/open:pull", "", "", "").body["token"].(string)
	const manifest = "https://registry-1.docker.io/v2/acme/open/manifests/v1"
	for i, step := range []struct {
		method string
		status int
	}{{"HEAD", 200}, {"GET", 200}, {"HEAD", 200}, {"GET", 200}, {"GET", 429}, {"HEAD", 200}} {
		if a := send(t, n, step.method, manifest, token, "", ""); a.status != step.status || a.status == 429 && !strings.Contains(a.raw, "toomanyrequests") && !strings.Contains(a.raw, "TOOMANYREQUESTS") {
			t.Errorf("%d: %d %s", i, a.status, a.raw)
		}
	}
}

// TestHubWeb asks the web API for repositories.
func TestHubWeb(t *testing.T) {
	t.Parallel()
	n, _ := newHub(t, 0)
	const list = "https://hub.docker.com/v2/namespaces/acme/repositories"
	logIn := func(user, secret string) asked {
		return send(t, n, "POST", "https://hub.docker.com/v2/auth/token", "", "application/json", `{"identifier":"`+user+`","secret":"`+secret+`"}`)
	}
	names := func(bearer string) (got []string) {
		var page struct {
			Results []struct {
				Name string `json:"name"`
			} `json:"results"`
		}
		a := send(t, n, "GET", list+"?page_size=100", bearer, "", "")
		if err := json.Unmarshal([]byte(a.raw), &page); err != nil || a.status != 200 {
			t.Fatal(a.raw)
		}
		for _, r := range page.Results {
			got = append(got, r.Name)
		}
		slices.Sort(got)
		return got
	}
	everything := []string{"open", "other", "train"}
	for _, c := range []struct {
		user, secret string
		want         []string
	}{
		{"ann", hubRead, everything},
		{"ann", hubPublic, []string{"open"}},
		{"acme", hubOrg, everything},
	} {
		if d := cmp.Diff(c.want, names(logIn(c.user, c.secret).body["access_token"].(string))); d != "" {
			t.Error(c.user, d)
		}
	}
	if d := cmp.Diff([]string{"open"}, names("")); d != "" {
		t.Error(d)
	}
	for name, a := range map[string]asked{
		"wrong secret":        logIn("ann", "x"),
		"ended":               logIn("ann", hubEnded),
		"the token as bearer": send(t, n, "GET", list, hubRead, "", ""),
	} {
		if a.status != 401 {
			t.Error(name, a.raw)
		}
	}
	bearer := logIn("ann", hubRead).body["access_token"].(string)
	page := send(t, n, "GET", list+"?page_size=2", bearer, "", "")
	if page.body["next"] != list+"?page=2&page_size=2" {
		t.Error(page.raw)
	}
	if a := send(t, n, "GET", list+"?page_size=2&page=3", bearer, "", ""); a.status != 404 {
		t.Error(a.raw)
	}
	if a := send(t, n, "GET", "https://hub.docker.com/v2/user/orgs", logIn("acme", hubOrg).body["access_token"].(string), "", ""); a.status != 403 {
		t.Error(a.raw)
	}
}
