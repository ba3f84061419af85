package registrytest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Pushable is a registry that images can be pushed to: [Registry] or [DebianRegistry].
type Pushable interface {
	Host() string
	CA() string
	// authorization gives the header with which the account may push.
	authorization(a Account, repository string) string
}

func basicHeader(a Account) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(a.Name+":"+a.Password))
}

func (r *Registry) authorization(a Account, repository string) string {
	switch r.config.Auth {
	case Open:
		return ""
	case Basic:
		return basicHeader(a)
	default:
		return "Bearer " + r.Token(a.Name, "repository:"+repository+":pull,push")
	}
}

func (d *DebianRegistry) authorization(a Account, repository string) string {
	switch {
	case d.Tokens != nil:
		return "Bearer " + d.Tokens.Token(a.Name, "repository:"+repository+":pull,push")
	case d.options.Auth == Basic:
		return basicHeader(a)
	default:
		return ""
	}
}

// Push pushes an image as repository:tag and gives its digest. The registry forgets
// the requests that this took.
func Push(tb testing.TB, to Pushable, image v1.Image, repositoryAndTag string, as Account) string {
	tb.Helper()
	return pushed(tb)(Write(tb.Context(), to, image, repositoryAndTag, as))
}

// PushIndex pushes an index as repository:tag and gives its digest.
func PushIndex(tb testing.TB, to Pushable, index v1.ImageIndex, repositoryAndTag string, as Account) string {
	tb.Helper()
	return pushed(tb)(Write(tb.Context(), to, index, repositoryAndTag, as))
}

func pushed(tb testing.TB) func(string, error) string {
	tb.Helper()
	return func(digest string, err error) string {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return digest
	}
}

// Writable is an image or an index.
type Writable interface {
	remote.Taggable
	Digest() (v1.Hash, error)
}

// Write pushes an image or an index as repository:tag and gives its digest. The
// registry forgets the requests that this took.
func Write(ctx context.Context, to Pushable, what Writable, repositoryAndTag string, as Account) (string, error) {
	reference, err := name.ParseReference(to.Host()+"/"+repositoryAndTag, name.Insecure)
	if err != nil {
		return "", err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(to.CA()))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	header := to.authorization(as, reference.Context().RepositoryStr())
	err = remote.Push(reference, what, remote.WithContext(ctx),
		remote.WithTransport(loggedIn{transport, reference.Context().RegistryStr(), header}))
	if err != nil {
		return "", err
	}
	if r, ok := to.(*Registry); ok {
		r.Forget()
	}
	d, err := what.Digest()
	return d.String(), err
}

// loggedIn shows one header to one host.
type loggedIn struct {
	http.RoundTripper
	host, header string
}

func (l loggedIn) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host == l.host && l.header != "" {
		req = req.Clone(req.Context())
		req.Header.Set("Authorization", l.header)
	}
	return l.RoundTripper.RoundTrip(req)
}

// Raw gives an image's manifest as it is pushed.
func Raw(tb testing.TB, image interface{ RawManifest() ([]byte, error) }) []byte {
	tb.Helper()
	b, err := image.RawManifest()
	if err != nil {
		tb.Fatal(fmt.Errorf("reading manifest: %w", err))
	}
	return bytes.Clone(b)
}
