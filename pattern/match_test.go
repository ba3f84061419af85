package pattern_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/ref"
)

var digest = "@sha256:" + strings.Repeat("0123456789abcdef", 4)

// TestMatch begins with every pattern that Valohai documents (platforms.md, 1.3), each
// with the image that is shown beside it, if there is one, and with what may go wrong.
func TestMatch(t *testing.T) {
	t.Parallel()
	const ecr = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
	tests := []struct {
		pattern string
		hits    []string
		misses  []string
	}{
		{
			"docker.io/myusername/*",
			[]string{"docker.io/myusername/name:tag", "myusername/name", "index.docker.io/myusername/name", "myusername/name" + digest},
			[]string{"docker.io/myusername2/name", "myusername-evil/name", "myusername", "library/myusername", "reg.io/myusername/name", "docker.io:443/myusername/name"},
		},
		{
			"gcr.io/my-project/*",
			[]string{"gcr.io/my-project/my-registry", "gcr.io/my-project/a/b/c:v1", "gcr.io/my-project"},
			[]string{"gcr.io/my-project-evil/img", "gcr.io/my-projec/img", "eu.gcr.io/my-project/img", "gcr.io/other/my-project/img", "gcr.io.evil.com/my-project/img"},
		},
		{
			"gcr.io/my-project/my-registry:*",
			[]string{"gcr.io/my-project/my-registry", "gcr.io/my-project/my-registry:v1", "gcr.io/my-project/my-registry" + digest, "gcr.io/my-project/my-registry:v1" + digest},
			[]string{"gcr.io/my-project/my-registry/below:v1", "gcr.io/my-project/my-registry2:v1", "gcr.io/my-project:v1"},
		},
		{
			"123456789012.dkr.ecr.us-east-1.amazonaws.com/*", // my-account-id.dkr.ecr.my-region.amazonaws.com/*
			[]string{ecr + "/my-repo:v1", ecr + "/a/b/c" + digest},
			[]string{
				"123456789012.dkr.ecr.eu-west-1.amazonaws.com/my-repo", "210987654321.dkr.ecr.us-east-1.amazonaws.com/my-repo",
				ecr + ".cn/my-repo", ecr + ".evil.com/my-repo", ecr + ":443/my-repo", "123456789012.dkr.ecr-fips.us-east-1.amazonaws.com/my-repo",
			},
		},
		{
			"123456789012.dkr.ecr.us-east-1.amazonaws.com/my-repo/*",
			[]string{ecr + "/my-repo:v1", ecr + "/my-repo/sub:v1", ecr + "/my-repo" + digest},
			[]string{ecr + "/my-repo2:v1", ecr + "/my-repo-evil/sub", ecr + "/my:v1", ecr + "/x/my-repo"},
		},
		{
			"us-central1-docker.pkg.dev/my-project/*", // <region>-docker.pkg.dev/<project-id>/*
			[]string{"us-central1-docker.pkg.dev/my-project/ml-images/training:v1.0"},
			[]string{"us-docker.pkg.dev/my-project/ml-images/training", "us-central1-docker.pkg.dev/my-project-evil/ml-images/training", "us-central1-python.pkg.dev/my-project/x"},
		},
		{
			"us-central1-docker.pkg.dev/my-project/ml-images/*",
			[]string{"us-central1-docker.pkg.dev/my-project/ml-images/training:v1.0"},
			[]string{"us-central1-docker.pkg.dev/my-project/ml-images-evil/training:v1.0", "us-central1-docker.pkg.dev/my-project/other/training:v1.0"},
		},
		{
			"myregistry.azurecr.io/*",
			[]string{"myregistry.azurecr.io/ml-training:v2.0", "MyRegistry.azurecr.io/a/b"},
			[]string{"notmyregistry.azurecr.io/ml-training", "myregistry.azurecr.io.evil.com/x", "x.myregistry.azurecr.io/x", "myregistry.azurecr.io:8443/x"},
		},
		{
			"docker.io/*",
			[]string{"ubuntu", "me/app:v1", "registry-1.docker.io/nginx", "registry.hub.docker.com/me/app"},
			[]string{"ghcr.io/me/app", "docker.io.evil.com/me/app", "evil-docker.io/me/app", "docker.io:443/me/app"},
		},
		{"gcr.io/*", []string{"gcr.io/a", "gcr.io/a/b/c:v1" + digest}, []string{"us.gcr.io/a", "ghcr.io/a", "gcr.io:443/a"}},

		// Providers' whole families.
		{
			"*.dkr.ecr.*.amazonaws.com/*",
			[]string{ecr + "/my-repo", "1.dkr.ecr.eu-central-1.amazonaws.com/x"},
			[]string{ecr + ".cn/my-repo", ecr + ".evil.com/x", "a.b.dkr.ecr.x.amazonaws.com/x", "dkr.ecr.x.amazonaws.com/x", "1.dkr.ecr.a.b.amazonaws.com/x", ecr + ":443/x"},
		},
		{"*.dkr-ecr.*.on.aws/*", []string{"123456789012.dkr-ecr.eu-west-1.on.aws/x"}, []string{"123456789012.dkr.ecr.eu-west-1.on.aws/x"}},
		{
			"*-docker.pkg.dev/p/*",
			[]string{"us-docker.pkg.dev/p/r/i", "us-central1-docker.pkg.dev/p/r/i:v1"},
			[]string{"us-docker.pkg.dev/p-evil/r/i", "us-python.pkg.dev/p/r/i", "docker.us-central1.rep.pkg.dev/p/r/i", "x.us-docker.pkg.dev/p/r/i"},
		},
		{"docker.*.rep.pkg.dev/p/*", []string{"docker.us-central1.rep.pkg.dev/p/r/i"}, []string{"us-docker.pkg.dev/p/r/i"}},
		{
			"*.azurecr.io/*",
			[]string{"myregistry.azurecr.io/x", "name-hash0123.azurecr.io/x"},
			[]string{"name.eastus.geo.azurecr.io/x", "azurecr.io/x", "azurecr.io.evil.com/x", "evilazurecr.io/x", "name.azurecr.cn/x", "name.azurecr.io:443/x"},
		},
		{"*.*.geo.azurecr.io/*", []string{"name.eastus.geo.azurecr.io/x"}, []string{"name.azurecr.io/x"}},
		{
			"acme-*.jfrog.io/*",
			[]string{"acme-docker-local.jfrog.io/img:v1"},
			[]string{"acme.jfrog.io/docker-local/img", "acmes-docker.jfrog.io/img", "evil.acme-docker.jfrog.io/img", "acme-docker.jfrog.io.evil.com/img"},
		},
		{"acme.jfrog.io/docker-local/*", []string{"acme.jfrog.io/docker-local/img"}, []string{"acme.jfrog.io/docker-remote/img"}},
		{"artifactory.acme.com:8083/*", []string{"artifactory.acme.com:8083/img"}, []string{"artifactory.acme.com/img", "artifactory.acme.com:8084/img"}},
		{"a*b*c.reg.io/x", []string{"axbyc.reg.io/x", "a1bb2bc.reg.io/x"}, []string{"abc.reg.io/x", "a1bc.reg.io/x", "a1b2cd.reg.io/x", "a.b.c.reg.io/x"}},
		{"[::1]:5000/*", []string{"[0:0::1]:5000/x"}, []string{"[::1]/x", "[::2]:5000/x"}},

		// Paths.
		{"reg.io/foo", []string{"reg.io/foo", "reg.io/foo:v1", "reg.io/foo" + digest}, []string{"reg.io/foo/bar", "reg.io/foobar", "reg.io/fo", "reg.io/x/foo"}},
		{"reg.io/foo/*", []string{"reg.io/foo", "reg.io/foo/bar", "reg.io/foo/bar/baz"}, []string{"reg.io/foobar", "reg.io/foo-bar/x", "reg.io/fo", "reg.io/x/foo/y"}},
		{"reg.io/foo*", []string{"reg.io/foo", "reg.io/foobar", "reg.io/foo/bar", "reg.io/foobar/x"}, []string{"reg.io/fo", "reg.io/xfoo", "reg.io/x/foo"}},
		{"reg.io/foo-*/*", []string{"reg.io/foo-a", "reg.io/foo-a/b"}, []string{"reg.io/foo", "reg.io/foo/a"}},
		{"reg.io/*/x", []string{"reg.io/a/x", "reg.io/a/b/x"}, []string{"reg.io/x", "reg.io/a/x/y", "reg.io/a/xx", "reg.io/ax"}},
		{"reg.io/a/*/b", []string{"reg.io/a/x/b", "reg.io/a/x/y/b"}, []string{"reg.io/a/b", "reg.io/a/x/b/c", "reg.io/a/xb"}},
		{"reg.io/*-gpu/*", []string{"reg.io/a-gpu", "reg.io/a-gpu/x", "reg.io/x/a-gpu/y"}, []string{"reg.io/a-gpus", "reg.io/gpu"}},
		{"reg.io/*a*a*", []string{"reg.io/aa", "reg.io/xaxax"}, []string{"reg.io/a", "reg.io/xax"}},
		{"docker.io/ubuntu", []string{"ubuntu", "docker.io/library/ubuntu:24.04"}, []string{"ubuntu/nginx", "me/ubuntu"}},
		{"docker.io/ubuntu/*", []string{"ubuntu/nginx"}, []string{"ubuntu", "library/ubuntu"}},
		{"docker.io/library/*", []string{"ubuntu", "nginx:1.27"}, []string{"me/app"}},
		{"docker.io/me*", []string{"me/app", "me2/app"}, []string{"library/me", "me"}},

		// Tags.
		{"reg.io/foo:v1", []string{"reg.io/foo:v1", "reg.io/foo:v1" + digest}, []string{"reg.io/foo:v10", "reg.io/foo", "reg.io/foo" + digest, "reg.io/foo/bar:v1"}},
		{"reg.io/foo:v1*", []string{"reg.io/foo:v1", "reg.io/foo:v1.2", "reg.io/foo:v10"}, []string{"reg.io/foo:v2", "reg.io/foo:xv1", "reg.io/foo" + digest}},
		{"reg.io/foo:*-gpu", []string{"reg.io/foo:v1-gpu"}, []string{"reg.io/foo:v1-gpu2", "reg.io/foo:v1-GPU"}},
		{"reg.io/foo/*:latest", []string{"reg.io/foo", "reg.io/foo/bar"}, []string{"reg.io/foo:v1", "reg.io/foobar"}},
	}
	for _, tt := range tests {
		t.Run(tt.pattern, func(t *testing.T) {
			t.Parallel()
			p := mustParse(t, tt.pattern)
			for _, hit := range tt.hits {
				if !p.Match(mustImage(t, hit)) {
					t.Errorf("%s doesn't cover %s", p, hit)
				}
			}
			for _, miss := range tt.misses {
				if p.Match(mustImage(t, miss)) {
					t.Errorf("%s covers %s", p, miss)
				}
			}
		})
	}
}

