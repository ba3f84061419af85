package jfrogartifactory_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/provider/jfrogartifactory"
	"fairlead.dev/fairlead/pattern"
)

func TestOwns(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"acme.jfrog.io": true, "acme-docker-local.jfrog.io": true, "0.jfrog.io": true,
		"jfrog.io": false, ".jfrog.io": false, "a.b.jfrog.io": false, "acme.jfrog.io:443": false, "acme.jfrog.io.evil.com": false,
		"acmejfrog.io": false, "evil-jfrog.io": false, "acme.jfrog.io/": false, "-a.jfrog.io": false, "a-.jfrog.io": false,
		"acme.jfrog.com": false, "ACME.jfrog.io": false, "*.jfrog.io": false, "acme.jfrog.io\n": false, "x\nacme.jfrog.io": false,
		"art.example.com": false, "": false, strings.Repeat("a", 64) + ".jfrog.io": false,
	} {
		if got := (jfrogartifactory.Provider{}).Owns(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

// TestAccepts has every path method, and hosts that only look like theirs.
func TestAccepts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		public   []string
		yes, not []string
	}{
		"path": {
			nil,
			[]string{"acme.jfrog.io"},
			[]string{"acme-docker.jfrog.io", "acme.jfrog.io:443", "evil.jfrog.io", "acme.jfrog.io.evil.com", "*.jfrog.io"},
		},
		"path, another host": {
			[]string{"docker_host", "docker.example.com"},
			[]string{"acme.jfrog.io", "docker.example.com"},
			[]string{"x.docker.example.com", "example.com"},
		},
		"subdomain in the cloud": {
			[]string{"path_method", "subdomain", "repositories", "docker-local, docker-remote"},
			[]string{"acme.jfrog.io", "acme-docker-local.jfrog.io", "acme-docker-remote.jfrog.io", "acme-*.jfrog.io"},
			[]string{"acme-evil.jfrog.io", "acme-docker.jfrog.io", "acme-docker-local.jfrog.io.evil.com", "docker-local.jfrog.io", "acme-docker-local.jfrog.iox", "acme-docker-local", "*.jfrog.io", "acme*.jfrog.io", "acme-docker-*.jfrog.io"},
		},
		"subdomain, self-hosted": {
			[]string{"host", "art.example.com", "path_method", "subdomain"},
			[]string{"art.example.com", "docker.art.example.com", "*.art.example.com", "docker-*.art.example.com"},
			[]string{"a.b.art.example.com", "dockerart.example.com", "art.example.com.evil.com", "docker.art.example.com:444", ".art.example.com"},
		},
		"subdomain, self-hosted, named": {
			[]string{"host", "art.example.com:8443", "path_method", "subdomain", "repositories", "docker"},
			[]string{"art.example.com:8443", "docker.art.example.com:8443"},
			[]string{"docker.art.example.com", "other.art.example.com:8443"},
		},
		"port": {
			[]string{"host", "art.example.com", "path_method", "port", "repositories", "a=5001,b=5002"},
			[]string{"art.example.com", "art.example.com:5001", "art.example.com:5002"},
			[]string{"art.example.com:5003", "evil.com:5001", "art.example.com:50011"},
		},
		"port, IPv6": {
			[]string{"host", "[2001:db8::1]", "path_method", "port", "repositories", "a=5001"},
			[]string{"[2001:db8::1]", "[2001:db8::1]:5001"},
			[]string{"[2001:db8::1]:1", "[2001:db8::2]:5001"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := opened("basic", append([]string{"host", "acme.jfrog.io"}, c.public...)...)
			for i := 0; i < len(c.public); i += 2 {
				o.Public[c.public[i]] = c.public[i+1]
			}
			for _, h := range c.yes {
				if err := (jfrogartifactory.Provider{}).Accepts(o.Connector, h); err != nil {
					t.Errorf("%s: %v", h, err)
				}
			}
			for _, h := range c.not {
				if err := (jfrogartifactory.Provider{}).Accepts(o.Connector, h); fairlead.KindOf(err) != fairlead.Invalid {
					t.Errorf("%s is accepted", h)
				}
			}
		})
	}
}

