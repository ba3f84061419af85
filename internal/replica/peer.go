package replica

import (
	"context"
	"io"
	"sync"
	"sync/atomic"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/depot"
)

// Peers asks the server at an address for a blob that it is fetching, from its first byte
// on. The blob's size comes with it.
type Peers func(ctx context.Context, address string, digest fairlead.Digest) (io.ReadCloser, int64, error)

// peer is a blob that another server is fetching. It comes as one stream, as fast as it
// comes there; the last of it when that server knows that it is right.
type peer struct {
	r       *Replica
	address string
	digest  fairlead.Digest
	bad     atomic.Bool

	mu    sync.Mutex
	first io.ReadCloser // the stream that was begun already, with size; nil once it was taken
	size  int64
}

// join begins to follow another server; nil if that one can't be followed.
func (r *Replica) join(ctx context.Context, address string, digest fairlead.Digest, size int64) *peer {
	if r.o.Peers == nil || r.o.Address == "" || address == "" || address == r.o.Address {
		return nil
	}
	// The stream is read after this call has returned, and ends when it is closed.
	body, got, err := r.o.Peers(context.WithoutCancel(ctx), address, digest)
	if err == nil && size >= 0 && got != size {
		_ = body.Close()
		return nil
	}
	if err != nil {
		if fairlead.KindOf(err) != fairlead.NotFound && ctx.Err() == nil {
			r.o.Report(err)
		}
		return nil
	}
	return &peer{r: r, address: address, digest: digest, first: body, size: got}
}

// Host is the other server.
func (p *peer) Host() string { return "server " + p.address }

// Fetch gives all of the blob, from its first byte on.
func (p *peer) Fetch(ctx context.Context, _, _ int64) (depot.Part, error) {
	p.mu.Lock()
	body, size := p.first, p.size
	p.first = nil
	p.mu.Unlock()
	if body == nil {
		var err error
		if body, size, err = p.r.o.Peers(ctx, p.address, p.digest); err != nil {
			if ctx.Err() == nil {
				p.bad.Store(true)
			}
			return depot.Part{}, err
		}
	}
	return depot.Part{Body: &stream{ReadCloser: body, p: p, ctx: ctx, over: context.AfterFunc(ctx, func() { _ = body.Close() })}, Size: size}, nil
}

func (p *peer) failed() bool { return p.bad.Load() }

func (p *peer) spoilt(error) { p.bad.Store(true) }

// end closes the stream if nobody has taken it.
func (p *peer) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first != nil {
		_ = p.first.Close()
		p.first = nil
	}
}

// stream is the bytes as they come.
type stream struct {
	io.ReadCloser
	p    *peer
	ctx  context.Context //nolint:containedctx // As a response's body has one.
	over func() bool
}

func (s *stream) Read(b []byte) (int, error) {
	n, err := s.ReadCloser.Read(b)
	s.p.r.counts.fromPeers.Add(int64(n))
	if err != nil && err != io.EOF && s.ctx.Err() == nil {
		s.p.bad.Store(true)
	}
	return n, err
}

func (s *stream) Close() error {
	s.over()
	return s.ReadCloser.Close()
}
