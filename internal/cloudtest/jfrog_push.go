package cloudtest

import (
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// pushThrough pushes an image under its real name, with the login and by the way that a
// client has.
func pushThrough(tb testing.TB, n *Internet, reference string, image v1.Image, username, password string) string {
	tb.Helper()
	to, err := name.ParseReference(reference)
	if err != nil {
		tb.Fatal(err)
	}
	client := n.Client()
	defer client.CloseIdleConnections()
	err = remote.Write(to, image, remote.WithContext(tb.Context()), remote.WithTransport(client.Transport),
		remote.WithAuth(&authn.Basic{Username: username, Password: password}))
	if err != nil {
		tb.Fatal(err)
	}
	d, err := image.Digest()
	if err != nil {
		tb.Fatal(err)
	}
	return d.String()
}
