package docker_test

import (
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/provider/docker"
	"fairlead.dev/fairlead/pattern"
)

var update = flag.Bool("update", false, "write the golden files")

// opened is a connector; what begins with ! is a secret.
func opened(method string, pairs ...string) provider.Opened {
	c := provider.Opened{
		Connector: fairlead.Connector{Name: "reg", Family: docker.Family, Method: method, Public: map[string]string{}},
		Owner:     "acme", Secret: map[string]fairlead.Secret{},
	}
	for i := 0; i < len(pairs); i += 2 {
		if name, ok := strings.CutPrefix(pairs[i], "!"); ok {
			c.Secret[name] = fairlead.SecretText(pairs[i+1])
		} else {
			c.Public[pairs[i]] = pairs[i+1]
		}
	}
	return c
}

func sentence(t *testing.T, err error) string {
	t.Helper()
	e, ok := errors.AsType[*fairlead.Error](err)
	if !ok {
		t.Errorf("that is no error of ours: %v", err)
		return ""
	}
	if strings.Contains(e.Error()+e.Remedy, "canary") {
		t.Errorf("it holds a secret: %v", err)
	}
	return fmt.Sprintf("%s %s %s\n%s\n%s\n", e.Kind, e.Code, e.Field, e.Error(), e.Remedy)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name + ".golden"
	if *update {
		if err := os.MkdirAll("testdata", 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s\nrun with -update if that is meant", d)
	}
}

// TestLogin has what a login is made of, with what presets fill in.
func TestLogin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pairs []string
		user  string
	}{
		"any":               {[]string{"hosts", "reg.example.com", "username", "ann"}, "ann"},
		"GHCR":              {[]string{"hosts", "ghcr.io"}, "fairlead"},
		"GHCR, named":       {[]string{"hosts", "ghcr.io", "username", "ann"}, "ann"},
		"GitLab":            {[]string{"hosts", "registry.gitlab.com", "username", "gitlab+deploy-token-7"}, "gitlab+deploy-token-7"},
		"GitLab, own":       {[]string{"hosts", "git.example.com:5050", "preset", "gitlab", "username", "gitlab+deploy-token-7"}, "gitlab+deploy-token-7"},
		"Quay":              {[]string{"hosts", "quay.io", "username", "acme+robot"}, "acme+robot"},
		"Quay, OAuth":       {[]string{"hosts", "quay.io", "username", "$oauthtoken"}, "$oauthtoken"},
		"Harbor":            {[]string{"hosts", "harbor.example.com", "username", "robot$train+pull"}, "robot$train+pull"},
		"Harbor, system":    {[]string{"hosts", "harbor.example.com", "preset", "harbor", "username", "robot$pull"}, "robot$pull"},
		"Harbor, a person":  {[]string{"hosts", "harbor.example.com", "preset", "harbor", "username", "ann"}, "ann"},
		"Harbor, a prefix":  {[]string{"hosts", "harbor.example.com", "preset", "harbor", "username", "bot_train+pull"}, "bot_train+pull"},
		"NGC":               {[]string{"hosts", "nvcr.io"}, "$oauthtoken"},
		"NGC, named":        {[]string{"hosts", "nvcr.io", "username", "$oauthtoken"}, "$oauthtoken"},
		"DigitalOcean":      {[]string{"hosts", "registry.digitalocean.com"}, "fairlead"},
		"two of one vendor": {[]string{"hosts", "quay.io,quay.example.com", "username", "acme+robot"}, "acme+robot"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := opened("basic", append(c.pairs, "!password", "secret-canary")...)
			o.Expires = time.Unix(1.8e9, 0)
			l, err := docker.New(provider.Tools{}).Login(t.Context(), o, fairlead.Scope{})
			if err != nil || l.Username != c.user || !l.Stored || !l.Expires.Equal(o.Expires) || string(l.Password.Reveal()) != "secret-canary" {
				t.Errorf("%q %v", l.Username, err)
			}
		})
	}
	for use, identity := range map[string]bool{"": true, "trade": true, "present": false} {
		o := opened("bearer", "hosts", "reg.example.com", "!token", "secret-canary")
		if use != "" {
			o.Public["token_use"] = use
		}
		if l, err := docker.New(provider.Tools{}).Login(t.Context(), o, fairlead.Scope{}); err != nil || l.Identity.IsZero() == identity || l.Bearer.IsZero() != identity {
			t.Errorf("%q: %v", use, err)
		}
	}
}

