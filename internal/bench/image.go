package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// image is a synthetic image: layers of random bytes, which no cache unpacks.
type image struct {
	repository, tag string
	manifest        []byte
	digest          string // of manifest
	blobs           []blob
	size            int64 // of the blobs
}

type blob struct {
	digest string
	size   int64
}

// makeImage writes an image into the tree that the upstream serves.
func makeImage(root, repository, tag string, seed uint64, layers ...int64) (image, error) {
	i := image{repository: repository, tag: tag}
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest}
	m.SchemaVersion = 2
	config := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"author":"%s %d"}`, repository, seed)
	for n, size := range layers {
		b, err := randomBlob(root, seed*100+uint64(n), size)
		if err != nil {
			return i, err
		}
		i.blobs = append(i.blobs, b)
		m.Layers = append(m.Layers, descriptor(ocispec.MediaTypeImageLayerGzip, b))
	}
	c := blob{digestOf(config), int64(len(config))}
	if err := os.WriteFile(filepath.Join(root, c.digest), config, 0o600); err != nil {
		return i, err
	}
	i.blobs = append(i.blobs, c)
	m.Config = descriptor(ocispec.MediaTypeImageConfig, c)
	for _, b := range i.blobs {
		i.size += b.size
	}
	var err error
	if i.manifest, err = json.Marshal(m); err != nil {
		return i, err
	}
	i.digest = digestOf(i.manifest)
	dir := filepath.Join(root, "manifests", repository)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return i, err
	}
	for _, name := range []string{tag, i.digest} {
		if err := os.WriteFile(filepath.Join(dir, name), i.manifest, 0o600); err != nil {
			return i, err
		}
	}
	return i, nil
}

func descriptor(mediaType string, b blob) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.Digest(b.digest), Size: b.size}
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// randomBlob writes a blob of random bytes, always the same for a seed.
func randomBlob(root string, seed uint64, size int64) (blob, error) {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	random, sum := rand.NewChaCha8(key), sha256.New()
	f, err := os.CreateTemp(root, "making-")
	if err != nil {
		return blob{}, err
	}
	piece := make([]byte, 1<<20)
	for left := size; left > 0; left -= int64(len(piece)) {
		piece = piece[:min(int64(len(piece)), left)]
		_, _ = random.Read(piece) // never fails
		_, _ = sum.Write(piece)   // never fails
		if _, err := f.Write(piece); err != nil {
			return blob{}, err
		}
	}
	if err := f.Close(); err != nil {
		return blob{}, err
	}
	digest := "sha256:" + hex.EncodeToString(sum.Sum(nil))
	return blob{digest, size}, os.Rename(f.Name(), filepath.Join(root, digest))
}
