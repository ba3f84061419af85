package imagefile

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
)

// The media types of Docker's own format (manifest schema 2), which every registry takes.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	dockerLayer    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

// savedImage is an entry of the manifest.json that `docker save` writes.
type savedImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// saved makes an image of what `docker save` wrote. Its layers are compressed; the same
// bytes always become the same layer, so that what was pushed once is found again.
func (i *Image) saved(ctx context.Context, what string, o Options) error {
	i.Layers, i.Platforms, i.referrers, i.Note = nil, nil, nil, ""
	raw, err := i.document(what, "manifest.json")
	if err != nil {
		return err
	}
	var list []savedImage
	if json.Unmarshal(raw, &list) != nil {
		return bad(what, "its manifest.json can't be read", "save the image again")
	}
	chosen, err := chooseSaved(what, list, o.Name)
	if err != nil {
		return err
	}
	i.Name = nameOf(chosen.RepoTags)
	rawConfig, err := i.document(what, inArchive(chosen.Config))
	if err != nil {
		return err
	}
	var config ocispec.Image
	if json.Unmarshal(rawConfig, &config) != nil || config.RootFS.Type != "layers" {
		return bad(what, "its config can't be read", "save the image again")
	}
	if len(config.RootFS.DiffIDs) != len(chosen.Layers) {
		return bad(what, fmt.Sprintf("it has %d layers, and its config names %d", len(chosen.Layers), len(config.RootFS.DiffIDs)), "save the image again")
	}
	layers, err := i.compress(ctx, what, chosen.Layers, config.RootFS.DiffIDs, o)
	if err != nil {
		return err
	}
	c := i.make(dockerConfig, rawConfig)
	m := manifest{SchemaVersion: 2, MediaType: dockerManifest, Layers: layers, Config: &ocispec.Descriptor{
		MediaType: c.MediaType, Digest: digest.Digest(c.Digest), Size: c.Size,
	}}
	if slices.ContainsFunc(layers, func(l ocispec.Descriptor) bool { return l.MediaType == ocispec.MediaTypeImageLayerZstd }) {
		m = inOCI(m) // Docker's own format has no zstd
	}
	rawManifest, err := json.Marshal(withLayers{SchemaVersion: 2, MediaType: m.MediaType, Config: m.Config, Layers: m.Layers})
	if err != nil {
		return fairlead.AsError(what, err)
	}
	i.root = i.make(m.MediaType, rawManifest)
	for _, l := range m.Layers {
		if d := descriptorOf(l); !slices.Contains(i.Layers, d) {
			i.Layers = append(i.Layers, d)
		}
	}
	if config.OS != "" {
		i.Platforms = []string{platformText(&config.Platform)}
		if !wanted(&config.Platform, o.Platforms) {
			return &fairlead.Error{
				Kind: fairlead.NotFound, Code: fairlead.CodePlatform, What: what, Why: "it is for " + platformText(&config.Platform),
				Remedy: "leave --platform out, or build it for that platform",
			}
		}
	}
	return nil
}

// withLayers has its layers even if there are none.
type withLayers struct {
	SchemaVersion int                  `json:"schemaVersion"`
	MediaType     string               `json:"mediaType"`
	Config        *ocispec.Descriptor  `json:"config"`
	Layers        []ocispec.Descriptor `json:"layers"`
}

// inOCI gives a manifest in the types of OCI.
func inOCI(m manifest) manifest {
	m.MediaType, m.Config.MediaType = ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageConfig
	for n := range m.Layers {
		if m.Layers[n].MediaType == dockerLayer {
			m.Layers[n].MediaType = ocispec.MediaTypeImageLayerGzip
		}
	}
	return m
}

func chooseSaved(what string, list []savedImage, name string) (savedImage, error) {
	if len(list) == 1 && (name == "" || len(list[0].RepoTags) == 0) {
		return list[0], nil
	}
	var names []string
	for _, s := range list {
		if name != "" && slices.ContainsFunc(s.RepoTags, func(t string) bool { return matches(t, name) || sameImage(t, name) }) {
			return s, nil
		}
		names = append(names, s.RepoTags...)
	}
	const shown = 8
	there := fairlead.Clip(strings.Join(names[:min(len(names), shown)], ", "))
	e := &fairlead.Error{Kind: fairlead.NotFound, Code: codeOther, What: what, Why: "it has several images: " + there, Remedy: "save one of them alone"}
	switch {
	case len(list) == 0:
		e.Why, e.Remedy = "there is no image in it", "save the image again"
	case name != "":
		e.Why, e.Remedy = fmt.Sprintf("it has no %q, only %s", fairlead.Clip(name), there), "name one of these: docker-archive:PATH:NAME"
	default:
		e.Remedy = "name one of these: docker-archive:PATH:NAME"
	}
	return savedImage{}, e
}

