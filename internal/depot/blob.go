package depot

import (
	"context"
	"io"
	"os"
	"sync"

	"fairlead.dev/fairlead"
)

// Blob is a blob that is being read, by one goroutine at a time. What is there of it is
// had at once, and what isn't as soon as it arrives. Errors are those of the upstream
// ([fairlead.Error]), CodeDigest for wrong bytes, and ctx's cause. After an error the bytes that
// were had aren't to be trusted; whoever passed them on cuts the connection.
type Blob struct {
	depot  *Depot
	entry  *entry
	flight *flight // nil if it was there
	src    Source
	file   *os.File // with a position of its own; nil until there is a byte
	hit    bool
	own    bool // it was in the owner's account before
	close  sync.Once
}

// Hit reports whether it was there, whole.
func (b *Blob) Hit() bool { return b.hit }

// Own reports whether it was there, and the owner had had it already: a hit that tells
// nothing of what others have.
func (b *Blob) Own() bool { return b.own }

// Close ends the reading.
func (b *Blob) Close() error {
	b.close.Do(func() {
		if b.file != nil {
			_ = b.file.Close()
		}
		d := b.depot
		d.mu.Lock()
		defer d.mu.Unlock()
		b.entry.refs--
		if f := b.entry.flight; f != nil && b.entry.refs == 0 {
			f.unfollowed()
		}
	})
	return nil
}

// Size is that of the whole blob; it waits until the upstream has told it. -1 is of a
// blob that can't be kept and whose size nobody knows.
func (b *Blob) Size(ctx context.Context) (int64, error) {
	if b.flight == nil {
		info, err := b.file.Stat()
		if err != nil {
			return 0, b.depot.disk.failed("reading", err)
		}
		return info.Size(), nil
	}
	f := b.flight
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch size := f.size(); {
		case f.verified:
			return size, nil
		case f.full:
			return max(size, f.wanted), nil
		case f.err != nil:
			return 0, f.err
		case size >= 0 && (f.opened || size == 0 || f.chunks.have() > 0):
			return size, nil // the upstream agrees
		}
		if err := f.await(ctx); err != nil {
			return 0, err
		}
	}
}

// await waits until something has changed. Under f.mu, which it lets go meanwhile.
func (f *flight) await(ctx context.Context) error {
	wake := f.wait()
	f.mu.Unlock()
	defer f.mu.Lock()
	select {
	case <-wake:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// free is where the bytes end that may be let go. Under f.mu.
func (f *flight) free() int64 {
	switch {
	case f.verified:
		return f.chunks.size
	case f.chunks == nil:
		return 0
	case f.chunks.size < 0:
		return f.chunks.watermark() - tail
	default:
		return min(f.chunks.watermark(), f.chunks.size-tail)
	}
}

// ready waits until the byte at from may be let go, and gives where those end that may,
// at most to; to < 0 is the end of the blob. It gives from if there are no more. flush is
// called before it waits.
func (b *Blob) ready(ctx context.Context, from, to int64, flush func()) (until int64, err error) {
	if b.flight == nil {
		size, err := b.Size(ctx)
		return bounded(from, to, size), err
	}
	f := b.flight
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		size, free := f.size(), f.free()
		switch {
		case f.err != nil:
			return 0, f.err
		case to >= 0 && from >= to, f.verified && from >= size:
			return from, nil
		case free > from:
			if err := b.open(); err != nil {
				return 0, err
			}
			return bounded(from, to, free), nil
		}
		if flush != nil {
			f.mu.Unlock()
			flush()
			f.mu.Lock()
			flush = nil
			continue
		}
		if err := f.await(ctx); err != nil {
			return 0, err
		}
	}
}

func bounded(from, to, end int64) int64 {
	if to >= 0 {
		end = min(end, to)
	}
	return max(from, end)
}

// open opens the file that grows. Under f.mu: it may be about to get another name.
func (b *Blob) open() error {
	if b.file != nil {
		return nil
	}
	file, err := os.Open(b.flight.path)
	if err != nil {
		return b.depot.disk.failed("opening", err)
	}
	b.file = file
	return nil
}

// ReadAt reads len(p) bytes from off on, waiting for them if need be. At the end of the
// blob it gives what there is, and [io.EOF].
func (b *Blob) ReadAt(ctx context.Context, p []byte, off int64) (n int, err error) {
	for n < len(p) {
		from := off + int64(n)
		until, err := b.ready(ctx, from, off+int64(len(p)), nil)
		if err != nil {
			if b.passes(err) {
				w := &into{p[n:], 0}
				_, err = b.pass(ctx, w, from, off+int64(len(p)))
				if n += w.n; err == nil && n < len(p) {
					err = io.EOF
				}
			}
			return n, err
		}
		if until == from {
			return n, io.EOF
		}
		m, err := b.file.ReadAt(p[n:n+int(until-from)], from)
		b.depot.counts.up.Add(int64(m))
		if n += m; err != nil && n < len(p) {
			return n, b.depot.disk.failed("reading", err)
		}
	}
	return n, nil
}

// into is a writer into a slice that is long enough.
type into struct {
	p []byte
	n int
}

func (w *into) Write(b []byte) (int, error) {
	n := copy(w.p[w.n:], b)
	w.n += n
	return n, nil
}

// stretch is how much is sent before ctx is looked at again.
const stretch = 16 << 20

// CopyTo sends bytes [from, to) to w, as they become available; to < 0 is to the end of
// the blob. Where w is an [io.ReaderFrom], as the response writer of plain HTTP/1.1 is,
// the kernel sends them from the file. Where w has Flush, it is called before CopyTo
// waits. An error of w is given as it is.
func (b *Blob) CopyTo(ctx context.Context, w io.Writer, from, to int64) (n int64, err error) {
	var flush func()
	if f, ok := w.(interface{ Flush() }); ok {
		flush = f.Flush
	}
	at := int64(-1) // of the file
	for {
		until, err := b.ready(ctx, from+n, to, flush)
		if err != nil {
			if b.passes(err) {
				m, err := b.pass(ctx, w, from+n, to)
				return n + m, err
			}
			return n, err
		}
		if until == from+n {
			return n, nil
		}
		if err := ctx.Err(); err != nil {
			return n, context.Cause(ctx)
		}
		if at != from+n {
			if at, err = b.file.Seek(from+n, io.SeekStart); err != nil {
				return n, b.depot.disk.failed("reading", err)
			}
		}
		m, err := b.send(w, min(until-at, stretch))
		n, at = n+m, at+m
		if err != nil {
			return n, err
		}
	}
}

// send sends n bytes from where the file is.
func (b *Blob) send(w io.Writer, n int64) (sent int64, err error) {
	from := &io.LimitedReader{R: b.file, N: n}
	if rf, ok := w.(io.ReaderFrom); ok {
		sent, err = rf.ReadFrom(from)
	} else {
		buf, done := b.depot.buffer()
		defer done()
		sent, err = io.CopyBuffer(w, struct{ io.Reader }{from}, buf)
	}
	b.depot.counts.up.Add(sent)
	if err == nil && sent < n {
		err = &fairlead.Error{
			Kind: fairlead.Unavailable, What: "reading blob " + string(b.entry.digest), Why: "its file is shorter than it was",
			Remedy: "let nobody but Fairlead change its files, and remove the blob",
		}
	}
	return sent, err
}
