package layers

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"fairlead.dev/fairlead"
)

// flight is the fetching of one layer, for all who want it.
type flight struct {
	cancel  context.CancelFunc
	done    chan struct{}
	waiters int // 0 means that it is being given up
	// What came of it, once done is closed.
	kept *kept // in use by each waiter
	err  error
}

// Take gives a layer, which stays until [Store.Release] is called with its digest. If it
// isn't there, fill fetches it: once for all who want it at the same time. It is given
// up only when nobody waits any more. Where it was another's that failed, fill is
// called: what stopped the other, such as a login, need not stop this one.
//
// there says that it was there, so that nothing was fetched for anybody.
// Errors are those of fill, ctx's cause, and [fairlead.Invalid] (CodeDigest) for a
// layer that unpacks to something else than the diff ID.
func (s *Store) Take(ctx context.Context, w Want, fill Fill) (l Layer, there bool, err error) {
	there = true
	for {
		k, f, own := s.join(ctx, w, fill)
		if k == nil {
			there = false
			select {
			case <-f.done:
			case <-ctx.Done():
				s.leave(f)
				return Layer{}, false, context.Cause(ctx)
			}
			if own && f.err != nil {
				return Layer{}, false, f.err
			}
			k = f.kept
		}
		if k == nil {
			continue
		}
		if k.DiffID != w.DiffID {
			s.Release(w.Digest)
			return Layer{}, there, otherFiles(w, k.DiffID)
		}
		return k.Layer, there, nil
	}
}

// join gives the layer, in use, or the flight that brings it. own says that fill was
// taken for it.
func (s *Store) join(ctx context.Context, w Want, fill Fill) (k *kept, f *flight, own bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k = s.layers[w.Digest]; k != nil {
		k.uses++
		s.touch(k)
		return k, nil, false
	}
	if f = s.flights[w.Digest]; f != nil {
		if f.waiters == 0 {
			return nil, &flight{done: f.done}, false // its end is waited for, and nothing of it is wanted
		}
		f.waiters++
		return nil, f, false
	}
	// The flight outlives who began it, if others want it too.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f = &flight{cancel: cancel, done: make(chan struct{}), waiters: 1}
	s.flights[w.Digest] = f
	s.work.Go(func() {
		defer cancel()
		s.fly(ctx, f, w, fill)
	})
	return nil, f, true
}

// leave is for who doesn't wait any more. The last one ends the flight, and waits until
// nothing is left of it.
func (s *Store) leave(f *flight) {
	s.mu.Lock()
	if f.kept != nil {
		s.mu.Unlock()
		s.Release(f.kept.Digest) // it came after all
		return
	}
	last := false
	if f.waiters > 0 {
		f.waiters--
		last = f.waiters == 0
	}
	s.mu.Unlock()
	if last {
		f.cancel()
		<-f.done
	}
}

func (s *Store) fly(ctx context.Context, f *flight, w Want, fill Fill) {
	k, err := s.fetch(ctx, w, fill)
	if isFull(err) {
		s.evict(0)
		k, err = s.fetch(ctx, w, fill)
	}
	s.mu.Lock()
	delete(s.flights, w.Digest)
	f.kept, f.err = k, err
	var gone []string
	if k != nil {
		k.uses = f.waiters
		s.layers[w.Digest] = k
		s.total += k.Bytes
		gone = s.choose(s.cache)
	}
	s.mu.Unlock()
	close(f.done)
	s.discard(gone)
	s.syncLater()
}

func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// fetch has a layer unpacked beside the others, and puts it among them.
func (s *Store) fetch(ctx context.Context, w Want, fill Fill) (*kept, error) {
	s.mu.Lock()
	dir := s.tmpName()
	s.mu.Unlock()
	tree := filepath.Join(dir, treeName)
	if err := os.MkdirAll(tree, 0o700); err != nil {
		return nil, err
	}
	t, err := fill(ctx, tree)
	var k *kept
	if err == nil {
		k, err = s.keep(dir, w, t)
	}
	if err != nil {
		s.discard([]string{dir})
	}
	return k, err
}

func otherFiles(w Want, got fairlead.Digest) error {
	return &fairlead.Error{
		Kind: fairlead.Invalid, Code: fairlead.CodeDigest, What: "unpacking layer " + string(w.Digest),
		Why:    "the image's config says that its files are " + string(w.DiffID) + ", and they are " + string(got),
		Remedy: "build and push the image anew, and tell whoever built it",
	}
}
