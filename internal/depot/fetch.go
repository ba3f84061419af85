package depot

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"sync"
	"time"

	"fairlead.dev/fairlead"
)

// request is one request under way, and the claim that it brings.
type request struct {
	f     *flight
	h     *host
	feed  *feed
	epoch int64 // of the flight's failures, when it began

	claim *claim // under f.mu and mu, either of which is enough to read

	mu      sync.Mutex // held while bytes are being written
	revoked bool       // another has brought them
	raced   bool       // another tries to; under f.mu
	cancel  context.CancelCauseFunc

	start int64 // where the claim began
	began time.Time
	bytes int64 // that came
}

// What ends a request that hasn't failed.
var (
	errRevoked  = errors.New("another request brings it")
	errNotHere  = errors.New("the upstream gives no ranges")
	errStalled  = errors.New("the connection stood still")
	errCutShort = errors.New("the connection ended before all bytes came")
)

// dispatch hands out claims, the first missing bytes first, until all is there.
func (f *flight) dispatch(ctx context.Context) {
	var work sync.WaitGroup
	defer work.Wait()
	for ctx.Err() == nil {
		h, wake, over := f.turn()
		if over {
			return
		}
		if wake != nil {
			f.rest(ctx, wake, &work)
			continue
		}
		if d := f.pause(h); d > 0 {
			if f.d.o.Wait(ctx, d) != nil {
				return
			}
			continue
		}
		ok, err := h.acquire(ctx, f.active(), f.enough)
		if err != nil || !ok {
			continue
		}
		r := f.claim(ctx, h)
		if r == nil {
			h.release()
			continue
		}
		work.Go(func() { r.work(ctx) })
	}
}

// turn gives the upstream to ask next, or what to wait for before that.
func (f *flight) turn() (h *host, wake <-chan struct{}, over bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil || f.chunks.whole() {
		return nil, nil, true
	}
	h = f.d.hosts.of(f.feeds[0].src.Host())
	if !f.may(h) {
		return nil, f.wait(), false
	}
	return h, nil, false
}

// may reports whether one more request makes sense. Under f.mu.
func (f *flight) may(h *host) bool {
	if !f.chunks.lacks() {
		return false
	}
	switch n := len(f.live); {
	case n == 0:
		return true
	case f.chunks.size < 0:
		return false
	default:
		// The second request finds out whether there are ranges, once the first is answered.
		a := h.ability()
		return a == gives || a == unsure && n == 1 && f.opened
	}
}

func (f *flight) active() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.live)
}

// pause is how long to wait before the next request: once for each failure, and once for
// each time that an upstream has named, whatever the clock does.
func (f *flight) pause(h *host) time.Duration {
	f.mu.Lock()
	n, epoch := f.failures, f.epoch
	f.mu.Unlock()
	d, until := h.pause()
	if until.Equal(f.rested.until) {
		d = 0
	}
	if n > 1 && epoch != f.rested.epoch {
		d = max(d, min(firstPause<<min(n-2, 10), longPause))
	}
	f.rested.epoch, f.rested.until = epoch, until
	return min(d, f.d.o.Patience)
}

// claim begins a request, if there is still something to ask for.
func (f *flight) claim(ctx context.Context, h *host) *request {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil || ctx.Err() != nil || !f.may(h) {
		return nil
	}
	most := int64(math.MaxInt64)
	if h.ability() != refuses {
		chunk, parallel := h.chunk()
		// Towards the end the chunks get smaller, so that all requests end at the same time.
		most = max(min(chunk, f.chunks.lack()/int64(parallel)), 2*f.chunks.cell)
	}
	cl := f.chunks.take(most)
	if cl == nil {
		return nil
	}
	r := &request{f: f, h: h, feed: f.feeds[0], epoch: f.epoch, claim: cl, start: cl.pos, began: f.d.o.Now()}
	f.live[r] = struct{}{}
	return r
}

// work is the life of a request.
func (r *request) work(ctx context.Context) {
	f := r.f
	ctx, r.cancel = context.WithCancelCause(ctx)
	defer r.cancel(nil)
	f.d.counts.requests.Add(1)
	err := r.fetch(ctx)
	if cause := context.Cause(ctx); cause != nil && err != nil {
		err = cause
	}
	r.conclude(ctx, err)
	f.mu.Lock()
	f.chunks.release(r.claim)
	delete(f.live, r)
	f.tell()
	f.mu.Unlock()
	r.h.release()
}

