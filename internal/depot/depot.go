// Package depot keeps blobs by their digest on the local disk, and fills itself from
// upstreams while it is being read. A digest is fetched once for everybody who wants it
// at the same time: in several ranges at once where the upstream gives ranges, onto the
// disk once, and from there to each reader as the bytes arrive. The last bytes of a blob
// are let go only when its digest is right.
package depot

import (
	"container/list"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// Owner is on whose account a blob is kept: an organization, as a rule. Bytes are there
// once for all owners, and count for each that uses them.
type Owner string

// Source gives a blob's bytes at an upstream. It is safe for concurrent use and lives as
// long as the flight that it serves, which may be longer than the call it was given to:
// renewing logins, redirects and signed URLs are inside it.
type Source interface {
	// Host is whose limits count: the requests at once, and what is known of ranges.
	Host() string
	// Fetch opens bytes [from, to) of the blob; to < 0 is to the end. A source that
	// doesn't honour ranges answers from 0, and [Part.From] says so; to a range from 0,
	// its body goes on past to. The end of ctx ends reads of the body. Errors are
	// [fairlead.Error]s; one that is [fairlead.Limited] says in RetryAt until when.
	Fetch(ctx context.Context, from, to int64) (Part, error)
}

// Part is a range of a blob. Its bytes aren't checked by the source.
type Part struct {
	Body io.ReadCloser
	// From is the first byte of Body.
	From int64
	// Size is of the whole blob; -1 if the upstream didn't say.
	Size int64
}

// Policy says what becomes of a flight that nobody follows any more. What has arrived of
// one that ends is kept for the next who wants it.
type Policy string

// The policies.
const (
	Half    Policy = "half"    // it goes on if more than half of the blob is there
	Finish  Policy = "finish"  // it goes on
	Abandon Policy = "abandon" // it ends
)

// Options say where and how blobs are kept. What is zero has a good default, but for
// Dir, Now and Wait.
type Options struct {
	Dir string
	// Quota is how many bytes are kept; 0 is as many as the disk has room for.
	Quota int64
	// OwnerQuota is how many bytes count for an owner at most; nil or 0 is no limit.
	OwnerQuota func(Owner) int64
	Now        func() time.Time
	// Wait waits; an error is that of ctx.
	Wait func(ctx context.Context, d time.Duration) error
	// ChunkSize is how much is asked for at once at first; it follows what is measured.
	ChunkSize int64
	// Parallel is how many requests at once a host gets at first, MaxParallel at most,
	// from all flights together.
	Parallel, MaxParallel int
	KeepGoing             Policy
	// Stall is how long a connection may stand still before another is tried.
	Stall time.Duration
	// Patience is the longest that a flight waits because an upstream asks for it.
	Patience time.Duration
	// Shared is what it has in common with other depots; nil is nothing.
	Shared Shared
	// Report is told what goes wrong where nobody waits for it.
	Report func(error)
}

const (
	defaultChunk       = 8 << 20
	defaultParallel    = 4
	defaultMaxParallel = 16
	defaultStall       = 15 * time.Second
	defaultPatience    = time.Minute
)

func (o Options) filled() Options {
	if o.ChunkSize <= 0 {
		o.ChunkSize = defaultChunk
	}
	if o.Parallel <= 0 {
		o.Parallel = defaultParallel
	}
	if o.MaxParallel <= 0 {
		o.MaxParallel = max(defaultMaxParallel, o.Parallel)
	}
	o.Parallel = min(o.Parallel, o.MaxParallel)
	if o.KeepGoing == "" {
		o.KeepGoing = Half
	}
	if o.Stall <= 0 {
		o.Stall = defaultStall
	}
	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}
	if o.Report == nil {
		o.Report = func(error) {}
	}
	return o
}

// Depot keeps blobs. One process at a time has a directory.
type Depot struct {
	o       Options
	disk    *disk
	hosts   *hosts
	counts  counters
	buffers *sync.Pool
	syncing sync.Mutex
	work    sync.WaitGroup // flights

	mu      sync.Mutex
	closed  bool
	entries map[fairlead.Digest]*entry
	order   *list.List // of *entry, the least recently used last
	total   int64      // bytes kept, and kept free for flights
	owned   map[Owner]int64
	ledger  *ledger
}

// Open makes the directory if need be and finds out what is in it: whole blobs are kept,
// begun ones wait to be gone on with, and what is neither goes. Errors are
// [fairlead.Unavailable], and [fairlead.Conflict] if another process has the directory.
func Open(ctx context.Context, o Options) (*Depot, error) {
	o = o.filled()
	k, err := openDisk(o.Dir)
	if err != nil {
		return nil, err
	}
	d := &Depot{
		o: o, disk: k, hosts: newHosts(o), entries: map[fairlead.Digest]*entry{},
		order: list.New(), owned: map[Owner]int64{}, buffers: newBuffers(),
	}
	if err := d.load(ctx); err != nil {
		k.close()
		return nil, err
	}
	return d, nil
}

// Close ends all flights, keeps what has arrived for the next time, and waits until
// nothing is left of them. Readers get no more than what is there.
func (d *Depot) Close() error {
	d.mu.Lock()
	d.closed = true
	for _, e := range d.entries {
		if e.flight != nil {
			e.flight.leave()
		}
	}
	d.mu.Unlock()
	d.work.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.ledger.close()
	d.disk.close()
	return err
}

