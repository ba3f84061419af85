package depot

import (
	"context"
	"io"
	"sync"
	"time"
)

const (
	// maxRaces is how many requests of a flight are raced at once.
	maxRaces = 2
	// slower is how much longer a request has to take than another would.
	slower = 4
	// worthRacing is what has to be gained at least.
	worthRacing = 500 * time.Millisecond
)

// rest waits for something to change. While all that is missing is under way, it looks
// for requests that keep all others waiting.
func (f *flight) rest(ctx context.Context, wake <-chan struct{}, work *sync.WaitGroup) {
	t := time.NewTimer(lookAround)
	defer t.Stop()
	select {
	case <-wake:
	case <-f.enough:
	case <-ctx.Done():
	case <-t.C:
		f.hurry(ctx, work)
	}
}

// hurry takes from the slowest request what it hasn't begun, or races it for the rest.
func (f *flight) hurry(ctx context.Context, work *sync.WaitGroup) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil || f.chunks.size < 0 || f.chunks.lacks() || f.racing >= maxRaces {
		return
	}
	slow := f.slowest()
	if slow == nil {
		return
	}
	if before := slow.claim.to; before > f.chunks.end(int(slow.claim.pos/f.chunks.cell)) {
		f.chunks.shorten(slow.claim)
		f.d.counts.races.Add(1)
		return
	}
	if !slow.h.tryAcquire() {
		return
	}
	f.racing++
	slow.raced = true
	f.d.counts.races.Add(1)
	from, to := slow.claim.pos, slow.claim.to
	work.Go(func() {
		f.race(ctx, slow, from, to)
		slow.h.release()
		f.mu.Lock()
		f.racing--
		f.mu.Unlock()
	})
}

// slowest gives the request that takes longest, if another would be done much sooner.
// Under f.mu.
func (f *flight) slowest() *request {
	var worst *request
	var longest time.Duration
	for r := range f.live {
		if r.raced || r.h.ability() != gives || r.claim.to < 0 {
			continue
		}
		rate, opened := r.h.pace()
		if rate <= 0 {
			continue
		}
		left := float64(r.claim.to - r.claim.pos)
		other := opened + time.Duration(left/rate*float64(time.Second))
		took := f.d.o.Now().Sub(r.began)
		own := took // as long again, if nothing has come yet
		if done := float64(r.claim.pos - r.start); done > 0 {
			own = time.Duration(float64(took) * left / done)
		}
		if own > slower*other && own-other > worthRacing && own > longest {
			worst, longest = r, own
		}
	}
	return worst
}

// race fetches the rest of a request's last cell into memory. Whoever has it first, wins:
// bytes that are on the disk aren't written again.
func (f *flight) race(ctx context.Context, slow *request, from, to int64) {
	ctx, cancel := context.WithTimeout(ctx, f.d.o.Stall)
	defer cancel()
	f.d.counts.requests.Add(1)
	part, err := slow.feed.src.Fetch(ctx, from, to)
	if err != nil {
		return // the other one is still at it
	}
	defer func() { _ = part.Body.Close() }()
	if part.From != from {
		return
	}
	b := make([]byte, to-from) // a cell at most
	n, err := io.ReadFull(part.Body, b)
	f.d.fetched(slow.feed, n)
	if err != nil {
		return
	}
	if err := slow.overtake(b, from, to); err != nil {
		f.fail(err)
	}
}

// overtake ends a slow request with the bytes that another has brought for [from, to).
func (r *request) overtake(b []byte, from, to int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.claim.pos
	if r.claim.to != to || at < from || at >= to {
		return nil
	}
	err := r.write(b[at-from:])
	r.revoked = true
	r.cancel(errRevoked)
	return err
}
