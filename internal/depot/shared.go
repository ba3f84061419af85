package depot

import (
	"context"
	"os"

	"fairlead.dev/fairlead"
)

// Shared is what depots have in common: a store behind all of them, and word of which of
// them is fetching what. It is safe for concurrent use.
type Shared interface {
	// Begin is told that a flight is about to fetch a blob; size is -1 if nobody knows it.
	// It may wait for another depot that fetches the same, and no longer than ctx.
	Begin(ctx context.Context, digest fairlead.Digest, size int64) Lead
	// Used is told now and then that a blob that is on the disk is used. It doesn't wait.
	Used(digest fairlead.Digest)
	// Metrics gives a snapshot.
	Metrics() SharedMetrics
}

// Lead is one flight as those that share know of it.
type Lead interface {
	// Source is where the bytes are to be had instead of the upstream; nil if nowhere. When
	// it fails once, for whatever reason, the flight goes on with the upstream.
	Source() Source
	// End is told once what the flight has ended with: the whole blob, which it closes
	// sooner or later, or why there is none. It is told that before anybody begins anew.
	End(b *Blob, err error)
}

// SharedMetrics is what has happened at the store that depots share.
type SharedMetrics struct {
	// Hits of flights found their blob there, Misses didn't. Waits of them waited for
	// another server, and GaveUp of these didn't wait for its end.
	Hits, Misses, Waits, GaveUp int64
	// Peers of them were given theirs by another server while that was fetching it:
	// PeerBytes.
	Peers, PeerBytes int64
	// Down is bytes that came from the store. Wrong is how often they were the wrong ones, and
	// Failures how often it didn't answer as it should.
	Down, Wrong, Failures int64
	// Uploads of UploadedBytes have brought blobs there; UploadFailures were given up.
	// Uploading is how many are under way or wait for their turn.
	Uploads, UploadedBytes, UploadFailures, Uploading int64
	// Pruned blobs of PrunedBytes were removed from there by this server.
	Pruned, PrunedBytes int64
}

// lead asks those that share first; nil if there is nothing to ask.
func (f *flight) lead(ctx context.Context) Lead { //nolint:ireturn // There is no other.
	f.mu.Lock()
	whole, size := f.chunks.whole(), f.size()
	f.mu.Unlock()
	if f.d.o.Shared == nil || whole {
		return nil
	}
	l := f.d.o.Shared.Begin(ctx, f.digest, size)
	if src := l.Source(); src != nil {
		f.mu.Lock()
		f.feeds = append([]*feed{{src: src, shared: true}}, f.feeds...)
		f.mu.Unlock()
	}
	return l
}

// tellLead tells those that share what has become of the flight, if it went well or if it
// didn't.
func (f *flight) tellLead(l Lead, well bool) {
	f.mu.Lock()
	err, verified := f.err, f.verified
	f.mu.Unlock()
	if l == nil || verified != well {
		return
	}
	var b *Blob
	if well {
		b, _ = f.d.Whole(f.digest)
	}
	l.End(b, err)
}

// Whole opens a blob that is there, and keeps it there until it is closed. That counts as
// no use of it.
func (d *Depot) Whole(digest fairlead.Digest) (*Blob, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.entries[digest]
	if e == nil || !e.whole {
		return nil, false
	}
	file, err := os.Open(d.disk.whole(digest))
	if err != nil {
		return nil, false
	}
	e.refs++
	return &Blob{depot: d, entry: e, file: file, hit: true}, true
}

// Follow opens a blob that is there, or arriving, for another depot that shares: it counts
// as no use of it, and keeps the flight going as a reader does.
func (d *Depot) Follow(digest fairlead.Digest) (*Blob, bool) {
	if b, whole := d.Whole(digest); whole {
		return b, true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.entries[digest]
	if d.closed || e == nil || e.flight == nil || !e.flight.goesOn() {
		return nil, false
	}
	e.refs++
	return &Blob{depot: d, entry: e, flight: e.flight}, true
}

func (f *flight) goesOn() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.leaving && f.err == nil
}

// fetched counts bytes from an upstream; those from elsewhere are counted there.
func (d *Depot) fetched(from *feed, n int) {
	if !from.shared {
		d.counts.down.Add(int64(n))
	}
}
