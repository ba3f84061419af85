package depot

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"fairlead.dev/fairlead"
)

// flight brings one blob, for all who want it. It has a goroutine that hands out claims,
// one for each request, one that hashes the bytes in their order, and one that looks
// whether what an earlier flight has left is sound.
type flight struct {
	d      *Depot
	e      *entry
	digest fairlead.Digest
	host   *host // of who began it, for counting
	cancel context.CancelFunc
	done   chan struct{} // closed when nothing is left of it
	enough chan struct{} // closed when all bytes are there

	mu       sync.Mutex
	chunks   *chunks // nil until the file is there
	wanted   int64   // the size that the first caller gave
	file     *os.File
	path     string // of file
	journal  *journal
	proof    map[int]uint32 // what the cells that an earlier flight left have to look like
	hash     hasher
	owners   []Owner
	feeds    []*feed
	live     map[*request]struct{}
	opened   bool // an upstream has begun to answer
	verified bool
	leaving  bool  // it was given up
	full     bool  // err is that there is no room for it
	spoilt   bool  // err is that its bytes are wrong
	err      error // why it ended
	failures int   // in a row
	epoch    int64 // counts them all: what fails at the same time is one
	racing   int   // requests that race another
	since    int64 // bytes since the last one

	// rested is what dispatch has waited for; it is its own.
	rested struct {
		epoch int64
		until time.Time
	}

	changed chan struct{} // closed when something has changed that somebody waits for
	waited  bool          // somebody waits for it
	told    time.Time     // when it was last closed
	untold  int64         // bytes since then
	timer   *time.Timer   // closes it soon
}

// feed is a source, and what is held against it.
type feed struct {
	src    Source
	struck bool // it refused, though it had given bytes, and hasn't given any since
	shared bool // it isn't the upstream
}

const (
	// maxFeeds is how many sources are remembered, in case that one loses its right.
	maxFeeds = 8
	// maxFailures in a row end a flight.
	maxFailures = 8
	firstPause  = 200 * time.Millisecond
	longPause   = 10 * time.Second
)

func newFlight(d *Depot, e *entry, w want, cancel context.CancelFunc) *flight {
	return &flight{
		d: d, e: e, digest: w.digest, host: d.hosts.of(w.src.Host()), cancel: cancel, wanted: w.size,
		done: make(chan struct{}), enough: make(chan struct{}),
		hash: hasher{h: newHash(w.digest)}, owners: []Owner{w.owner}, feeds: []*feed{{src: w.src}},
		live: map[*request]struct{}{}, changed: make(chan struct{}), journal: &journal{},
	}
}

// join adds somebody who wants the blob too; false if the flight has failed, so that
// its end has to be waited for.
func (f *flight) join(w want) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.leaving || f.err != nil {
		return false
	}
	if !slices.Contains(f.owners, w.owner) {
		f.owners = append(f.owners, w.owner)
	}
	if len(f.feeds) < maxFeeds {
		f.feeds = append(f.feeds, &feed{src: w.src})
	}
	return true
}

// unfollowed is for a flight that nobody follows any more.
func (f *flight) unfollowed() {
	f.mu.Lock()
	c := f.chunks
	goOn := f.verified || f.d.o.KeepGoing == Finish ||
		f.d.o.KeepGoing == Half && c != nil && c.size >= 0 && 2*c.have() > c.size
	f.mu.Unlock()
	if !goOn {
		f.leave()
	}
}

// leave gives the flight up. What is there of it stays.
func (f *flight) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leaving = true
	f.cancel()
}

// run is the flight.
func (f *flight) run(ctx context.Context) {
	defer close(f.done)
	var lead Lead
	if err := f.prepare(); err != nil {
		f.fail(err)
	} else {
		var parts sync.WaitGroup
		parts.Go(func() { f.hashAll(ctx) })
		parts.Go(func() { f.check(ctx) })
		lead = f.lead(ctx)
		f.dispatch(ctx)
		parts.Wait()
	}
	f.tellLead(lead, false) // before anybody begins anew
	f.end()
	f.tellLead(lead, true)
}

