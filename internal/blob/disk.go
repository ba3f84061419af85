package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"fairlead.dev/fairlead"
)

// Disk keeps blobs as files below a directory: sha256/ab/abcdef... It is safe for
// several processes at once.
type Disk struct{ dir string }

// abandoned is the age from which a temporary file is nobody's: no writer takes that
// long, not even one of another process.
const abandoned = 24 * time.Hour

// NewDisk makes the directory if need be and clears away what writers have left half
// done.
func NewDisk(dir string, now func() time.Time) (*Disk, error) {
	d := &Disk{dir: dir}
	if err := os.MkdirAll(d.temporary(), 0o700); err != nil {
		return nil, d.failed("making", err)
	}
	files, err := os.ReadDir(d.temporary())
	if err != nil {
		return nil, d.failed("clearing", err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || now().Sub(info.ModTime()) < abandoned {
			continue
		}
		if err := os.Remove(filepath.Join(d.temporary(), f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, d.failed("clearing", err)
		}
	}
	return d, nil
}

func (d *Disk) temporary() string { return filepath.Join(d.dir, "tmp") }

// path is where a blob lies; false if the digest is none.
func (d *Disk) path(digest fairlead.Digest) (string, bool) {
	hexed, ok := strings.CutPrefix(string(digest), "sha256:")
	if b, err := hex.DecodeString(hexed); !ok || err != nil || len(b) != sha256.Size || strings.ToLower(hexed) != hexed {
		return "", false
	}
	return filepath.Join(d.dir, "sha256", hexed[:2], hexed), true
}

// Open reads a blob.
func (d *Disk) Open(_ context.Context, digest fairlead.Digest) (io.ReadSeekCloser, error) {
	path, ok := d.path(digest)
	if !ok {
		return nil, notKept(digest)
	}
	f, err := os.Open(path) //nolint:gosec // The path is made of hex digits.
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notKept(digest)
	}
	if err != nil {
		return nil, d.failed("opening", err)
	}
	return f, nil
}

// Create begins a blob in a temporary file.
func (d *Disk) Create(context.Context) (Writer, error) {
	f, err := os.CreateTemp(d.temporary(), "blob-*")
	if err != nil {
		return nil, d.failed("creating", err)
	}
	return &diskWriter{disk: d, file: f, hash: sha256.New()}, nil
}

// Remove forgets a blob.
func (d *Disk) Remove(_ context.Context, digest fairlead.Digest) error {
	path, ok := d.path(digest)
	if !ok {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return d.failed("removing", err)
	}
	return nil
}

func (d *Disk) failed(doing string, err error) error {
	e := &fairlead.Error{Kind: fairlead.Unavailable, What: doing + " blob below " + d.dir, Why: reason(err)}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		e.Remedy = "make room on the disk, then try again; nothing was kept of what didn't fit"
	}
	return e
}

func reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

func notKept(digest fairlead.Digest) error {
	return &fairlead.Error{Kind: fairlead.NotFound, What: "opening blob", Why: "there is no blob " + fairlead.Clip(string(digest))}
}

type diskWriter struct {
	disk *Disk
	file *os.File
	hash hash.Hash
	done bool
}

func (w *diskWriter) Write(b []byte) (int, error) {
	n, err := w.file.Write(b)
	_, _ = w.hash.Write(b[:n])
	if err != nil {
		err = w.disk.failed("writing", err)
	}
	return n, err
}

func (w *diskWriter) Digest() fairlead.Digest {
	return fairlead.Digest("sha256:" + hex.EncodeToString(w.hash.Sum(nil)))
}

// Commit syncs the file, renames it, and syncs the directory.
func (w *diskWriter) Commit(_ context.Context, digest fairlead.Digest) error {
	if got := w.Digest(); got != digest {
		return &fairlead.Error{
			Kind: fairlead.Invalid, Code: fairlead.CodeDigest, What: "keeping blob", Why: fmt.Sprintf("the bytes have digest %s, not %s", got, fairlead.Clip(string(digest))),
			Remedy: "send the bytes that the digest was made of",
		}
	}
	path, ok := w.disk.path(digest)
	if !ok {
		return notKept(digest)
	}
	if err := makeDir(filepath.Dir(path)); err != nil {
		return w.disk.failed("keeping", err)
	}
	if err := errors.Join(w.file.Sync(), w.file.Close()); err != nil {
		return w.disk.failed("keeping", err)
	}
	if err := os.Rename(w.file.Name(), path); err != nil {
		return w.disk.failed("keeping", err)
	}
	w.done = true
	if err := syncDir(filepath.Dir(path)); err != nil {
		return w.disk.failed("keeping", err)
	}
	return nil
}

func (w *diskWriter) Close() error {
	if w.done {
		return nil
	}
	w.done = true
	_ = w.file.Close()
	_ = os.Remove(w.file.Name())
	return nil
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
	f, err := os.Open(dir) //nolint:gosec // A directory of the keeper's own.
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
