package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/wire"
)

// eventually waits for something that happens beside the test.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in time", what)
		}
	}
}

// TestTagLife follows a tag that moves: not asked for within its life, asked for behind a
// client's back within the grace, and before the client's answer after that.
func TestTagLife(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	old, fresh := registrytest.RandomImage(t, 10), registrytest.RandomImage(t, 20)
	was := r.push(t, old, "team/app:v1")
	path := "/v2/" + r.at("team/app") + "/manifests/v1"
	digest := func() string { return r.get(t, path).header.Get("Docker-Content-Digest") }
	if got := digest(); got != was {
		t.Fatal(got)
	}
	is := r.push(t, fresh, "team/app:v1")
	r.clock.Move(30*time.Second - 1)
	if got := digest(); got != was || len(r.reg.Requests()) != 0 {
		t.Errorf("within its life: %s, and %d requests", got, len(r.reg.Requests()))
	}
	r.clock.Move(1)
	if got := r.get(t, path); got.header.Get("Docker-Content-Digest") != was || got.header.Get("Age") != "30" {
		t.Errorf("within the grace: %v", got.header)
	}
	eventually(t, "asking behind the client's back", func() bool { return digest() == is })
	next := r.push(t, old, "team/app:v1")
	r.clock.Move(time.Minute)
	if got := digest(); got != next {
		t.Errorf("after the grace: %s, want %s", got, next)
	}
	if heads := r.fronts(http.MethodHead, "/manifests/v1"); heads != 1 {
		t.Errorf("%d HEADs, want 1", heads)
	}
	if gets := r.fronts(http.MethodGet, "/manifests/"); gets != 0 {
		t.Errorf("%d GETs of a manifest that is there", gets)
	}
}

// TestHung has an upstream that doesn't answer: what is there goes on being served, with
// a warning and an event, until the limit.
func TestHung(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(f *registrytest.Faults){
		"hangs":  func(f *registrytest.Faults) { f.Gate = make(chan struct{}) },
		"broken": func(f *registrytest.Faults) { f.Fail = []registrytest.Failure{{Status: 500}} },
		"limited": func(f *registrytest.Faults) {
			f.Fail = []registrytest.Failure{{Status: 429, Header: map[string]string{"Retry-After": "60"}}}
		},
		"nonsense": func(f *registrytest.Faults) { f.Fail = []registrytest.Failure{{Status: 200, Body: "<html>"}} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t, registrytest.Basic)
			image := registrytest.RandomImage(t, 1000)
			digest := r.push(t, image, "team/app:v1")
			layer, body := layerOf(t, image, 0)
			base := "/v2/" + r.at("team/app")
			tag, byDigest, blob := base+"/manifests/v1", base+"/manifests/"+digest, base+"/blobs/"+layer
			all := func() {
				t.Helper()
				for _, path := range []string{tag, byDigest, blob} {
					if got := r.get(t, path); got.status != 200 {
						t.Fatalf("%s: %d %s", path, got.status, got.body)
					}
				}
			}
			all()
			r.reg.Set(set)
			all()
			if name == "nonsense" {
				return // its HEAD is a 200 without a digest: it is then a broken GET
			}
			r.clock.Move(11 * time.Minute)
			for range 2 {
				for _, path := range []string{tag, byDigest, blob} {
					got := r.get(t, path)
					if got.status != 200 || len(got.header.Values("Warning")) != 2 || path == blob && got.body != string(body) {
						t.Errorf("%s after 11 minutes: %d %v %s", path, got.status, got.header, got.body)
					}
				}
			}
			if got := r.get(t, tag); got.header.Get("Age") != "660" {
				t.Errorf("age %q", got.header.Get("Age"))
			}
			events := fairleadtest.Must(t, r.Ann, wire.ListEvents, wire.EventsRequest{OrganizationPath: wire.OrganizationPath{Organization: "acme"}, Action: fairlead.LeasePull})
			n := 0
			for _, ev := range events.Events {
				if ev.Detail["did"] == "serve what was kept" {
					n++
					if ev.Detail["because"] == "" || !strings.HasSuffix(ev.Detail["for"], "team/app") {
						t.Errorf("event %+v", ev)
					}
				}
			}
			if n != 1 {
				t.Errorf("%d events, want 1", n)
			}
			r.clock.Move(24 * time.Hour)
			for _, path := range []string{tag, byDigest, blob} {
				ctx := r.ask
				if name == "hangs" {
					break // nobody would answer
				}
				if got := ctx(t, "GET", path, r.token); got.status < 400 {
					t.Errorf("%s after the limit: %d", path, got.status)
				}
			}
		})
	}
}

