package registrytest

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"io"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/compression"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Entry is one entry of a layer's archive. It may be anything that a tar header can
// say: a way out of the root, a whiteout, a link to nowhere.
type Entry struct {
	Name string
	// Type is one of archive/tar's; 0 is a file.
	Type byte
	Body string
	// Link is where a link leads.
	Link string
	Mode int64 // 0 is 0755
	UID  int
	GID  int
}

// Archive makes a tar archive of entries.
func Archive(tb testing.TB, entries ...Entry) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{
			Name: e.Name, Typeflag: e.Type, Linkname: e.Link, Mode: e.Mode, Uid: e.UID, Gid: e.GID,
			Size: int64(len(e.Body)), ModTime: time.Unix(1e9, 0), Format: tar.FormatPAX,
		}
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Mode == 0 {
			h.Mode = 0o755
		}
		if err := w.WriteHeader(h); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.WriteString(w, e.Body); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// Layer is a gzip layer of entries.
func Layer(tb testing.TB, entries ...Entry) v1.Layer {
	tb.Helper()
	return layer(tb, Archive(tb, entries...))
}

// ZstdLayer is a zstd layer of entries.
func ZstdLayer(tb testing.TB, entries ...Entry) v1.Layer {
	tb.Helper()
	return layer(tb, Archive(tb, entries...),
		tarball.WithCompression(compression.ZStd), tarball.WithMediaType(types.OCILayerZStd))
}

// RandomLayer is a gzip layer with one file of random bytes.
func RandomLayer(tb testing.TB, size int64) v1.Layer {
	tb.Helper()
	body := make([]byte, size)
	_, _ = rand.Read(body)
	return Layer(tb, Entry{Name: "random/" + rand.Text(), Body: string(body), Mode: 0o644})
}

func layer(tb testing.TB, archive []byte, options ...tarball.LayerOption) v1.Layer {
	tb.Helper()
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(archive)), nil
	}, options...)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// Image is an OCI image for linux/amd64 of these layers, lowest first.
func Image(tb testing.TB, layers ...v1.Layer) v1.Image {
	tb.Helper()
	return ImageFor(tb, v1.Platform{OS: "linux", Architecture: "amd64"}, layers...)
}

// ImageFor is an OCI image for a platform.
func ImageFor(tb testing.TB, p v1.Platform, layers ...v1.Layer) v1.Image {
	tb.Helper()
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	base, err := mutate.ConfigFile(base, &v1.ConfigFile{
		OS: p.OS, Architecture: p.Architecture, Variant: p.Variant,
		RootFS: v1.RootFS{Type: "layers"}, Config: v1.Config{Cmd: []string{"/bin/sh"}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	var additions []mutate.Addendum
	for _, l := range layers {
		a := mutate.Addendum{Layer: l}
		if m, err := l.MediaType(); err == nil && m == types.DockerLayer {
			a.MediaType = types.OCILayer
		}
		additions = append(additions, a)
	}
	image, err := mutate.Append(base, additions...)
	if err != nil {
		tb.Fatal(err)
	}
	return image
}

// RandomImage is an image with a layer of random bytes for each size.
func RandomImage(tb testing.TB, sizes ...int64) v1.Image {
	tb.Helper()
	var layers []v1.Layer
	for _, size := range sizes {
		layers = append(layers, RandomLayer(tb, size))
	}
	return Image(tb, layers...)
}

// Docker is the image in Docker's own format (manifest schema 2).
func Docker(image v1.Image) v1.Image {
	return mutate.ConfigMediaType(mutate.MediaType(image, types.DockerManifestSchema2), types.DockerConfigJSON)
}

// Index is an OCI index with an image of one random layer for each platform, as
// "os/architecture/variant".
func Index(tb testing.TB, platforms ...string) v1.ImageIndex {
	tb.Helper()
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, s := range platforms {
		p, err := v1.ParsePlatform(s)
		if err != nil {
			tb.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: ImageFor(tb, *p, RandomLayer(tb, 1000)), Descriptor: v1.Descriptor{Platform: p},
		})
	}
	return index
}

// Attest adds to an index what BuildKit adds: an attestation, which is no image.
func Attest(tb testing.TB, index v1.ImageIndex) v1.ImageIndex {
	tb.Helper()
	return mutate.AppendManifests(index, mutate.IndexAddendum{
		Add: ImageFor(tb, v1.Platform{OS: "unknown", Architecture: "unknown"}, RandomLayer(tb, 100)),
		Descriptor: v1.Descriptor{
			Platform:    &v1.Platform{OS: "unknown", Architecture: "unknown"},
			Annotations: map[string]string{"vnd.docker.reference.type": "attestation-manifest"},
		},
	})
}
