package jfrogartifactory_test

import (
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/registrytest"
)

// TestLogin pulls with every method by every path method.
func TestLogin(t *testing.T) {
	t.Parallel()
	paths := map[string]struct {
		change func(*cloudtest.JFrogConfig)
		public []string
		image  string
	}{
		"path":      {nil, nil, "acme.jfrog.io/docker-local/team/app"},
		"subdomain": {func(c *cloudtest.JFrogConfig) { c.Subdomains = true }, []string{"path_method", "subdomain", "repositories", "docker-local"}, "acme-docker-local.jfrog.io/team/app"},
		"domain": {
			func(c *cloudtest.JFrogConfig) { c.Subdomains, c.Domain = true, "docker.example.com" },
			[]string{"path_method", "subdomain", "docker_host", "docker.example.com"},
			"docker-local.docker.example.com/team/app",
		},
		"port": {
			func(c *cloudtest.JFrogConfig) { c.Ports = map[string]string{"docker-local": "5001"} },
			[]string{"path_method", "port", "repositories", "docker-local=5001"},
			"acme.jfrog.io:5001/team/app",
		},
	}
	for path, p := range paths {
		for _, method := range []string{"federation", "access-token", "reference", "repository", "basic"} {
			t.Run(path+" "+method, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, p.change)
				w.jfrog.Push(t, registrytest.RandomImage(t, 1000), "docker-local/team/app:v1")
				c := w.connector(method, p.public...)
				family := w.family()
				s := scope(t, fairlead.Pull, p.image)
				if err := family.Accepts(c.Connector, s.Resource.Host); err != nil {
					t.Fatal(err)
				}
				l, err := family.Login(t.Context(), c, s)
				if err != nil {
					t.Fatal(err)
				}
				if l.Stored != (method == "basic") {
					t.Errorf("stored: %v", l.Stored)
				}
				if end := l.Expires.Sub(w.n.Now()); method != "basic" && (end < 14*time.Minute || end > 15*time.Minute) {
					t.Errorf("it lives for %v", end)
				}
				if err := w.pull(t, l, p.image); err != nil {
					t.Fatal(err)
				}
				lease, _, err := w.lease(t, l, s)
				if err != nil || w.mayPush(t, lease) {
					t.Errorf("a lease to pull pushes (%v)", err)
				}
				push := scope(t, fairlead.Push, p.image)
				if l, err = family.Login(t.Context(), c, push); err != nil {
					t.Fatal(err)
				}
				if lease, _, err = w.lease(t, l, push); err != nil || !w.mayPush(t, lease) {
					t.Errorf("a lease to push doesn't (%v)", err)
				}
			})
		}
	}
}

// connector is a whole connector of a method.
func (w *world) connector(method string, public ...string) provider.Opened {
	with := func(method string, more ...string) provider.Opened {
		return opened(method, append(append([]string{"host", "acme.jfrog.io"}, public...), more...)...)
	}
	switch method {
	case "federation":
		return with("federation", "provider_name", "fairlead")
	case "access-token":
		return with("access-token", "!access_token", w.jfrog.Issue(cloudtest.JFrogTokenSpec{User: "ci"}).Access)
	case "reference":
		return with("access-token", "!access_token", w.jfrog.Issue(cloudtest.JFrogTokenSpec{User: "ci"}).Reference)
	case "repository":
		return with("access-token", "narrow", "repository", "!access_token", w.jfrog.Issue(cloudtest.JFrogTokenSpec{User: "admin"}).Access)
	default:
		return with("basic", "username", "ci", "!password", passwordCI)
	}
}

// TestNarrow has a token for one repository open nothing else, even without the token
// endpoint.
func TestNarrow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, name := range []string{"docker-local/app:v1", "docker-local/app-evil:v1", "docker-local/other:v1", "docker-remote/app:v1"} {
		w.jfrog.Push(t, registrytest.RandomImage(t, 100), name)
	}
	c := w.connector("repository")
	l, err := w.family().Login(t.Context(), c, scope(t, fairlead.Pull, "acme.jfrog.io/docker-local/app"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"docker-local/app": true, "docker-local/app-evil": false, "docker-local/other": false, "docker-remote/app": false} {
		if err := w.pull(t, l, "acme.jfrog.io/"+name); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestExpires takes the earliest of all ends, by whichever clock is right.
func TestExpires(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		connector, skew, want time.Duration
		method                string
	}{
		"federation":              {0, 0, 15 * time.Minute, "federation"},
		"connector ends before":   {3 * time.Minute, 0, 3 * time.Minute, "federation"},
		"connector ends after":    {time.Hour, 0, 15 * time.Minute, "access-token"},
		"this clock is ahead":     {0, 40 * time.Second, 15 * time.Minute, "federation"},
		"this clock is far ahead": {0, 3 * time.Hour, 15 * time.Minute, "access-token"},
		"this clock is behind":    {0, -3 * time.Hour, 15 * time.Minute, "access-token"},
		"password, with an end":   {time.Hour, 0, time.Hour, "basic"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.skew = c.skew
			fixed := time.Now().Truncate(time.Second)
			w.n.SetClock(func() time.Time { return fixed })
			o := w.connector(c.method)
			if c.connector != 0 {
				o.Expires = fixed.Add(c.skew + c.connector)
			}
			l, err := w.family().Login(t.Context(), o, scope(t, fairlead.Pull, "acme.jfrog.io/docker-local/app"))
			if err != nil {
				t.Fatal(err)
			}
			if got := l.Expires.Sub(fixed.Add(c.skew)); got != c.want {
				t.Errorf("it ends after %v, want %v", got, c.want)
			}
		})
	}
	w := newWorld(t, nil)
	if l, err := w.family().Login(t.Context(), w.connector("basic"), fairlead.Scope{}); err != nil || !l.Expires.IsZero() {
		t.Errorf("a password without an end has one: %v %v", l.Expires, err)
	}
}