// TestSentences holds what is said of logins that can't be right.
func TestSentences(t *testing.T) {
	t.Parallel()
	with := func(host, user string, more ...string) provider.Opened {
		return opened("basic", append([]string{"hosts", host, "username", user, "!password", "canary"}, more...)...)
	}
	cases := map[string]provider.Opened{
		"no user":                      opened("basic", "hosts", "reg.example.com", "!password", "canary"),
		"no password":                  opened("basic", "hosts", "reg.example.com", "username", "ann"),
		"no hosts":                     opened("basic", "username", "ann", "!password", "canary"),
		"no token":                     opened("bearer", "hosts", "reg.example.com"),
		"not a host":                   with("https://reg.example.com", "ann"),
		"colon":                        with("reg.example.com", "a:b"),
		"two vendors":                  with("quay.io,ghcr.io", "acme+robot"),
		"preset of another":            with("quay.io", "ann", "preset", "harbor"),
		"unknown preset":               with("reg.example.com", "ann", "preset", "nexus"),
		"GHCR, bearer":                 opened("bearer", "hosts", "ghcr.io", "!token", "canary"),
		"NGC, a name":                  with("nvcr.io", "ann"),
		"NGC, the shell has eaten it":  with("nvcr.io", "$"),
		"Harbor, eaten by the shell":   with("h.example.com", "robot+pull", "preset", "harbor"),
		"Harbor, eaten whole":          with("h.example.com", "robot", "preset", "harbor"),
		"Harbor, doubled":              with("h.example.com", "robot$$train+pull"),
		"Harbor, ends early":           with("h.example.com", "robot$"),
		"Harbor, ends at the plus":     with("h.example.com", "robot$train+"),
		"Quay, blank":                  with("quay.io", "acme robot"),
		"Quay, no name":                with("quay.io", "acme+"),
		"Quay, no namespace":           with("quay.io", "+robot"),
		"Quay, $":                      with("quay.io", "$robot"),
		"GitLab, job":                  with("registry.gitlab.com", "gitlab-ci-token"),
		"GitLab, blank":                with("registry.gitlab.com", "gitlab deploy-token-7"),
		"DigitalOcean, token as name":  with("registry.digitalocean.com", "dop_v1_x"),
		"GitLab own, no user":          opened("basic", "hosts", "git.example.com", "preset", "gitlab", "!password", "canary"),
		"a field of the other methods": opened("bearer", "hosts", "reg.example.com", "username", "x", "!token", "canary"),
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		l, err := docker.New(provider.Tools{}).Login(t.Context(), cases[name], fairlead.Scope{})
		if err == nil || !l.Password.IsZero() {
			t.Errorf("%s: there is a login", name)
			continue
		}
		fmt.Fprintf(&b, "## %s\n%s\n", name, sentence(t, err))
	}
	golden(t, "sentences", b.String())
}

