package server

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"fairlead.dev/fairlead"
)

// lockDir keeps a second server out of a data directory. The kernel lets go of the
// lock when the process ends, however it ends.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // The operator names the directory.
	if err != nil {
		return nil, &fairlead.Error{Kind: fairlead.Unavailable, What: "locking data directory " + dir, Why: reason(err), Remedy: "name a directory that this user may write to, with --data"}
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, &fairlead.Error{
			Kind: fairlead.Conflict, What: "locking data directory " + dir, Why: "another server is using it",
			Remedy: "stop that one, or name another directory with --data",
		}
	}
	return f, nil
}

func reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}
