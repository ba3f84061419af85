package oci_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	rt "fairlead.dev/fairlead/internal/registrytest"
)

// BenchmarkResolve resolves a tag with a login that was traded before.
func BenchmarkResolve(b *testing.B) {
	for _, auth := range []rt.Auth{rt.Open, rt.Basic, rt.Bearer} {
		for _, secure := range []rt.TLS{rt.NoTLS, rt.GoodTLS} {
			b.Run(fmt.Sprintf("%s/%s", orElse(string(auth), "open"), orElse(string(secure), "plain")), func(b *testing.B) {
				// Opaque: checking a signature is the server's work, and costs more than all else.
				config := accounts(auth, rt.Faults{Opaque: true})
				config.TLS = secure
				r := rt.New(b, config)
				rt.Push(b, r, rt.RandomImage(b, 10), "team/app:v1", pusher)
				c, kc, i := client(b), with(r, reader), image(b, r.Host(), "team/app:v1")
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.Resolve(b.Context(), kc, i); err != nil {
						b.Fatal(err)
					}
					r.Forget()
				}
			})
		}
	}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

const benchSize = 64 << 20

// BenchmarkBlob reads a blob with its digest checked, beside the same bytes through
// net/http alone.
func BenchmarkBlob(b *testing.B) {
	const size = benchSize
	for _, secure := range []rt.TLS{rt.NoTLS, rt.GoodTLS} {
		config := accounts(rt.Bearer, rt.Faults{})
		config.TLS = secure
		way := orElse(string(secure), "plain")
		b.Run("fairlead/"+way, func(b *testing.B) {
			s := newShelf(b, size, config)
			c, kc := client(b), with(s, reader)
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				blob, err := c.Blob(b.Context(), kc, s.resource, s.blob)
				if err != nil {
					b.Fatal(err)
				}
				drainInto(b, blob)
			}
		})
		b.Run("unchecked part/"+way, func(b *testing.B) {
			s := newShelf(b, size, config)
			c, kc := client(b), with(s, reader)
			b.SetBytes(size)
			for b.Loop() {
				blob, err := c.Part(b.Context(), kc, s.resource, s.blob, 0, size)
				if err != nil {
					b.Fatal(err)
				}
				drainInto(b, blob)
			}
		})
		b.Run("go-containerregistry/"+way, func(b *testing.B) {
			s := newShelf(b, size, config)
			over := client(b).Transport(token(s, s.Token("reader", "repository:team/app:pull")), pullOf(s.Host(), "team/app"))
			digest, err := name.NewDigest(s.resource.String()+"@"+string(s.blob.Digest), name.Insecure)
			if err != nil {
				b.Fatal(err)
			}
			puller, err := remote.NewPuller(remote.WithTransport(over))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(size)
			for b.Loop() {
				layer, err := puller.Layer(b.Context(), digest)
				if err != nil {
					b.Fatal(err)
				}
				blob, err := layer.Compressed()
				if err != nil {
					b.Fatal(err)
				}
				drainInto(b, blob)
			}
		})
		b.Run("net-http/"+way, func(b *testing.B) {
			s := newShelf(b, size, config)
			over := client(b).Transport(token(s, s.Token("reader", "repository:team/app:pull")), pullOf(s.Host(), "team/app"))
			b.SetBytes(size)
			for b.Loop() {
				req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, s.Scheme()+"://"+s.Host()+"/v2/team/app/blobs/"+string(s.blob.Digest), http.NoBody)
				if err != nil {
					b.Fatal(err)
				}
				res, err := over.RoundTrip(req) //nolint:bodyclose // drainInto closes it.
				if err != nil {
					b.Fatal(err)
				}
				drainInto(b, res.Body)
			}
		})
	}
}

// drainInto reads all there is, as a file would take it.
func drainInto(b *testing.B, blob io.ReadCloser) {
	b.Helper()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, blob, make([]byte, 128<<10))
	if err != nil || n != benchSize {
		b.Fatalf("%d bytes, %v", n, err)
	}
	_ = blob.Close()
}

// BenchmarkTrade trades a login for a token, which no cache can answer.
func BenchmarkTrade(b *testing.B) {
	r := rt.New(b, accounts(rt.Bearer, rt.Faults{Opaque: true}))
	c, e, s := client(b), endpoint(r), pullOf(r.Host(), "team/app")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Trade(b.Context(), e, loginAs(reader), s); err != nil {
			b.Fatal(err)
		}
		r.Forget()
	}
}

// BenchmarkParseChallenges reads Docker Hub's challenge.
func BenchmarkParseChallenges(b *testing.B) {
	lines := []string{`Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/ubuntu:pull"`}
	b.ReportAllocs()
	for b.Loop() {
		if oci.ParseChallenges(lines)[0].Realm() == "" {
			b.Fatal("no realm")
		}
	}
}

var _ fairlead.Keychain = (*keys)(nil)