// TestMatchKeepsBoundaries takes one good name and every way to come near it: a login
// for gcr.io/project must not go out for gcr.io/project-evil (platforms.md, 2.7).
func TestMatchKeepsBoundaries(t *testing.T) {
	t.Parallel()
	const good = "gcr.io/project/team/img:v1"
	patterns := []string{"gcr.io/project/*", "gcr.io/project/team/*", "gcr.io/project/team/img", "gcr.io/project/*/img", "gcr.io/project/team/img:v*"}
	evil := []string{
		"gcr.io/project-evil/team/img:v1", "gcr.io/project_evil/team/img:v1", "gcr.io/project.evil/team/img:v1", "gcr.io/projectevil/team/img:v1",
		"gcr.io/evil-project/team/img:v1", "gcr.io/evil/project/team/img:v1", "gcr.io/projec/team/img:v1", "gcr.io/p/roject/team/img:v1",
		"gcr.io.evil.com/project/team/img:v1", "evil.gcr.io/project/team/img:v1", "evilgcr.io/project/team/img:v1", "gcr.io-evil.com/project/team/img:v1",
		"gcr.io:443/project/team/img:v1", "gcr.io:80/project/team/img:v1", "gcrxio:443/project/team/img:v1", "evil.com/gcr.io/project/team/img:v1",
		"gcr.io/library/project/team/img:v1", "project/team/img:v1", "gcr.co/project/team/img:v1", "gcr.i/project/team/img:v1",
	}
	for _, s := range patterns {
		p := mustParse(t, s)
		if !p.Match(mustImage(t, good)) {
			t.Errorf("%s doesn't cover %s", p, good)
		}
		for _, e := range evil {
			if p.Match(mustImage(t, e)) {
				t.Errorf("%s covers %s", p, e)
			}
		}
	}
}

