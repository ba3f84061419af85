package gateway_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead.dev/fairlead/internal/registrytest"
)

// TestUpstreams has the registry do what registries do: the client is given the right
// bytes all the same.
func TestUpstreams(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*registrytest.Faults){
		"redirects to signed URLs":    func(f *registrytest.Faults) { f.Redirect = 1 },
		"redirects, and the URLs end": func(f *registrytest.Faults) { f.Redirect, f.CutAt = 1, []int64{1000, 1000} },
		"cuts":                        func(f *registrytest.Faults) { f.CutAt = []int64{1000, 1, 0} },
		"knows no ranges":             func(f *registrytest.Faults) { f.NoRange = true },
		"cuts and knows no ranges":    func(f *registrytest.Faults) { f.NoRange, f.CutAt = true, []int64{1000} },
		"says no digests":             func(f *registrytest.Faults) { f.NoDigest = true },
		"knows no HEAD of blobs": func(f *registrytest.Faults) {
			f.Fail = []registrytest.Failure{{Method: "HEAD", Path: "/blobs/", Status: 405}}
		},
		"is in trouble for a moment": func(f *registrytest.Faults) {
			f.Fail = []registrytest.Failure{{Method: "GET", Path: "/blobs/", Status: 503, Times: 1}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t, registrytest.Basic)
			image := registrytest.RandomImage(t, 300_000)
			digest := r.push(t, image, "team/app:v1")
			layer, body := layerOf(t, image, 0)
			r.reg.Set(set)
			base := "/v2/" + r.at("team/app")
			for range 2 {
				if got := r.get(t, base+"/manifests/v1"); got.status != http.StatusOK || got.header.Get("Docker-Content-Digest") != digest {
					t.Fatalf("manifest: %d %s", got.status, got.body)
				}
				if got := r.get(t, base+"/blobs/"+layer); got.status != http.StatusOK || got.body != string(body) {
					t.Fatalf("blob: %d, %d bytes", got.status, len(got.body))
				}
			}
			for _, q := range r.reg.Requests() {
				if q.Server == registrytest.Storage && (q.Scheme != "" || q.Holds(password)) {
					t.Error("the storage was shown a login")
				}
			}
		})
	}
}

// TestWrongBytes has a registry send wrong bytes: no client is given a whole blob of them,
// and nothing of them is kept.
func TestWrongBytes(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Basic)
	image := registrytest.RandomImage(t, 300_000)
	r.push(t, image, "team/app:v1")
	layer, body := layerOf(t, image, 0)
	r.reg.Set(func(f *registrytest.Faults) { f.WrongBytes = true })
	path := "/v2/" + r.at("team/app") + "/blobs/" + layer
	if got := r.askCut(t, path, r.token); got.status == http.StatusOK && len(got.body) == len(body) {
		t.Error("a client was given a whole wrong blob")
	}
	r.reg.Set(func(f *registrytest.Faults) { f.WrongBytes = false })
	if got := r.ask(t, http.MethodGet, path, r.token); got.status != http.StatusOK || got.body != string(body) {
		t.Errorf("afterwards: %d, %d bytes", got.status, len(got.body))
	}
}

