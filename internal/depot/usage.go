package depot

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fairlead.dev/fairlead"
)

// entry is a blob that is there, or arrives, or has begun to. Under d.mu.
type entry struct {
	digest        fairlead.Digest
	whole         bool
	size          int64 // what it takes of the quota: all of it once that is known
	created, used time.Time
	noted         time.Time // when its use was last written to the ledger
	owners        map[Owner]int64
	pins          map[Owner]bool
	refs          int // blobs that are open
	flight        *flight
	place         *list.Element
}

// Info is what is known of a blob.
type Info struct {
	Digest fairlead.Digest
	// Size is that of the whole blob; of one that isn't whole, what it takes of the disk.
	Size          int64
	Whole         bool
	Arriving      bool // a flight is under way
	Created, Used time.Time
	Owners        []Owner
	Pinned        []Owner // who doesn't want it evicted
	Serving       int     // readers
}

func (e *entry) info() Info {
	return Info{
		Digest: e.digest, Size: e.size, Whole: e.whole, Arriving: e.flight != nil, Created: e.created, Used: e.used,
		Owners: slices.Sorted(maps.Keys(e.owners)), Pinned: slices.Sorted(maps.Keys(e.pins)), Serving: e.refs,
	}
}

// busy reports whether it may not be evicted.
func (e *entry) busy() bool { return e.refs > 0 || e.flight != nil || len(e.pins) > 0 }

// add makes an entry, of which nothing is there. Under d.mu.
func (d *Depot) add(digest fairlead.Digest) *entry {
	e := &entry{digest: digest, created: d.o.Now(), owners: map[Owner]int64{}, pins: map[Owner]bool{}}
	e.used = e.created
	e.place = d.order.PushFront(e)
	d.entries[digest] = e
	return e
}

// keep says that an entry is whole. Under d.mu.
func (d *Depot) keep(e *entry, size int64, owners []Owner) {
	d.total += size - e.size
	e.size, e.whole = size, true
	d.note(keepLine(e.digest, size, e.created))
	for _, o := range owners {
		d.use(e, o)
	}
}

// rewrite is how often at most the use of a blob is written down.
const rewrite = time.Minute

// use says that an owner uses a whole blob now. Under d.mu.
func (d *Depot) use(e *entry, o Owner) {
	d.order.MoveToFront(e.place)
	e.used = d.o.Now()
	_, known := e.owners[o]
	if !known {
		d.owned[o] += e.size
	}
	e.owners[o] = d.counts.uses.Add(1)
	if since := e.used.Sub(e.noted); !known || since > rewrite || since < 0 {
		e.noted = e.used
		d.note(useLine(e.digest, o, e.used))
		if d.o.Shared != nil {
			d.o.Shared.Used(e.digest)
		}
	}
}

// forget takes an entry out of the books. Under d.mu.
func (d *Depot) forget(e *entry) {
	d.order.Remove(e.place)
	delete(d.entries, e.digest)
	d.total -= e.size
	if e.whole {
		for o := range e.owners {
			d.disown(e, o)
		}
		d.note(sealed(goneWord, string(e.digest)))
	}
	e.size = 0
}

func (d *Depot) disown(e *entry, o Owner) {
	delete(e.owners, o)
	if d.owned[o] -= e.size; d.owned[o] <= 0 {
		delete(d.owned, o)
	}
}

// note writes a line to the ledger, and now and then the ledger anew. What can't be
// written is forgotten by the next start, and no blob with it. Under d.mu.
func (d *Depot) note(line string) {
	if d.ledger == nil {
		return
	}
	err := d.ledger.add(line)
	if err == nil && d.ledger.long(len(d.entries)) {
		var fresh *ledger
		if fresh, err = newLedger(d.o.Dir, d.byUse()); err == nil {
			_ = d.ledger.close()
			d.ledger = fresh
		} else {
			d.ledger.lines = 0 // not at once again
		}
	}
	if err != nil {
		d.o.Report(d.disk.failed("noting", err))
	}
}

// byUse gives the whole ones, the least recently used first.
func (d *Depot) byUse() []*entry {
	var list []*entry
	for p := d.order.Back(); p != nil; p = p.Prev() {
		if e, ok := p.Value.(*entry); ok && e.whole {
			list = append(list, e)
		}
	}
	return list
}

