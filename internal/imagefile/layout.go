package imagefile

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/ref"
)

// manifest is what a manifest or index says, as far as it is looked at here. Its bytes are
// pushed as they are.
type manifest struct {
	SchemaVersion int                  `json:"schemaVersion"`
	MediaType     string               `json:"mediaType,omitempty"`
	Manifests     []ocispec.Descriptor `json:"manifests,omitempty"`
	Config        *ocispec.Descriptor  `json:"config,omitempty"`
	Layers        []ocispec.Descriptor `json:"layers,omitempty"`
	Subject       *ocispec.Descriptor  `json:"subject,omitempty"`
}

const (
	// containerdName is where containerd keeps an image's whole name.
	containerdName = "io.containerd.image.name"
	// attestedDigest is where BuildKit says what an attestation is about.
	attestedDigest = "vnd.docker.reference.digest"
	// maxDepth and maxNodes bound the indexes inside of each other.
	maxDepth = 8
	maxNodes = 4096
)

// layout reads an OCI layout (OCI Image Specification, "Image Layout").
func (i *Image) layout(what string, o Options) error {
	raw, err := i.document(what, "index.json")
	if err != nil {
		return err
	}
	var index manifest
	if json.Unmarshal(raw, &index) != nil {
		return bad(what, "its index.json can't be read", "save the image again")
	}
	referring := i.referring(index.Manifests)
	root, err := choose(what, index.Manifests, referring, o.Name)
	if err != nil {
		return err
	}
	i.root, i.Name = descriptorOf(root), nameOf(namesOf(root))
	for n, d := range index.Manifests {
		if referring[n] == root.Digest {
			i.referrers = append(i.referrers, descriptorOf(d))
		}
	}
	if err := i.narrow(what, o); err != nil {
		return err
	}
	w := &walk{image: i, what: what, seen: map[fairlead.Digest]bool{}}
	return w.add(i.root, "", 0)
}

// referring gives for each manifest of a layout what it says something about; "" for
// those that are images.
func (i *Image) referring(list []ocispec.Descriptor) []digest.Digest {
	subjects := make([]digest.Digest, len(list))
	for n, d := range list[:min(len(list), maxNodes)] {
		if m, err := i.manifest("", descriptorOf(d)); err == nil && m.Subject != nil {
			subjects[n] = m.Subject.Digest
		}
	}
	return subjects
}

// choose gives the manifest of a layout that is meant by a name.
func choose(what string, list []ocispec.Descriptor, referring []digest.Digest, name string) (ocispec.Descriptor, error) {
	var names []string
	var found []ocispec.Descriptor
	for n, d := range list {
		if referring[n] != "" {
			continue
		}
		if fits := slices.ContainsFunc(namesOf(d), func(s string) bool { return matches(s, name) }); name == "" || fits {
			found = append(found, d)
		}
		names = append(names, append(namesOf(d), string(d.Digest))[0])
	}
	other := func(why, remedy string) (ocispec.Descriptor, error) {
		return ocispec.Descriptor{}, &fairlead.Error{Kind: fairlead.NotFound, Code: codeOther, What: what, Why: why, Remedy: remedy}
	}
	const shown = 8
	there := strings.Join(names[:min(len(names), shown)], ", ")
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(names) == 0:
		return other("there is no image in it", "save the image again")
	case len(found) == 0 && len(names) == 1 && len(namesOf(list[0])) == 0:
		return list[0], nil // it has no name, so no other can be meant
	case len(found) == 0:
		return other(fmt.Sprintf("it has no %q, only %s", fairlead.Clip(name), fairlead.Clip(there)), "name one of these: oci:PATH:TAG")
	default:
		return other("it has several images: "+fairlead.Clip(there), "name one of these: oci:PATH:TAG")
	}
}

func namesOf(d ocispec.Descriptor) []string {
	var names []string
	for _, key := range []string{ocispec.AnnotationRefName, containerdName} {
		if s := d.Annotations[key]; s != "" {
			names = append(names, s)
		}
	}
	return names
}

