package seal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"fairlead.dev/fairlead"
)

// MaxKeyFile is the greatest size of a key file, in bytes.
const MaxKeyFile = 1 << 20

// ReadKeyFile reads a ring from a file. [fairlead.NotFound] if there is none,
// [fairlead.Denied] if others than its owner may read it.
func ReadKeyFile(path string) (*Ring, error) {
	what := "reading key file " + path
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &fairlead.Error{
			Kind: fairlead.NotFound, Code: fairlead.CodeWrongKey, What: what, Why: "there is no such file",
			Remedy: "restore it from your backup, or name the right one with --key-file; without it the stored secrets can't be opened",
		}
	case err != nil:
		return nil, &fairlead.Error{Kind: fairlead.Unavailable, What: what, Why: reason(err)}
	case info.Mode().Perm()&0o077 != 0:
		return nil, &fairlead.Error{
			Kind: fairlead.Denied, What: what, Why: fmt.Sprintf("others than its owner may use it (mode %04o)", info.Mode().Perm()),
			Remedy: "chmod 600 " + path,
		}
	case !info.Mode().IsRegular() || info.Size() > MaxKeyFile:
		return nil, &fairlead.Error{Kind: fairlead.Invalid, What: what, Why: "it is not a file of a key file's size", Remedy: "name a key file"}
	}
	b, err := os.ReadFile(path) //nolint:gosec // The operator names the file.
	if err != nil {
		return nil, &fairlead.Error{Kind: fairlead.Unavailable, What: what, Why: reason(err)}
	}
	return ParseRing(b)
}

// CreateKeyFile writes a fresh ring to a new file with mode 0600. [fairlead.Conflict]
// if the file is there already.
func CreateKeyFile(path string) (*Ring, error) {
	r, err := NewRing()
	if err != nil {
		return nil, err
	}
	if err := r.writeTo(path, os.Link); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil, &fairlead.Error{Kind: fairlead.Conflict, What: "creating key file " + path, Why: "it is there already"}
		}
		return nil, &fairlead.Error{Kind: fairlead.Unavailable, What: "creating key file " + path, Why: reason(err)}
	}
	return r, nil
}

// WriteKeyFile replaces the file with the ring, or leaves it as it was.
func WriteKeyFile(path string, r *Ring) error {
	if err := r.writeTo(path, os.Rename); err != nil {
		return &fairlead.Error{Kind: fairlead.Unavailable, What: "writing key file " + path, Why: reason(err)}
	}
	return nil
}

// writeTo writes a synced temporary file beside path and puts it in place: with Link
// the place must be free, with Rename what is there is replaced. Either way, after a
// crash path is whole or as it was.
func (r *Ring) writeTo(path string, put func(from, to string) error) error {
	text, err := r.JSON()
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(text.Reveal())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := put(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir) //nolint:gosec // The directory of the operator's key file.
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// reason is the system's own reason, without the path that the error's What has.
func reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}
