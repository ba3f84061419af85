package runc

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// removeTree removes a directory with all that a container wrote below it. A container
// can make directories deeper than any path is long, and than there are file descriptors
// for: so that one that isn't empty is first moved to the top.
func removeTree(dir string) error {
	top, err := os.Open(dir) //nolint:gosec // The engine's own.
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	r := &remover{top: top}
	err = r.empty(top)
	return errors.Join(err, top.Close(), os.Remove(dir))
}

type remover struct {
	top   *os.File
	moved int
}

// batch is how many names are read at once.
const batch = 1024

// empty removes what is in a directory. Directories in it that aren't empty are moved to
// the top, where they are found in turn.
func (r *remover) empty(dir *os.File) error {
	for {
		if _, err := dir.Seek(0, io.SeekStart); err != nil {
			return err
		}
		names, err := dir.Readdirnames(batch)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := r.remove(dir, name); err != nil {
				return err
			}
		}
	}
}

func (r *remover) remove(in *os.File, name string) error {
	fd := int(in.Fd())
	err := unix.Unlinkat(fd, name, 0)
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM) {
		err = unix.Unlinkat(fd, name, unix.AT_REMOVEDIR)
	}
	switch {
	case err == nil, errors.Is(err, unix.ENOENT):
		return nil
	case !errors.Is(err, unix.ENOTEMPTY):
		return fmt.Errorf("removing %q: %w", name, err)
	case in != r.top:
		return r.lift(fd, name)
	}
	sub, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	d := os.NewFile(uintptr(sub), name)
	return errors.Join(r.empty(d), d.Close(), unix.Unlinkat(fd, name, unix.AT_REMOVEDIR))
}

// lift moves a directory to the top, under a name that is free.
func (r *remover) lift(fd int, name string) error {
	for {
		r.moved++
		err := unix.Renameat2(fd, name, int(r.top.Fd()), fmt.Sprintf("moved-%d", r.moved), unix.RENAME_NOREPLACE)
		if !errors.Is(err, unix.EEXIST) {
			return err
		}
	}
}
