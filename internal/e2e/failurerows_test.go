package e2e

import (
	"bytes"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"fairlead.dev/fairlead/internal/registrytest"
)

// failure is one way in which a pull fails.
type failure struct {
	// name is also that of the golden file and of the organization.
	name string
	// only is the engine that it is about; "" is each, and each says the same.
	only string
	// arrange prepares the place, and gives the image that the run shall use.
	arrange func(p *place) string
}

// refusals are what somebody doesn't allow.
func refusals() []failure {
	return []failure{
		{name: "no entry", arrange: func(p *place) string {
			p.ok("registry", "add", "research", "-O", p.org, "--pattern", p.world.Host()+"/research/*", "--anonymous")
			p.ok("registry", "add", "hub", "-O", p.org, "--pattern", "docker.io/acme/*", "--anonymous")
			return p.world.Host() + "/reseach/train:v1"
		}},
		{name: "no entry at all", arrange: func(p *place) string { return p.world.Host() + "/acme/train:v1" }},
		{name: "personal project", arrange: func(p *place) string {
			r := p.registry(registrytest.Config{Auth: registrytest.Bearer})
			p.connect(r.Host(), robot("robot.secret", "--plain-http")...)
			p.ok("project", "create", "--personal", p.org)
			p.project = "ann/" + p.org
			return r.Host() + "/acme/train:v1"
		}},
		{name: "login refused bearer", arrange: func(p *place) string {
			r := p.debian(registrytest.Bearer)
			p.connect(r.Host(), robot("wrong.secret", "--plain-http")...)
			return r.Host() + "/acme/train:v1"
		}},
		{name: "login refused basic", arrange: func(p *place) string {
			r := p.debian(registrytest.Basic)
			p.connect(r.Host(), robot("wrong.secret", "--plain-http", "--disclosure", "secret")...)
			return r.Host() + "/acme/train:v1"
		}},
		{name: "no right bearer", arrange: func(p *place) string {
			r := p.registry(registrytest.Config{Auth: registrytest.Bearer})
			p.ok("registry", "add", "main", "-O", p.org, "--pattern", r.Host()+"/*", "--username", "robot", "--password-file", "robot.secret", "--plain-http", "--no-verify")
			return r.Host() + "/secret/train:v1"
		}},
		{name: "no right basic", arrange: func(p *place) string {
			r := p.registry(registrytest.Config{Auth: registrytest.Basic})
			p.ok("registry", "add", "main", "-O", p.org, "--pattern", r.Host()+"/*", "--username", "robot", "--password-file", "robot.secret", "--plain-http", "--disclosure", "secret", "--no-verify")
			return r.Host() + "/secret/train:v1"
		}},
		{name: "expired connector", arrange: func(p *place) string {
			r := p.registry(registrytest.Config{Auth: registrytest.Bearer})
			p.connect(r.Host(), robot("robot.secret", "--plain-http", "--expires", "2026-01-31")...)
			return r.Host() + "/acme/train:v1"
		}},
		{name: "disclosure refused", arrange: func(p *place) string {
			r := p.registry(registrytest.Config{Auth: registrytest.Basic})
			p.connect(r.Host(), robot("robot.secret", "--plain-http", "--disclosure", "scoped")...)
			return r.Host() + "/acme/train:v1"
		}},
	}
}

