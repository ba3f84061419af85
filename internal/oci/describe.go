package oci

import (
	"context"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// Description is what an image's manifests say of it.
type Description struct {
	Top   Descriptor
	Parts []DescribedPart
	// More is how many parts of an index weren't looked at.
	More int
}

// DescribedPart is an image for one platform.
type DescribedPart struct {
	Descriptor
	Platform string // "" if it isn't said
	// Bytes is the size of config and layers, as they are transferred; 0 if it isn't known.
	Bytes   int64
	Created time.Time // as the builder says; zero if it doesn't
}

// mostDescribed bounds how many parts of an index are looked at: some registries count
// each manifest as a pull.
const mostDescribed = 4

// Describe says what an image is, by its manifests and the config of a single one. Errors
// are those of [Client.Resolve].
func (c *Client) Describe(ctx context.Context, kc fairlead.Keychain, i ref.Image) (Description, error) {
	p := c.pullOf(kc, i, "describing "+i.String())
	top, err := p.manifest(ctx, i.Reference(), fairlead.Digest(i.Digest))
	if err != nil {
		return Description{}, err
	}
	d := Description{Top: top.Descriptor}
	if !isIndexType(top.MediaType) {
		part, err := p.part(ctx, top, "")
		d.Parts = []DescribedPart{part}
		return d, err
	}
	for _, e := range top.doc.Manifests {
		switch {
		case isAttestation(e), isArtifact(e):
			continue
		case len(d.Parts) == mostDescribed:
			d.More++
			continue
		}
		part := DescribedPart{Descriptor: descriptor(e), Platform: platformText(e)}
		if isManifestType(e.MediaType) && !isIndexType(e.MediaType) {
			m, err := p.manifest(ctx, string(e.Digest), fairlead.Digest(e.Digest))
			if err != nil {
				return d, err
			}
			part.Bytes = transferred(m.doc)
		}
		d.Parts = append(d.Parts, part)
	}
	return d, nil
}

// part describes a manifest; its config is asked for the platform and the time.
func (p *pull) part(ctx context.Context, m manifest, platform string) (DescribedPart, error) {
	part := DescribedPart{Descriptor: m.Descriptor, Platform: platform, Bytes: transferred(m.doc)}
	c, _, err := p.config(ctx, m)
	switch {
	case fairlead.CodeOf(err) == fairlead.CodeUnsupportedImage: // a chart, a model: no image
		return part, nil
	case err != nil:
		return part, err
	}
	if at := platformOf(c); at.OS != "" || at.Architecture != "" {
		part.Platform = clean(at.String())
	}
	if c.Created != nil {
		part.Created = c.Created.UTC()
	}
	return part, nil
}

func transferred(d document) int64 {
	var n int64
	add := func(size int64) {
		if size > 0 && n+size > 0 {
			n += size
		}
	}
	if d.Config != nil {
		add(d.Config.Size)
	}
	for _, l := range d.Layers {
		add(l.Size)
	}
	return n
}

func platformText(d ocispec.Descriptor) string {
	if d.Platform == nil || d.Platform.OS == "" && d.Platform.Architecture == "" {
		return ""
	}
	return clean(Platform{d.Platform.OS, d.Platform.Architecture, d.Platform.Variant}.String())
}