// Get gives a blob: from the disk if it is there, otherwise as it arrives from src, or
// from the source of somebody who wanted it before. Size is -1 if the caller doesn't
// know it; with a source that is nil, only what is there whole is given. The caller
// closes the blob. Errors are [fairlead.Invalid] for a digest that is none,
// [fairlead.NotFound] without a source, and [fairlead.Unavailable]; those of the upstream
// come from the blob's methods.
func (d *Depot) Get(ctx context.Context, digest fairlead.Digest, size int64, owner Owner, src Source) (*Blob, error) {
	if err := checkDigest(digest); err != nil {
		return nil, err
	}
	for {
		b, ending, err := d.join(ctx, want{digest, size, owner, src})
		if ending == nil {
			return b, err
		}
		select {
		case <-ending:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func checkDigest(digest fairlead.Digest) error {
	if err := ref.CheckDigest(string(digest)); err != nil {
		e := fairlead.Misread("digest", err)
		e.Code = fairlead.CodeDigest
		return e
	}
	return nil
}

// want is one call of Get.
type want struct {
	digest fairlead.Digest
	size   int64
	owner  Owner
	src    Source
}

// join gives the blob, or what to wait for before it is worth asking again.
func (d *Depot) join(ctx context.Context, w want) (b *Blob, ending <-chan struct{}, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, nil, &fairlead.Error{Kind: fairlead.Unavailable, What: "opening blob", Why: "the depot is closed", Remedy: "try again when the server has started anew"}
	}
	e := d.entries[w.digest]
	if e != nil && e.whole {
		file, err := os.Open(d.disk.whole(w.digest))
		if err == nil {
			d.counts.hits.Add(1)
			_, own := e.owners[w.owner]
			d.use(e, w.owner)
			e.refs++
			return &Blob{depot: d, entry: e, file: file, hit: true, own: own, src: w.src}, nil, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, d.disk.failed("opening", err)
		}
		d.forget(e) // somebody has taken it away
		e = nil
	}
	if w.src == nil {
		return nil, nil, notKept("opening blob", w.digest)
	}
	if e != nil && e.flight != nil {
		if !e.flight.join(w) {
			return nil, e.flight.done, nil
		}
		d.counts.followers.Add(1)
		e.flight.host.followers.Add(1)
	} else {
		e = d.begin(ctx, e, w)
	}
	d.counts.misses.Add(1)
	e.refs++
	return &Blob{depot: d, entry: e, flight: e.flight, src: w.src}, nil, nil
}

// begin starts a flight; it outlives who began it. Under d.mu.
func (d *Depot) begin(ctx context.Context, e *entry, w want) *entry {
	if e == nil {
		e = d.add(w.digest)
	}
	d.order.MoveToFront(e.place)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := newFlight(d, e, w, cancel)
	e.flight = f
	d.counts.flights.Add(1)
	f.host.begun()
	d.work.Go(func() {
		defer cancel()
		defer f.host.ended()
		f.run(ctx)
	})
	return e
}

// Stat tells of a blob that is there, or is arriving, or has begun to; [Info.Whole] says
// which.
func (d *Depot) Stat(digest fairlead.Digest) (Info, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.entries[digest]
	if e == nil {
		return Info{}, false
	}
	return e.info(), true
}

// Put keeps bytes that came whole, such as a manifest. Errors are [fairlead.Invalid]
// (CodeDigest) if the digest is that of others, and [fairlead.Unavailable].
func (d *Depot) Put(_ context.Context, digest fairlead.Digest, owner Owner, b []byte) error {
	if err := checkDigest(digest); err != nil {
		return err
	}
	if got := sum(digest, b); got != digest {
		return &fairlead.Error{
			Kind: fairlead.Invalid, Code: fairlead.CodeDigest, What: "keeping blob " + string(digest), Why: "the bytes have digest " + string(got),
			Remedy: "send the bytes that the digest was made of",
		}
	}
	size := int64(len(b))
	d.mu.Lock()
	if e := d.entries[digest]; e != nil && e.whole {
		d.use(e, owner)
		d.mu.Unlock()
		return nil
	}
	gone, fits := d.room(size)
	d.mu.Unlock()
	d.discard(gone)
	if !fits {
		return d.tooBig(digest, size)
	}
	if err := d.store(digest, b); err != nil {
		return err
	}
	d.mu.Lock()
	e := d.entries[digest]
	if e == nil {
		e = d.add(digest)
	}
	if e.flight == nil && !e.whole { // a flight comes to the same end by itself
		d.keep(e, size, []Owner{owner})
	}
	gone = d.overQuota()
	d.mu.Unlock()
	d.discard(gone)
	return nil
}

// store writes bytes as a whole blob, on a full disk after others have made room.
func (d *Depot) store(digest fairlead.Digest, b []byte) error {
	for {
		err := d.disk.store(digest, b)
		if err == nil || !isFull(err) || !d.reclaim(int64(len(b))) {
			return d.disk.failed("keeping", err)
		}
	}
}