// inArchive is a file's name as archives have it.
func inArchive(name string) string { return path.Clean("/" + name)[1:] }

// compress makes the layers ready, a few at a time.
func (i *Image) compress(ctx context.Context, what string, names []string, diffs []digest.Digest, o Options) ([]ocispec.Descriptor, error) {
	layers := make([]ocispec.Descriptor, len(names))
	at := make([]string, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for n, name := range names {
		group.Go(func() error {
			l := &layer{image: i, what: what, name: inArchive(name), diff: diffs[n], to: filepath.Join(i.scratch, "l"+strconv.Itoa(n))}
			l.tell = func() { o.tell("compressing layer %d of %d", n+1, len(names)) }
			var err error
			layers[n], err = l.ready(ctx)
			at[n] = l.to
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	ours := overlay{files: i.files, own: map[string]string{}}
	i.at = map[fairlead.Digest]string{}
	for n, l := range layers {
		i.at[fairlead.Digest(l.Digest)] = at[n]
		if strings.HasPrefix(at[n], i.scratch) {
			ours.own[at[n]] = at[n]
		}
	}
	i.files = ours
	return layers, nil
}

// overlay is files of our own over those of an archive.
type overlay struct {
	files
	own map[string]string
}

func (o overlay) open(name string) (io.ReadSeekCloser, error) {
	if p, ok := o.own[name]; ok {
		return os.Open(p) //nolint:gosec // The name is ours.
	}
	return o.files.open(name)
}

// layer is one layer on its way from an archive to a registry.
type layer struct {
	image *Image
	what  string
	name  string
	diff  digest.Digest
	to    string // where it is compressed to; in the end, where it lies
	tell  func()
}

// ready gives the layer as it is pushed: as it is if it is compressed already, or else
// compressed, and held against what the config says that it is.
func (l *layer) ready(ctx context.Context) (ocispec.Descriptor, error) {
	r, err := l.image.files.open(l.name)
	if err != nil {
		return ocispec.Descriptor{}, bad(l.what, "it has no layer "+strconv.Quote(fairlead.Clip(l.name)), "save the image again")
	}
	defer func() { _ = r.Close() }()
	in := bufio.NewReaderSize(&counter{r: r, ctx: ctx}, 1<<20)
	magic, _ := in.Peek(4)
	mediaType := dockerLayer
	switch {
	case isZstd(magic):
		mediaType = ocispec.MediaTypeImageLayerZstd
	case !isGzip(magic):
		l.tell()
		return l.gzip(in)
	}
	sum := sha256.New()
	size, err := io.Copy(sum, in)
	if err != nil {
		return ocispec.Descriptor{}, l.failed(err)
	}
	l.to = l.name
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.NewDigest(digest.SHA256, sum), Size: size}, nil
}

// gzip compresses it. Name, time and system, which a gzip header can have, are left out.
func (l *layer) gzip(in io.Reader) (ocispec.Descriptor, error) {
	f, err := os.OpenFile(l.to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return ocispec.Descriptor{}, l.failed(err)
	}
	sum, plain := sha256.New(), sha256.New()
	z, err := gzip.NewWriterLevel(io.MultiWriter(f, sum), gzip.DefaultCompression)
	if err == nil {
		_, err = io.Copy(io.MultiWriter(z, plain), in)
	}
	if err == nil {
		err = z.Close()
	}
	var size int64
	if err == nil {
		size, err = f.Seek(0, io.SeekCurrent)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return ocispec.Descriptor{}, l.failed(err)
	}
	if got := digest.NewDigest(digest.SHA256, plain); got != l.diff {
		return ocispec.Descriptor{}, &fairlead.Error{
			Kind: fairlead.Invalid, Code: fairlead.CodeDigest, What: l.what, Why: fmt.Sprintf("its layer %s is %s, and the config says %s", strconv.Quote(fairlead.Clip(l.name)), got, fairlead.Clip(string(l.diff))),
			Remedy: "save the image again",
		}
	}
	return ocispec.Descriptor{MediaType: dockerLayer, Digest: digest.NewDigest(digest.SHA256, sum), Size: size}, nil
}

func (l *layer) failed(err error) error {
	return (&archive{}).broken(l.what, err)
}

// sameImage compares two names as Docker reads them.
func sameImage(a, b string) bool { return normal(a) != "" && normal(a) == normal(b) }

var _ oci.Source = (*Image)(nil)
