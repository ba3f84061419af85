package depot

import (
	"context"
	"encoding"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"fairlead.dev/fairlead"
)

// Where there is no room for a blob, each reader is served straight from the upstream.
// The same rule holds: the last bytes are let go only when the digest is right.

// passes reports whether err is for want of room, so that there is another way.
func (b *Blob) passes(err error) bool {
	if b.flight == nil || b.src == nil || err == nil {
		return false
	}
	f := b.flight
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.full && errors.Is(err, f.err)
}

// passage is one reader that is served straight from the upstream.
type passage struct {
	b        *Blob
	w        io.Writer
	from, to int64 // what is wanted of the blob
	sent     int64
	h        hash.Hash
	pos      int64 // what was hashed
	size     int64 // or unknown
	kept     []byte
	n        int // bytes in kept that haven't been sent, the last ones before pos
	failures int
	done     bool // all that was wanted has been sent
}

// pass serves [from, to): what the flight had brought from its file, and the rest from
// the upstream. It hashes all from the first byte on.
func (b *Blob) pass(ctx context.Context, w io.Writer, from, to int64) (int64, error) {
	b.depot.counts.passed.Add(1)
	<-b.flight.done // its bytes are no more in motion
	buf, done := b.depot.buffer()
	defer done()
	p := &passage{b: b, w: w, from: from, to: to, h: newHash(b.flight.digest), size: unknown, kept: buf}
	if err := p.begun(ctx); err != nil {
		return p.sent, err
	}
	for !p.done {
		err := p.stream(ctx)
		if err == nil {
			return p.sent, nil
		}
		if err := p.again(ctx, err); err != nil {
			return p.sent, err
		}
	}
	return p.sent, nil
}

