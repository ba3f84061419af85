package conform

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/engine"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
)

// testPlatforms wants the engine's own platform to be taken.
func testPlatforms(t *testing.T, s *shop) {
	t.Helper()
	index := registrytest.Attest(t, registrytest.Index(t, "linux/arm64", "windows/amd64", "linux/amd64", "linux/arm/v7"))
	digest := registrytest.PushIndex(t, s.registry, index, "team/platforms:v1", registrytest.Account{})
	p := s.pull(t, ref.Image{Resource: ref.Resource{Host: s.registry.Host(), Repository: "team/platforms"}, Digest: digest})
	if p.Platform != s.engine.Platform() {
		t.Errorf("the platform is %q, want %q", p.Platform, s.engine.Platform())
	}
}

func testWrongPlatform(t *testing.T, s *shop) {
	t.Helper()
	for _, row := range []struct {
		name  string
		image registrytest.Writable
	}{
		{"index", registrytest.Index(t, "linux/arm64", "linux/s390x")},
		{"index-of-another-system", registrytest.Index(t, "windows/amd64")},
		{"image", registrytest.ImageFor(t, v1.Platform{OS: "linux", Architecture: "arm64"}, registrytest.RandomLayer(t, 1000))},
		{"image-of-another-system", registrytest.ImageFor(t, v1.Platform{OS: "windows", Architecture: "amd64"}, registrytest.RandomLayer(t, 1000))},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			digest, err := registrytest.Write(t.Context(), s.registry, row.image, "team/"+row.name+":v1", registrytest.Account{})
			if err != nil {
				t.Fatal(err)
			}
			i := ref.Image{Resource: ref.Resource{Host: s.registry.Host(), Repository: "team/" + row.name}, Digest: digest}
			_, err = s.engine.Pull(t.Context(), engine.PullRequest{Image: i, Keychain: keys(anonymous())})
			wantKind(t, err, fairlead.NotFound, fairlead.CodePlatform)
		})
	}
}

