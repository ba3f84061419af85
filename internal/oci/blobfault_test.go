package oci_test

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	rt "fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
)

// TestBlobIsClosed reads on after the end.
func TestBlobIsClosed(t *testing.T) {
	t.Parallel()
	s := newShelf(t, 1<<20, accounts(rt.Open, rt.Faults{}))
	blob, err := client(t).Blob(t.Context(), without(s, nil), s.resource, s.blob)
	if err != nil {
		t.Fatal(err)
	}
	_ = blob.Close()
	if n, err := blob.Read(make([]byte, 10)); n != 0 || err == nil {
		t.Errorf("%d, %v", n, err)
	}
	if n := len(s.Requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// TestBlobIsWrong serves something else than was asked for.
func TestBlobIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		faults  rt.Faults
		unsized bool
		atOnce  bool // the error comes before the first byte
	}{
		"other bytes":                   {faults: rt.Faults{WrongBytes: true}},
		"other bytes, size unknown":     {faults: rt.Faults{WrongBytes: true}, unsized: true},
		"other bytes, chunked":          {faults: rt.Faults{WrongBytes: true, Chunked: true}, unsized: true},
		"too long":                      {faults: rt.Faults{Lengthen: 1}, atOnce: true},
		"too long, size unknown":        {faults: rt.Faults{Lengthen: 1}, unsized: true},
		"too short":                     {faults: rt.Faults{Lengthen: -1}, atOnce: true},
		"too short, size unknown":       {faults: rt.Faults{Lengthen: -1}, unsized: true},
		"too short, chunked":            {faults: rt.Faults{Lengthen: -1, Chunked: true}},
		"too short, chunked, unsized":   {faults: rt.Faults{Lengthen: -1, Chunked: true}, unsized: true},
		"other bytes in the last range": {faults: rt.Faults{CutAt: []int64{10}, WrongBytes: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, 100_000, accounts(rt.Basic, c.faults))
			d := s.blob
			if c.unsized {
				d.Size = 0
			}
			blob, err := client(t).Blob(t.Context(), with(s, reader), s.resource, d)
			if c.atOnce {
				codeIs(t, err, fairlead.CodeDigest)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = blob.Close() }()
			// Whoever reads no more than there should be meets the error too.
			_, err = io.ReadFull(blob, make([]byte, s.blob.Size))
			if err == nil {
				_, err = blob.Read(make([]byte, 1))
				if !c.unsized {
					t.Error("all bytes were given out")
				}
			}
			codeIs(t, err, fairlead.CodeDigest)
			if _, again := blob.Read(make([]byte, 10)); !errors.Is(again, err) {
				t.Errorf("the error is gone: %v", again)
			}
		})
	}
}

func TestBlobRangeIsWrong(t *testing.T) {
	t.Parallel()
	s := newShelf(t, 1000, accounts(rt.Open, rt.Faults{CutAt: []int64{10}, WrongRange: true}))
	blob, err := client(t).Blob(t.Context(), without(s, nil), s.resource, s.blob)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = blob.Close() }()
	_, err = io.ReadAll(blob)
	codeIs(t, err, fairlead.CodeRegistryBroken)
}

func TestBlobDigests(t *testing.T) {
	t.Parallel()
	r := rt.New(t, rt.Config{})
	resource := ref.Resource{Host: r.Host(), Repository: "team/app"}
	b := random(1000)
	sum := sha512.Sum512(b)
	long := fairlead.Digest("sha512:" + hex.EncodeToString(sum[:]))
	r.PutBlobAs("team/app", string(long), b)
	r.PutBlob("team/app", nil)
	c := client(t)
	if got := readWhole(t, c, without(r, nil), resource, oci.Descriptor{Digest: long, Size: 1000}); !bytes.Equal(got, b) {
		t.Error("sha512: other bytes")
	}
	if got := readWhole(t, c, without(r, nil), resource, oci.Descriptor{Digest: sha256Of(nil)}); len(got) != 0 {
		t.Errorf("the empty blob has %d bytes", len(got))
	}
	for _, d := range []fairlead.Digest{"", "sha256:", "sha256:../../etc", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:" + fairlead.Digest(bytes.Repeat([]byte("g"), 64))} {
		if _, err := c.Blob(t.Context(), without(r, nil), resource, oci.Descriptor{Digest: d}); fairlead.KindOf(err) != fairlead.Invalid {
			t.Errorf("%q: %v", d, err)
		}
	}
}