// matches reports whether an image that has a name is meant by another: by the whole of
// it, or by the tag.
func matches(has, want string) bool {
	if has == want || strings.Contains(has, "/") && sameImage(has, want) {
		return true
	}
	_, tag, ok := strings.Cut(has[strings.LastIndexByte(has, '/')+1:], ":")
	return ok && tag == want
}

// nameOf is the whole name among names; empty if they are tags.
func nameOf(names []string) string {
	for _, s := range names {
		if strings.ContainsAny(s, "/:") && normal(s) != "" {
			return s
		}
	}
	return ""
}

func descriptorOf(d ocispec.Descriptor) oci.Descriptor {
	return oci.Descriptor{MediaType: d.MediaType, Digest: fairlead.Digest(d.Digest), Size: d.Size}
}

func (i *Image) manifest(what string, d oci.Descriptor) (manifest, error) {
	if ref.CheckDigest(string(d.Digest)) != nil {
		return manifest{}, bad(what, "it names "+fmt.Sprintf("%q", fairlead.Clip(string(d.Digest)))+", which is no digest", "save the image again")
	}
	raw, ok := i.made[d.Digest]
	if !ok {
		var err error
		if raw, err = i.document(what, blobPath(d.Digest)); err != nil {
			return manifest{}, err
		}
	}
	var m manifest
	if json.Unmarshal(raw, &m) != nil {
		return manifest{}, bad(what, "its manifest "+string(d.Digest)+" can't be read", "save the image again")
	}
	return m, nil
}

// narrow keeps of an index what is wanted and there.
func (i *Image) narrow(what string, o Options) error {
	m, err := i.manifest(what, i.root)
	if err != nil {
		return err
	}
	if m.Manifests == nil || len(o.Platforms) == 0 && !o.Lenient {
		return i.fits(what, m, o)
	}
	var kept []ocispec.Descriptor
	var left []string
	for _, d := range m.Manifests {
		switch {
		case isAttestation(d):
		case !wanted(d.Platform, o.Platforms):
			left = append(left, platformText(d.Platform))
		case o.Lenient && !i.whole(d):
			left = append(left, platformText(d.Platform)+" (not here)")
		default:
			kept = append(kept, d)
		}
	}
	if len(kept) == 0 {
		return &fairlead.Error{
			Kind: fairlead.NotFound, Code: fairlead.CodePlatform, What: what, Why: "it isn't there for that platform, only for " + strings.Join(left, ", "),
			Remedy: "give one of these as --platform, or build it for the other too",
		}
	}
	if len(left) == 0 {
		return nil
	}
	i.Note = "without " + strings.Join(left, ", ")
	if len(kept) == 1 {
		i.root, i.referrers = descriptorOf(kept[0]), nil
		return nil
	}
	return i.rewrite(what, m, kept)
}

// rewrite makes an index of what is kept, with the attestations about it.
func (i *Image) rewrite(what string, m manifest, kept []ocispec.Descriptor) error {
	for _, d := range m.Manifests {
		about := func(k ocispec.Descriptor) bool { return d.Annotations[attestedDigest] == string(k.Digest) }
		if isAttestation(d) && slices.ContainsFunc(kept, about) && i.whole(d) {
			kept = append(kept, d)
		}
	}
	raw, err := json.Marshal(manifest{SchemaVersion: 2, MediaType: i.root.MediaType, Manifests: kept})
	if err != nil {
		return fairlead.AsError(what, err)
	}
	i.root = i.make(i.root.MediaType, raw)
	i.referrers = nil // they are about the index that was
	return nil
}

// make adds a manifest that lies in no file.
func (i *Image) make(mediaType string, raw []byte) oci.Descriptor {
	d := oci.Descriptor{MediaType: mediaType, Digest: fairlead.Digest(digest.FromBytes(raw)), Size: int64(len(raw))}
	if i.made == nil {
		i.made = map[fairlead.Digest][]byte{}
	}
	i.made[d.Digest] = raw
	return d
}