// load finds out what is in the directory.
func (d *Depot) load(ctx context.Context) error {
	text, err := os.ReadFile(ledgerPath(d.o.Dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return d.disk.failed("reading ledger of", err)
	}
	known := parseLedger(string(text))
	found, err := d.find(ctx, known)
	if err != nil {
		return d.disk.failed("finding", err)
	}
	slices.SortStableFunc(found, func(a, b *entry) int { return cmp.Compare(order(known, a), order(known, b)) })
	for _, e := range found {
		e.place = d.order.PushFront(e)
		d.entries[e.digest] = e
		d.total += e.size
		for o := range e.owners {
			d.owned[o] += e.size
		}
	}
	if err := d.loadPartial(); err != nil {
		return d.disk.failed("finding", err)
	}
	if d.ledger, err = newLedger(d.o.Dir, d.byUse()); err != nil {
		return d.disk.failed("writing ledger of", err)
	}
	d.discard(d.overQuota())
	return nil
}

func order(known map[fairlead.Digest]*remembered, e *entry) int {
	if r := known[e.digest]; r != nil {
		return r.order
	}
	return 0
}

// find walks the whole blobs. What the ledger knows with another size was damaged, and
// what doesn't belong there goes.
func (d *Depot) find(ctx context.Context, known map[fairlead.Digest]*remembered) ([]*entry, error) {
	var found []*entry
	root := filepath.Join(d.o.Dir, "blobs")
	err := filepath.WalkDir(root, func(path string, f fs.DirEntry, err error) error {
		if err != nil || f.IsDir() {
			return errors.Join(err, ctx.Err())
		}
		info, err := f.Info()
		if err != nil {
			return err
		}
		algorithm := filepath.Base(filepath.Dir(filepath.Dir(path)))
		digest := fairlead.Digest(algorithm + ":" + f.Name())
		r := known[digest]
		if checkDigest(digest) != nil || d.disk.whole(digest) != path || !info.Mode().IsRegular() || r != nil && r.size >= 0 && r.size != info.Size() {
			return os.Remove(path) //nolint:gosec // A directory of the depot's own, which nobody else may write to.
		}
		found = append(found, remember(digest, info, r))
		return nil
	})
	return found, err
}

func remember(digest fairlead.Digest, info fs.FileInfo, r *remembered) *entry {
	e := &entry{
		digest: digest, whole: true, size: info.Size(), created: info.ModTime(), used: info.ModTime(),
		owners: map[Owner]int64{}, pins: map[Owner]bool{},
	}
	if r == nil {
		return e
	}
	if !r.created.IsZero() {
		e.created = r.created
	}
	if !r.used.IsZero() {
		e.used = r.used
	}
	for o, n := range r.owners {
		e.owners[o] = int64(n) - int64(1)<<40 // before all uses to come
	}
	e.pins = r.pins
	return e
}

// loadPartial finds the blobs that have begun to arrive. One is worth nothing without
// its journal, and a journal without its blob.
func (d *Depot) loadPartial() error {
	dir := filepath.Join(d.o.Dir, "partial")
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), journalSuffix)
		digest := fairlead.Digest(strings.Replace(name, "-", ":", 1))
		data, err1 := os.Stat(filepath.Join(dir, name))
		_, err2 := os.Stat(filepath.Join(dir, name+journalSuffix))
		there := d.entries[digest]
		if errors.Join(err1, err2) != nil || checkDigest(digest) != nil || there != nil && there.whole {
			if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
				return err
			}
			continue
		}
		if there == nil {
			e := d.add(digest)
			e.created, e.used = data.ModTime(), data.ModTime()
			e.size = allocated(data)
			d.total += e.size
			d.order.MoveToBack(e.place) // what is whole is worth more
		}
	}
	return nil
}

// Usage is what is kept.
type Usage struct {
	Blobs   int   // that are whole
	Partial int   // that aren't
	Bytes   int64 // with what is kept free for those that arrive
	Quota   int64
	Owners  map[Owner]int64 // the bytes of whole blobs that each uses
}

// Usage gives what is kept.
func (d *Depot) Usage() Usage {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := Usage{Bytes: d.total, Quota: d.o.Quota, Owners: maps.Clone(d.owned)}
	for _, e := range d.entries {
		if e.whole {
			u.Blobs++
		} else {
			u.Partial++
		}
	}
	return u
}

// List gives all blobs, the most recently used first.
func (d *Depot) List() []Info {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]Info, 0, len(d.entries))
	for p := d.order.Front(); p != nil; p = p.Next() {
		if e, ok := p.Value.(*entry); ok {
			list = append(list, e.info())
		}
	}
	return list
}
