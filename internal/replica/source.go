package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"sync/atomic"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/blob/s3"
	"fairlead.dev/fairlead/internal/depot"
)

// The sums of a deposit are CRC-32C (RFC 9260, appendix B), 4 bytes big-endian for each
// cell of the blob, the last of which may be shorter.
const (
	cell    = 1 << 20
	sumSize = 4
)

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// fits reports whether a deposit has as many sums as it needs.
func fits(d fairlead.Deposit) bool {
	return d.Size >= 0 && int64(len(d.Sums)) == (d.Size+cell-1)/cell*sumSize
}

// sum reads size bytes and gives the sums of their cells.
func sum(from io.Reader, size int64, buf []byte) ([]byte, error) {
	sums := make([]byte, 0, (size+cell-1)/cell*sumSize)
	for size > 0 {
		b := buf[:min(size, cell)]
		if _, err := io.ReadFull(from, b); err != nil {
			return nil, err
		}
		sums = binary.BigEndian.AppendUint32(sums, crc32.Checksum(b, castagnoli()))
		size -= int64(len(b))
	}
	return sums, nil
}

// source gives a blob out of the store. A byte of it is let go only with its whole cell,
// after that has been held against its sum: a reader who has had bytes from here can go
// on with the upstream's.
type source struct {
	r       *Replica
	deposit fairlead.Deposit
	bad     atomic.Bool
	gone    atomic.Bool // it was taken out of the books
}

func (s *source) failed() bool { return s.bad.Load() }

// Host is the store.
func (s *source) Host() string { return s.r.o.Bucket.String() }

// Fetch begins to fetch.
func (s *source) Fetch(ctx context.Context, from, to int64) (depot.Part, error) {
	d := s.deposit
	if to < 0 || to > d.Size {
		to = d.Size
	}
	begin, end := from/cell*cell, min((to+cell-1)/cell*cell, d.Size)
	if d.Size == 0 || begin >= end {
		return depot.Part{Body: io.NopCloser(&io.LimitedReader{}), From: from, Size: d.Size}, nil
	}
	body, size, err := s.r.o.Bucket.Get(ctx, s3.Name(d.Digest), begin, end)
	if err == nil && size != d.Size {
		_ = body.Close()
		err = s.other("it has another size")
	}
	if err != nil {
		return depot.Part{}, s.fail(ctx, err)
	}
	s.r.well()
	buf, ok := s.r.cells.Get().(*[]byte)
	if !ok {
		fresh := make([]byte, cell)
		buf = &fresh
	}
	return depot.Part{Body: &checked{s: s, ctx: ctx, body: body, at: begin, end: end, from: from, to: to, buf: buf}, From: from, Size: d.Size}, nil
}

func (s *source) other(why string) error {
	return &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeDigest, What: "reading blob " + string(s.deposit.Digest) + " in " + s.Host(), Why: why + ", and isn't what was put there",
		Remedy: "nothing: it is removed there and fetched from its registry; if it stays, look after the store",
	}
}

// fail takes note of what went wrong.
func (s *source) fail(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return err
	}
	s.bad.Store(true)
	switch {
	case fairlead.CodeOf(err) == fairlead.CodeDigest:
		s.spoilt(err)
	case fairlead.KindOf(err) == fairlead.NotFound:
		s.forget(ctx)
	default:
		s.r.trouble(err)
	}
	return err
}

// spoilt removes a blob that isn't what it should be.
func (s *source) spoilt(err error) {
	s.bad.Store(true)
	if s.gone.Load() {
		return
	}
	s.r.counts.wrong.Add(1)
	s.r.o.Report(err)
	s.forget(s.r.ctx)
	if err := s.r.o.Bucket.Remove(s.r.ctx, s3.Name(s.deposit.Digest)); err != nil {
		s.r.trouble(err)
	}
}

// forget takes it out of the books: nobody is to look for it there.
func (s *source) forget(ctx context.Context) {
	if s.gone.Swap(true) {
		return
	}
	if _, err := s.r.o.Books.RemoveDeposit(context.WithoutCancel(ctx), s.deposit.Digest, s.r.o.Now().Add(dutyTime)); err != nil {
		s.r.o.Report(err)
	}
}

// checked is the bytes of whole cells, of which [from, to) are given.
type checked struct {
	s        *source
	ctx      context.Context //nolint:containedctx // As a response's body has one.
	body     io.ReadCloser
	at, end  int64 // what is still to be read of the object
	from, to int64 // what is still to be given
	buf      *[]byte
	ready    []byte // that begins at from
	err      error
}

func (c *checked) Read(p []byte) (int, error) {
	for len(c.ready) == 0 && c.err == nil {
		c.err = c.fill()
	}
	if len(c.ready) == 0 {
		return 0, c.err
	}
	n := copy(p, c.ready)
	c.ready = c.ready[n:]
	c.from += int64(n)
	return n, nil
}

// fill reads the next cell.
func (c *checked) fill() error {
	if c.at >= c.end || c.from >= c.to {
		return io.EOF
	}
	b := (*c.buf)[:min(cell, c.end-c.at)]
	n, err := io.ReadFull(c.body, b)
	c.s.r.counts.down.Add(int64(n))
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = io.ErrUnexpectedEOF
		}
		e := &fairlead.Error{
			Kind: fairlead.Unavailable, Code: fairlead.CodeConnect, What: "reading blob " + string(c.s.deposit.Digest) + " in " + c.s.Host(),
			Why: "the connection was cut", Remedy: "nothing: it is fetched from its registry",
		}
		return c.s.fail(c.ctx, e.Because(err))
	}
	i := c.at / cell * sumSize
	if crc32.Checksum(b, castagnoli()) != binary.BigEndian.Uint32(c.s.deposit.Sums[i:]) {
		return c.s.fail(c.ctx, c.s.other("a piece of it has another checksum"))
	}
	skip := max(0, c.from-c.at)
	keep := min(int64(len(b)), c.to-c.at)
	c.at += int64(len(b))
	c.ready = b[skip:keep]
	return nil
}

func (c *checked) Close() error {
	if c.buf != nil {
		c.s.r.cells.Put(c.buf)
		c.buf, c.ready = nil, nil
		c.err = io.ErrClosedPipe
	}
	return c.body.Close()
}
