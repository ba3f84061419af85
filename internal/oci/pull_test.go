package oci_test

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	rt "fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
)

var amd64 = oci.Platform{OS: "linux", Architecture: "amd64"}

type registry interface {
	rt.Pushable
	Scheme() string
}

// everywhere is every kind of registry with the two accounts.
func everywhere(t *testing.T) map[string]registry {
	t.Helper()
	both := []rt.Account{pusher, reader}
	m := map[string]registry{}
	for _, auth := range []rt.Auth{rt.Open, rt.Basic, rt.Bearer, rt.Mixed} {
		for _, secure := range []rt.TLS{rt.NoTLS, rt.GoodTLS} {
			c := accounts(auth, rt.Faults{})
			c.TLS = secure
			name := "open"
			if auth != rt.Open {
				name = string(auth)
			}
			if secure != rt.NoTLS {
				name += " tls"
			}
			m[name] = rt.New(t, c)
			if auth != rt.Mixed {
				o := rt.DebianOptions{Auth: auth, Accounts: both, Anonymous: rt.Reads("public/"), TLS: secure}
				m["debian "+name] = rt.Debian(t, o)
				if o.TokensApart = true; auth == rt.Bearer {
					m["debian apart "+name] = rt.Debian(t, o)
				}
			}
		}
	}
	return m
}

// TestPull pulls a whole image from every kind of registry.
func TestPull(t *testing.T) {
	t.Parallel()
	for name, r := range everywhere(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			digest := rt.Push(t, r, rt.RandomImage(t, 300_000, 5000, 1), "team/app:v1", pusher)
			c, kc := client(t), with(r, reader)
			name := image(t, r.Host(), "team/app:v1")

			top, err := c.Resolve(t.Context(), kc, name)
			if err != nil {
				t.Fatal(err)
			}
			if string(top.Digest) != digest {
				t.Errorf("resolved %s, pushed %s", top.Digest, digest)
			}
			raw, d, err := c.Manifest(t.Context(), kc, name.Resource, top.Digest)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(top, d); diff != "" || int64(len(raw)) != d.Size {
				t.Errorf("manifest has %d bytes: %s", len(raw), diff)
			}
			img, err := c.Image(t.Context(), kc, name, amd64)
			if err != nil {
				t.Fatal(err)
			}
			if img.Top != top || img.Manifest != top || img.Platform != amd64 || len(img.Layers) != 3 {
				t.Errorf("%+v", img)
			}
			for _, l := range img.Layers {
				readWhole(t, c, kc, name.Resource, l.Descriptor)
			}

			digest = rt.PushIndex(t, r, rt.Attest(t, rt.Index(t, "linux/amd64", "linux/arm64")), "team/app:v2", pusher)
			img, err = c.Image(t.Context(), kc, image(t, r.Host(), "team/app:v2"), oci.Platform{OS: "linux", Architecture: "arm64"})
			if err != nil || string(img.Top.Digest) != digest || img.Platform.Architecture != "arm64" {
				t.Errorf("%+v, %v", img, err)
			}
			digest = rt.Push(t, r, rt.Docker(rt.Image(t, rt.ZstdLayer(t, rt.Entry{Name: "a"}))), "team/app:v3", pusher)
			img, err = c.Image(t.Context(), kc, image(t, r.Host(), "team/app:v3"), amd64)
			if err != nil || string(img.Top.Digest) != digest || img.Top.MediaType != docker2 {
				t.Errorf("%+v, %v", img, err)
			}
		})
	}
}

// TestPullWhatIsNot asks every kind of registry for what it hasn't got, and with a wrong
// login.
func TestPullWhatIsNot(t *testing.T) {
	t.Parallel()
	for name, r := range everywhere(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rt.Push(t, r, rt.RandomImage(t, 10), "team/app:v1", pusher)
			c := client(t)
			for _, what := range []string{"team/app:none", "team/none:v1", "team/app@" + string(sha256Of(nil))} {
				codeIs(t, resolve(t, c, with(r, reader), r.Host(), what), fairlead.CodeNoImage)
			}
			_, err := c.Blob(t.Context(), with(r, reader), image(t, r.Host(), "team/app").Resource, oci.Descriptor{Digest: sha256Of([]byte("none"))})
			codeIs(t, err, fairlead.CodeNoImage)
			if strings.Contains(name, "open") {
				return
			}
			codeIs(t, resolve(t, c, withPassword(r, "reader", wrong), r.Host(), "team/app:v1"), fairlead.CodeLoginRefused)
			codeIs(t, resolve(t, c, without(r, noEntry()), r.Host(), "team/app:v1"), fairlead.CodeNoEntry)
		})
	}
}

// TestConnectionsAreKept pulls many blobs, one after the other.
func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string]rt.Faults{"plain": {}, "chunked": {Chunked: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, 200_000, accounts(rt.Bearer, faults))
			c, kc := client(t), with(s, reader)
			for range 10 {
				readWhole(t, c, kc, s.resource, s.blob)
				_ = resolve(t, c, kc, s.Host(), "team/app:none")
			}
			if n := s.Connections(); n > 2 && name == "plain" || n > 12 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// TestPullAnonymously pulls what everybody may read, without a login.
func TestPullAnonymously(t *testing.T) {
	t.Parallel()
	for name, r := range everywhere(t) {
		if d, ok := r.(*rt.DebianRegistry); ok && d.Tokens == nil && name != "debian open" && name != "debian open tls" {
			continue // htpasswd knows no anonymous rights
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rt.Push(t, r, rt.RandomImage(t, 5000), "public/app:v1", pusher)
			c, kc := client(t), without(r, nil)
			name := image(t, r.Host(), "public/app:v1")
			img, err := c.Image(t.Context(), kc, name, amd64)
			if err != nil {
				t.Fatal(err)
			}
			readWhole(t, c, kc, name.Resource, img.Layers[0].Descriptor)
		})
	}
}

// readWhole reads a blob and checks that it is as long as its descriptor says.
func readWhole(tb testing.TB, c *oci.Client, kc fairlead.Keychain, of ref.Resource, d oci.Descriptor) []byte {
	tb.Helper()
	blob, err := c.Blob(tb.Context(), kc, of, d)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = blob.Close() }()
	b, err := io.ReadAll(blob)
	if err != nil {
		tb.Fatal(err)
	}
	if d.Size > 0 && int64(len(b)) != d.Size {
		tb.Errorf("%d bytes instead of %d", len(b), d.Size)
	}
	return b
}
