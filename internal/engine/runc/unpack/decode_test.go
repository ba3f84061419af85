package unpack_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/engine/runc/unpack"
)

// igzip is the program, which has to be installed.
func igzip(tb testing.TB) string {
	tb.Helper()
	p, err := exec.LookPath("igzip")
	if err != nil {
		tb.Fatal("igzip isn't installed: apt-get install -y --no-install-recommends isal")
	}
	return p
}

func gz(tb testing.TB, raw []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(raw); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// members is a gzip file of many members, as eStargz and pigz make them.
func members(tb testing.TB, raw []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	for len(raw) > 0 {
		n := min(len(raw), 10_000)
		b.Write(gz(tb, raw[:n]))
		raw = raw[n:]
	}
	b.Write(gz(tb, nil))
	return b.Bytes()
}

func zst(tb testing.TB, raw []byte) []byte {
	tb.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return w.EncodeAll(raw, nil)
}

// mixed are bytes of which half can't be compressed.
func mixed(size int) string {
	r := rand.NewChaCha8([32]byte{1})
	b := make([]byte, size)
	_, _ = r.Read(b[:size/2])
	return string(b)
}

func TestDecode(t *testing.T) {
	t.Parallel()
	raw := archive(t, dir("a"), file("a/big", mixed(3<<20)), file("b", "x"))
	// A skippable frame first (RFC 8878, section 3.1.2), as zstd:chunked has it.
	skip := append([]byte{0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0}, "skip"...)
	packed := map[string][]byte{
		"tar": raw, "gzip": gz(t, raw), "members": members(t, raw), "zstd": zst(t, raw), "zstd frames": append(skip, append(zst(t, raw[:1000]), zst(t, raw[1000:])...)...),
		"gzip with padding": append(gz(t, raw), make([]byte, 3000)...),
	}
	for name, p := range packed {
		for _, program := range []string{"", igzip(t)} {
			t.Run(name+" "+filepath.Base(program), func(t *testing.T) {
				t.Parallel()
				d := newDir(t)
				// Readers may give as little as they like.
				res, err := unpack.Layer(t.Context(), iotest.HalfReader(bytes.NewReader(p)), d, unpack.Options{Name: "layer", DiffID: diffID(raw), Igzip: program})
				if err != nil {
					t.Fatal(err)
				}
				if b, err := os.ReadFile(filepath.Join(d, "a/big")); err != nil || string(b) != mixed(3<<20) || res.Entries != 3 {
					t.Errorf("%d bytes, %v, %+v", len(b), err, res)
				}
			})
		}
	}
}

// TestPadding keeps what follows the archive's end in the diff ID, as tar pads it.
func TestPadding(t *testing.T) {
	t.Parallel()
	raw := append(archive(t, file("a", "x")), make([]byte, 1<<20)...)
	if _, _, err := unpackRaw(t, raw); err != nil {
		t.Error(err)
	}
}

// TestBroken unpacks layers that aren't whole. The packed bytes are read to their end,
// so that whoever checks them can tell whether they are the right ones at all.
func TestBroken(t *testing.T) {
	t.Parallel()
	raw := archive(t, file("a", mixed(1<<20)))
	flipped := func(b []byte) []byte {
		b = bytes.Clone(b)
		b[len(b)/3] ^= 0x55
		return b
	}
	for _, row := range []struct {
		name   string
		packed []byte
		code   fairlead.Code
	}{
		{"a cut tar", raw[:len(raw)/2], fairlead.CodeUnpack},
		{"a cut gzip", gz(t, raw)[:300_000], fairlead.CodeUnpack},
		{"a cut zstd", zst(t, raw)[:300_000], fairlead.CodeUnpack},
		{"a changed gzip", flipped(gz(t, raw)), fairlead.CodeUnpack},
		{"a changed zstd", flipped(zst(t, raw)), fairlead.CodeUnpack},
		{"a changed tar", flipped(raw), fairlead.CodeDigest},
		{"another tar", gz(t, archive(t, file("a", "x"))), fairlead.CodeDigest},
		{"nothing", nil, fairlead.CodeDigest},
		{"no tar", []byte(strings.Repeat("no tar at all ", 100)), fairlead.CodeUnpack},
		{"half a header", []byte{0x1f, 0x8b}, fairlead.CodeUnpack},
		{"xz", append([]byte{0xfd, '7', 'z', 'X', 'Z', 0}, raw...), fairlead.CodeUnpack},
	} {
		for _, program := range []string{"", igzip(t)} {
			t.Run(row.name+" "+filepath.Base(program), func(t *testing.T) {
				t.Parallel()
				packed := &checked{r: bytes.NewReader(row.packed)}
				_, err := unpack.Layer(t.Context(), packed, newDir(t), unpack.Options{Name: "layer", DiffID: diffID(raw), Igzip: program})
				if fairlead.KindOf(err) != fairlead.Invalid || fairlead.CodeOf(err) != row.code {
					t.Errorf("the error is %q %q (%v)", fairlead.KindOf(err), fairlead.CodeOf(err), err)
				}
				if !packed.ended {
					t.Error("the packed bytes weren't read to their end")
				}
				packed = &checked{r: bytes.NewReader(row.packed), verdict: errWrong}
				_, err = unpack.Layer(t.Context(), packed, newDir(t), unpack.Options{Name: "layer", DiffID: diffID(raw), Igzip: program})
				if !errors.Is(err, errWrong) {
					t.Errorf("of wrong bytes it is said: %v", err)
				}
			})
		}
	}
}

var errWrong = errors.New("other bytes than the digest's")

// checked gives its verdict at the end.
type checked struct {
	r       io.Reader
	verdict error
	ended   bool
}

func (c *checked) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	if errors.Is(err, io.EOF) {
		c.ended = true
		if c.verdict != nil {
			err = c.verdict
		}
	}
	return n, err
}