// fits holds an image for one platform against those that are wanted.
func (i *Image) fits(what string, m manifest, o Options) error {
	if len(o.Platforms) == 0 || m.Config == nil {
		return nil
	}
	at := i.configPlatform(what, *m.Config)
	if at == nil || wanted(at, o.Platforms) {
		return nil
	}
	return &fairlead.Error{
		Kind: fairlead.NotFound, Code: fairlead.CodePlatform, What: what, Why: "it is for " + platformText(at),
		Remedy: "leave --platform out, or build it for that platform",
	}
}

func (i *Image) configPlatform(what string, d ocispec.Descriptor) *ocispec.Platform {
	if ref.CheckDigest(string(d.Digest)) != nil {
		return nil
	}
	name := blobPath(fairlead.Digest(d.Digest))
	if other, ok := i.at[fairlead.Digest(d.Digest)]; ok {
		name = other
	}
	raw, err := i.document(what, name)
	var c ocispec.Image
	if err != nil || json.Unmarshal(raw, &c) != nil || c.OS == "" {
		return nil
	}
	return &c.Platform
}

func isAttestation(d ocispec.Descriptor) bool {
	return d.Annotations["vnd.docker.reference.type"] == "attestation-manifest"
}

// wanted compares as registries' clients do: a variant that isn't asked for is any.
func wanted(p *ocispec.Platform, list []oci.Platform) bool {
	if len(list) == 0 || p == nil {
		return len(list) == 0
	}
	at := oci.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant}
	return slices.ContainsFunc(list, func(w oci.Platform) bool {
		if w.Variant == "" {
			w.Variant = at.Variant
		}
		return w.Same(at)
	})
}

func platformText(p *ocispec.Platform) string {
	if p == nil {
		return "an unknown platform"
	}
	return fairlead.Clip(oci.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant}.String())
}

// whole reports whether all that a manifest names is there.
func (i *Image) whole(d ocispec.Descriptor) bool {
	w := &walk{image: &Image{files: i.files, made: i.made}, what: "", seen: map[fairlead.Digest]bool{}, check: true}
	return w.add(descriptorOf(d), "", 0) == nil
}

// walk lists what an image consists of.
type walk struct {
	image *Image
	what  string
	seen  map[fairlead.Digest]bool
	check bool // that the bytes are there
}

func (w *walk) add(d oci.Descriptor, platform string, depth int) error {
	if depth > maxDepth || len(w.seen) > maxNodes {
		return bad(w.what, "it has too many indexes inside of each other", "save the image again")
	}
	if w.seen[d.Digest] {
		return nil
	}
	w.seen[d.Digest] = true
	m, err := w.image.manifest(w.what, d)
	if err != nil {
		return err
	}
	for _, c := range m.Manifests {
		at := platform
		if c.Platform != nil && !isAttestation(c) {
			at = platformText(c.Platform)
		}
		if err := w.add(descriptorOf(c), at, depth+1); err != nil {
			return err
		}
	}
	if m.Config == nil {
		return nil
	}
	if platform == "" {
		if p := w.image.configPlatform(w.what, *m.Config); p != nil {
			platform = platformText(p)
		}
	}
	if platform != "" && !slices.Contains(w.image.Platforms, platform) {
		w.image.Platforms = append(w.image.Platforms, platform)
	}
	return w.blobs(m)
}

func (w *walk) blobs(m manifest) error {
	for n, l := range append([]ocispec.Descriptor{*m.Config}, m.Layers...) {
		d := descriptorOf(l)
		if ref.CheckDigest(string(d.Digest)) != nil {
			return bad(w.what, fmt.Sprintf("it names %q, which is no digest", fairlead.Clip(string(d.Digest))), "save the image again")
		}
		if w.check && len(l.URLs) == 0 {
			r, err := w.image.Open(d)
			if err != nil {
				return err
			}
			_ = r.Close()
		}
		if n > 0 && !w.seen[d.Digest] {
			w.image.Layers = append(w.image.Layers, d)
		}
		w.seen[d.Digest] = true
	}
	return nil
}

// normal is a name with all that Docker leaves out; "" if it isn't one.
func normal(s string) string {
	i, err := ref.Parse(s)
	if err != nil {
		return ""
	}
	if i.Tag == "" && i.Digest == "" {
		i.Tag = "latest"
	}
	return i.String()
}
