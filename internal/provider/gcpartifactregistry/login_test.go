package gcpartifactregistry_test

import (
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/ref"
)

// TestLogin pulls an image by each method, through a lease that is narrowed as the
// broker narrows it, and doesn't push with it.
func TestLogin(t *testing.T) {
	t.Parallel()
	short := 10 * time.Minute
	for _, row := range []struct {
		name, method string
		change       []func(*provider.Opened)
		account      bool // act as the reader
		life         time.Duration
		stored       bool
	}{
		{name: "federation, directly", method: "federation", life: time.Hour},
		{name: "federation as an account", method: "federation", account: true, life: short},
		{name: "key, short", method: "service-account", life: short},
		{name: "key, an hour", method: "service-account", change: []func(*provider.Opened){public("token_lifetime", "1h")}, life: time.Hour - time.Second},
		{name: "impersonation", method: "impersonation", life: short},
		{name: "access token", method: "access-token", stored: true},
		{name: "the machine", method: "instance-identity", life: 20 * time.Minute},
		{name: "the machine as an account", method: "instance-identity", account: true, life: short},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			digest := push(t, w, image)
			c := w.connector(row.method, row.change...)
			if row.account {
				c.Public["service_account"] = w.reader
			}
			s := scope(t, fairlead.Pull)
			l, err := w.provider().Login(t.Context(), c, s)
			if err != nil {
				t.Fatal(err)
			}
			want := provider.Login{Username: "oauth2accesstoken", Stored: row.stored}
			if row.life > 0 {
				want.Expires = started().Add(row.life)
			}
			got := l
			got.Password = fairlead.Secret{}
			if d := cmp.Diff(want, got, cmp.AllowUnexported(fairlead.Secret{})); d != "" {
				t.Error(d)
			}
			w.checkPull(t, l, s, digest)
			if _, err := w.lease(t, l, scope(t, fairlead.Push)); fairlead.CodeOf(err) != fairlead.CodeNoRight {
				t.Errorf("pushing: %v", err)
			}
		})
	}
}

// checkPull pulls all of an image with a lease for it.
func (w *world) checkPull(t *testing.T, l provider.Login, s fairlead.Scope, digest string) {
	t.Helper()
	lease, err := w.lease(t, l, s)
	if err != nil {
		t.Fatal(err)
	}
	if !lease.Expires.After(started()) || !l.Expires.IsZero() && lease.Expires.After(l.Expires.Add(time.Second)) {
		t.Errorf("the lease ends at %s, the login at %s", lease.Expires, l.Expires)
	}
	client := w.client(t)
	i, err := client.Image(t.Context(), lease, ref.Image{Resource: s.Resource, Tag: "v1"}, oci.Platform{OS: "linux", Architecture: "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	if string(i.Top.Digest) != digest || len(i.Layers) == 0 {
		t.Errorf("%s with %d layers, want %s", i.Top.Digest, len(i.Layers), digest)
	}
	for _, layer := range i.Layers {
		body, err := client.Blob(t.Context(), lease, s.Resource, layer.Descriptor)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			t.Error(err)
		}
		_ = body.Close()
	}
}

// TestHosts pulls from every form of host.
func TestHosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.g.AddProject("example.com:legacy")
	for _, r := range []struct{ project, location, id string }{
		{project, "us", "gcr.io"}, {project, "asia", "asia.gcr.io"}, {project, "europe-west1", "models"}, {"example.com:legacy", "us", "models"},
	} {
		name := w.g.AddRepository(r.project, cloudtest.GoogleRepository{Location: r.location, ID: r.id})
		w.g.Grant(name, "roles/artifactregistry.reader", "serviceAccount:"+w.reader)
	}
	for pushed, pulled := range map[string]string{
		"gcr.io/acme-train/app:v1":                                "gcr.io/acme-train/app",
		"us-docker.pkg.dev/acme-train/gcr.io/other:v1":            "gcr.io/acme-train/other",
		"asia.gcr.io/acme-train/deep/app:v1":                      "asia-docker.pkg.dev/acme-train/asia.gcr.io/deep/app",
		"europe-west1-docker.pkg.dev/acme-train/models/app:v1":    "docker.europe-west1.rep.pkg.dev/acme-train/models/app",
		"us-docker.pkg.dev/example.com/legacy/models/deep/app:v1": "us-docker.pkg.dev/example.com/legacy/models/deep/app",
	} {
		digest := push(t, w, pushed)
		resource, err := ref.ParseResource(pulled)
		if err != nil {
			t.Fatal(err)
		}
		s := fairlead.Scope{Resource: resource, Verb: fairlead.Pull}
		l, err := w.provider().Login(t.Context(), w.connector("service-account"), s)
		if err != nil {
			t.Fatal(err)
		}
		w.checkPull(t, l, s, digest)
	}
}