// TestMatchIsTheRegexp is FuzzMatch in a world where patterns and images meet.
func TestMatchIsTheRegexp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, i := somePattern().Draw(t, "pattern"), someImage().Draw(t, "image")
		if got, want := p.Match(i), oracle(p).MatchString(i.Host+"/"+i.Repository+":"+i.Tag); got != want {
			t.Errorf("%s covers %s: %t, want %t", p, i, got, want)
		}
	})
}

// TestMatchOfHandMadeImages: a * must not hide a slash or a port, even in a host that
// ref.Parse would never give.
func TestMatchOfHandMadeImages(t *testing.T) {
	t.Parallel()
	p := mustParse(t, "*.azurecr.io/*")
	for _, host := range []string{"evil:443/x.azurecr.io", "evil/x.azurecr.io", "evil@x.azurecr.io", "me:pw@evil#.azurecr.io", "EVIL.azurecr.io", ".azurecr.io", "\x00.azurecr.io", "ü.azurecr.io", ""} {
		if i := (ref.Image{Resource: ref.Resource{Host: host, Repository: "x"}, Tag: "latest"}); p.Match(i) {
			t.Errorf("%s covers host %q", p, host)
		}
	}
	if (pattern.Pattern{}).Match(ref.Image{}) {
		t.Error("the zero pattern covers the zero image")
	}
}

// TestMatchOfResources: a lease asks for a resource, whose tag nobody knows.
func TestMatchOfResources(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, resource string
		want              bool
	}{
		{"reg.io/foo", "reg.io/foo", true},
		{"reg.io/foo:*", "reg.io/foo", true},
		{"reg.io/foo:v*", "reg.io/foo", false},
		{"reg.io/foo:latest", "reg.io/foo", false},
		{"reg.io/*", "reg.io", true},
		{"*.azurecr.io/*", "a.azurecr.io", true},
		{"reg.io/foo/*", "reg.io", false},
		{"reg.io/*:v1", "reg.io", false},
		{"reg.io/*", "reg.io:443", false},
	}
	for _, tt := range tests {
		r, err := ref.ParseResource(tt.resource)
		if err != nil {
			t.Fatal(err)
		}
		if got := mustParse(t, tt.pattern).Match(ref.Image{Resource: r}); got != tt.want {
			t.Errorf("%s covers %s: %t, want %t", tt.pattern, tt.resource, got, tt.want)
		}
	}
}