func (r *request) fetch(ctx context.Context) error {
	f := r.f
	watch := time.AfterFunc(f.d.o.Stall, func() { r.cancel(errStalled) })
	defer watch.Stop()
	from, to, ok := r.ask()
	if !ok {
		return errNotHere
	}
	began := f.d.o.Now()
	part, err := r.feed.src.Fetch(ctx, from, to)
	if err != nil {
		return err
	}
	defer func() { _ = part.Body.Close() }()
	opened := f.d.o.Now()
	if err := r.accept(part, from, to); err != nil {
		return err
	}
	in := &inflow{r: r, body: part.Body, at: part.From, to: to, watch: watch, over: ctx.Done()}
	err = r.pour(in, part, to)
	r.h.brought(r.bytes, opened.Sub(began), f.d.o.Now().Sub(opened))
	return err
}

// ask is which bytes to ask for; false if another is at it already, and there are no
// ranges.
func (r *request) ask() (from, to int64, ok bool) {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	switch {
	case r.h.ability() == refuses:
		if len(r.f.live) > 1 {
			return 0, 0, false
		}
		r.fromFirst()
		return 0, unknown, true
	case r.claim.to >= 0:
		return r.claim.pos, r.claim.to, true
	case r.claim.pos > 0:
		return r.claim.pos, unknown, true
	default:
		chunk, _ := r.h.chunk()
		return 0, chunk, true
	}
}

// fromFirst exchanges the claim for one on the first missing bytes, as a plain stream
// comes to them in their order. Under f.mu.
func (r *request) fromFirst() {
	c := r.f.chunks
	r.mu.Lock()
	defer r.mu.Unlock()
	c.release(r.claim)
	if first := c.take(math.MaxInt64); first != nil {
		r.claim, r.start = first, first.pos
	}
}

// accept looks at what the answer says of itself.
func (r *request) accept(part Part, from, to int64) error {
	f := r.f
	size, learned, err := r.sized(part.Size, to)
	if err != nil {
		return err
	}
	if learned {
		if err := f.makeRoom(size); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened = true
	f.tell()
	switch part.From {
	case from:
		if from > 0 {
			r.h.learn(gives)
		}
		return nil
	case 0:
		r.h.learn(refuses)
		if len(f.live) > 1 {
			return errNotHere // the other one goes on to the end
		}
		f.chunks.extend(r.claim, math.MaxInt64)
		return nil
	default:
		r.h.learn(refuses)
		return &fairlead.Error{
			Kind: fairlead.Unavailable, Code: fairlead.CodeRegistryBroken, What: "fetching blob " + string(f.digest),
			Why:    fmt.Sprintf("%s sent bytes from %d on, and was asked for those from %d on", r.h.name, part.From, from),
			Remedy: "try again; the whole blob is asked for then",
		}
	}
}

// sized compares the size with what is known of it.
func (r *request) sized(size, to int64) (_ int64, learned bool, err error) {
	f := r.f
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.chunks.size
	switch {
	case size < 0 || size == known:
		return known, false, nil
	case known >= 0:
		return 0, false, f.wrong(r.h.name, fmt.Sprintf("%s has %d bytes for it, which has %d", r.h.name, size, known))
	case !f.chunks.learn(size):
		return 0, false, f.wrong(r.h.name, fmt.Sprintf("%s says that it has %d bytes, and sent more before", r.h.name, size))
	}
	f.journal.add(sizeLine(size))
	most := int64(math.MaxInt64)
	if to >= 0 {
		most = to - r.claim.pos
	}
	f.chunks.limit(r.claim, most)
	f.arrived(0)
	return size, true, nil
}

// pour brings the bytes of the claim to the disk, and those behind it if the upstream
// sends them anyway.
func (r *request) pour(in *inflow, part Part, to int64) error {
	buf, done := r.f.d.buffer()
	defer done()
	for {
		if err := in.skip(r.position(), buf); err != nil {
			return r.ended(in, err, part, to)
		}
		room, eager := r.room()
		if room == 0 {
			more, err := r.beyond(in)
			if !more {
				return err
			}
			continue
		}
		n, err := in.fill(buf[:min(int64(len(buf)), room)], eager)
		if n > 0 {
			if err := r.put(buf[:n]); err != nil {
				return err
			}
		}
		if err != nil && (n == 0 || !errors.Is(err, io.EOF)) {
			return r.ended(in, err, part, to)
		}
	}
}

func (r *request) position() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.claim.pos
}