// TestFields holds what changes where a secret goes to what binds.
func TestFields(t *testing.T) {
	t.Parallel()
	for _, m := range (jfrogartifactory.Provider{}).Info().Methods {
		for _, f := range m.Fields {
			goes := f.Name == "host" || f.Name == "docker_host" || f.Name == "path_method" || f.Name == "repositories"
			if f.Binds != goes || f.Title == "" || f.Kind == "" {
				t.Errorf("%s %s: %+v", m.Name, f.Name, f)
			}
		}
		if _, err := provider.MethodOf((jfrogartifactory.Provider{}).Info(), m.Name); err != nil {
			t.Error(err)
		}
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"acme.jfrog.io/docker-local/app":                                                        "acme.jfrog.io/docker-local/app",
		"acme.jfrog.io/docker-local/*":                                                          "acme.jfrog.io/docker-local/*",
		"acme.jfrog.io/docker-local/app:v1":                                                     "acme.jfrog.io/docker-local/app:v1",
		"https://acme.jfrog.io/docker-local/":                                                   "acme.jfrog.io/docker-local/*",
		"https://acme.jfrog.io":                                                                 "acme.jfrog.io/*",
		"  ACME.jfrog.io/  ":                                                                    "acme.jfrog.io/*",
		"docker pull acme.jfrog.io/docker-local/app":                                            "acme.jfrog.io/docker-local/app",
		"acme-docker-local.jfrog.io/app":                                                        "acme-docker-local.jfrog.io/app",
		"acme-*.jfrog.io/*":                                                                     "acme-*.jfrog.io/*",
		"https://acme.jfrog.io/ui/repos/tree/General/docker-local/app/v1":                       "acme.jfrog.io/docker-local/*",
		"https://acme.jfrog.io/ui/native/docker-local/app":                                      "acme.jfrog.io/docker-local/*",
		"https://art.example.com/ui/repos/tree/General/docker-local":                            "art.example.com/docker-local/*",
		"https://art.example.com:8443/artifactory/docker-local/":                                "art.example.com:8443/docker-local/*",
		"https://art.example.com/artifactory/api/docker/docker-local/v2/app":                    "art.example.com/docker-local/*",
		"https://art.example.com/artifactory/webapp/#/artifacts/browse/tree/General/docker-dev": "art.example.com/docker-dev/*",
		// not of this family
		"art.example.com/docker-local/app": "-", "docker.io/me/app": "-", "": "-", "nonsense": "-", "https://<host>/ui/native/x": "-",
		"acme.jfrog.io.evil.com/a": "-", "a.b.jfrog.io/x": "-",
		// wrong
		"https://acme.jfrog.io/ui/admin/repositories": "!", "https://acme.jfrog.io/ui/repos/tree/General": "!",
		"https://acme.jfrog.io/artifactory/api/repositories": "!", "acme.jfrog.io/Docker-Local/App": "!",
		"https://acme.jfrog.io/ui/native/Docker-Local": "!",
	} {
		got, notes, ok, err := (jfrogartifactory.Provider{}).Read(text)
		switch {
		case !ok:
			got = "-"
		case err != nil:
			got = "!"
			if fairlead.KindOf(err) != fairlead.Invalid || !strings.Contains(err.(*fairlead.Error).Remedy, "acme.jfrog.io/docker-local/*") { //nolint:errorlint // Its type is known.
				t.Errorf("%q: %v", text, err)
			}
		case strings.HasSuffix(got, "acme.jfrog.io/*") && len(notes) == 0:
			t.Errorf("%q: no note", text)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: %s %v", text, d, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{"acme.jfrog.io/a", "https://acme.jfrog.io/ui/native/%2F", "x.example/artifactory/", "a.jfrog.io/*/*:*", "https://[::1]:1/ui/native/a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, _, ok, err := (jfrogartifactory.Provider{}).Read(s)
		if !ok || err != nil {
			if got != "" {
				t.Errorf("%q gives %q beside %v", s, got, err)
			}
			return
		}
		p, err := pattern.Parse(got)
		if err != nil || p.String() != got {
			t.Errorf("%q gives %q, which isn't a pattern: %v", s, got, err)
		}
	})
}

func FuzzPlace(f *testing.F) {
	f.Add("acme.jfrog.io", "", "subdomain", "a,b", "acme-a.jfrog.io")
	f.Add("art.example.com", "d.example.com", "port", "a=1", "d.example.com:1")
	f.Fuzz(func(t *testing.T, host, docker, method, repositories, asked string) {
		c := opened("basic", "host", host, "docker_host", docker, "path_method", method, "repositories", repositories)
		if (jfrogartifactory.Provider{}).Check("basic", c.Public) != nil || (jfrogartifactory.Provider{}).Accepts(c.Connector, asked) != nil {
			return
		}
		own := docker
		if own == "" {
			own = host
		}
		name, _, _ := strings.Cut(own, ":")
		if asked != host && asked != own && !strings.Contains(asked, name) && !strings.HasSuffix(asked, ".jfrog.io") {
			t.Errorf("%q is accepted for %q and %q", asked, host, docker)
		}
	})
}
