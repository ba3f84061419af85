package oci

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// maxManifest is the size up to which registries have to take manifests (Distribution
// specification, "Pushing Manifests").
const maxManifest = 4 << 20

// Resolve finds out which manifest or index the registry serves for the image just now,
// and with it whether the lease may read it: also for a digest, which needs no finding.
// Errors are those of the keychain, and [fairlead.Denied], [fairlead.NotFound]
// (CodeNoImage), [fairlead.Limited], [fairlead.Unavailable] and [fairlead.Invalid].
func (c *Client) Resolve(ctx context.Context, kc fairlead.Keychain, i ref.Image) (Descriptor, error) {
	p := c.pullOf(kc, i, "resolving "+i.String())
	d, ok, err := p.head(ctx, i)
	if ok || err != nil {
		return d, err
	}
	m, err := p.manifest(ctx, i.Reference(), fairlead.Digest(i.Digest))
	return m.Descriptor, err
}

// Manifest fetches a manifest or index and checks it against its digest. Errors are
// those of [Client.Resolve].
func (c *Client) Manifest(ctx context.Context, kc fairlead.Keychain, r ref.Resource, d fairlead.Digest) ([]byte, Descriptor, error) {
	i := ref.Image{Resource: r, Digest: string(d)}
	p := c.pullOf(kc, i, "fetching the manifest of "+i.String())
	m, err := p.manifest(ctx, i.Digest, d)
	return m.raw, m.Descriptor, err
}

func (c *Client) pullOf(kc fairlead.Keychain, i ref.Image, what string) *pull {
	object := "tag " + i.Tag
	if i.Digest != "" {
		object = "manifest " + i.Digest
	}
	return &pull{c: c, kc: kc, resource: i.Resource, what: what, object: object}
}

// manifest is one that was fetched and checked.
type manifest struct {
	Descriptor
	raw []byte
	doc document
}

// document is what a manifest or index says.
type document struct {
	MediaType     string               `json:"mediaType"`
	SchemaVersion int                  `json:"schemaVersion"`
	ArtifactType  string               `json:"artifactType"`
	Manifests     []ocispec.Descriptor `json:"manifests"`
	Config        *ocispec.Descriptor  `json:"config"`
	Layers        []ocispec.Descriptor `json:"layers"`
	Subject       *ocispec.Descriptor  `json:"subject"`
	Annotations   map[string]string    `json:"annotations"`
}

// head asks without fetching. It has an answer only if the registry says all three:
// type, digest and size. Where they aren't what was asked for, the bytes decide.
func (p *pull) head(ctx context.Context, i ref.Image) (d Descriptor, ok bool, err error) {
	if err := checkReference(p.what, i.Reference()); err != nil {
		return Descriptor{}, false, err
	}
	most := func(status int) bool { return status < 500 && status != http.StatusTooManyRequests }
	res, err := p.get(ctx, http.MethodHead, acceptManifests(), most, "manifests", i.Reference())
	if err != nil {
		return Descriptor{}, false, err
	}
	drain(res.Body)
	p.limit = rateLimit(res.Header)
	d = Descriptor{
		MediaType: bareType(res.Header.Get("Content-Type")),
		Digest:    fairlead.Digest(res.Header.Get("Docker-Content-Digest")),
		Size:      res.ContentLength,
	}
	named := ref.CheckDigest(string(d.Digest)) == nil && (i.Digest == "" || string(d.Digest) == i.Digest)
	return d, res.StatusCode == http.StatusOK && d.Size > 0 && isManifestType(d.MediaType) && named, nil
}

