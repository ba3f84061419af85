// Package together has readings that many ask for at once be done once for all of them.
// Nothing is remembered: whoever asks is given what was read after they asked, so that a
// change that was acknowledged before is in it. Under load one reading serves all who
// came while the one before it was on its way.
package together

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// readTime is the longest that a reading takes that nobody in particular waits for.
const readTime = 30 * time.Second

// Reader joins readings of the same key. The zero one is ready, and safe for concurrent
// use.
type Reader[K comparable, V any] struct {
	mu sync.Mutex
	// busy has the keys that are being read, each with the reading that comes next; nil
	// if nobody has asked for it.
	busy map[K]*reading[V]
}

// reading is one that hasn't begun yet, or is on its way.
type reading[V any] struct {
	// read reads in the time of whoever asked first, or in its own for several.
	read  func(joint bool) (V, error)
	joint bool // others wait for it too
	done  chan struct{}
	value V
	err   error
}

// Read gives what read gives for the key. It is called after Read was, by this caller or
// by another who asked for the same. What ends a caller's context doesn't end a reading
// that others wait for.
func (r *Reader[K, V]) Read(ctx context.Context, key K, read func(context.Context) (V, error)) (V, error) {
	r.mu.Lock()
	next, busy := r.busy[key]
	switch {
	case next != nil:
		next.joint = true
	default: // nobody reads, or the reading on its way began before this was asked
		next = &reading[V]{done: make(chan struct{}), read: func(joint bool) (V, error) {
			if !joint {
				return read(ctx)
			}
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTime)
			defer cancel()
			return read(ctx)
		}}
		if r.busy == nil {
			r.busy = map[K]*reading[V]{}
		}
		r.busy[key] = next
	}
	r.mu.Unlock()
	if !busy {
		// Whoever is about to ask, too, does so now; where nobody is, this takes no time.
		runtime.Gosched()
		defer r.pass(key)
		r.take(key).do()
		return next.value, next.err
	}
	select {
	case <-next.done:
		return next.value, next.err
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
}

// do reads.
func (n *reading[V]) do() {
	defer close(n.done)
	n.value, n.err = n.read(n.joint)
}

// take gives the next reading of a key, which begins now: who asks from here on waits
// for the one after. Without one the key isn't busy any more.
func (r *Reader[K, V]) take(key K) *reading[V] {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.busy[key]
	if next == nil {
		delete(r.busy, key)
		return nil
	}
	r.busy[key] = nil
	return next
}

// pass begins the reading that others wait for, if any do.
func (r *Reader[K, V]) pass(key K) {
	next := r.take(key)
	if next == nil {
		return
	}
	next.joint = true // nobody in particular does it
	go func() {
		for ; next != nil; next = r.take(key) {
			next.joint = true
			next.do()
		}
	}()
}
