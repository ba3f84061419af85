// Package unpack makes a directory tree of a layer's packed bytes, one that overlayfs
// takes as a lower directory. Bytes are checked on their way: what the layer's digest
// and diff ID don't name is never a layer.
//
// The archive comes from whoever built the image, and this process is root. Nothing of
// it reaches past the tree's directory: each path is resolved by the kernel as in a
// chroot (openat2(2), RESOLVE_IN_ROOT), so that no symbolic link in the archive, and no
// order of its entries, leads out.
//
// Trees are as the Docker engine has them (github.com/moby/moby, pkg/archive, with
// overlay2), but for these:
//
//   - A directory that is named only as a part of longer paths is told in
//     [Result.Implied]: what it is like, lower layers say.
//   - A whiteout beside a directory of the same name makes it opaque, in either order
//     (OCI Image Specification, "Image Layer Filesystem Changeset", "Whiteouts").
//   - Extended attributes of other machines' policies (security.selinux, security.ima,
//     trusted.*) are left out. An attribute trusted.overlay.redirect would lead to
//     another layer's files.
//   - A symbolic link may say anything: it is resolved within the container.
package unpack

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"sync"

	"fairlead.dev/fairlead"
)

// Options say how to unpack.
type Options struct {
	// Name is how errors call the layer: "layer sha256:...".
	Name string
	// DiffID is the digest of the archive, which is checked.
	DiffID fairlead.Digest
	// Igzip is the program igzip (Debian's package isal), which decompresses twice as
	// fast as this process; "" is none.
	Igzip string
	// MaxEntries bounds how many files there may be; 0 is 10 million.
	MaxEntries int64
}

// Result is what was unpacked.
type Result struct {
	// Bytes are what the tree takes on the disk, nearly.
	Bytes   int64
	Entries int64
	// Implied lists directories that the archive doesn't describe, in order; "." is the
	// tree's own.
	Implied []string
	// OpaqueRoot says that nothing of lower layers is to be seen.
	OpaqueRoot bool
}

const defaultMaxEntries = 10_000_000

// Layer unpacks a layer into an empty directory. It reads packed to its end, and gives
// the error that packed gives before any other: packed is to check the packed bytes.
//
// Errors are [fairlead.Error]: [fairlead.Invalid] with CodeUnpack (the layer can't be
// unpacked) or CodeDigest (it isn't what its diff ID names); [fairlead.Unavailable] with
// CodeUnpack, which wraps ENOSPC or EDQUOT where the disk is full. The directory is then
// to be removed.
func Layer(ctx context.Context, packed io.Reader, dir string, o Options) (Result, error) {
	if o.MaxEntries == 0 {
		o.MaxEntries = defaultMaxEntries
	}
	src := &source{r: packed}
	res, err := layer(ctx, src, dir, o)
	if err == nil || fairlead.KindOf(err) == fairlead.Invalid {
		// What is wrong with the archive may come from wrong bytes: their digest tells,
		// at their end.
		src.drain(ctx)
	}
	if e := src.failure(); e != nil {
		return Result{}, e
	}
	if err != nil && ctx.Err() != nil {
		return Result{}, context.Cause(ctx)
	}
	return res, err
}

func layer(ctx context.Context, src *source, dir string, o Options) (Result, error) {
	check, err := newVerifier(o.DiffID)
	if err != nil {
		return Result{}, refused(o.Name, err)
	}
	t, err := openTree(dir, o.MaxEntries)
	if err != nil {
		return Result{}, explain(o.Name, err)
	}
	defer t.close()
	raw, err := decode(ctx, src, o.Igzip)
	if err != nil {
		return Result{}, explain(o.Name, err)
	}
	way := convey(&bounded{raw, t.free + overhead, t.free}, rawBuffers, bufferSize, check.write)
	res, err := t.archive(way)
	way.stop()
	raw.stop()
	way.wait()
	if e := raw.finish(); err == nil {
		err = e
	}
	if err != nil {
		return Result{}, explain(o.Name, err)
	}
	return res, check.verdict(o.Name)
}

// archive unpacks a tar archive and reads to the end of what it comes in.
func (t *tree) archive(r io.Reader) (Result, error) {
	in := tar.NewReader(r)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Result{}, misread("reading its archive", err)
		}
		if err := t.add(h, in); err != nil {
			return Result{}, err
		}
	}
	// Padding after the archive's end belongs to the diff ID.
	if _, err := io.Copy(io.Discard, r); err != nil {
		return Result{}, misread("decompressing", err)
	}
	return t.finish()
}

// source keeps the error of the packed bytes apart from those of unpacking them.
type source struct {
	r   io.Reader
	mu  sync.Mutex
	err error
}

func (s *source) Read(b []byte) (int, error) {
	if err := s.state(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(b)
	if err != nil {
		s.mu.Lock()
		s.err = err
		s.mu.Unlock()
	}
	return n, err
}

func (s *source) state() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// failure is the error with which the bytes ended; nil if they ended as they should.
func (s *source) failure() error {
	if err := s.state(); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func (s *source) drain(ctx context.Context) {
	b := make([]byte, bufferSize)
	for ctx.Err() == nil {
		if _, err := s.Read(b); err != nil {
			return
		}
	}
}
