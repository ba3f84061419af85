package unpack_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/engine/runc/unpack"
)

// TestMemory unpacks layers that are larger than the memory that it may take: beside
// what is there before, 32 MiB.
func TestMemory(t *testing.T) { //nolint:paralleltest // It measures the whole process.
	const most = 32 << 20
	for _, row := range []struct { //nolint:paralleltest // as above
		name string
		pack func(w io.Writer) (io.WriteCloser, error)
	}{
		{"gzip", func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }},
		{"zstd", func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			var packed bytes.Buffer
			z, err := row.pack(&packed)
			if err != nil {
				t.Fatal(err)
			}
			d := bigArchive(t, z)
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
			src := &watched{r: bytes.NewReader(packed.Bytes()), before: live()}
			if _, err := unpack.Layer(t.Context(), src, newDir(t), unpack.Options{Name: "layer", DiffID: d}); err != nil {
				t.Fatal(err)
			}
			if src.looks < 5 || src.most > most {
				t.Errorf("in %d looks it took up to %d KiB", src.looks, src.most>>10)
			}
		})
	}
}

// bigArchive writes 60 MB that compress by half, and one file of 100 MB of zeros.
func bigArchive(t *testing.T, to io.Writer) fairlead.Digest {
	t.Helper()
	sum := sha256.New()
	w := tar.NewWriter(io.MultiWriter(to, sum))
	noise := rand.NewChaCha8([32]byte{})
	put := func(name string, body []byte) {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(body))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 15 {
		body := make([]byte, 4<<20)
		_, _ = noise.Read(body[:len(body)/2])
		put(fmt.Sprint("f", n), body)
	}
	put("zeros", make([]byte, 100<<20))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return fairlead.Digest("sha256:" + hex.EncodeToString(sum.Sum(nil)))
}

// watched looks at the memory every now and then while it is read.
type watched struct {
	r            io.Reader
	before, most uint64
	read, looks  int
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.r.Read(b)
	const every = 2 << 20
	if (w.read+n)/every > w.read/every {
		w.looks++
		now := live()
		w.most = max(w.most, now-min(now, w.before))
	}
	w.read += n
	return n, err
}

// live is how much memory is reached by anything.
func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