// TestCancelled ends an unpacking whose bytes don't come.
func TestCancelled(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"", igzip(t)} {
		t.Run(filepath.Base(program), func(t *testing.T) {
			t.Parallel()
			why := errors.New("the run was stopped")
			ctx, cancel := context.WithCancelCause(t.Context())
			p := gz(t, archive(t, file("a", mixed(1<<20))))
			r := io.MultiReader(bytes.NewReader(p[:len(p)/2]), stuck{ctx, func() { cancel(why) }})
			_, err := unpack.Layer(ctx, r, newDir(t), unpack.Options{Name: "layer", DiffID: diffID(nil), Igzip: program})
			if !errors.Is(err, why) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// stuck gives nothing until the context ends.
type stuck struct {
	ctx     context.Context //nolint:containedctx // That is what it is.
	reached func()
}

func (s stuck) Read([]byte) (int, error) {
	s.reached()
	<-s.ctx.Done()
	return 0, context.Cause(s.ctx)
}

// TestDiffIDs takes what the specification registers.
func TestDiffIDs(t *testing.T) {
	t.Parallel()
	raw := archive(t, file("a", ""))
	for d, ok := range map[fairlead.Digest]bool{
		"sha512:" + sha512Hex(raw): true, "sha512:" + fairlead.Digest(strings.Repeat("0", 128)): false, "md5:" + fairlead.Digest(strings.Repeat("0", 32)): false, "": false,
	} {
		_, err := unpack.Layer(t.Context(), bytes.NewReader(raw), newDir(t), unpack.Options{Name: "layer", DiffID: d})
		if (err == nil) != ok {
			t.Errorf("%s: %v", d, err)
		}
	}
}

// FuzzLayer unpacks any bytes. They may do as they like within the tree.
func FuzzLayer(f *testing.F) {
	f.Add(archive(f, dir("a"), file("a/b", "x"), symlink("l", "../outside"), hardlink("h", "a/b"), file("a/.wh..wh..opq", ""), file(".wh.x", "")))
	f.Add(gz(f, archive(f, symlink("d", "../outside"), file("d/canary", "x"), dir("d"), file("d/canary", "x"))))
	f.Add(zst(f, archive(f, file("x/y/z", strings.Repeat("\x00", 1<<19)))))
	f.Add(sparse(f, 1<<60))
	f.Fuzz(func(t *testing.T, b []byte) {
		y := yardIn(t, tmpfs(t, "size=16m"))
		before := strings.Join(y.outside(t), "\n")
		_, err := unpack.Layer(t.Context(), bytes.NewReader(b), y.fs, unpack.Options{Name: "layer", DiffID: diffID(b), MaxEntries: 1000})
		if after := strings.Join(y.outside(t), "\n"); after != before {
			t.Errorf("the archive got out:\n%s\n%s", before, after)
		}
		if kind := fairlead.KindOf(err); err != nil && kind != fairlead.Invalid && kind != fairlead.Unavailable {
			t.Errorf("the error is %q (%v)", kind, err)
		}
	})
}