// TestFederationUser finds out whose token it is where the reply doesn't say.
func TestFederationUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *cloudtest.JFrogConfig) {
		c.Groups = map[string][]registrytest.Right{"readers": registrytest.Reads("docker-local/")}
	})
	w.jfrog.Push(t, registrytest.RandomImage(t, 100), "docker-local/app:v1")
	w.jfrog.Set(func(f *cloudtest.JFrogFaults) { f.NoUsername, f.Opaque = true, true })
	w.jfrog.Trust(cloudtest.JFrogOIDC{
		Name: "groups", Issuer: w.issuer.URL(),
		Mappings: []cloudtest.JFrogMapping{{Name: "all", Scope: `applied-permissions/groups:"readers"`}},
	})
	for name, user := range map[string]string{"fairlead": "ci", "groups": "groups/all"} {
		l, err := w.family().Login(t.Context(), opened("federation", "host", "acme.jfrog.io", "provider_name", name), fairlead.Scope{})
		if err != nil || l.Username != user {
			t.Errorf("%s: %q %v", name, l.Username, err)
			continue
		}
		if err := w.pull(t, l, "acme.jfrog.io/docker-local/app"); err != nil {
			t.Error(name, err)
		}
	}
}

// TestRotationOfKeys pulls while the issuer changes its key.
func TestRotationOfKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.jfrog.Push(t, registrytest.RandomImage(t, 100), "docker-local/app:v1")
	for i := range 6 {
		if i%2 == 1 {
			w.issuer.Rotate()
		}
		l, err := w.family().Login(t.Context(), w.connector("federation"), fairlead.Scope{})
		if err == nil {
			err = w.pull(t, l, "acme.jfrog.io/docker-local/app")
		}
		if err != nil {
			t.Fatal(i, err)
		}
	}
}

// TestNothingAmbient gives an environment full of good logins, and connectors that lack
// theirs.
func TestNothingAmbient(t *testing.T) {
	w := newWorld(t, nil)
	admin := w.jfrog.Issue(cloudtest.JFrogTokenSpec{User: "admin"})
	home := t.TempDir()
	t.Setenv("HOME", home)
	for k, v := range map[string]string{
		"JF_URL": "https://acme.jfrog.io", "JF_ACCESS_TOKEN": admin.Access, "JFROG_ACCESS_TOKEN": admin.Access, "JFROG_URL": "https://acme.jfrog.io",
		"JF_USER": "admin", "JF_PASSWORD": passwordAdmin, "ARTIFACTORY_API_KEY": admin.Reference, "ARTIFACTORY_ACCESS_TOKEN": admin.Access,
		"JFROG_CLI_HOME_DIR": home, "NETRC": home + "/.netrc",
	} {
		t.Setenv(k, v)
	}
	write(t, home+"/.netrc", "machine acme.jfrog.io login admin password "+passwordAdmin+"\n")
	write(t, home+"/.jfrog/jfrog-cli.conf.v6", `{"servers":[{"url":"https://acme.jfrog.io/","accessToken":"`+admin.Access+`","isDefault":true}],"version":"6"}`)
	write(t, home+"/.docker/config.json", `{"auths":{"acme.jfrog.io":{"auth":"YWRtaW46YWRtaW4="}}}`)
	w.tools.Issuer = nil
	for name, c := range map[string]provider.Opened{
		"no token":         opened("access-token", "host", "acme.jfrog.io"),
		"empty token":      opened("access-token", "host", "acme.jfrog.io", "!access_token", ""),
		"no password":      opened("basic", "host", "acme.jfrog.io", "username", "admin"),
		"no user":          opened("basic", "host", "acme.jfrog.io", "!password", "x"),
		"no host":          opened("basic", "username", "admin", "!password", "x"),
		"no provider name": opened("federation", "host", "acme.jfrog.io"),
		"no issuer":        opened("federation", "host", "acme.jfrog.io", "provider_name", "fairlead"),
		"no method":        opened("", "host", "acme.jfrog.io"),
	} {
		l, err := w.family().Login(t.Context(), c, scope(t, fairlead.Pull, "acme.jfrog.io/docker-local/app"))
		if fairlead.KindOf(err) != fairlead.Invalid || !l.Password.IsZero() || !l.Bearer.IsZero() {
			t.Errorf("%s: %v %v", name, l, err)
		}
		if _, err := w.family().Resources(t.Context(), c); fairlead.KindOf(err) != fairlead.Invalid {
			t.Errorf("%s: resources: %v", name, err)
		}
	}
	if asked := w.n.Requests(); len(asked) != 0 {
		t.Errorf("something was asked: %v", asked)
	}
	broken := opened("access-token", "host", "acme.jfrog.io", "!access_token", strings.Repeat("x", 64))
	if _, err := w.family().Login(t.Context(), broken, fairlead.Scope{}); fairlead.CodeOf(err) != fairlead.CodeLoginRefused {
		t.Error(err)
	}
}