// begun takes over what the flight has brought, if this reader has its file.
func (p *passage) begun(ctx context.Context) error {
	f := p.b.flight
	f.mu.Lock()
	p.size = max(f.size(), f.wanted)
	var mark int64
	if p.b.file != nil {
		mark = f.chunks.watermark()
		p.pos = f.hash.pos
		p.h = clone(f.digest, f.hash.h)
		if p.h == nil {
			p.h, p.pos = newHash(f.digest), 0
		}
	}
	f.mu.Unlock()
	if end := min(p.pos, mark); p.from < end { // hashed before, and not yet sent
		if p.to >= 0 {
			end = min(end, p.to)
		}
		for p.from+p.sent < end && ctx.Err() == nil {
			n := min(int64(len(p.kept)), end-p.from-p.sent)
			if err := p.fromFile(n); err != nil {
				return err
			}
		}
	}
	for p.pos < mark && ctx.Err() == nil {
		n := min(int64(len(p.kept)-p.n), mark-p.pos)
		if _, err := p.b.file.ReadAt(p.kept[p.n:p.n+int(n)], p.pos); err != nil {
			return p.b.depot.disk.failed("reading", err)
		}
		if err := p.take(int(n)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// clone copies the state of a hash, which may be used by many readers.
func clone(digest fairlead.Digest, h hash.Hash) hash.Hash {
	m, ok := h.(encoding.BinaryMarshaler)
	if !ok {
		return nil
	}
	state, err := m.MarshalBinary()
	c := newHash(digest)
	if u, ok := c.(encoding.BinaryUnmarshaler); !ok || err != nil || u.UnmarshalBinary(state) != nil {
		return nil
	}
	return c
}

func (p *passage) fromFile(n int64) error {
	if _, err := p.b.file.ReadAt(p.kept[:n], p.from+p.sent); err != nil {
		return p.b.depot.disk.failed("reading", err)
	}
	return p.write(p.kept[:n])
}

func (p *passage) write(b []byte) error {
	n, err := p.w.Write(b)
	p.sent += int64(n)
	p.b.depot.counts.up.Add(int64(n))
	if err != nil {
		return &writing{err}
	}
	return nil
}

// writing is an error of the reader's own side.
type writing struct{ error }

func (e *writing) Unwrap() error { return e.error }

// take hashes n bytes that were read behind those kept back, and sends all but the last
// ones.
func (p *passage) take(n int) error {
	_, _ = p.h.Write(p.kept[p.n : p.n+n])
	p.pos += int64(n)
	p.n += n
	if p.n <= tail {
		return nil
	}
	free := p.n - tail
	if err := p.offer(p.kept[:free], p.pos-int64(p.n)); err != nil {
		return err
	}
	p.n = copy(p.kept, p.kept[free:p.n])
	return nil
}

// offer sends what is wanted of b, which begins at the blob's byte at.
func (p *passage) offer(b []byte, at int64) error {
	next := p.from + p.sent
	end := at + int64(len(b))
	if p.to >= 0 {
		end = min(end, p.to)
	}
	if next >= at && next < end {
		if err := p.write(b[next-at : end-at]); err != nil {
			return err
		}
	}
	p.done = p.to >= 0 && p.from+p.sent >= p.to
	return nil
}

// stream reads the upstream until all that was wanted has been sent.
func (p *passage) stream(ctx context.Context) error {
	d := p.b.depot
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(d.o.Stall, func() { cancel(errStalled) })
	defer watch.Stop()
	d.counts.requests.Add(1)
	part, err := p.b.src.Fetch(ctx, p.pos, unknown)
	if err != nil {
		return caused(ctx, err)
	}
	defer func() { _ = part.Body.Close() }()
	if part.From != 0 && part.From != p.pos {
		return errCutShort
	}
	if part.Size >= 0 && p.size >= 0 && part.Size != p.size {
		return p.b.flight.wrong(p.b.src.Host(), fmt.Sprintf("%s has %d bytes for it, which has %d", p.b.src.Host(), part.Size, p.size))
	}
	p.size = max(p.size, part.Size)
	for at := part.From; !p.done; {
		room := p.kept[p.n:]
		if at < p.pos {
			room = room[:min(int64(len(room)), p.pos-at)] // it gives no ranges: this was had before
		}
		n, err := part.Body.Read(room)
		watch.Reset(d.o.Stall)
		d.counts.down.Add(int64(n))
		if at += int64(n); at > p.pos {
			if err := p.take(n); err != nil {
				return err
			}
		}
		if err != nil && errors.Is(err, io.EOF) && at >= p.pos && (p.size < 0 || p.pos >= p.size) {
			return p.judge()
		}
		if err != nil {
			return caused(ctx, err)
		}
	}
	return nil
}

// caused gives why ctx ended, if it did, in the place of an error that it made.
func caused(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// judge compares the digest, and sends the last bytes if it is right.
func (p *passage) judge() error {
	f, host := p.b.flight, p.b.src.Host()
	if got := digestOf(f.digest, p.h); got != f.digest {
		p.b.depot.counts.wrong.Add(1)
		return f.wrong(host, fmt.Sprintf("the bytes that came from %s have digest %s", host, got))
	}
	return p.offer(p.kept[:p.n], p.pos-int64(p.n))
}

// again waits before the upstream is asked once more; it gives the error that ends the
// passage.
func (p *passage) again(ctx context.Context, err error) error {
	if own, ok := errors.AsType[*writing](err); ok {
		return own.error
	}
	if bytes, ok := errors.AsType[*spoilt](err); ok {
		return bytes.why
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	f := p.b.flight
	e := f.explain(p.b.src.Host(), err)
	now := p.b.depot.o.Now()
	if p.failures++; !passing(e) || p.failures >= maxFailures || e.RetryAt.Sub(now) > p.b.depot.o.Patience {
		return e
	}
	p.b.depot.counts.retries.Add(1)
	return p.b.depot.o.Wait(ctx, max(firstPause<<(p.failures-1), e.RetryAt.Sub(now)))
}