// manifest fetches one. With a digest, the bytes have to be what it names; without,
// what the registry says they are.
func (p *pull) manifest(ctx context.Context, reference string, want fairlead.Digest) (manifest, error) {
	if err := checkReference(p.what, reference); err != nil {
		return manifest{}, err
	}
	res, err := p.get(ctx, http.MethodGet, acceptManifests(), only200, "manifests", reference)
	if err != nil {
		return manifest{}, err
	}
	said, contentType := res.Header.Get("Docker-Content-Digest"), res.Header.Get("Content-Type")
	raw, err := p.whole(res.Body, maxManifest)
	_ = res.Body.Close()
	if err != nil {
		return manifest{}, err
	}
	if want == "" && ref.CheckDigest(said) == nil {
		want = fairlead.Digest(said)
	}
	if want == "" {
		want = digestOf(raw)
	}
	check, err := newVerifier(want)
	if err != nil {
		return manifest{}, unreachable(p.what, p.resource.Host, err, p.c.now())
	}
	_, _ = check.Write(raw)
	d := Descriptor{Digest: want, Size: int64(len(raw))}
	if !check.verified() {
		return manifest{}, wrongDigest(p.what, p.resource.Host, differs(p.resource.Host, d, check.got(), d.Size))
	}
	doc, err := parseManifest(contentType, raw)
	if err != nil {
		return manifest{}, unreachable(p.what, p.resource.Host, err, p.c.now())
	}
	d.MediaType = doc.MediaType
	return manifest{Descriptor: d, raw: raw, doc: doc}, nil
}

// checkReference refuses what is no tag and no digest: it becomes a part of a URL.
func checkReference(what, reference string) error {
	var err error
	if strings.Contains(reference, ":") {
		err = ref.CheckDigest(reference)
	} else {
		err = ref.CheckTag(reference)
	}
	if err != nil {
		return misnamed(what, err)
	}
	return nil
}

func acceptManifests() http.Header {
	return http.Header{
		"Accept":          {strings.Join([]string{ocispec.MediaTypeImageIndex, dockerList, ocispec.MediaTypeImageManifest, dockerManifest}, ", ")},
		"Accept-Encoding": {"identity"},
	}
}

func isIndexType(t string) bool { return t == ocispec.MediaTypeImageIndex || t == dockerList }

func isManifestType(t string) bool {
	return isIndexType(t) || t == ocispec.MediaTypeImageManifest || t == dockerManifest
}

// bareType gives a media type without its parameters, in lower case.
func bareType(contentType string) string {
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	return t
}

// parseManifest reads a manifest or index and says which it is: by its own mediaType,
// else by the Content-Type that it came with, else by what is in it. The digest covers
// the first alone, so one that contradicts the second is refused, and so is a document
// that could be read as either kind (CVE-2021-41190).
func parseManifest(contentType string, raw []byte) (document, error) {
	outside := bareType(contentType)
	if outside == dockerSchema1 || outside == dockerSigned1 {
		return document{}, schema1()
	}
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		return document{}, notManifest("it isn't JSON of the right form")
	}
	if d.SchemaVersion == 1 {
		return document{}, schema1()
	}
	isIndex, isImage := d.Manifests != nil, d.Config != nil || d.Layers != nil
	switch {
	case d.SchemaVersion != 2:
		return document{}, notManifest("it has no schemaVersion 2")
	case isIndex && isImage:
		return document{}, notManifest("it could be read as an index and as an image")
	case d.MediaType != "" && !isManifestType(d.MediaType):
		return document{}, unsupported("a manifest of the type " + quote(d.MediaType))
	case d.MediaType != "" && isManifestType(outside) && outside != d.MediaType:
		return document{}, notManifest("it says that it is " + quote(d.MediaType) + ", and the registry says that it is " + quote(outside))
	case d.MediaType == "" && isManifestType(outside):
		d.MediaType = outside
	case d.MediaType == "" && isIndex:
		d.MediaType = ocispec.MediaTypeImageIndex
	case d.MediaType == "":
		d.MediaType = ocispec.MediaTypeImageManifest
	}
	if isIndexType(d.MediaType) != isIndex || isIndex == (d.Config != nil) {
		return document{}, notManifest("it lacks what a document of the type " + quote(d.MediaType) + " has")
	}
	return d, nil
}

func notManifest(why string) *fairlead.Error {
	return broken("", "what the registry gave isn't an image's manifest: "+why)
}

func schema1() *fairlead.Error {
	e := unsupported("Docker's old manifest format (schema 1), which nobody can verify")
	e.Remedy = "push the image again with a present Docker, which writes schema 2"
	return e
}

// unsupported is an image that is whole, and of a form that can't be run.
func unsupported(what string) *fairlead.Error {
	return &fairlead.Error{
		Kind: fairlead.Invalid, Code: fairlead.CodeUnsupportedImage, Why: "the image has " + what,
		Remedy: "use an image in OCI or Docker (schema 2) format",
	}
}