// testPullFaults wants each fault to be told by its own code.
func testPullFaults(t *testing.T, s *shop) {
	t.Helper()
	faults := func(f registrytest.Faults) func(*testing.T, *registrytest.Registry, v1.Image, *ref.Image) {
		return func(_ *testing.T, r *registrytest.Registry, _ v1.Image, _ *ref.Image) {
			r.Set(func(g *registrytest.Faults) { *g = f })
		}
	}
	blob := func(change func(r *registrytest.Registry, repository, digest string, b []byte)) func(*testing.T, *registrytest.Registry, v1.Image, *ref.Image) {
		return func(t *testing.T, r *registrytest.Registry, image v1.Image, i *ref.Image) {
			t.Helper()
			digest, b := lastLayer(t, image)
			change(r, i.Repository, digest, b)
		}
	}
	for _, row := range []struct {
		name  string
		spoil func(*testing.T, *registrytest.Registry, v1.Image, *ref.Image)
		kind  fairlead.Kind
		code  fairlead.Code
	}{
		{"no such manifest", func(_ *testing.T, _ *registrytest.Registry, _ v1.Image, i *ref.Image) { i.Digest = "sha256:" + zeros }, fairlead.NotFound, fairlead.CodeNoImage},
		{"no such repository", func(_ *testing.T, _ *registrytest.Registry, _ v1.Image, i *ref.Image) { i.Repository = "team/none" }, fairlead.NotFound, fairlead.CodeNoImage},
		{"a layer is missing", blob(func(r *registrytest.Registry, repository, d string, _ []byte) { r.RemoveBlob(repository, d) }), fairlead.NotFound, fairlead.CodeNoImage},
		{"the config is missing", func(t *testing.T, r *registrytest.Registry, image v1.Image, i *ref.Image) {
			t.Helper()
			d, err := image.ConfigName()
			if err != nil {
				t.Fatal(err)
			}
			r.RemoveBlob(i.Repository, d.String())
		}, fairlead.NotFound, fairlead.CodeNoImage},
		{"a layer's bytes are others", blob(func(r *registrytest.Registry, repository, d string, b []byte) {
			b = slices.Clone(b)
			b[len(b)-1] ^= 1
			r.PutBlobAs(repository, d, b)
		}), fairlead.Unavailable, fairlead.CodeDigest},
		{"a layer is cut off", blob(func(r *registrytest.Registry, repository, d string, b []byte) {
			r.PutBlobAs(repository, d, b[:len(b)/2])
		}), fairlead.Unavailable, fairlead.CodeDigest},
		{"a layer is too long", blob(func(r *registrytest.Registry, repository, d string, b []byte) {
			r.PutBlobAs(repository, d, append(slices.Clone(b), make([]byte, 100)...))
		}), fairlead.Unavailable, fairlead.CodeDigest},
		{"the manifest's bytes are others", func(t *testing.T, r *registrytest.Registry, image v1.Image, i *ref.Image) {
			t.Helper()
			i.Digest = "sha256:" + zeros
			r.PutManifest(i.Repository, i.Digest, string(types.OCIManifestSchema1), registrytest.Raw(t, image))
		}, fairlead.Unavailable, fairlead.CodeDigest},
		{"a layer unpacks to something else", otherDiffID, fairlead.Invalid, fairlead.CodeDigest},
		{"too many requests", faults(registrytest.Faults{Fail: []registrytest.Failure{{Path: "/manifests/", Status: 429, Body: `{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}`}}}), fairlead.Limited, fairlead.CodeRateLimited},
		{"too many requests, without a word", faults(registrytest.Faults{Fail: []registrytest.Failure{{Path: "/manifests/", Status: 429}}}), fairlead.Limited, fairlead.CodeRateLimited},
		{"too many requests of layers", faults(registrytest.Faults{Fail: []registrytest.Failure{{Path: "/blobs/", Status: 429}}}), fairlead.Limited, fairlead.CodeRateLimited},
		{"a broken registry", faults(registrytest.Faults{Fail: []registrytest.Failure{{Path: "/manifests/", Status: 500, Body: "<html>oops</html>"}}}), fairlead.Unavailable, fairlead.CodeRegistryBroken},
		{"a registry that is down", faults(registrytest.Faults{Fail: []registrytest.Failure{{Status: 503}}}), fairlead.Unavailable, fairlead.CodeRegistryBroken},
		{"nobody listens", func(_ *testing.T, r *registrytest.Registry, _ v1.Image, _ *ref.Image) { r.Close() }, fairlead.Unavailable, fairlead.CodeConnect},
		{"no such host", func(_ *testing.T, _ *registrytest.Registry, _ v1.Image, i *ref.Image) {
			i.Host = "no-such-host.invalid"
		}, fairlead.Unavailable, fairlead.CodeDNS},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.New(t, registrytest.Config{})
			image := registrytest.RandomImage(t, 100_000)
			i := pushTo(t, r, image, registrytest.Account{})
			row.spoil(t, r, image, &i)
			_, err := s.engine.Pull(t.Context(), engine.PullRequest{Image: i, Keychain: keys(anonymous())})
			wantKind(t, err, row.kind, row.code)
		})
	}
	for _, how := range []registrytest.TLS{registrytest.GoodTLS, registrytest.Expired, registrytest.WrongName, registrytest.SelfSigned} {
		t.Run("a certificate that is "+string(how), func(t *testing.T) {
			t.Parallel()
			host := outside(t)
			r := registrytest.New(t, registrytest.Config{TLS: how, Address: net.JoinHostPort(host, "0"), Names: []string{host}})
			lease := anonymous()
			lease.PlainHTTP = false
			i := ref.Image{Resource: ref.Resource{Host: r.Host(), Repository: "a/b"}, Digest: "sha256:" + zeros}
			_, err := s.engine.Pull(t.Context(), engine.PullRequest{Image: i, Keychain: keys(lease)})
			wantKind(t, err, fairlead.Unavailable, fairlead.CodeTLS)
		})
	}
}

const zeros = "0000000000000000000000000000000000000000000000000000000000000000"