// TestBlobIsCancelled stops in the middle.
func TestBlobIsCancelled(t *testing.T) {
	t.Parallel()
	stalled := make(chan struct{})
	s := newShelf(t, 1<<20, accounts(rt.Open, rt.Faults{StallAt: []int64{1000}, OnCut: func() { close(stalled) }}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	blob, err := client(t).Blob(ctx, without(s, nil), s.resource, s.blob)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = blob.Close() }()
	go func() {
		<-stalled
		cancel()
	}()
	_, err = io.ReadAll(blob)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if n := len(s.Requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// TestPart reads a blob in parts.
func TestPart(t *testing.T) {
	t.Parallel()
	s := newShelf(t, 10_000, accounts(rt.Bearer, rt.Faults{CutAt: []int64{500}, Redirect: 1}))
	s.Set(func(f *rt.Faults) { f.RedirectTo, f.Redirect = "", 0 })
	c, kc := client(t), with(s, reader)
	var got []byte
	for from := int64(0); from < 10_000; from += 3000 {
		for _, size := range []int64{0, 10_000} {
			p, err := c.Part(t.Context(), kc, s.resource, oci.Descriptor{Digest: s.blob.Digest, Size: size}, from, 3000)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(p)
			if err != nil || p.Total != 10_000 {
				t.Errorf("from %d: %d bytes of %d, %v", from, len(b), p.Total, err)
			}
			_ = p.Close()
			if size == 0 {
				got = append(got, b...)
			}
		}
	}
	if !bytes.Equal(got, s.bytes) {
		t.Error("other bytes")
	}
	_, err := c.Part(t.Context(), kc, s.resource, oci.Descriptor{Digest: s.blob.Digest}, 20_000, 1)
	codeIs(t, err, fairlead.CodeDigest)
	s.Set(func(f *rt.Faults) { f.NoRange = true })
	if _, err := c.Part(t.Context(), kc, s.resource, s.blob, 3000, 3000); !errors.Is(err, oci.ErrNoRange) {
		t.Error(err)
	}
	p, err := c.Part(t.Context(), kc, s.resource, s.blob, 0, 3000)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	if b, err := io.ReadAll(p); err != nil || !bytes.Equal(b, s.bytes[:3000]) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

// TestBlobManyAtOnce pulls many at once, with one trade for all.
func TestBlobManyAtOnce(t *testing.T) {
	t.Parallel()
	r := rt.New(t, accounts(rt.Bearer, rt.Faults{}))
	c, kc := client(t), with(r, reader)
	resource := ref.Resource{Host: r.Host(), Repository: "team/app"}
	const n = 16
	var blobs []oci.Descriptor
	for i := range n {
		b := []byte(fmt.Sprint("blob ", i))
		blobs = append(blobs, oci.Descriptor{Digest: fairlead.Digest(r.PutBlob("team/app", b)), Size: int64(len(b))})
	}
	t.Run("all", func(t *testing.T) {
		for _, d := range blobs {
			t.Run("one", func(t *testing.T) {
				t.Parallel()
				readWhole(t, c, kc, resource, d)
			})
		}
	})
	count := map[rt.Server]int{}
	for _, q := range r.Requests() {
		count[q.Server]++
	}
	if want := map[rt.Server]int{rt.Front: n + 1, rt.Tokens: 1}; !cmp.Equal(want, count) {
		t.Errorf("%v", asked(r))
	}
}

// TestSlow has a registry that answers only when it is let.
func TestSlow(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	s := newShelf(t, 1000, accounts(rt.Bearer, rt.Faults{Gate: gate}))
	c := client(t)
	go func() {
		for range 3 { // /v2/, the token, the blob
			gate <- struct{}{}
		}
	}()
	readWhole(t, c, with(s, reader), s.resource, s.blob)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		gate <- struct{}{} // /v2/; the token is waited for
		cancel()
	}()
	_, err := client(t).Blob(ctx, with(s, reader), s.resource, s.blob)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
