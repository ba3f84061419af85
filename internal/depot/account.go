package depot

import (
	"context"
	"os"
	"slices"

	"fairlead.dev/fairlead"
)

// Held is a whole blob as it stands in an owner's account. Nothing of it tells who else
// uses the blob.
type Held struct {
	Size   int64
	Pinned bool // by the owner
}

// Account gives the whole blobs that count for an owner.
func (d *Depot) Account(o Owner) map[fairlead.Digest]Held {
	d.mu.Lock()
	defer d.mu.Unlock()
	held := map[fairlead.Digest]Held{}
	for digest, e := range d.entries {
		if _, uses := e.owners[o]; uses && e.whole {
			held[digest] = Held{Size: e.size, Pinned: e.pins[o]}
		}
	}
	return held
}

// Flying is how many flights are under way, on an owner's account among others' ("" is
// on anybody's).
func (d *Depot) Flying(o Owner) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, e := range d.entries {
		if e.flight != nil && (o == "" || e.flight.ownedBy(o)) {
			n++
		}
	}
	return n
}

// Touch says that an owner uses a blob now, without reading it: one that isn't whole or
// isn't in the owner's account stays as it is.
func (d *Depot) Touch(digest fairlead.Digest, o Owner) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.entries[digest]; e != nil && e.whole {
		if _, uses := e.owners[o]; uses {
			d.use(e, o)
		}
	}
}

// Peek reads a small whole blob beside all counts and the order of use.
// [fairlead.NotFound] if it isn't there, or is larger than most bytes.
func (d *Depot) Peek(digest fairlead.Digest, most int64) ([]byte, error) {
	d.mu.Lock()
	e := d.entries[digest]
	there := e != nil && e.whole && e.size <= most
	d.mu.Unlock()
	if !there {
		return nil, notKept("reading blob", digest)
	}
	b, err := os.ReadFile(d.disk.whole(digest))
	if err != nil {
		return nil, notKept("reading blob", digest)
	}
	return b, nil
}

// PinOwn is [Depot.Pin] for a blob that is in the owner's account already. One that isn't
// is [fairlead.NotFound], whether others use it or not.
func (d *Depot) PinOwn(digest fairlead.Digest, o Owner) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.entries[digest]
	if e == nil || !e.whole {
		return notKept("pinning blob", digest)
	}
	if _, uses := e.owners[o]; !uses {
		return notKept("pinning blob", digest)
	}
	if !e.pins[o] {
		e.pins[o] = true
		d.note(ownerLine(pinWord, digest, o))
	}
	return nil
}

// Release takes blobs out of an owner's account, and gives the bytes that count for it no
// more. What the owner has pinned stays, and so does what nobody but it uses while it is
// being read. The bytes themselves go when nobody uses them any more.
func (d *Depot) Release(o Owner, list []fairlead.Digest) (went int, bytes int64) {
	d.mu.Lock()
	var gone []string
	for _, digest := range list {
		e := d.entries[digest]
		if e == nil || !e.whole || e.pins[o] {
			continue
		}
		if _, uses := e.owners[o]; !uses {
			continue
		}
		switch {
		case len(e.owners) > 1:
			bytes += e.size
			d.disown(e, o)
			d.note(ownerLine(leaveWord, digest, o))
		case e.busy():
			continue
		default:
			bytes += e.size
			gone = append(gone, d.remove(e)...)
		}
		went++
	}
	d.mu.Unlock()
	d.discard(gone)
	return went, bytes
}

// ownedBy reports whether a flight is on an owner's account too.
func (f *flight) ownedBy(o Owner) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.owners, o)
}

// Landed waits until a blob that is arriving is kept, or has failed to be; it has been
// read to its end by then, or is being read.
func (b *Blob) Landed(ctx context.Context) error {
	if b.flight == nil {
		return nil
	}
	select {
	case <-b.flight.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