// TestInspect holds what is said of pasted secrets.
func TestInspect(t *testing.T) {
	t.Parallel()
	e := base64.RawURLEncoding.EncodeToString
	jwt := func(claims string) string { return e([]byte(`{"alg":"none"}`)) + "." + e([]byte(claims)) + ".canary" }
	basic := func(host, secret string) provider.Opened {
		return opened("basic", "hosts", host, "username", "ann", "!password", secret)
	}
	cases := map[string]provider.Opened{
		"password":             basic("reg.example.com", "secret-canary"),
		"GHCR, classic":        basic("ghcr.io", "ghp_canary"),
		"GHCR, fine-grained":   basic("ghcr.io", "github_pat_canary"),
		"GHCR, workflow":       basic("ghcr.io", "ghs_canary"),
		"GHCR, GitLab's":       basic("ghcr.io", "glpat-canary"),
		"GitLab, deploy":       basic("registry.gitlab.com", "gldt-canary"),
		"GitLab, job":          basic("registry.gitlab.com", "glcbt-canary"),
		"GitLab, runner":       basic("git.example.com", "glrt-canary"),
		"NGC":                  opened("basic", "hosts", "nvcr.io", "!password", "nvapi-canary"),
		"DigitalOcean":         opened("basic", "hosts", "registry.digitalocean.com", "!password", "dop_v1_canary"),
		"Docker Hub":           basic("reg.example.com", "dckr_pat_canary"),
		"Harbor":               opened("basic", "hosts", "h.example.com", "username", "robot$a+b", "!password", "canary"),
		"line break":           basic("reg.example.com", "canary\n"),
		"JWT":                  opened("bearer", "hosts", "reg.example.com", "!token", jwt(`{"sub":"ann","aud":"reg","exp":1900000000}`)),
		"JWT without an end":   opened("bearer", "hosts", "reg.example.com", "!token", jwt(`{"aud":["a","b"]}`)),
		"JWT, expired":         opened("bearer", "hosts", "reg.example.com", "!token", jwt(`{"exp":1700000000}`)),
		"JWT, cut":             opened("bearer", "hosts", "reg.example.com", "!token", "eyJhbGciOiJub25lIn0.e3.canary"),
		"JWT as password":      basic("reg.example.com", jwt(`{"exp":1700000000}`)),
		"token with blank":     opened("bearer", "hosts", "reg.example.com", "!token", "Bearer canary"),
		"opaque":               opened("bearer", "hosts", "reg.example.com", "!token", "canary"),
		"kept":                 opened("basic", "hosts", "reg.example.com", "username", "ann"),
		"password with blanks": basic("reg.example.com", "two words canary"),
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		o := cases[name]
		facts, err := (docker.Provider{}).Inspect(o.Method, provider.Given{Public: o.Public, Secret: o.Secret}, time.Unix(1.8e9, 0))
		fmt.Fprintf(&b, "## %s\n", name)
		if err != nil {
			b.WriteString(sentence(t, err))
		}
		for _, f := range facts {
			fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
		}
		b.WriteString("\n")
	}
	if strings.Contains(b.String(), "canary") {
		t.Error("it holds a secret")
	}
	golden(t, "inspect", b.String())
}

// TestGuide holds the guides, and what a shell makes of their commands.
func TestGuide(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, o := range []provider.Opened{
		opened("basic", "hosts", "ghcr.io"), opened("basic", "hosts", "registry.gitlab.com"), opened("basic", "hosts", "quay.io", "username", "acme+robot"),
		opened("basic", "hosts", "h.example.com", "username", "robot$a+b"), opened("basic", "hosts", "nvcr.io"),
		opened("basic", "hosts", "registry.digitalocean.com"), opened("basic"), opened("bearer", "hosts", "reg.example.com", "token_use", "present"),
		opened("federation", "hosts", "quay.example.com", "username", "acme+fairlead"),
	} {
		g := (docker.Provider{}).Guide(o.Connector, "https://fairlead.example.com", "org:acme:connector:reg")
		fmt.Fprintf(&b, "# %s\n%s\n%s\n", o.Public["hosts"], (docker.Provider{}).Power(o.Connector), g.Intro)
		for _, s := range g.Steps {
			fmt.Fprintf(&b, "## %s (%s)\n%s\n", s.Title, s.Language, s.Text)
			if s.Language == "sh" {
				if out, err := exec.CommandContext(t.Context(), "sh", "-n", "-c", s.Text).CombinedOutput(); err != nil {
					t.Errorf("%s: %v %s", s.Title, err, out)
				}
			}
		}
		b.WriteString("\n")
	}
	golden(t, "guide", b.String())
}

func TestRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"reg.example.com/team/app": "reg.example.com/team/app", "https://reg.example.com:5000/team/": "reg.example.com:5000/team/*", "reg.example.com": "reg.example.com/*",
		"https://github.com/orgs/acme/packages/container/package/train":     "ghcr.io/acme/train",
		"https://github.com/users/Ann/packages/container/package/train":     "ghcr.io/ann/train",
		"https://github.com/Acme/code/pkgs/container/train":                 "ghcr.io/acme/train",
		"https://gitlab.com/acme/group/project/container_registry":          "registry.gitlab.com/acme/group/project/*",
		"https://gitlab.com/acme/project/-/packages":                        "registry.gitlab.com/acme/project/*",
		"https://quay.io/repository/acme/train?tab=tags":                    "quay.io/acme/train",
		"https://quay.io/organization/acme":                                 "quay.io/acme/*",
		"https://catalog.ngc.nvidia.com/orgs/nvidia/containers/pytorch":     "nvcr.io/nvidia/pytorch",
		"https://catalog.ngc.nvidia.com/orgs/nvidia/teams/tao/containers/x": "nvcr.io/nvidia/tao/x",
		"docker pull quay.io/acme/train:v1":                                 "quay.io/acme/train:v1",
		"https://h.example.com/harbor/projects/3/repositories/app":          "!",
		"https://cloud.digitalocean.com/registry":                           "!",
		"https://github.com/acme/code":                                      "!",
		"https://gitlab.com/acme":                                           "!",
		"reg.example.com/Team/App":                                          "!",
		"https://github.com/orgs/acme/packages/container/package/a%2Fb%2F":  "!",
		"team/app":                "-",
		"":                        "-",
		"<account>.example.com/x": "-",
		"https://catalog.ngc.nvidia.com/orgs/nvidia/models/x": "!",
	} {
		got, _, ok, err := (docker.Provider{}).Read(text)
		if !ok {
			got = "-"
		} else if err != nil {
			got = "!"
		}
		if got != want {
			t.Errorf("%q: %q, want %q (%v)", text, got, want, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{"https://github.com/orgs/a/packages/container/package/b", "https://gitlab.com/a/b/-/x", "reg.example.com/", "https://quay.io/repository/a/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, _, ok, err := (docker.Provider{}).Read(s)
		if !ok || err != nil {
			return
		}
		if p, err := pattern.Parse(got); err != nil || p.String() != got {
			t.Errorf("%q gives %q: %v", s, got, err)
		}
	})
}

func FuzzInspect(f *testing.F) {
	f.Add("eyJ.e30.x", "robot$a")
	f.Fuzz(func(t *testing.T, secret, user string) {
		g := provider.Given{
			Public: map[string]string{"hosts": "quay.io", "username": user},
			Secret: map[string]fairlead.Secret{"password": fairlead.SecretText(secret), "token": fairlead.SecretText(secret)},
		}
		for _, method := range []string{"basic", "bearer"} {
			if _, err := (docker.Provider{}).Inspect(method, g, time.Unix(1.8e9, 0)); err != nil && fairlead.KindOf(err) != fairlead.Invalid {
				t.Error(err)
			}
			if err := (docker.Provider{}).Check(method, g.Public); err != nil && fairlead.KindOf(err) != fairlead.Invalid {
				t.Error(err)
			}
		}
	})
}

// TestNothingAmbient gives an environment with good logins, and connectors without.
func TestNothingAmbient(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("DOCKER_CONFIG", home)
	t.Setenv("GITHUB_TOKEN", "canary")
	t.Setenv("CI_REGISTRY_PASSWORD", "canary")
	if err := os.WriteFile(home+"/config.json", []byte(`{"auths":{"ghcr.io":{"username":"x","password":"canary"},"quay.io":{"username":"x","password":"canary"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []provider.Opened{
		opened("basic", "hosts", "ghcr.io"), opened("basic", "hosts", "quay.io", "username", "acme+robot"), opened("bearer", "hosts", "quay.io"),
		opened("basic", "hosts", "nvcr.io", "!password", ""),
	} {
		if l, err := docker.New(provider.Tools{}).Login(t.Context(), o, fairlead.Scope{}); fairlead.KindOf(err) != fairlead.Invalid || !l.Password.IsZero() || !l.Identity.IsZero() {
			t.Error(l, err)
		}
	}
}

// TestHosts has hosts that only look like those of the connector.
func TestHosts(t *testing.T) {
	t.Parallel()
	c := opened("basic", "hosts", "quay.io, reg.example.com:5000, *.reg.example.com").Connector
	for host, want := range map[string]bool{
		"quay.io": true, "reg.example.com:5000": true, "a.reg.example.com": true, "*.reg.example.com": true,
		"reg.example.com": false, "quay.io.evil.com": false, "xquay.io": false, "a.b.reg.example.com": false, "quay.io:443": false, "": false,
	} {
		if ((docker.Provider{}).Accepts(c, host) == nil) != want || (docker.Provider{}).Owns(host) {
			t.Error(host)
		}
	}
}

// The family has these abilities.
var _ interface {
	provider.Provider
	provider.Inspector
	provider.Describer
	provider.Reader
	provider.Guider
	provider.Lister
} = docker.Provider{}
