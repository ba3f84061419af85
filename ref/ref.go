// Package ref names container images: it reads a name as Docker does, fills in what
// the name leaves out, and prints it so that one image has one spelling.
//
// The grammar is Docker's (distribution/reference v0.6.0), without its leniencies:
// whatever [Parse] takes, Docker takes too and means the same by it. It is written out
// here rather than imported because a refusal must tell people what to write instead,
// where that package says "invalid reference format"; the tests hold the two against
// each other.
//
// Stricter than Docker:
//
//   - The first part of a name is a host if it has a dot or a port, is localhost, or is
//     an IPv6 address in brackets. Docker also takes Foo/bar for a host; here it is a
//     repository that isn't in lower case, and refused.
//   - A host is a DNS name (RFC 1035: labels of up to 63 characters, 253 in all, no
//     trailing dot) or an IP address. It is kept in lower case, an IPv6 address as in
//     RFC 5952. A host that ends in a number is a dotted IPv4 address or refused, since
//     resolvers disagree about the rest (10.1, 0x7f.1, 010.0.0.1).
//   - A port is 1 to 65535 without leading zeros. It is part of the host: reg.io and
//     reg.io:443 are two hosts.
//   - Docker Hub has one name, docker.io: index.docker.io, registry-1.docker.io and
//     registry.hub.docker.com are folded into it. Its web site, hub.docker.com, is
//     refused.
//   - A name of one part that would be a host (reg.io, localhost:5000) is refused; to
//     Docker it is a repository of Docker Hub, which is never what was meant.
//   - A digest is sha256 or sha512 in lower-case hexadecimal, of the exact length
//     (OCI image specification, descriptor.md, "Registered Algorithms"). A digest or an
//     image ID without a name is refused.
package ref

import "strings"

// dockerHub is the one name of Docker Hub's registry.
const dockerHub = "docker.io"

// official is the namespace of Docker Hub's official images, left out in short names.
const official = "library/"

// Resource is what a registry grants access to: one repository or, if Repository is
// empty, the whole host. Resources that [ParseResource] gave are equal exactly if they
// are the same resource.
type Resource struct {
	// Host is in lower case and has its port if one was written: "reg.io:5000".
	Host string
	// Repository has no host, tag or digest: "team/app".
	Repository string
}

// String gives "host/repository", or "host" for a whole host. It is empty for the zero
// resource.
func (r Resource) String() string {
	if r.Repository == "" {
		return r.Host
	}
	return r.Host + "/" + r.Repository
}

// MarshalText gives [Resource.String].
func (r Resource) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what [ParseResource] reads; empty text is the zero resource, as
// with netip.Addr. The error is an [*Error].
func (r *Resource) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*r = Resource{}
		return nil
	}
	parsed, err := ParseResource(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}

// Image is the full name of an image. Images that [Parse] gave are equal exactly if
// they have the same name, and have a Repository and a Tag, a Digest, or both.
type Image struct {
	Resource

	// Tag is empty if the name has only a digest.
	Tag string
	// Digest is "sha256:" or "sha512:" and lower-case hexadecimal; empty if the name
	// has none.
	Digest string
}

// String gives the full name: "host/repository:tag", "host/repository@digest", or
// "host/repository:tag@digest". [Parse] gives the same image back. It is empty for the
// zero image.
func (i Image) String() string {
	s := i.Resource.String()
	if i.Tag != "" {
		s += ":" + i.Tag
	}
	if i.Digest != "" {
		s += "@" + i.Digest
	}
	return s
}

// Reference is what a registry is asked for in /v2/<name>/manifests/<reference>: the
// digest if there is one, else the tag. A tag beside a digest is only a label.
func (i Image) Reference() string {
	if i.Digest != "" {
		return i.Digest
	}
	return i.Tag
}

// MarshalText gives [Image.String].
func (i Image) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText reads what [Parse] reads; empty text is the zero image, as with
// netip.Addr. The error is an [*Error].
func (i *Image) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*i = Image{}
		return nil
	}
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*i = parsed
	return nil
}

// inFull adds Docker Hub's library/ to a repository of one part.
func inFull(host, repository string) string {
	if host == dockerHub && !strings.Contains(repository, "/") {
		return official + repository
	}
	return repository
}
