package oci

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// ociArtifact is a type of manifest that the specification had before 1.1.
const ociArtifact = "application/vnd.oci.artifact.manifest.v1+json"

// HeadManifest asks which manifest a reference stands for, without fetching it. ok is
// false where the registry doesn't say it in full: then only the bytes tell. known is the
// digest that was there the last time, "" for none. Errors are those of [Client.Resolve].
func (c *Client) HeadManifest(ctx context.Context, kc fairlead.Keychain, r ref.Resource, reference string, known Descriptor) (d Descriptor, ok bool, err error) {
	p := c.relay(kc, r, reference, "resolving ")
	if err := checkReference(p.what, reference); err != nil {
		return Descriptor{}, false, err
	}
	h := relayAccepts()
	if known.Digest != "" {
		h.Set("If-None-Match", `"`+string(known.Digest)+`"`)
	}
	res, err := p.get(ctx, http.MethodHead, h, func(status int) bool {
		return status == http.StatusOK || status == http.StatusNotModified || status == http.StatusMethodNotAllowed
	}, "manifests", reference)
	if err != nil {
		return Descriptor{}, false, err
	}
	drain(res.Body)
	if res.StatusCode == http.StatusNotModified && known.Digest != "" {
		return known, true, nil
	}
	d = Descriptor{
		MediaType: bareType(res.Header.Get("Content-Type")), Digest: fairlead.Digest(res.Header.Get("Docker-Content-Digest")), Size: res.ContentLength,
	}
	named := ref.CheckDigest(string(d.Digest)) == nil && (!strings.Contains(reference, ":") || string(d.Digest) == reference)
	return d, res.StatusCode == http.StatusOK && named, nil
}

// GetManifest fetches a manifest as it is, of whatever kind, and checks it against its
// digest: the one that it is asked for by, or else the one that the registry names.
// Errors are those of [Client.Resolve].
func (c *Client) GetManifest(ctx context.Context, kc fairlead.Keychain, r ref.Resource, reference string) ([]byte, Descriptor, error) {
	p := c.relay(kc, r, reference, "fetching the manifest of ")
	if err := checkReference(p.what, reference); err != nil {
		return nil, Descriptor{}, err
	}
	res, err := p.get(ctx, http.MethodGet, relayAccepts(), only200, "manifests", reference)
	if err != nil {
		return nil, Descriptor{}, err
	}
	raw, err := p.whole(res.Body, maxManifest)
	_ = res.Body.Close()
	if err != nil {
		return nil, Descriptor{}, err
	}
	d, err := p.describe(reference, res.Header, raw)
	return raw, d, err
}

// describe checks what came and says what it is.
func (p *pull) describe(reference string, h http.Header, raw []byte) (Descriptor, error) {
	want := fairlead.Digest(h.Get("Docker-Content-Digest"))
	if strings.Contains(reference, ":") {
		want = fairlead.Digest(reference)
	}
	if ref.CheckDigest(string(want)) != nil {
		want = digestOf(raw)
	}
	check, err := newVerifier(want)
	if err != nil {
		return Descriptor{}, err
	}
	_, _ = check.Write(raw)
	d := Descriptor{Digest: want, Size: int64(len(raw))}
	if !check.verified() {
		return Descriptor{}, wrongDigest(p.what, p.resource.Host, differs(p.resource.Host, d, check.got(), d.Size))
	}
	d.MediaType, err = kindOf(bareType(h.Get("Content-Type")), raw)
	if err != nil {
		return Descriptor{}, unreachable(p.what, p.resource.Host, err, p.c.now())
	}
	return d, nil
}

