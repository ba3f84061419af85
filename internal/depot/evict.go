package depot

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"

	"fairlead.dev/fairlead"
)

// room makes the books fit need more bytes into the quota, by evicting the least recently
// used. It gives the files to discard, and whether it fits. Under d.mu.
func (d *Depot) room(need int64) (gone []string, fits bool) {
	if d.o.Quota <= 0 || d.total+need <= d.o.Quota {
		return nil, true
	}
	over := d.total + need - d.o.Quota
	var list []*entry
	for p := d.order.Back(); p != nil && over > 0; p = p.Prev() {
		if e, ok := p.Value.(*entry); ok && !e.busy() {
			list = append(list, e)
			over -= e.size
		}
	}
	if over > 0 {
		return nil, false // nothing is evicted for what doesn't fit anyway
	}
	for _, e := range list {
		gone = append(gone, d.evict(e)...)
	}
	return gone, true
}

// victims are those that may be evicted, the least recently used first.
func (d *Depot) victims() []*entry {
	var list []*entry
	for p := d.order.Back(); p != nil; p = p.Prev() {
		if e, ok := p.Value.(*entry); ok && !e.busy() {
			list = append(list, e)
		}
	}
	return list
}

// evict takes an entry out of the books and its files out of the way. Under d.mu.
func (d *Depot) evict(e *entry) []string {
	d.counts.evictions.Add(1)
	d.counts.evicted.Add(e.size)
	return d.remove(e)
}

func (d *Depot) remove(e *entry) []string {
	whole := e.whole
	d.forget(e)
	if whole {
		return d.disk.drop(d.disk.whole(e.digest))
	}
	return d.disk.drop(d.disk.partial(e.digest), d.disk.journal(e.digest))
}

// discard removes files that are out of the way. Not under d.mu: a large one may take a
// while.
func (d *Depot) discard(gone []string) {
	for _, path := range gone {
		if err := os.Remove(path); err != nil {
			d.o.Report(d.disk.failed("discarding", err))
		}
	}
}

// overQuota evicts what is too much, for each owner and overall. A blob that others use
// too only ceases to count for the owner. Under d.mu.
func (d *Depot) overQuota() []string {
	var gone []string
	if d.o.OwnerQuota != nil {
		for o, bytes := range d.owned {
			if quota := d.o.OwnerQuota(o); quota > 0 && bytes > quota {
				gone = append(gone, d.shrink(o, quota)...)
			}
		}
	}
	more, fits := d.room(0)
	if !fits {
		for _, e := range d.victims() { // all of it isn't enough, and better than nothing
			more = append(more, d.evict(e)...)
		}
	}
	return append(gone, more...)
}

// shrink lets go what an owner used least recently. What is being served or pinned
// stays, and is looked at again later.
func (d *Depot) shrink(o Owner, quota int64) []string {
	var mine []*entry
	for _, e := range d.entries {
		if _, uses := e.owners[o]; uses && e.whole && !e.pins[o] {
			mine = append(mine, e)
		}
	}
	slices.SortFunc(mine, func(a, b *entry) int { return cmp.Compare(a.owners[o], b.owners[o]) })
	var gone []string
	for _, e := range mine {
		switch {
		case d.owned[o] <= quota:
			return gone
		case len(e.owners) > 1:
			d.disown(e, o)
		case !e.busy():
			gone = append(gone, d.evict(e)...)
		}
	}
	return gone
}

// reserve counts bytes for an entry that arrives, up to size in all; false if the quota
// has no room for it.
func (d *Depot) reserve(e *entry, size int64) bool {
	d.mu.Lock()
	if size <= e.size {
		d.mu.Unlock()
		return true
	}
	gone, fits := d.room(size - e.size)
	if fits {
		d.total += size - e.size
		e.size = size
	}
	d.mu.Unlock()
	d.discard(gone)
	return fits
}

// reclaim evicts at least need bytes because the disk is full; false if there is nothing
// to evict.
func (d *Depot) reclaim(need int64) bool {
	d.mu.Lock()
	var gone []string
	for _, e := range d.victims() {
		if need <= 0 {
			break
		}
		need -= e.size
		gone = append(gone, d.evict(e)...)
	}
	d.mu.Unlock()
	d.discard(gone)
	return len(gone) > 0
}

// Pin keeps a blob from being evicted, until each owner that has pinned it unpins it.
// [fairlead.NotFound] if it isn't there whole.
func (d *Depot) Pin(_ context.Context, digest fairlead.Digest, o Owner) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.entries[digest]
	if e == nil || !e.whole {
		return notKept("pinning blob", digest)
	}
	d.use(e, o)
	if !e.pins[o] {
		e.pins[o] = true
		d.note(ownerLine(pinWord, digest, o))
	}
	return nil
}

// Unpin takes an owner's pin away; none is no error.
func (d *Depot) Unpin(_ context.Context, digest fairlead.Digest, o Owner) error {
	d.mu.Lock()
	e := d.entries[digest]
	if e != nil && e.pins[o] {
		delete(e.pins, o)
		d.note(ownerLine(unpinWord, digest, o))
	}
	gone := d.overQuota()
	d.mu.Unlock()
	d.discard(gone)
	return nil
}

// Prune removes what which picks, and gives what went. What is pinned, read or arriving
// isn't shown to it.
func (d *Depot) Prune(ctx context.Context, which func(Info) bool) ([]Info, error) {
	d.mu.Lock()
	var went []Info
	var gone []string
	for _, e := range d.victims() {
		if ctx.Err() != nil {
			break
		}
		if i := e.info(); which(i) {
			went = append(went, i)
			gone = append(gone, d.remove(e)...)
		}
	}
	d.mu.Unlock()
	d.discard(gone)
	return went, ctx.Err()
}

// Remove removes a blob; whoever reads it reads on. One that isn't there is no error;
// [fairlead.Conflict] (CodeInUse) if it is pinned or arriving.
func (d *Depot) Remove(_ context.Context, digest fairlead.Digest) error {
	d.mu.Lock()
	e := d.entries[digest]
	if e == nil {
		d.mu.Unlock()
		return nil
	}
	inUse := &fairlead.Error{Kind: fairlead.Conflict, Code: fairlead.CodeInUse, What: "removing blob " + string(digest)}
	switch {
	case e.flight != nil:
		inUse.Why, inUse.Remedy = "it is arriving", "try again when it is there"
	case len(e.pins) > 0:
		inUse.Why, inUse.Remedy = "it is pinned", "unpin it first"
	default:
		inUse = nil
	}
	if inUse != nil {
		d.mu.Unlock()
		return inUse
	}
	gone := d.remove(e)
	d.mu.Unlock()
	d.discard(gone)
	return nil
}

func notKept(what string, digest fairlead.Digest) error {
	return &fairlead.Error{Kind: fairlead.NotFound, What: what, Why: "there is no blob " + fairlead.Clip(string(digest)), Remedy: "pull it first"}
}

func (d *Depot) tooBig(digest fairlead.Digest, size int64) *fairlead.Error {
	return &fairlead.Error{
		Kind: fairlead.Unavailable, What: "keeping blob " + string(digest), Why: "its " + bytesOf(size) + " don't fit into the depot's quota of " + bytesOf(d.o.Quota) + " beside what is pinned or being read",
		Remedy: "give the depot a larger quota, or unpin something",
	}
}

// bytesOf is a number of bytes as people read it.
func bytesOf(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d bytes", n)
	}
	value, i := float64(n)/unit, 0
	for ; value >= unit && i < 4; i++ {
		value /= unit
	}
	return fmt.Sprintf("%.1f %cB", value, "kMGTP"[i])
}