// TestUpstreamsFail has the registry, or where it sends to, fail for longer than a client
// waits: the client is told, nothing wrong is kept, and when it is over, it gets the right
// bytes. What there is of the blob isn't fetched again.
func TestUpstreamsFail(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		set  func(*registrytest.Faults)
		says string
	}{
		"redirects to a dead host": {func(f *registrytest.Faults) { f.Redirect, f.RedirectTo = 9, "http://127.0.0.1:1" }, "nothing listens at 127.0.0.1:1"},
		"sends gzip unasked":       {func(f *registrytest.Faults) { f.Gzip = true }, "encoded"},
		"sends more than there is": {func(f *registrytest.Faults) { f.Lengthen = 7 }, "bytes"},
		"sends less than there is": {func(f *registrytest.Faults) { f.Lengthen = -7 }, "bytes"},
		"sends another range":      {func(f *registrytest.Faults) { f.WrongRange, f.CutAt = true, []int64{1000} }, ""},
		"forbids it": {func(f *registrytest.Faults) {
			f.Fail = []registrytest.Failure{{Method: "GET", Path: "/blobs/", Status: 403}}
		}, ""},
		"has too many requests": {func(f *registrytest.Faults) {
			f.Fail = []registrytest.Failure{{Method: "GET", Path: "/blobs/", Status: 429, Header: map[string]string{"Retry-After": "3600"}}}
		}, "too many requests"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t, registrytest.Basic)
			image := registrytest.RandomImage(t, 300_000)
			r.push(t, image, "team/app:v1")
			layer, body := layerOf(t, image, 0)
			base := "/v2/" + r.at("team/app")
			if got := r.get(t, base+"/manifests/v1"); got.status != http.StatusOK {
				t.Fatal(got.status)
			}
			r.reg.Set(row.set)
			got := r.askCut(t, base+"/blobs/"+layer, r.token)
			if got.status == http.StatusOK && len(got.body) >= len(body) || !strings.Contains(got.body+r.Log.String(), row.says) {
				t.Errorf("%d, %d bytes: %s\n%s", got.status, len(got.body), got.body[:min(300, len(got.body))], r.Log.String())
			}
			r.reg.Set(func(f *registrytest.Faults) { *f = registrytest.Faults{} })
			r.clock.Move(2 * time.Hour)
			r.reg.Forget()
			if got := r.get(t, base+"/manifests/v1"); got.status != http.StatusOK {
				t.Fatalf("the manifest afterwards: %d %s", got.status, got.body)
			}
			for range 2 {
				if got := r.get(t, base+"/blobs/"+layer); got.status != http.StatusOK || got.body != string(body) {
					t.Fatalf("afterwards: %d, %d bytes: %s", got.status, len(got.body), got.body[:min(300, len(got.body))])
				}
			}
			if n := r.fronts(http.MethodGet, "/blobs/"); n != 1 {
				t.Errorf("%d requests for the blob afterwards, want 1", n)
			}
		})
	}
}

// TestStampede has many clients want the same at once: it is fetched once.
func TestStampede(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	image := registrytest.RandomImage(t, 500_000)
	r.push(t, image, "team/app:v1")
	layer, body := layerOf(t, image, 0)
	base := "/v2/" + r.at("team/app")
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if got := r.askCut(t, base+"/manifests/v1", r.token); got.status != http.StatusOK {
				t.Errorf("manifest: %d", got.status)
			}
			if got := r.askCut(t, base+"/blobs/"+layer, r.token); got.status != http.StatusOK || got.body != string(body) {
				t.Errorf("blob: %d, %d bytes", got.status, len(got.body))
			}
		})
	}
	all.Wait()
	if n := r.fronts(http.MethodGet, "/manifests/"); n != 1 {
		t.Errorf("%d manifests were fetched, want 1", n)
	}
	if n := r.fronts(http.MethodGet, "/blobs/"); n != 1 {
		t.Errorf("%d requests for the blob, want 1", n)
	}
}

// TestLoginEnds has the registry take no login that it has given so far, in the middle of
// a pull: another one is leased.
func TestLoginEnds(t *testing.T) {
	t.Parallel()
	r := newRoom(t, registrytest.Bearer)
	image := registrytest.RandomImage(t, 300_000)
	r.push(t, image, "team/app:v1")
	layer, body := layerOf(t, image, 0)
	base := "/v2/" + r.at("team/app")
	if got := r.get(t, base+"/manifests/v1"); got.status != http.StatusOK {
		t.Fatal(got.status)
	}
	r.reg.Set(func(f *registrytest.Faults) { f.CutAt, f.OnCut = []int64{1000}, r.reg.Revoke })
	r.reg.Revoke()
	if got := r.get(t, base+"/blobs/"+layer); got.status != http.StatusOK || got.body != string(body) {
		t.Errorf("blob: %d, %d bytes: %s", got.status, len(got.body), got.body[:min(300, len(got.body))])
	}
}