// TestRightTaken has the upstream take the login's right: what the organization has
// pulled ends with the grant's life, and at once where the upstream says so.
func TestRightTaken(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]registrytest.Failure{
		"401": {Status: 401, Header: map[string]string{"WWW-Authenticate": `Basic realm="x"`}},
		"403": {Status: 403, Body: `{"errors":[{"code":"DENIED"}]}`, Path: "/team/"},
		"404": {Status: 404, Body: `{"errors":[{"code":"NAME_UNKNOWN"}]}`, Path: "/team/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t, registrytest.Basic)
			image := registrytest.RandomImage(t, 1000)
			digest := r.push(t, image, "team/app:v1")
			layer, _ := layerOf(t, image, 0)
			base := "/v2/" + r.at("team/app")
			paths := []string{base + "/manifests/" + digest, base + "/blobs/" + layer, base + "/manifests/v1"}
			for _, path := range paths {
				if got := r.get(t, path); got.status != 200 {
					t.Fatalf("%s: %d %s", path, got.status, got.body)
				}
			}
			r.reg.Set(func(f *registrytest.Faults) { f.Fail = []registrytest.Failure{fault} })
			r.clock.Move(10*time.Minute - 1)
			for _, path := range paths[:2] {
				if got := r.get(t, path); got.status != 200 {
					t.Errorf("%s within the grant's life: %d %s", path, got.status, got.body)
				}
			}
			r.clock.Move(1)
			for _, path := range paths {
				if got := r.get(t, path); got.status != 403 && got.status != 404 {
					t.Errorf("%s after the grant's life: %d", path, got.status)
				}
			}
			// And if it then stops to answer, that is no yes.
			r.reg.Set(func(f *registrytest.Faults) { f.Fail = []registrytest.Failure{{Status: 500}} })
			for _, path := range paths {
				if got := r.get(t, path); got.status < 500 {
					t.Errorf("%s with no answer after a no: %d", path, got.status)
				}
			}
			r.reg.Set(func(f *registrytest.Faults) { f.Fail = nil })
			r.clock.Move(time.Minute)
			for _, path := range paths {
				if got := r.get(t, path); got.status != 200 {
					t.Errorf("%s after the right was given back: %d %s", path, got.status, got.body)
				}
			}
		})
	}
}

// TestRightTakenAtOnce has one no end the grant for all.
func TestRightTakenAtOnce(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Basic)
	image := registrytest.RandomImage(t, 1000)
	digest := r.push(t, image, "team/app:v1")
	layer, _ := layerOf(t, image, 0)
	base := "/v2/" + r.at("team/app")
	for _, path := range []string{"/manifests/v1", "/manifests/" + digest, "/blobs/" + layer} {
		if got := r.get(t, base+path); got.status != 200 {
			t.Fatal(got)
		}
	}
	r.reg.Set(func(f *registrytest.Faults) {
		f.Fail = []registrytest.Failure{{Status: 403, Body: `{"errors":[{"code":"DENIED"}]}`, Path: "/team/"}}
	})
	if got := r.get(t, base+"/manifests/v2"); got.status != 403 {
		t.Fatalf("%d", got.status)
	}
	for _, path := range []string{"/manifests/v1", "/manifests/" + digest, "/blobs/" + layer} {
		if got := r.get(t, base+path); got.status != 403 {
			t.Errorf("%s: %d", path, got.status)
		}
	}
}

// TestEntryChanged has the entry or the connector change: what was granted to the old
// one is nothing to the new one.
func TestEntryChanged(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Basic)
	r.push(t, registrytest.RandomImage(t, 10), "team/app:v1")
	path := "/v2/" + r.at("team/app") + "/manifests/v1"
	if got := r.get(t, path); got.status != 200 {
		t.Fatal(got.status)
	}
	fairleadtest.Must(t, r.Ann, wire.UpdateConnector, wire.ConnectorUpdate{
		ConnectorPath: wire.ConnectorPath{OrganizationPath: wire.OrganizationPath{Organization: "acme"}, Connector: "main"},
		Secrets:       map[string]wire.Clear{"password": {Secret: fairlead.SecretText("wrong")}}, ConnectorTrial: wire.ConnectorTrial{NoVerify: true},
	})
	r.clock.Move(time.Second)
	if got := r.get(t, path); got.status != 403 || !strings.Contains(got.body, "connector main") {
		t.Errorf("with a wrong password: %d %s", got.status, got.body)
	}
}

// TestQuota keeps what Docker Hub says of its limit, and doesn't ask while it is told
// not to.
func TestQuota(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Basic)
	r.push(t, registrytest.RandomImage(t, 10), "team/app:v1")
	r.reg.Set(func(f *registrytest.Faults) {
		f.Fail = []registrytest.Failure{{Status: 429, Path: "/manifests/", Header: map[string]string{"Retry-After": "60"}}}
	})
	path := "/v2/" + r.at("team/app") + "/manifests/v1"
	for range 3 {
		got := r.get(t, path)
		if got.status != 429 || codeOf(got) != wire.TooManyRequests || got.header.Get("Retry-After") != "60" {
			t.Errorf("%d %v %s", got.status, got.header, got.body)
		}
	}
	if n := r.fronts(http.MethodGet, "/manifests/"); n != 1 {
		t.Errorf("it was asked %d times, want 1", n)
	}
	r.reg.Set(func(f *registrytest.Faults) { f.Fail = nil })
	r.clock.Move(time.Minute)
	if got := r.get(t, path); got.status != 200 {
		t.Errorf("afterwards: %d", got.status)
	}
	if list := r.Gateway.Logins(); len(list) != 1 || list[0].Host != r.reg.Host() {
		t.Errorf("%+v", list)
	}
	m := r.Gateway.Metrics()
	if len(m) != 1 || m[0].Registry != r.reg.Host() || m[0].Misses != 1 || m[0].Requests == 0 || m[0].Sent == 0 {
		t.Errorf("%+v", m)
	}
}
