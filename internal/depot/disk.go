package depot

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"fairlead.dev/fairlead"
)

// disk is where the files lie:
//
//	blobs/sha256/ab/abcdef...    whole, and checked
//	partial/sha256-abcdef...     begun; holes are what is missing
//	partial/sha256-abcdef....map which cells of it are there
//	trash/                       about to go
//	ledger                       sizes, owners, pins and the order of use
//	lock                         held by the process that has the directory
type disk struct {
	dir  string
	lock *os.File
	seq  atomic.Int64 // names in trash
}

const journalSuffix = ".map"

func openDisk(dir string) (*disk, error) {
	k := &disk{dir: dir}
	for _, sub := range []string{"blobs", "partial", "trash"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, k.failed("making", err)
		}
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // The operator names the directory.
	if err != nil {
		return nil, k.failed("locking", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &fairlead.Error{
				Kind: fairlead.Conflict, Code: fairlead.CodeInUse, What: "opening depot " + dir, Why: "another process has it",
				Remedy: "end that one, or name another directory",
			}
		}
		return nil, k.failed("locking", err)
	}
	k.lock = lock
	left, err := os.ReadDir(filepath.Join(dir, "trash"))
	if err != nil {
		return nil, k.failed("clearing", err)
	}
	for _, f := range left {
		_ = os.Remove(filepath.Join(dir, "trash", f.Name()))
	}
	return k, nil
}

func (k *disk) close() { _ = k.lock.Close() }

// whole is the path of a blob that is there.
func (k *disk) whole(digest fairlead.Digest) string {
	algorithm, hexed, _ := strings.Cut(string(digest), ":")
	return filepath.Join(k.dir, "blobs", algorithm, hexed[:2], hexed)
}

// partial is the path of a blob that has begun to arrive.
func (k *disk) partial(digest fairlead.Digest) string {
	return filepath.Join(k.dir, "partial", strings.Replace(string(digest), ":", "-", 1))
}

func (k *disk) journal(digest fairlead.Digest) string { return k.partial(digest) + journalSuffix }

// store writes a whole blob so that it survives a crash.
func (k *disk) store(digest fairlead.Digest, b []byte) error {
	f, err := os.CreateTemp(filepath.Join(k.dir, "trash"), "put-*")
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = k.commit(f.Name(), digest)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// commit gives a file that was synced its name among the whole ones.
func (k *disk) commit(from string, digest fairlead.Digest) error {
	to := k.whole(digest)
	if err := makeDir(filepath.Dir(to)); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// drop takes the files of a digest out of the way at once, and gives what remains to be
// removed, which may take a while.
func (k *disk) drop(paths ...string) []string {
	var gone []string
	for _, path := range paths {
		to := filepath.Join(k.dir, "trash", fmt.Sprintf("%d", k.seq.Add(1)))
		if os.Rename(path, to) == nil {
			gone = append(gone, to)
		}
	}
	return gone
}

func (k *disk) failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	e := &fairlead.Error{Kind: fairlead.Unavailable, What: doing + " blob below " + k.dir, Why: reason(err)}
	if isFull(err) {
		e.Remedy = "make room on the disk, or give the depot a quota that fits; nothing was kept of what didn't fit"
	}
	return e
}

func reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

// isFull reports whether it is room that is missing: of the disk, of its owner, or of
// what the process may write.
func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}

// makeDir makes a directory and the one above it, each so that it survives a crash: a
// file that was synced is lost with a directory that wasn't.
func makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeDir(filepath.Dir(dir)); err != nil {
			return err
		}
		return makeDir(dir)
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

func syncDir(dir string) error {
	f, err := os.Open(dir) //nolint:gosec // A directory of the depot's own.
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// free is how many bytes the disk has room for.
func (k *disk) free() (n int64, known bool) {
	var s unix.Statfs_t
	if unix.Fstatfs(int(k.lock.Fd()), &s) != nil || s.Blocks == 0 || s.Bsize <= 0 || s.Bavail > math.MaxInt64/uint64(s.Bsize) {
		return 0, false
	}
	return int64(s.Bavail * uint64(s.Bsize)), true //nolint:gosec // It was just compared.
}

// allocated is what a file takes on the disk.
func allocated(info fs.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Blocks * 512
	}
	return info.Size()
}

// newHash is for the digest's algorithm.
func newHash(digest fairlead.Digest) hash.Hash {
	if strings.HasPrefix(string(digest), "sha512:") {
		return sha512.New()
	}
	return sha256.New()
}

// digestOf is of what h has seen, written as like is.
func digestOf(like fairlead.Digest, h hash.Hash) fairlead.Digest {
	algorithm, _, _ := strings.Cut(string(like), ":")
	return fairlead.Digest(algorithm + ":" + hex.EncodeToString(h.Sum(nil)))
}

func sum(like fairlead.Digest, b []byte) fairlead.Digest {
	h := newHash(like)
	_, _ = h.Write(b)
	return digestOf(like, h)
}
