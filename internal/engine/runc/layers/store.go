// Package layers keeps unpacked layers on a disk: each one once, complete or not at all,
// and no more of them than fit.
//
// In the store's directory each layer has one of its own, named by the digest of its
// packed bytes:
//
//	lock                     held by the process that uses the store
//	tmp/                     what is being made or removed; emptied at the start
//	layers/sha256-HEX/fs/    the layer's files, a lower directory for overlayfs
//	layers/sha256-HEX/layer.json
//	layers/sha256-HEX/synced
//
// A layer is made below tmp and renamed when it is complete, so that a process may be
// killed at any time. A machine that stops is another matter: what it has renamed, it
// may not have written. To wait for the disk would double the time of a pull (fsync of
// 2.4 GB takes as long as to fetch it), and what is lost is only a copy. So a layer that
// was made since the machine started is good as it is, by the kernel's own cache; some
// time later the file system is synced and the layer marked (synced); and a layer
// without the mark that is of an earlier boot is thrown away.
package layers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"fairlead.dev/fairlead"
)

// Options are what a [Store] is made with.
type Options struct {
	Dir string
	// CacheBytes is how much may stay that nobody uses, in bytes on the disk, together
	// with what is used.
	CacheBytes int64
	Now        func() time.Time
	// Boot tells one start of the machine from another. "" asks the kernel.
	Boot string
	// SyncAfter is how long after the last layer the file system is synced; 0 is half a
	// minute, after which the kernel has written most by itself.
	SyncAfter time.Duration
}

// Want is a layer that is wanted: what its packed bytes are, and what they unpack to.
type Want struct {
	Digest, DiffID fairlead.Digest
}

// Tree says what is in a layer that was unpacked.
type Tree struct {
	// Bytes is what it takes on the disk.
	Bytes int64 `json:"bytes"`
	// Implied and OpaqueRoot are for whoever lays the layer over others.
	Implied    []string `json:"implied,omitempty"`
	OpaqueRoot bool     `json:"opaque_root,omitempty"`
}

// Layer is a layer that is there.
type Layer struct {
	Want
	Tree
	// Dir holds its files.
	Dir string
}

// Fill unpacks a layer into an empty directory, whose bytes it has checked. An error
// that wraps ENOSPC or EDQUOT has the store make room and call it once more.
type Fill func(ctx context.Context, dir string) (Tree, error)

// Store keeps layers. It is safe for concurrent use.
type Store struct {
	dir   string
	cache int64
	now   func() time.Time
	boot  string
	after time.Duration
	lock  *os.File

	mu      sync.Mutex
	layers  map[fairlead.Digest]*kept
	flights map[fairlead.Digest]*flight
	total   int64
	next    int // numbers what is in tmp
	timer   *time.Timer
	closed  bool
	work    sync.WaitGroup
}

// kept is a layer on the disk.
type kept struct {
	Layer
	uses   int
	last   time.Time
	synced bool
}

const defaultSyncAfter = 30 * time.Second

// Open opens a store, and throws away what isn't complete. A directory that another
// process uses is a [fairlead.Conflict].
func Open(o Options) (*Store, error) {
	s := &Store{
		dir: o.Dir, cache: o.CacheBytes, now: o.Now, boot: o.Boot, after: cmp.Or(o.SyncAfter, defaultSyncAfter),
		layers: map[fairlead.Digest]*kept{}, flights: map[fairlead.Digest]*flight{},
	}
	if err := s.open(); err != nil {
		if s.lock != nil {
			_ = s.lock.Close()
		}
		if _, ok := errors.AsType[*fairlead.Error](err); ok {
			return nil, err
		}
		return nil, fmt.Errorf("opening the layers in %s: %w", s.dir, err)
	}
	return s, nil
}

func (s *Store) open() error {
	if err := os.MkdirAll(s.path("layers"), 0o700); err != nil {
		return err
	}
	if err := s.takeLock(); err != nil {
		return err
	}
	if s.boot == "" {
		b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
		if err != nil {
			return err
		}
		s.boot = strings.TrimSpace(string(b))
	}
	// Nothing below tmp was ever a layer.
	if err := errors.Join(os.RemoveAll(s.path("tmp")), os.Mkdir(s.path("tmp"), 0o700)); err != nil {
		return err
	}
	if err := s.read(); err != nil {
		return err
	}
	s.evict(s.cache)
	s.syncLater()
	return nil
}

func (s *Store) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// takeLock sees that the directory has one user. The lock goes with the process.
func (s *Store) takeLock() error {
	f, err := os.OpenFile(s.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	s.lock = f
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return &fairlead.Error{
			Kind: fairlead.Conflict, Code: fairlead.CodeInUse, What: "opening the layers in " + s.dir, Why: "another process uses this directory",
			Remedy: "give each worker a directory of its own, or end the other one",
		}
	}
	return err
}

// Close ends what is being fetched, and lets go of the directory.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	for _, f := range s.flights {
		f.cancel()
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	s.work.Wait()
	return s.lock.Close()
}

// Release lets go of a layer that [Store.Take] gave.
func (s *Store) Release(d fairlead.Digest) {
	s.mu.Lock()
	k := s.layers[d]
	k.uses--
	s.touch(k)
	gone := s.choose(s.cache)
	s.mu.Unlock()
	s.discard(gone)
}

// touch notes that a layer was used. The time outlives the process as that of its
// record.
func (s *Store) touch(k *kept) {
	k.last = s.now()
	_ = os.Chtimes(filepath.Join(filepath.Dir(k.Dir), recordName), k.last, k.last)
}

// evict removes layers that nobody uses, least recently used first, until at most so
// many bytes are kept.
func (s *Store) evict(most int64) {
	s.mu.Lock()
	gone := s.choose(most)
	s.mu.Unlock()
	s.discard(gone)
}

// choose takes layers that are to go out of the store. Their directories are still to
// be removed.
func (s *Store) choose(most int64) []string {
	if s.total <= most {
		return nil
	}
	var unused []*kept
	for _, k := range s.layers {
		if k.uses == 0 {
			unused = append(unused, k)
		}
	}
	slices.SortFunc(unused, func(a, b *kept) int { return a.last.Compare(b.last) })
	var gone []string
	for _, k := range unused {
		if s.total <= most {
			break
		}
		// Renamed first: half a layer is never found under its name.
		to := s.tmpName()
		if err := os.Rename(filepath.Dir(k.Dir), to); err != nil {
			continue // it stays, and is tried again
		}
		gone = append(gone, to)
		delete(s.layers, k.Digest)
		s.total -= k.Bytes
	}
	return gone
}

func (s *Store) discard(dirs []string) {
	for _, d := range dirs {
		_ = os.RemoveAll(d) // what stays is removed at the next start
	}
}

// tmpName is a new name below tmp. The caller holds the lock.
func (s *Store) tmpName() string {
	s.next++
	return s.path("tmp", fmt.Sprint(s.next))
}