// prepare makes the file, or takes up the one that an earlier flight has left.
func (f *flight) prepare() error {
	path := f.d.disk.partial(f.digest)
	r, sound := f.recall()
	flags := os.O_RDWR | os.O_CREATE
	if r == nil {
		flags |= os.O_TRUNC
	}
	file, err := os.OpenFile(path, flags, 0o600) //nolint:gosec // The path is made of hex digits.
	if err != nil {
		return f.local(err)
	}
	size := f.wanted
	c := newChunks(size, cellOf(f.d.o.ChunkSize))
	var j *journal
	if r != nil {
		size = r.size
		c = newChunks(size, r.cell)
		for i := range r.cells {
			c.restored(i)
		}
		j = resumeJournal(f.d.disk.journal(f.digest), sound)
	} else {
		j = newJournal(f.d.disk.journal(f.digest), f.digest, &record{size: size, cell: c.cell})
	}
	f.mu.Lock()
	f.chunks, f.file, f.path, f.journal = c, file, path, j
	if r != nil {
		f.proof = r.cells
	}
	if c.whole() {
		close(f.enough)
	}
	f.tell()
	f.mu.Unlock()
	if size < 0 {
		return nil
	}
	return f.makeRoom(size)
}

// recall reads what an earlier flight has left; nil if that is of no use. The length is
// that of the sound part of its journal.
func (f *flight) recall() (r *record, sound int64) {
	text, err := os.ReadFile(f.d.disk.journal(f.digest))
	if err != nil {
		return nil, 0
	}
	if r, sound = parseRecord(f.digest, string(text)); r == nil || r.size < 0 || f.wanted >= 0 && r.size != f.wanted {
		return nil, 0
	}
	return r, sound
}

// cellOf gives the size of a cell for that of a chunk: small enough that what a crash
// loses of all requests under way is less than a chunk.
func cellOf(chunk int64) int64 { return min(max(chunk/8, minCell), 1<<20) }

// makeRoom keeps room free for the whole blob, in the quota and on the disk, so that a
// full disk shows before anybody has got bytes.
func (f *flight) makeRoom(size int64) error {
	if !f.d.reserve(f.e, size) {
		return &noRoom{f.d.tooBig(f.digest, size)}
	}
	f.mu.Lock()
	need := size - f.chunks.have()
	f.mu.Unlock()
	// To take the room now would cost the file system more than it saves; that somebody
	// else takes it meanwhile is noticed when it happens.
	for {
		free, known := f.d.disk.free()
		if !known || free >= need {
			return nil
		}
		if !f.d.reclaim(need - free) {
			return f.local(unix.ENOSPC)
		}
	}
}

// noRoom is that a blob can't be kept. Whoever reads it is served without.
type noRoom struct{ why *fairlead.Error }

func (e *noRoom) Error() string { return e.why.Error() }
func (e *noRoom) Unwrap() error { return e.why }

// broken is an error of this machine's disk that isn't for want of room.
type broken struct{ why *fairlead.Error }

func (e *broken) Error() string { return e.why.Error() }
func (e *broken) Unwrap() error { return e.why }

// spoilt is bytes that aren't the right ones.
type spoilt struct{ why *fairlead.Error }

func (e *spoilt) Error() string { return e.why.Error() }
func (e *spoilt) Unwrap() error { return e.why }

// local is an error of this machine's disk.
func (f *flight) local(err error) error {
	e := fairlead.AsError("", f.d.disk.failed("keeping", err))
	if isFull(err) {
		return &noRoom{e}
	}
	return &broken{e}
}

func (f *flight) wrong(host, why string) error {
	e := &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeDigest, What: "fetching blob " + string(f.digest), Why: why,
		Remedy: "try again; if it stays, the content is damaged at its registry or on the way from there",
	}
	if host != "" {
		e.Remedy = "try again; if it stays, the content is damaged at " + host + " or on the way from there"
	}
	return &spoilt{e}
}