// room is how many bytes may be written at once; eager says that somebody may be waiting
// for the next byte.
func (r *request) room() (n int64, eager bool) {
	f := r.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.claim.pos == r.claim.to {
		return 0, false
	}
	return f.chunks.room(r.claim), r.claim.pos == f.chunks.watermark()
}

// put writes bytes of the claim, unless another has brought them.
func (r *request) put(b []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.revoked {
		return errRevoked
	}
	return r.write(b)
}

// write writes bytes of the claim. A byte that somebody may have read is never written
// again. Under r.mu.
func (r *request) write(b []byte) error {
	f := r.f
	at := r.claim.pos
	if err := f.write(b, at); err != nil {
		return err
	}
	crc := crc32.Update(r.claim.crc, castagnoli(), b)
	f.mu.Lock()
	cell, whole := f.chunks.wrote(r.claim, int64(len(b)), crc)
	if whole {
		f.journal.add(cellLine(cell, crc))
	}
	size := f.size()
	f.arrived(int64(len(b)))
	f.mu.Unlock()
	r.h.arrived(int64(len(b)))
	if size < 0 && !f.d.reserve(f.e, at+int64(len(b))) {
		return &noRoom{f.d.tooBig(f.digest, at+int64(len(b)))}
	}
	return nil
}

// write writes to the disk; where that is full, after others have made room.
func (f *flight) write(b []byte, at int64) error {
	for {
		n, err := f.file.WriteAt(b, at)
		if err == nil {
			return nil
		}
		b, at = b[n:], at+int64(n)
		if !isFull(err) || !f.d.reclaim(f.chunks.cell) {
			return f.local(err)
		}
	}
}

// beyond is for a claim that is there. Where the upstream gives ranges, so is the request;
// otherwise it may go on with what is still missing.
func (r *request) beyond(in *inflow) (more bool, err error) {
	f := r.f
	f.mu.Lock()
	last := !f.chunks.lacks() && len(f.live) == 1
	f.mu.Unlock()
	a := r.h.ability()
	if a == gives && in.at < in.to {
		return false, nil // the rest of it was given to another
	}
	ended := in.ends(a == gives || last)
	if ended && a == unsure && !last {
		r.h.learn(gives)
	}
	if ended || a == gives || last {
		return false, nil
	}
	r.h.learn(refuses)
	return r.next(in)
}

// next claims what a plain stream comes to. What another has claimed comes back soon, as
// there are no ranges.
func (r *request) next(in *inflow) (more bool, err error) {
	f := r.f
	for {
		f.mu.Lock()
		cl := f.chunks.take(math.MaxInt64)
		if cl != nil && cl.pos < in.at {
			f.chunks.release(cl) // it is behind; another stream comes to it
			f.mu.Unlock()
			return false, nil
		}
		if cl != nil {
			r.mu.Lock()
			r.claim, r.start, r.began = cl, cl.pos, f.d.o.Now()
			r.mu.Unlock()
			f.mu.Unlock()
			return true, nil
		}
		others, wake := len(f.live) > 1, f.wait()
		f.mu.Unlock()
		if !others {
			return false, nil
		}
		select {
		case <-wake:
		case <-f.enough:
			return false, nil
		case <-in.over:
			return false, errStalled
		}
	}
}

// ended is for a body that is over, or broken.
func (r *request) ended(in *inflow, err error, part Part, to int64) error {
	f := r.f
	if !errors.Is(err, io.EOF) {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	at, size := in.at, f.chunks.size
	switch {
	case size < 0 && to >= 0 && at == to:
		return nil // as much as was asked for; whether there is more, the next request says
	case part.Size >= 0 || size >= 0 && to >= 0 && at <= to:
		return errCutShort
	case size < 0:
		// Nobody knew the size; this is it.
		if !f.chunks.learn(at) {
			return f.wrong(r.h.name, "it ended before what came of it before")
		}
		f.chunks.limit(r.claim, math.MaxInt64)
		f.journal.add(sizeLine(at))
		f.arrived(0)
		return nil
	case at < size:
		return f.wrong(r.h.name, fmt.Sprintf("%s has %d bytes for it, which has %d", r.h.name, at, size))
	default:
		return nil
	}
}
