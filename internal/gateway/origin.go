package gateway

import (
	"context"
	"sync"
	"time"

	"fairlead.dev/fairlead"
)

// origins says whether a host may be served a blob out of what is kept. A host that only
// says that it has the blob could be its asker's own, and know no more than the digest.
//
//   - A host that has given all of the bytes has proved that it has them.
//   - The first that begins to fill may go on, as long as it is alone: whatever there is of
//     the blob has come from it.
//   - Whoever comes to that is sent their own upstream's bytes, which proves it, and shares
//     what is kept only when nobody who hasn't proved it can be reading along.
type origins struct {
	store Origins
	now   func() time.Time

	mu    sync.RWMutex
	known map[originKey]bool // proved, and nobody unproved beside
}

type originKey struct {
	digest fairlead.Digest
	host   string
}

const (
	mostOrigins = 200_000
	// firstTime is the longest that a first one may read without having proved anything.
	firstTime = 6 * time.Hour
)

func newOrigins(store Origins, now func() time.Time) *origins {
	return &origins{store: store, now: now, known: map[originKey]bool{}}
}

// origin is the view's upstream as origins are told apart: what is reached without TLS
// is another one.
func (v *view) origin() string {
	if v.cover.PlainHTTP {
		return "http://" + v.room.resource.Host
	}
	return v.room.resource.Host
}

// standing is how a host stands to what is kept of a blob.
type standing int

const (
	stranger standing = iota // only its own bytes may be passed on
	first                    // all that is kept is from it, or will be
	proven                   // it has given all of the bytes
)

func (o *origins) standing(ctx context.Context, digest fairlead.Digest, host string) (standing, error) {
	key := originKey{digest, host}
	o.mu.RLock()
	known := o.known[key]
	o.mu.RUnlock()
	if known {
		return proven, nil
	}
	list, err := o.store.OriginsOf(ctx, digest)
	if err != nil {
		return stranger, err
	}
	if len(list) == 0 {
		if err := o.store.PutOrigin(ctx, fairlead.Origin{Digest: digest, Host: host, Since: o.now()}); err != nil {
			return stranger, err
		}
		if list, err = o.store.OriginsOf(ctx, digest); err != nil { // another may have been as quick
			return stranger, err
		}
	}
	mine, along := fairlead.Origin{}, false
	for _, one := range list {
		if one.Host == host {
			mine = one
		} else if !one.Whole && o.now().Sub(one.Since) < firstTime {
			along = true
		}
	}
	switch {
	case mine.Whole && !along:
		o.learn(key)
		return proven, nil
	case !mine.Whole && mine.Host == host && len(list) == 1:
		return first, nil
	default:
		return stranger, nil
	}
}

// prove notes that a host has given all of the blob.
func (o *origins) prove(ctx context.Context, digest fairlead.Digest, host string) error {
	return o.store.PutOrigin(ctx, fairlead.Origin{Digest: digest, Host: host, Whole: true, Since: o.now()})
}

// finish notes that all of the blob has come while a host was the first: if it still is
// alone, it has given all of it.
func (o *origins) finish(ctx context.Context, digest fairlead.Digest, host string) error {
	s, err := o.standing(ctx, digest, host)
	if err != nil || s != first {
		return err
	}
	return o.prove(ctx, digest, host)
}

func (o *origins) learn(key originKey) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.known) >= mostOrigins {
		clear(o.known)
	}
	o.known[key] = true
}
