package oci

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// Image is everything about an image but its layers' bytes, checked against the
// digests that lead to it.
type Image struct {
	// Top is what the image's name stands for: an index, or the manifest itself.
	Top Descriptor
	// Manifest is the one for the platform.
	Manifest    Descriptor
	RawManifest []byte
	Config      ocispec.Image
	RawConfig   []byte
	// ConfigDescriptor is also what Docker calls the image's ID.
	ConfigDescriptor Descriptor
	// Layers are in the order in which they are laid over each other, lowest first.
	Layers   []Layer
	Platform Platform
	// Lease is what opened it.
	Lease fairlead.Lease
}

// Layer is one layer of an [Image].
type Layer struct {
	Descriptor
	// DiffID is the digest of the layer's bytes when they are uncompressed.
	DiffID fairlead.Digest
}

const (
	maxConfig = 8 << 20
	// maxOpened bounds how many entries of indexes are opened for one image.
	maxOpened = 32
)

// Image fetches what describes the image on a platform. Errors are those of
// [Client.Resolve]; beside, [fairlead.NotFound] with CodePlatform names the platforms
// that there are, and [fairlead.Invalid] with CodeUnsupportedImage says what kind of image or layer
// can't be run.
func (c *Client) Image(ctx context.Context, kc fairlead.Keychain, i ref.Image, on Platform) (Image, error) {
	p := c.pullOf(kc, i, "resolving "+i.String())
	top, err := p.manifest(ctx, i.Reference(), fairlead.Digest(i.Digest))
	if err != nil {
		return Image{}, err
	}
	var f found
	if isIndexType(top.MediaType) {
		f, err = (&search{pull: p, want: on}).run(ctx, top)
	} else {
		f, err = p.single(ctx, top, on)
	}
	if err != nil {
		return Image{}, err
	}
	list, err := layers(f.doc, f.config)
	if err != nil {
		return Image{}, unreachable(p.what, p.resource.Host, err, c.now())
	}
	return Image{
		Top: top.Descriptor, Manifest: f.Descriptor, RawManifest: f.manifest.raw,
		Config: f.config, RawConfig: f.raw, ConfigDescriptor: descriptor(*f.doc.Config),
		Layers: list, Platform: platformOf(f.config), Lease: p.lease,
	}, nil
}

// single is an image without an index: there is nothing to choose from.
func (p *pull) single(ctx context.Context, m manifest, on Platform) (found, error) {
	c, raw, err := p.config(ctx, m)
	if err == nil && !fits(c, on) {
		err = p.noPlatform(on, []string{platformOf(c).String()})
	}
	return found{m, c, raw}, err
}

func descriptor(d ocispec.Descriptor) Descriptor {
	return Descriptor{MediaType: d.MediaType, Digest: fairlead.Digest(d.Digest), Size: d.Size}
}

func platformOf(c ocispec.Image) Platform {
	return Platform{c.OS, c.Architecture, c.Variant}
}

// fits reports whether an image with this config runs on a platform. One that doesn't
// say what it is made for is taken at its word.
func fits(c ocispec.Image, on Platform) bool {
	return c.OS == "" && c.Architecture == "" || on.rank(platformOf(c)) >= 0
}

func (p *pull) noPlatform(want Platform, there []string) error {
	slices.Sort(there)
	there = slices.Compact(there)
	const most = 12
	if len(there) > most {
		there = append(there[:most], fmt.Sprintf("%d more", len(there)-most))
	}
	why := fmt.Sprintf("there is no image for %s in it, only for %s", want, clean(strings.Join(there, ", ")))
	if len(there) == 0 {
		why = "there is no image in it, for " + want.String() + " or any other platform"
	}
	return &fairlead.Error{
		Kind: fairlead.NotFound, Code: fairlead.CodePlatform, What: p.what, Why: why,
		Remedy: "use another image, build it for " + want.String() + " too, or run it on a worker of another platform",
	}
}

// config fetches a manifest's config, if it is that of a container image.
func (p *pull) config(ctx context.Context, m manifest) (ocispec.Image, []byte, error) {
	refuse := func(err error) (ocispec.Image, []byte, error) {
		return ocispec.Image{}, nil, unreachable(p.what, p.resource.Host, err, p.c.now())
	}
	if t := m.doc.Config.MediaType; !isConfigType(t) {
		kind := cmp.Or(m.doc.ArtifactType, t)
		e := unsupported("")
		e.Why = "it is not a container image, but of the type " + quote(kind)
		return refuse(e)
	}
	raw, err := p.small(ctx, descriptor(*m.doc.Config), maxConfig)
	if err != nil {
		return ocispec.Image{}, nil, err
	}
	var c ocispec.Image
	if json.Unmarshal(raw, &c) != nil {
		return refuse(unsupported("a config that can't be read"))
	}
	return c, raw, nil
}

// layers pairs the manifest's layers with the config's, and refuses what can't be
// unpacked. The urls that a layer may have are not looked at.
func layers(m document, c ocispec.Image) ([]Layer, error) {
	if n := len(c.RootFS.DiffIDs); n != len(m.Layers) {
		return nil, unsupported(fmt.Sprintf("%d layers in its manifest and %d in its config", len(m.Layers), n))
	}
	list := make([]Layer, len(m.Layers))
	for n, l := range m.Layers {
		list[n] = Layer{Descriptor: descriptor(l), DiffID: fairlead.Digest(c.RootFS.DiffIDs[n])}
		if !isLayerType(l.MediaType) {
			what := "a layer of the type " + quote(l.MediaType)
			if isForeign(l.MediaType) {
				what += ", which registries don't hold"
			}
			return nil, unsupported(what)
		}
		for _, d := range []fairlead.Digest{list[n].Digest, list[n].DiffID} {
			if ref.CheckDigest(string(d)) != nil {
				return nil, unsupported("a layer with the digest " + quote(string(d)) + ", which isn't one")
			}
		}
		if l.Size < 0 {
			return nil, unsupported("a layer of a negative size")
		}
	}
	return list, nil
}

func isLayerType(t string) bool {
	switch t {
	case ocispec.MediaTypeImageLayer, ocispec.MediaTypeImageLayerGzip, ocispec.MediaTypeImageLayerZstd,
		dockerLayer, dockerLayer + ".gzip", dockerLayer + ".zstd":
		return true
	default:
		return false
	}
}

func isForeign(t string) bool {
	return strings.HasPrefix(t, dockerForeign) || strings.Contains(t, ".nondistributable.")
}