// absences are what isn't there.
func absences() []failure {
	with := func(c registrytest.Config, image string) func(p *place) string {
		return func(p *place) string {
			r := p.registry(registrytest.Config{Auth: c.Auth})
			registrytest.Push(p.t, r, registrytest.RandomImage(p.t, 100), "acme/train:v1", publisher())
			r.Set(func(f *registrytest.Faults) { *f = c.Faults })
			p.connect(r.Host(), robot("robot.secret", "--plain-http")...)
			return r.Host() + image
		}
	}
	platforms := func(push func(t *testing.T, r *registrytest.Registry)) func(p *place) string {
		return func(p *place) string {
			r := registrytest.New(p.t, registrytest.Config{Auth: registrytest.Bearer, Accounts: accounts()})
			p.known(r, "registry.test:5000")
			push(p.t, r)
			p.connect(r.Host(), robot("robot.secret", "--plain-http")...)
			return r.Host() + "/acme/train:v1"
		}
	}
	bearer := registrytest.Config{Auth: registrytest.Bearer}
	return []failure{
		{name: "no repository", arrange: with(bearer, "/acme/tarin:v1")},
		{name: "no tag", arrange: with(bearer, "/acme/train:v2")},
		{name: "no digest", arrange: with(bearer, "/acme/train@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")},
		{name: "hidden", arrange: with(registrytest.Config{Auth: registrytest.Bearer, Faults: registrytest.Faults{
			Fail: []registrytest.Failure{{Path: "/manifests/", Status: http.StatusNotFound}},
		}}, "/acme/train:v1")},
		{name: "wrong platform", arrange: platforms(func(t *testing.T, r *registrytest.Registry) {
			t.Helper()
			registrytest.PushIndex(t, r, registrytest.Attest(t, registrytest.Index(t, "linux/arm64/v8", "windows/amd64")), "acme/train:v1", publisher())
		})},
		{name: "wrong platform alone", arrange: platforms(func(t *testing.T, r *registrytest.Registry) {
			t.Helper()
			other := registrytest.ImageFor(t, v1.Platform{OS: "linux", Architecture: "arm64"}, registrytest.RandomLayer(t, 100))
			registrytest.Push(t, r, other, "acme/train:v1", publisher())
		})},
	}
}

// troubles are what may pass, and what a certificate says.
func troubles() []failure {
	shown := func(how registrytest.TLS, known bool) func(p *place) string {
		return func(p *place) string {
			r := p.registry(registrytest.Config{TLS: how, Auth: registrytest.Bearer})
			flags := robot("robot.secret")
			if known {
				flags = append(flags, "--ca-file", p.authority(r))
			}
			p.connect(r.Host(), flags...)
			return r.Host() + "/acme/train:v1"
		}
	}
	at := func(host string, flags ...string) func(p *place) string {
		return func(p *place) string {
			p.connect(host, flags...)
			return host + "/acme/train:v1"
		}
	}
	failing := func(f ...registrytest.Failure) func(p *place) string {
		return func(p *place) string {
			r := p.registry(registrytest.Config{Auth: registrytest.Bearer, Faults: registrytest.Faults{Fail: f}})
			p.connect(r.Host(), robot("robot.secret", "--plain-http")...)
			return r.Host() + "/acme/train:v1"
		}
	}
	sickTokens := registrytest.Failure{Server: registrytest.Tokens, Status: http.StatusBadGateway, Body: "<html>robot " + robotPassword + "</html>"}
	return []failure{
		{name: "rate limited", arrange: failing(busy("3600", 0))},
		{name: "rate limited, no time said", arrange: failing(busy("", 0))},
		{name: "in trouble", arrange: failing(registrytest.Failure{Path: "/manifests/", Status: http.StatusServiceUnavailable})},
		{name: "token endpoint in trouble", arrange: failing(sickTokens)},
		{name: "dns", arrange: at("registry.nowhere.test", robot("robot.secret")...)},
		{name: "connection refused", arrange: at("127.0.0.1:1", robot("robot.secret", "--plain-http")...)},
		{name: "connection closed", arrange: func(p *place) string {
			host := closing(p)
			p.connect(host, open("--plain-http")...)
			return host + "/acme/train:v1"
		}},
		{name: "timed out", arrange: func(p *place) string {
			host := silent(p.t)
			p.names = append(p.names, host, "registry.test:5000")
			p.connect(host, robot("robot.secret", "--plain-http")...)
			return host + "/acme/train:v1"
		}},
		{name: "tls unknown authority", arrange: shown(registrytest.GoodTLS, false)},
		{name: "tls self-signed", arrange: shown(registrytest.SelfSigned, false)},
		{name: "tls expired", arrange: shown(registrytest.Expired, true)},
		{name: "tls wrong name", arrange: shown(registrytest.WrongName, true)},
		{name: "tls wanted", arrange: shown(registrytest.NoTLS, false)},
		{name: "tls unwanted", arrange: func(p *place) string {
			r := p.registry(registrytest.Config{TLS: registrytest.GoodTLS, Auth: registrytest.Bearer})
			p.connect(r.Host(), robot("robot.secret", "--plain-http")...)
			return r.Host() + "/acme/train:v1"
		}},
		{name: "docker tls unknown authority", only: "docker", arrange: abroad(registrytest.GoodTLS)},
		{name: "docker tls wanted", only: "docker", arrange: abroad(registrytest.NoTLS)},
	}
}

