// Package replica is what the servers of one house have in common for their gateways: a
// store in which each finds the blobs that another has fetched, and word of who is
// fetching what, so that a blob is fetched from its registry once for all of them.
//
// The bytes in the store give nobody a right: who may read what is decided before a depot
// is asked, by each server for itself. They are trusted no more than an upstream's:
// pieces are held against the checksums that were noted when the blob was put there, and
// all of it against its digest. Only what the books in the database name is read, so that
// a bucket that somebody else has filled, or another house, is nobody's source.
package replica

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/blob/s3"
	"fairlead.dev/fairlead/internal/depot"
)

// Bucket is where the blobs are.
type Bucket interface {
	// Get opens bytes [from, to) of an object, to < 0 being its end, and gives the size of
	// all of it: [fairlead.NotFound], [fairlead.Unavailable].
	Get(ctx context.Context, name string, from, to int64) (io.ReadCloser, int64, error)
	// Put makes an object, which nobody sees before it is whole.
	Put(ctx context.Context, name string, from io.ReaderAt, size int64) error
	// Remove forgets an object, and Abort what uploads of it have left.
	Remove(ctx context.Context, name string) error
	Abort(ctx context.Context, name string) error
	// String is where it is, for people.
	String() string
}

var _ Bucket = (*s3.Bucket)(nil)

// Books are what the servers know in common: those of their database.
type Books interface {
	fairlead.Deposits
	fairlead.Duties
}

// Options say what is shared, and how.
type Options struct {
	Bucket Bucket
	Books  Books
	Now    func() time.Time
	// Wait waits; an error is that of ctx.
	Wait func(ctx context.Context, d time.Duration) error
	// Address is where the other servers reach this one, and Peers how it reaches them;
	// without either, they meet in the store alone.
	Address string
	Peers   Peers
	// Patience is how long a server waits for another that is fetching the same blob,
	// before it fetches it too; 0 is DefaultPatience.
	Patience time.Duration
	// Quota is how many bytes are kept in the store; 0 is no limit.
	Quota int64
	// Unused is how long a blob is kept that no server uses; 0 is for ever.
	Unused time.Duration
	// Pending is how many bytes may wait on the local disk, out of reach of its eviction,
	// until they are uploaded; 0 is no limit.
	Pending int64
	// Report is told what goes wrong where nobody waits for it.
	Report func(error)
}

// DefaultPatience is how long one server waits for another, if nothing else is said. It is
// less than what proxies in front of a server wait for a first byte.
const DefaultPatience = 30 * time.Second

const (
	// dutyTime is how long the duty to fetch a blob is kept without being renewed: what
	// the others wait for when a server dies.
	dutyTime = 5 * time.Second
	// A server that waits looks whether it still has to, at first often.
	firstLook = 100 * time.Millisecond
	longLook  = time.Second
	// uploads is how many blobs are uploaded at once, and mostWaiting how many wait.
	uploads     = 2
	mostWaiting = 1024
	// Once the store hasn't answered, it isn't asked for a while, and longer each time.
	firstPause = 2 * time.Second
	longPause  = time.Minute
)

// Replica is one server's part. It is a [depot.Shared], and safe for concurrent use.
type Replica struct {
	o      Options
	holder string
	serial atomic.Int64    // of leads
	ctx    context.Context //nolint:containedctx // Its background work ends with it.
	stop   context.CancelFunc
	work   sync.WaitGroup
	counts counters
	queue  chan upload
	uses   chan fairlead.Digest
	cells  sync.Pool

	mu      sync.Mutex
	depot   *depot.Depot
	touched map[fairlead.Digest]time.Time
	pending int64
	quiet   time.Time     // the store isn't asked before
	pause   time.Duration // the last one
}

type counters struct {
	hits, misses, waits, gaveUp, down, wrong, failures        atomic.Int64
	peers, fromPeers                                          atomic.Int64
	uploads, uploaded, failed, uploading, pruned, prunedBytes atomic.Int64
}

// New makes one. Its work in the background lives until Close.
func New(ctx context.Context, o Options) *Replica {
	if o.Patience <= 0 {
		o.Patience = DefaultPatience
	}
	if o.Report == nil {
		o.Report = func(error) {}
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	r := &Replica{
		o: o, holder: hex.EncodeToString(b[:]), queue: make(chan upload, mostWaiting), uses: make(chan fairlead.Digest, mostWaiting),
		cells: sync.Pool{New: func() any { c := make([]byte, cell); return &c }}, touched: map[fairlead.Digest]time.Time{},
	}
	r.ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	for range uploads {
		r.work.Go(r.uploadAll)
	}
	r.work.Go(r.noteUses)
	return r
}

// Attach says whose blobs are uploaded.
func (r *Replica) Attach(d *depot.Depot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.depot = d
}

// Close ends the work in the background. What hasn't been uploaded is when it is used
// again. The depot is closed before.
func (r *Replica) Close() {
	r.stop()
	r.work.Wait()
	for {
		select {
		case u := <-r.queue:
			r.drop(u)
		default:
			return
		}
	}
}

// Metrics gives a snapshot.
func (r *Replica) Metrics() depot.SharedMetrics {
	c := &r.counts
	return depot.SharedMetrics{
		Hits: c.hits.Load(), Misses: c.misses.Load(), Waits: c.waits.Load(), Peers: c.peers.Load(), PeerBytes: c.fromPeers.Load(), GaveUp: c.gaveUp.Load(),
		Down: c.down.Load(), Wrong: c.wrong.Load(), Failures: c.failures.Load(),
		Uploads: c.uploads.Load(), UploadedBytes: c.uploaded.Load(), UploadFailures: c.failed.Load(), Uploading: c.uploading.Load(),
		Pruned: c.pruned.Load(), PrunedBytes: c.prunedBytes.Load(),
	}
}

// trouble takes note that the store doesn't answer as it should, so that nobody waits for
// it in the next moments.
func (r *Replica) trouble(err error) {
	if r.ctx.Err() != nil {
		return
	}
	r.counts.failures.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.o.Now()
	if now.Before(r.quiet) {
		return // known already
	}
	r.pause = min(max(2*r.pause, firstPause), longPause)
	r.quiet = now.Add(r.pause)
	r.o.Report(err)
}

func (r *Replica) well() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pause, r.quiet = 0, time.Time{}
}

func (r *Replica) resting() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.o.Now().Before(r.quiet)
}
