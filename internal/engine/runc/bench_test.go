package runc_test

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/klauspost/compress/gzip"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/dockertest"
	"fairlead.dev/fairlead/internal/engine"
	"fairlead.dev/fairlead/internal/engine/docker"
	"fairlead.dev/fairlead/internal/engine/runc"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
)

// benchSize is how much the layer unpacks to, nearly, in bytes.
const benchSize = 500e6

// rounds is how often each engine pulls for one number, which is the median.
const rounds = 3

// BenchmarkPull500MB pulls an image with one layer of 500 MB from Debian's
// docker-registry on this machine, with this engine and beside it with the Docker
// engine, in turn. Each begins without anything of the image.
func BenchmarkPull500MB(b *testing.B) {
	r := registrytest.Debian(b, registrytest.DebianOptions{})
	image := registrytest.Image(b, bigLayer(b))
	digest := registrytest.Push(b, r, image, "team/big:v1", registrytest.Account{})
	i := ref.Image{Resource: ref.Resource{Host: r.Host(), Repository: "team/big"}, Digest: digest}

	own := newEngine(b, filepath.Join(b.TempDir(), "runc"), func(o *runc.Options) { o.CacheBytes = 0 }) // what is let go, goes
	host := dockertest.Host(b)
	peer, err := docker.New(b.Context(), docker.Options{Host: host, Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	api, err := client.New(client.WithHost(host))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = api.Close() }()

	var mine, theirs []float64
	for b.Loop() {
		for range rounds {
			p, took := pullCold(b, own, i)
			p.Release()
			mine = append(mine, benchSize/1e6/took.Seconds())
			p, took = pullCold(b, peer, i)
			theirs = append(theirs, benchSize/1e6/took.Seconds())
			if _, err := api.ImageRemove(b.Context(), p.Ref, client.ImageRemoveOptions{Force: true, PruneChildren: true}); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(median(mine), "runc-MB/s")
	b.ReportMetric(median(theirs), "docker-MB/s")
	b.ReportMetric(median(mine)/median(theirs), "runc/docker")
}

func pullCold(b *testing.B, e engine.Engine, i ref.Image) (engine.Pulled, time.Duration) {
	b.Helper()
	unix.Sync() // what was written before is nobody's work now
	begun := time.Now()
	p, err := e.Pull(b.Context(), engine.PullRequest{Image: i, Keychain: anonymous{}})
	if err != nil {
		b.Fatal(err)
	}
	took := time.Since(begun)
	if p.Bytes == 0 {
		b.Fatalf("engine %s had the image already", e.Name())
	}
	return p, took
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// anonymous is a keychain that gives no login, for a registry without TLS.
type anonymous struct{}

func (anonymous) Lease(_ context.Context, s fairlead.Scope) (fairlead.Lease, error) {
	return fairlead.Lease{For: s, Kind: fairlead.Anonymous, PlainHTTP: true}, nil
}

// bigLayer is made of this machine's own files below /usr, again and again under other
// names, and packed as docker build does it.
func bigLayer(b *testing.B) v1.Layer { //nolint:ireturn // It is one in go-containerregistry.
	b.Helper()
	name := filepath.Join(b.TempDir(), "layer.tar.gz")
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	buffered := bufio.NewWriterSize(f, 1<<20)
	z := gzip.NewWriter(buffered)
	w := tar.NewWriter(z)
	left := int64(benchSize)
	for n := 0; left > 0; n++ {
		before := left
		if err := addFiles(w, "/usr", fmt.Sprintf("copy%d", n), &left); err != nil {
			b.Fatal(err)
		}
		if left == before {
			b.Fatal("there are no files below /usr")
		}
	}
	if err := errors.Join(w.Close(), z.Close(), buffered.Flush(), f.Close()); err != nil {
		b.Fatal(err)
	}
	l, err := tarball.LayerFromFile(name)
	if err != nil {
		b.Fatal(err)
	}
	return l
}

func addFiles(w *tar.Writer, top, to string, left *int64) error {
	return filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() && !d.IsDir() {
			return err
		}
		if *left <= 0 {
			return filepath.SkipAll
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		const most = 50 << 20
		if err != nil || info.Size() > most {
			return err
		}
		h, err := tar.FileInfoHeader(info, "")
		if err != nil {
			return err
		}
		h.Name = to + path
		if err := w.WriteHeader(h); err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		n, err := io.Copy(w, f)
		*left -= n
		return errors.Join(err, f.Close())
	})
}
