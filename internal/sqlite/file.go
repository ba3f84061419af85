package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"fairlead.dev/fairlead"
)

// prepare makes the file if it isn't there, sees that it is its owner's alone, and
// gives its absolute path. SQLite makes the files beside it (-wal, -shm) with the same
// mode.
func prepare(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fairlead.AsError(doing, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // The operator names the file.
	if err != nil {
		return "", unusable(path, err)
	}
	defer f.Close() //nolint:errcheck // Nothing was written.
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", unusable(path, err)
	case !info.Mode().IsRegular():
		return "", invalid(path+" isn't a file", "name a file")
	case info.Mode().Perm()&0o077 != 0:
		if err := f.Chmod(info.Mode().Perm() &^ 0o077); err != nil {
			return "", unusable(path, err)
		}
	}
	return path, nil
}

func invalid(why, remedy string) error {
	return &fairlead.Error{Kind: fairlead.Invalid, What: doing, Why: why, Remedy: remedy}
}

func unusable(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return invalid("there is no directory "+filepath.Dir(path), "create it, or name a file in another")
	case errors.Is(err, syscall.ENOTDIR):
		return invalid(filepath.Dir(path)+" isn't a directory", "name a file in a directory")
	case errors.Is(err, syscall.EISDIR):
		return invalid(path+" is a directory", "name a file, such as "+filepath.Join(path, "fairlead.db"))
	case errors.Is(err, fs.ErrPermission):
		return invalid("the file "+path+" may not be written by this user", "make it and its directory the user's that fairlead runs as")
	case errors.Is(err, syscall.EROFS):
		return &fairlead.Error{
			Kind: fairlead.Unavailable, What: doing, Why: "the file system of " + path + " is read-only",
			Remedy: "mount it writable, or name a file elsewhere",
		}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &fairlead.Error{
			Kind: fairlead.Unavailable, What: doing, Why: "the disk of " + path + " is full",
			Remedy: "make room on it",
		}
	default:
		return fairlead.AsError(doing, err)
	}
}