// fail ends the flight.
func (f *flight) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil || f.verified {
		return
	}
	var room *noRoom
	var bytes *spoilt
	switch {
	case errors.As(err, &room):
		f.full, f.err = true, room.why
		f.d.counts.full.Add(1)
		f.host.full.Add(1)
	case errors.As(err, &bytes):
		f.spoilt, f.err = true, bytes.why
		f.d.counts.wrong.Add(1)
		f.host.wrong.Add(1)
	default:
		f.err = fairlead.AsError("fetching blob "+string(f.digest), err)
		f.d.counts.failures.Add(1)
		f.host.failures.Add(1)
	}
	f.cancel()
	f.tell()
}

// tell wakes all who wait. Under f.mu.
func (f *flight) tell() {
	if f.timer != nil {
		f.timer.Stop()
		f.timer = nil
	}
	f.untold = 0
	if f.waited {
		f.waited = false
		close(f.changed)
		f.changed = make(chan struct{})
	}
}

// wait gives what is closed when something has changed. Under f.mu.
func (f *flight) wait() <-chan struct{} {
	f.waited = true
	return f.changed
}

// Those who wait for bytes are woken for this many, or after this long: to wake many
// readers for every packet would cost more than to serve them.
const (
	worthTelling = 512 << 10
	tellWithin   = 4 * time.Millisecond
)

// progressed wakes those who wait for bytes, at once if that is worth it. Under f.mu.
func (f *flight) progressed(n int64) {
	f.untold += n
	if !f.waited {
		return
	}
	now := f.d.o.Now()
	if since := now.Sub(f.told); f.untold >= worthTelling || since >= tellWithin || since < 0 || f.chunks.whole() {
		f.told = now
		f.tell()
		return
	}
	if f.timer == nil {
		f.timer = time.AfterFunc(tellWithin, func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.tell()
		})
	}
}

// arrived counts bytes of the blob, after they have been written. Under f.mu.
func (f *flight) arrived(n int64) {
	f.since += n
	if f.since >= f.chunks.cell {
		f.failures = 0
	}
	if f.chunks.whole() {
		select {
		case <-f.enough:
		default:
			close(f.enough)
		}
	}
	f.progressed(n)
}

// end draws the conclusion, on the disk and in the books.
func (f *flight) end() {
	f.mu.Lock()
	if f.err == nil && !f.verified {
		f.err = &fairlead.Error{
			Kind: fairlead.Unavailable, What: "fetching blob " + string(f.digest), Why: "the fetching was ended before all of it was there",
			Remedy: "try again; it goes on where it was",
		}
	}
	f.tell()
	f.mu.Unlock()
	kept := false
	if f.verified {
		if err := f.commit(); err != nil {
			f.d.o.Report(f.d.disk.failed("keeping", err))
		} else {
			kept = true
		}
	}
	f.book(kept)
	f.mu.Lock()
	f.journal.close()
	if f.file != nil {
		_ = f.file.Close()
	}
	f.mu.Unlock()
}

// commit makes the file a whole blob that survives a crash. Readers don't wait for it.
func (f *flight) commit() error {
	f.d.syncing.Lock() // one after the other is sooner done than all at once
	err := f.file.Sync()
	f.d.syncing.Unlock()
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.d.disk.commit(f.path, f.digest); err != nil {
		return err
	}
	f.path = f.d.disk.whole(f.digest)
	f.journal.close()
	_ = os.Remove(f.d.disk.journal(f.digest))
	return nil
}

// book writes into the books what came of it.
func (f *flight) book(kept bool) {
	d, e := f.d, f.e
	d.mu.Lock()
	e.flight = nil
	var gone []string
	f.mu.Lock()
	stays := !f.verified && !f.spoilt && !f.full && f.chunks != nil && f.chunks.held > 0
	size, owners := f.size(), f.owners
	f.mu.Unlock()
	switch {
	case kept:
		d.keep(e, size, owners)
		gone = d.overQuota()
	case stays:
		if info, err := f.file.Stat(); err == nil {
			d.total += allocated(info) - e.size
			e.size = allocated(info)
		}
	default:
		f.mu.Lock() // nobody may open a file that goes
		f.path = ""
		gone = d.remove(e)
		f.mu.Unlock()
	}
	d.mu.Unlock()
	d.discard(gone)
}

// size is that of the blob, or unknown. Under f.mu.
func (f *flight) size() int64 {
	if f.chunks == nil {
		return unknown
	}
	return f.chunks.size
}