// TestPush gets a login that may push, and none for what it has no right to.
func TestPush(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.g.Grant(w.repo, "roles/artifactregistry.writer", w.principal())
	s := scope(t, fairlead.Push)
	l, err := w.provider().Login(t.Context(), w.connector("federation"), s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.lease(t, l, s); err != nil {
		t.Error(err)
	}
	pull, err := w.provider().Login(t.Context(), w.connector("federation"), scope(t, fairlead.Pull))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.lease(t, pull, s); fairlead.CodeOf(err) != fairlead.CodeNoRight {
		t.Errorf("a login for pulling pushes: %v", err)
	}
}

// TestLoginScope holds that a login for pulling is read-only at Google's APIs.
func TestLoginScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.g.Grant("projects/"+project, "roles/artifactregistry.admin", "serviceAccount:"+w.reader)
	for _, row := range []struct {
		verb fairlead.Verb
		want fairlead.Code
	}{{fairlead.Pull, fairlead.CodeNoRight}, {fairlead.Push, ""}} {
		l, err := w.provider().Login(t.Context(), w.connector("service-account"), scope(t, row.verb))
		if err != nil {
			t.Fatal(err)
		}
		token := w.connector("access-token")
		token.Secret["token"] = l.Password
		if err := w.provider().Deploy(t.Context(), token, "us-docker.pkg.dev/acme-train/made-by-"+string(row.verb)); fairlead.CodeOf(err) != row.want {
			t.Errorf("%s: %v", row.verb, err)
		}
	}
}

// TestLoginExpires holds the end of a login against clocks that differ, the connector's
// own end, and a JWT's.
func TestLoginExpires(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		method string
		theirs time.Duration // how far Google's clock is ahead
		end    time.Duration // the connector's
		want   time.Duration
	}{
		{"the same time", "service-account", 0, 0, 10 * time.Minute},
		{"Google ahead", "service-account", 3 * time.Minute, 0, 10 * time.Minute},
		{"Google behind", "service-account", -3 * time.Minute, 0, 10 * time.Minute},
		{"Google ahead, federation", "federation", 3 * time.Minute, 0, time.Hour},
		{"the connector ends first", "service-account", 0, 5 * time.Minute, 5 * time.Minute},
		{"the connector ends later", "service-account", 0, 5 * time.Hour, 10 * time.Minute},
		{"a stored token ends as was said", "access-token", 0, 30 * time.Minute, 30 * time.Minute},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.theirs.set(started().Add(row.theirs))
			c := w.connector(row.method)
			if row.end != 0 {
				c.Expires = started().Add(row.end)
			}
			l, err := w.provider().Login(t.Context(), c, scope(t, fairlead.Pull))
			if err != nil || !l.Expires.Equal(started().Add(row.want)) {
				t.Errorf("%s, want %s after %s (%v)", l.Expires, row.want, started(), err)
			}
		})
	}
}

// TestLoginSubject holds what the issuer is asked to sign.
func TestLoginSubject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.connector("federation", public("workload_identity_provider", "//iam.googleapis.com/"+w.pool))
	c.Project, c.Run = "acme/vision", "run-1"
	s := scope(t, fairlead.Pull)
	if _, err := w.provider().Login(t.Context(), c, s); err != nil {
		t.Fatal(err)
	}
	want := []provider.Subject{{
		Organization: "acme", Connector: "gar", Audience: "https://iam.googleapis.com/" + w.pool, Scope: s, Project: "acme/vision", Run: "run-1",
	}}
	if d := cmp.Diff(want, w.issuer.asked); d != "" {
		t.Error(d)
	}
}

// TestLoginAsks lists what Google is asked by each method: nothing that isn't needed.
func TestLoginAsks(t *testing.T) {
	t.Parallel()
	for method, want := range map[string][]string{
		"federation":        {"sts.googleapis.com", "fairlead.acme.example", "fairlead.acme.example"},
		"service-account":   {"oauth2.googleapis.com", "iamcredentials.googleapis.com"},
		"impersonation":     {"oauth2.googleapis.com", "iamcredentials.googleapis.com"},
		"access-token":      nil,
		"instance-identity": {"metadata.google.internal"},
	} {
		w := newWorld(t)
		c := w.connector(method)
		if _, err := w.provider().Login(t.Context(), c, scope(t, fairlead.Pull)); err != nil {
			t.Errorf("%s: %v", method, err)
		}
		var hosts []string
		for _, r := range w.n.Requests() {
			hosts = append(hosts, r.Host)
		}
		if d := cmp.Diff(want, hosts); d != "" {
			t.Errorf("%s: %s", method, d)
		}
	}
}

// TestRevoked holds that a registry token that was revoked is refused, and that the
// next login is good again.
func TestRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	digest := push(t, w, image)
	s := scope(t, fairlead.Pull)
	c := w.connector("service-account")
	l, err := w.provider().Login(t.Context(), c, s)
	if err != nil {
		t.Fatal(err)
	}
	w.g.RevokeTokens()
	if _, err := w.lease(t, l, s); fairlead.CodeOf(err) != fairlead.CodeLoginRefused {
		t.Error(err)
	}
	if l, err = w.provider().Login(t.Context(), c, s); err != nil {
		t.Fatal(err)
	}
	w.checkPull(t, l, s, digest)
	short := w.g.AccessToken(w.reader, time.Minute, cloudtest.GooglePlatform)
	l, err = w.provider().Login(t.Context(), w.connector("access-token", hidden("token", short)), s)
	if err != nil {
		t.Fatal(err)
	}
	w.theirs.set(started().Add(2 * time.Minute))
	if _, err := w.lease(t, l, s); fairlead.CodeOf(err) != fairlead.CodeLoginRefused {
		t.Errorf("an access token that has expired: %v", err)
	}
}