// outside is an address of this machine that isn't a loopback one: those are trusted
// without a certificate by the Docker engine.
func outside(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			return n.IP.String()
		}
	}
	t.Fatal("this machine has no address but loopback ones")
	return ""
}

func lastLayer(t *testing.T, image v1.Image) (string, []byte) {
	t.Helper()
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	l := layers[len(layers)-1]
	d, err := l.Digest()
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return d.String(), b
}

// otherDiffID pushes the image with a config that says something else of its layer.
func otherDiffID(t *testing.T, r *registrytest.Registry, image v1.Image, i *ref.Image) {
	t.Helper()
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.RootFS.DiffIDs[0] = v1.Hash{Algorithm: "sha256", Hex: zeros}
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	m, err := image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	m = m.DeepCopy()
	if m.Config.Digest, err = v1.NewHash(r.PutBlob(i.Repository, raw)); err != nil {
		t.Fatal(err)
	}
	m.Config.Size = int64(len(raw))
	if raw, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	i.Digest = r.PutManifest(i.Repository, "other", string(m.MediaType), raw)
}

// testPullCancelled gives up a pull whose layer stands still, and pulls anew.
func testPullCancelled(t *testing.T, s *shop) {
	t.Helper()
	stalled := make(chan struct{}, 2)
	// Of the two blobs, the config ends before it could stand still.
	r := registrytest.New(t, registrytest.Config{Faults: registrytest.Faults{StallAt: []int64{50_000, 50_000}, OnCut: func() { stalled <- struct{}{} }}})
	i := pushTo(t, r, registrytest.RandomImage(t, 1_000_000), registrytest.Account{})
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := s.engine.Pull(ctx, engine.PullRequest{Image: i, Keychain: keys(anonymous())})
		done <- err
	}()
	select {
	case <-stalled:
	case err := <-done:
		t.Fatalf("the pull ended: %v", err)
	}
	cancel(errEnough)
	if err := <-done; !errors.Is(err, errEnough) {
		t.Errorf("%v, want the cause", err)
	}
	s.pull(t, i)
}

// testProgress wants a pull to tell of each layer, from its beginning to its end.
func testProgress(t *testing.T, s *shop) {
	t.Helper()
	image := registrytest.RandomImage(t, 3_000_000, 2_000_000, 100)
	i := s.push(t, image)
	order := map[string]int{"waiting": 0, "pulling": 1, "unpacking": 2, "done": 3, "there": 3}
	for pull := range 2 {
		last := map[fairlead.Digest]fairlead.LayerProgress{}
		var telling bool
		p, err := s.engine.Pull(t.Context(), engine.PullRequest{Image: i, Keychain: keys(anonymous()), Report: func(list []fairlead.LayerProgress) {
			if telling {
				t.Error("two goroutines tell at a time")
			}
			telling = true
			for _, l := range list {
				before, known := last[l.Digest]
				if known && (l.Done < before.Done || order[l.State] < order[before.State]) || l.Size > 0 && l.Done > l.Size {
					t.Errorf("%+v follows %+v", l, before)
				}
				last[l.Digest] = l
			}
			telling = false
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Release()
		if len(last) != 3 && (pull == 0 || len(last) > 0) { // of what is there, nothing need be told
			t.Errorf("pull %d tells of %d layers: %v", pull, len(last), last)
		}
		want := []string{"done", "there"}[pull]
		var sum int64
		for _, l := range last {
			sum += l.Done
			if l.State != want {
				t.Errorf("pull %d ends with %+v, want %s", pull, l, want)
			}
			if pull == 0 && l.Size > 1_000_000 && l.Done != l.Size {
				t.Errorf("a layer ends at %d of %d bytes", l.Done, l.Size)
			}
		}
		if pull == 0 && (p.Bytes < 5_000_000 || p.Bytes > 5_010_000) || pull == 1 && p.Bytes != 0 {
			t.Errorf("pull %d fetched %d bytes", pull, p.Bytes)
		}
		if pull == 1 && sum != 0 {
			t.Errorf("of what was there already, %d bytes were fetched", sum)
		}
	}
}
