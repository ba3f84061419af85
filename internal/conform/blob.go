package conform

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/blob"
)

// BlobDigest is the digest of bytes.
func BlobDigest(b []byte) fairlead.Digest {
	sum := sha256.Sum256(b)
	return fairlead.Digest("sha256:" + hex.EncodeToString(sum[:]))
}

// Keeper holds a keeper to what [blob.Keeper] says. open gives an empty one; again gives
// another over what the last one that open gave for the test has kept, as after a restart.
func Keeper(t *testing.T, open func(t *testing.T) (k blob.Keeper, again func() blob.Keeper)) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(t *testing.T, k shelf)
	}{
		{"Kept", testKept},
		{"Seek", testSeek},
		{"Empty", testEmpty},
		{"WrongDigest", testWrongDigest},
		{"Abandoned", testAbandoned},
		{"HalfWritten", testHalfWritten},
		{"Twice", testTwice},
		{"AtOnce", testAtOnce},
		{"Removed", testRemoved},
		{"RemovedWhileRead", testRemovedWhileRead},
		{"NoDigest", testNoDigest},
		{"AfterCommit", testAfterCommit},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k, again := open(t)
			c.test(t, shelf{k, again})
		})
	}
}

type shelf struct {
	blob.Keeper
	again func() blob.Keeper
}

// put keeps bytes.
func (s shelf) put(t *testing.T, b []byte) fairlead.Digest {
	t.Helper()
	w := s.begin(t, b)
	d := w.Digest()
	if err := errors.Join(w.Commit(t.Context(), d), w.Close()); err != nil {
		t.Fatal(err)
	}
	return d
}

// begin writes bytes and doesn't commit them.
func (s shelf) begin(t *testing.T, b []byte) blob.Writer {
	t.Helper()
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for rest := b; len(rest) > 0; { // in pieces
		n := min(len(rest), 1000)
		if written, err := w.Write(rest[:n]); err != nil || written != n {
			t.Fatal(written, err)
		}
		rest = rest[n:]
	}
	return w
}

// has checks what is kept under a digest; nil is nothing.
func has(t *testing.T, k blob.Keeper, d fairlead.Digest, want []byte) {
	t.Helper()
	r, err := k.Open(context.WithoutCancel(t.Context()), d)
	if want == nil {
		if fairlead.KindOf(err) != fairlead.NotFound || r != nil {
			t.Errorf("%s is kept: %v", d, err)
		}
		return
	}
	if err != nil {
		t.Errorf("%s isn't kept: %v", d, err)
		return
	}
	got, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s has %d bytes, want %d (%v)", d, len(got), len(want), err)
	}
}

func content(size int) []byte { return bytes.Repeat([]byte("0123456789abcdef"), size/16) }

func testKept(t *testing.T, s shelf) {
	t.Helper()
	for _, b := range [][]byte{[]byte("x"), content(1 << 20)} {
		d := s.put(t, b)
		if d != BlobDigest(b) {
			t.Errorf("the digest is %s, want %s", d, BlobDigest(b))
		}
		has(t, s, d, b)
		has(t, s.again(), d, b)
	}
	has(t, s, BlobDigest([]byte("something else")), nil)
}