// contents are images that aren't as they should be, which each engine finds out in its
// own way.
func contents() []failure {
	var list []failure
	for _, engine := range engines() {
		list = append(list,
			failure{name: engine + " layer missing", only: engine, arrange: func(p *place) string {
				return p.broken(func(r *registrytest.Registry, layer string, _ int) {
					r.Set(func(f *registrytest.Faults) {
						f.Fail = []registrytest.Failure{{
							Path: "/blobs/" + layer, Status: http.StatusNotFound, Body: `{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]}`,
						}}
					})
				})
			}},
			failure{name: engine + " layer of other bytes", only: engine, arrange: func(p *place) string {
				return p.broken(func(r *registrytest.Registry, layer string, size int) {
					r.PutBlobAs("acme/train", layer, bytes.Repeat([]byte{'x'}, size))
				})
			}},
		)
	}
	return list
}

// broken is an image whose layer is spoilt.
func (p *place) broken(spoil func(r *registrytest.Registry, layer string, size int)) string {
	p.t.Helper()
	r := registrytest.New(p.t, registrytest.Config{Auth: registrytest.Bearer, Accounts: accounts()})
	p.known(r, "registry.test:5000")
	layer := registrytest.Layer(p.t, registrytest.Entry{Name: p.org, Body: "a layer that no other image has"})
	registrytest.Push(p.t, r, registrytest.Image(p.t, layer), "acme/train:v1", publisher())
	digest, err := layer.Digest()
	if err != nil {
		p.t.Fatal(err)
	}
	size, err := layer.Size()
	if err != nil {
		p.t.Fatal(err)
	}
	spoil(r, digest.String(), int(size))
	p.connect(r.Host(), robot("robot.secret", "--plain-http")...)
	return r.Host() + "/acme/train:v1"
}

// abroad is a registry that the worker reaches as its entry says, and the Docker engine
// doesn't: it speaks without trust to loopback addresses only.
func abroad(how registrytest.TLS) func(p *place) string {
	return func(p *place) string {
		host := elsewhere(p.t)
		r := registrytest.New(p.t, registrytest.Config{
			Auth: registrytest.Bearer, Accounts: accounts(), TLS: how, Address: net.JoinHostPort(host, "0"), Names: []string{host},
		})
		p.known(r, "registry.test:5000")
		registrytest.Push(p.t, r, registrytest.RandomImage(p.t, 100), "acme/train:v1", publisher())
		flags := robot("robot.secret", "--plain-http")
		if how != registrytest.NoTLS {
			flags = robot("robot.secret", "--ca-file", p.authority(r))
		}
		p.connect(r.Host(), flags...)
		return r.Host() + "/acme/train:v1"
	}
}

// elsewhere is an address of this machine that isn't a loopback one.
func elsewhere(t *testing.T) string {
	t.Helper()
	list, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	t.Fatal("this machine has no address but the loopback one, and one is needed that the Docker engine doesn't take for it")
	return ""
}

// closing listens, and closes every connection as soon as it has been asked something.
func closing(p *place) string {
	p.t.Helper()
	p.connections = &atomic.Int64{}
	host := listening(p.t, func(c net.Conn) {
		p.connections.Add(1)
		_, _ = c.Read(make([]byte, 10_000))
	})
	p.names = append(p.names, host, "registry.test:5000")
	return host
}

// silent listens, takes every request, and never answers.
func silent(t *testing.T) string {
	t.Helper()
	return listening(t, func(c net.Conn) {
		for b := make([]byte, 1024); ; {
			if _, err := c.Read(b); err != nil {
				return
			}
		}
	})
}

// listening is a server on the socket level.
func listening(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				serve(c)
			}()
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}
