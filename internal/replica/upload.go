package replica

import (
	"context"
	"io"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/blob/s3"
	"fairlead.dev/fairlead/internal/depot"
)

// upload is a blob that is to be put into the store.
type upload struct {
	digest fairlead.Digest
	blob   *depot.Blob // nil is opened when it is its turn, if it still is there
	held   int64       // bytes that count as pending
	lead   *lead
}

const (
	tries      = 3
	retryAfter = time.Second
	// touchEvery is how often a blob's use is noted.
	touchEvery = 24 * time.Hour
	mostKnown  = 200_000
)

// enqueue has a blob uploaded when it is its turn. It doesn't wait.
func (r *Replica) enqueue(u upload) {
	if u.blob != nil {
		size, err := u.blob.Size(r.ctx)
		r.mu.Lock()
		if err == nil && (r.o.Pending <= 0 || r.pending+size <= r.o.Pending) {
			r.pending += size
			u.held = size
		}
		r.mu.Unlock()
		if u.held == 0 {
			_ = u.blob.Close() // the disk's room is worth more
			u.blob = nil
		}
	}
	r.counts.uploading.Add(1)
	select {
	case r.queue <- u:
	default:
		r.counts.failed.Add(1)
		r.unmark(u.digest)
		r.drop(u)
	}
}

// drop ends an upload, however it went.
func (r *Replica) drop(u upload) {
	r.counts.uploading.Add(-1)
	if u.blob != nil {
		_ = u.blob.Close()
	}
	r.mu.Lock()
	r.pending -= u.held
	r.mu.Unlock()
	u.lead.giveUp()
}

func (r *Replica) uploadAll() {
	for {
		select {
		case u := <-r.queue:
			if err := r.upload(u); err != nil && r.ctx.Err() == nil {
				r.counts.failed.Add(1)
				r.o.Report(err)
				r.unmark(u.digest) // it is tried again when it is used again
			}
			r.drop(u)
		case <-r.ctx.Done():
			return
		}
	}
}

// upload puts a blob into the store, unless it is there.
func (r *Replica) upload(u upload) error {
	b := u.blob
	if b == nil {
		r.mu.Lock()
		d := r.depot
		r.mu.Unlock()
		if d == nil {
			return nil
		}
		var there bool
		if b, there = d.Whole(u.digest); !there {
			return nil // it was evicted
		}
		defer func() { _ = b.Close() }()
	}
	if mine, err := u.lead.keep(r.ctx); err != nil || !mine {
		return err // another does
	}
	for try := 1; ; try++ {
		err := r.put(u.digest, b)
		if err == nil || r.ctx.Err() != nil {
			return err
		}
		if try == tries {
			r.trouble(err)
			return err
		}
		if err := r.o.Wait(r.ctx, retryAfter<<(2*(try-1))); err != nil {
			return err
		}
	}
}

func (r *Replica) put(digest fairlead.Digest, b *depot.Blob) error {
	known, err := r.o.Books.DepositOf(r.ctx, digest)
	if err == nil && known.Whole {
		return nil
	}
	if err != nil && fairlead.KindOf(err) != fairlead.NotFound {
		return err
	}
	size, err := b.Size(r.ctx)
	if err != nil {
		return err
	}
	from := &content{r.ctx, b}
	buf, ok := r.cells.Get().(*[]byte)
	if !ok {
		fresh := make([]byte, cell)
		buf = &fresh
	}
	sums, err := sum(io.NewSectionReader(from, 0, size), size, *buf)
	r.cells.Put(buf)
	if err != nil {
		return err
	}
	// The books know of it before the store does, so that nothing is left there that
	// nobody knows of.
	d := fairlead.Deposit{Digest: digest, Size: size, Sums: sums, Used: r.o.Now()}
	if err := r.o.Books.PutDeposit(r.ctx, d); err != nil {
		return err
	}
	if err := r.o.Bucket.Put(r.ctx, s3.Name(digest), from, size); err != nil {
		return err
	}
	d.Whole, d.Used = true, r.o.Now()
	if err := r.o.Books.PutDeposit(r.ctx, d); err != nil {
		return err
	}
	r.well()
	r.counts.uploads.Add(1)
	r.counts.uploaded.Add(size)
	return nil
}

// content is a blob on the disk as uploads read it.
type content struct {
	ctx  context.Context //nolint:containedctx // ReadAt of package io takes none.
	blob *depot.Blob
}

// ReadAt reads.
func (c *content) ReadAt(p []byte, off int64) (int, error) { return c.blob.ReadAt(c.ctx, p, off) }

// Used has the use of a blob noted, once a day, and the blob uploaded if the store hasn't
// got it.
func (r *Replica) Used(digest fairlead.Digest) {
	now := r.o.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if since := now.Sub(r.touched[digest]); since >= 0 && since < touchEvery {
		return
	}
	select {
	case r.uses <- digest:
		r.note(digest, now)
	default:
	}
}

// note remembers that a blob's use need not be noted for a day. Under r.mu.
func (r *Replica) note(digest fairlead.Digest, now time.Time) {
	if len(r.touched) >= mostKnown {
		clear(r.touched)
	}
	r.touched[digest] = now
}

func (r *Replica) mark(digest fairlead.Digest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(digest, r.o.Now())
}

func (r *Replica) unmark(digest fairlead.Digest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.touched, digest)
}

func (r *Replica) noteUses() {
	for {
		select {
		case <-r.ctx.Done():
			return
		case digest := <-r.uses:
			err := r.o.Books.UseDeposit(r.ctx, digest, r.o.Now())
			switch {
			case fairlead.KindOf(err) == fairlead.NotFound:
				r.enqueue(upload{digest: digest, lead: &lead{r: r, digest: digest}})
			case err != nil && r.ctx.Err() == nil:
				r.o.Report(err)
			}
		}
	}
}