func testSeek(t *testing.T, s shelf) {
	t.Helper()
	r, err := s.Open(t.Context(), s.put(t, content(1<<16)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if n, err := r.Seek(0, io.SeekEnd); n != 1<<16 || err != nil {
		t.Error(n, err)
	}
	if n, err := r.Seek(17, io.SeekStart); n != 17 || err != nil {
		t.Error(n, err)
	}
	b := make([]byte, 3)
	if _, err := io.ReadFull(r, b); err != nil || string(b) != "123" {
		t.Errorf("%q, %v", b, err)
	}
}

func testEmpty(t *testing.T, s shelf) {
	t.Helper()
	d := s.put(t, nil)
	if d != BlobDigest(nil) {
		t.Errorf("of no bytes: %s", d)
	}
	has(t, s, d, []byte{})
}

func testWrongDigest(t *testing.T, s shelf) {
	t.Helper()
	b, other := content(5000), content(6000)
	w := s.begin(t, b)
	err := w.Commit(t.Context(), BlobDigest(other))
	if fairlead.KindOf(err) != fairlead.Invalid || fairlead.CodeOf(err) != fairlead.CodeDigest || !strings.Contains(err.Error(), string(BlobDigest(b))) {
		t.Errorf("another digest: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	has(t, s, BlobDigest(other), nil)
	has(t, s, BlobDigest(b), nil)
	has(t, s, s.put(t, b), b)
}

func testAbandoned(t *testing.T, s shelf) {
	t.Helper()
	b := content(5000)
	w := s.begin(t, b)
	has(t, s, BlobDigest(b), nil)
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Error(err)
	}
	has(t, s, BlobDigest(b), nil)
	has(t, s.again(), BlobDigest(b), nil)
	if err := w.Commit(t.Context(), BlobDigest(b)); err == nil {
		t.Error("what was given up is kept")
	}
	has(t, s, BlobDigest(b), nil)
}

// testHalfWritten never ends a writer, as one whose process was killed.
func testHalfWritten(t *testing.T, s shelf) {
	t.Helper()
	b := content(1 << 16)
	w := s.begin(t, b[:1<<15])
	defer func() { _ = w.Close() }()
	for _, k := range []blob.Keeper{s, s.again()} {
		has(t, k, BlobDigest(b), nil)
		has(t, k, BlobDigest(b[:1<<15]), nil)
	}
	has(t, s, s.put(t, b), b)
}

func testTwice(t *testing.T, s shelf) {
	t.Helper()
	b := content(5000)
	first, second := s.put(t, b), s.put(t, b)
	if first != second {
		t.Errorf("%s and %s", first, second)
	}
	has(t, s, first, b)
}

// testAtOnce has many write the same and read it: whoever finds it finds it whole.
func testAtOnce(t *testing.T, s shelf) {
	t.Helper()
	b := content(1 << 18)
	d := BlobDigest(b)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			w, err := s.Create(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			_, err = w.Write(b)
			if err = errors.Join(err, w.Commit(t.Context(), d), w.Close()); err != nil {
				t.Error(err)
			}
			has(t, s, d, b)
		})
		all.Go(func() {
			for range 50 {
				r, err := s.Open(t.Context(), d)
				if fairlead.KindOf(err) == fairlead.NotFound {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(r)
				_ = r.Close()
				if err != nil || len(got) != len(b) {
					t.Errorf("found with %d bytes of %d: %v", len(got), len(b), err)
				}
			}
		})
	}
	all.Wait()
}

func testRemoved(t *testing.T, s shelf) {
	t.Helper()
	b := content(5000)
	d := s.put(t, b)
	for range 2 { // the second time it isn't there
		if err := s.Remove(t.Context(), d); err != nil {
			t.Error(err)
		}
		has(t, s, d, nil)
	}
	has(t, s, s.put(t, b), b)
}

func testRemovedWhileRead(t *testing.T, s shelf) {
	t.Helper()
	b := content(1 << 16)
	d := s.put(t, b)
	r, err := s.Open(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if err := s.Remove(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, b) {
		t.Errorf("what was being read has %d bytes, %v", len(got), err)
	}
}

// testNoDigest asks for what no digest is: nothing is found, and nothing else removed.
func testNoDigest(t *testing.T, s shelf) {
	t.Helper()
	d := s.put(t, []byte("x"))
	hexed := strings.TrimPrefix(string(d), "sha256:")
	for _, no := range []string{
		"", "x", "sha256:", "sha256:..", "sha256:../../" + hexed, hexed, "sha512:" + hexed, "SHA256:" + hexed, "sha256:" + strings.ToUpper(hexed),
		"sha256:" + hexed[:63], "sha256:" + hexed + "0", "sha256:" + hexed[:62] + "/.", string(d) + "\n", "sha256:" + strings.Repeat("\x00", 64), strings.Repeat("a", 10_000),
	} {
		has(t, s, fairlead.Digest(no), nil)
		if err := s.Remove(t.Context(), fairlead.Digest(no)); err != nil {
			t.Errorf("removing %.80q: %v", no, err)
		}
		w := s.begin(t, []byte("y"))
		if err := w.Commit(t.Context(), fairlead.Digest(no)); fairlead.KindOf(err) != fairlead.Invalid || len(err.Error()) > 1000 {
			t.Errorf("committing as %.80q: %.300v", no, err)
		}
		_ = w.Close()
	}
	has(t, s, d, []byte("x"))
}

func testAfterCommit(t *testing.T, s shelf) {
	t.Helper()
	w := s.begin(t, []byte("x"))
	d := w.Digest()
	if err := w.Commit(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("y")); err == nil {
		t.Error("what is kept can be written to")
	}
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Error(err)
	}
	has(t, s, d, []byte("x"))
}
