package oci

import (
	_ "crypto/sha256" // for go-digest
	_ "crypto/sha512"
	"hash"

	"github.com/opencontainers/go-digest"

	"fairlead.dev/fairlead"
)

// Descriptor names bytes (OCI Image Specification, "Content Descriptors").
type Descriptor struct {
	MediaType string          `json:"mediaType"`
	Digest    fairlead.Digest `json:"digest"`
	// Size is in bytes. For [Client.Blob], 0 or less means that it isn't known.
	Size int64 `json:"size"`
}

// Media types beside those of the image-spec module.
const (
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerSchema1  = "application/vnd.docker.distribution.manifest.v1+json"
	dockerSigned1  = "application/vnd.docker.distribution.manifest.v1+prettyjws"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	dockerLayer    = "application/vnd.docker.image.rootfs.diff.tar"
	dockerForeign  = "application/vnd.docker.image.rootfs.foreign.diff.tar"
)

// verifier hashes bytes and says whether they are the ones that a digest names.
type verifier struct {
	want digest.Digest
	hash hash.Hash
}

// newVerifier takes sha256 and sha512, as the image specification registers them.
func newVerifier(d fairlead.Digest) (*verifier, error) {
	want := digest.Digest(d)
	if err := want.Validate(); err != nil {
		return nil, badDigest(d)
	}
	if a := want.Algorithm(); a != digest.SHA256 && a != digest.SHA512 {
		return nil, badDigest(d)
	}
	return &verifier{want: want, hash: want.Algorithm().Hash()}, nil
}

func badDigest(d fairlead.Digest) *fairlead.Error {
	return &fairlead.Error{
		Kind: fairlead.Invalid, Code: fairlead.CodeDigest, Why: quote(string(d)) + " is not a digest that Fairlead knows",
		Remedy: "use a sha256 or sha512 digest",
	}
}

func (v *verifier) Write(p []byte) (int, error) { return v.hash.Write(p) }

// got is the digest of what was written.
func (v *verifier) got() fairlead.Digest {
	return fairlead.Digest(digest.NewDigest(v.want.Algorithm(), v.hash))
}

func (v *verifier) verified() bool { return v.got() == fairlead.Digest(v.want) }

func digestOf(b []byte) fairlead.Digest { return fairlead.Digest(digest.FromBytes(b)) }

// wrongDigest is bytes that are not those that the digest names.
func wrongDigest(what, host, why string) *fairlead.Error {
	return &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeDigest, What: what, Why: why,
		Remedy: "try again; if it stays, the content is damaged at " + host + " or on the way from there",
	}
}