// kindOf says of what type a manifest is: what it says itself, since the digest covers
// that alone, or else what it came as. A document that could be read as an index and as
// an image is refused (CVE-2021-41190).
func kindOf(outside string, raw []byte) (string, error) {
	var d struct {
		MediaType     string          `json:"mediaType"`
		SchemaVersion int             `json:"schemaVersion"`
		Manifests     json.RawMessage `json:"manifests"`
		Config        json.RawMessage `json:"config"`
		Layers        json.RawMessage `json:"layers"`
	}
	if json.Unmarshal(raw, &d) != nil {
		return "", notManifest("it isn't JSON of the right form")
	}
	switch {
	case outside == dockerSchema1, outside == dockerSigned1, d.SchemaVersion == 1:
		return "", schema1()
	case d.Manifests != nil && (d.Config != nil || d.Layers != nil):
		return "", notManifest("it could be read as an index and as an image")
	case d.MediaType != "" && bareType(d.MediaType) == d.MediaType:
		return d.MediaType, nil
	case d.MediaType != "":
		return "", notManifest("it says that it is " + quote(d.MediaType) + ", which is no media type")
	case isManifestType(outside) || outside == ociArtifact:
		return outside, nil
	case d.Manifests != nil:
		return ocispec.MediaTypeImageIndex, nil
	default:
		return ocispec.MediaTypeImageManifest, nil
	}
}

// HeadBlob asks whether a repository has a blob, and for its size. Errors are those of
// [Client.Resolve].
func (c *Client) HeadBlob(ctx context.Context, kc fairlead.Keychain, r ref.Resource, d fairlead.Digest) (int64, error) {
	p := c.blobPull(kc, r, Descriptor{Digest: d})
	if err := p.check(Descriptor{Digest: d}); err != nil {
		return 0, err
	}
	// Some sign the address of their storage for GET alone, and some answer no HEAD: a
	// 200 of the registry's own is what counts here, and a byte of the blob is as good.
	res, err := p.get(ctx, http.MethodHead, identity(), func(status int) bool {
		return status == http.StatusOK || status == http.StatusMethodNotAllowed
	}, "blobs", string(d))
	if err == nil {
		drain(res.Body)
		if res.StatusCode == http.StatusOK && res.ContentLength >= 0 {
			return res.ContentLength, nil
		}
	} else if code := fairlead.CodeOf(err); code != fairlead.CodeRegistryBroken {
		return 0, err
	}
	part, err := c.Part(ctx, kc, r, Descriptor{Digest: d}, 0, 1)
	if err != nil {
		return 0, err
	}
	size := part.Total
	_ = part.Close()
	if size < 0 {
		return 0, broken(p.what, r.Host+" doesn't say how many bytes it has")
	}
	return size, nil
}

// maxList bounds a list of tags or of referrers.
const maxList = 16 << 20

// List fetches what a registry lists of a repository (its tags, what refers to a
// digest), as it is. Errors are those of [Client.Resolve].
func (c *Client) List(ctx context.Context, kc fairlead.Keychain, r ref.Resource, query url.Values, path ...string) ([]byte, http.Header, error) {
	p := &pull{c: c, kc: kc, resource: r, what: "listing " + path[0] + " of " + r.String(), object: "list of " + path[0], query: query.Encode()}
	res, err := p.get(ctx, http.MethodGet, http.Header{"Accept": {ocispec.MediaTypeImageIndex + ", application/json"}, "Accept-Encoding": {"identity"}}, only200, path...)
	if err != nil {
		return nil, nil, err
	}
	raw, err := p.whole(res.Body, maxList)
	_ = res.Body.Close()
	return raw, res.Header, err
}

func (c *Client) relay(kc fairlead.Keychain, r ref.Resource, reference, doing string) *pull {
	i := ref.Image{Resource: r, Tag: reference}
	if strings.Contains(reference, ":") {
		i = ref.Image{Resource: r, Digest: reference}
	}
	return c.pullOf(kc, i, doing+i.String())
}

func relayAccepts() http.Header {
	return http.Header{
		"Accept": {strings.Join([]string{
			ocispec.MediaTypeImageIndex, dockerList, ocispec.MediaTypeImageManifest, dockerManifest, ociArtifact,
		}, ", ")},
		"Accept-Encoding": {"identity"},
	}
}
