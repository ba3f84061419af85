package unpack

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tree is a directory that is being filled.
type tree struct {
	root *os.File
	// The directory in which the last entry was made stays open. Making something in it
	// changed its time, which is put right when it is left.
	dir    *os.File
	path   string
	mtime  unix.Timespec
	buffer []byte

	maxEntries int64
	free, left int64 // bytes that may be written: at first, and still
	unchecked  int64 // bytes since the disk was looked at
	rooted     bool  // the archive describes the tree's own directory
	implied    []string
	Result
}

// block is what file systems round sizes up to, mostly.
const block = 4096

// maxPath is the longest path that Linux takes, in bytes (PATH_MAX less its NUL).
const maxPath = unix.PathMax - 1

// maxImplied bounds how many directories without an entry are remembered. An archive
// with more isn't one that a builder makes.
const maxImplied = 10_000

func openTree(dir string, maxEntries int64) (*tree, error) {
	root, err := os.Open(dir) //nolint:gosec // The caller's own.
	if err != nil {
		return nil, err
	}
	err = root.Chmod(0o755)
	free, e := freeRoom(root)
	if err = errors.Join(err, e); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &tree{root: root, maxEntries: maxEntries, free: free, left: free, buffer: make([]byte, bufferSize)}, nil
}

func (t *tree) close() {
	if t.dir != nil {
		_ = t.dir.Close()
	}
	_ = t.root.Close()
}

func (t *tree) finish() (Result, error) {
	if !t.rooted {
		t.Implied = append(t.Implied, ".")
	}
	t.Implied = append(t.Implied, t.implied...)
	return t.Result, t.leave()
}

// clean gives a path below the root, "" for the root itself. What climbs out is refused
// rather than bent: no builder makes it.
func clean(name string) (string, error) {
	c := path.Clean(strings.TrimLeft(name, "/"))
	switch {
	case c == ".." || strings.HasPrefix(c, "../"):
		return "", content("its entry %s leads out of it", shown(name))
	case len(c) > maxPath:
		return "", content("the path of its entry %s is longer than the %d bytes that Linux takes", shown(name), maxPath)
	case c == ".":
		return "", nil
	}
	return c, nil
}

// add makes one entry of the archive.
func (t *tree) add(h *tar.Header, body io.Reader) error {
	if t.Entries++; t.Entries > t.maxEntries {
		return content("it has more than %d files", t.maxEntries)
	}
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name, err := clean(h.Name)
	if err != nil {
		return err
	}
	if err := t.addTo(name, h, body); err != nil {
		if _, ok := errors.AsType[*contentError](err); ok {
			return err
		}
		return fmt.Errorf("making %s: %w", shown(name), err)
	}
	return nil
}

func (t *tree) addTo(name string, h *tar.Header, body io.Reader) error {
	if name == "" {
		return t.describeRoot(h)
	}
	up, base := path.Split(name)
	if err := t.enter(strings.TrimSuffix(up, "/")); err != nil {
		return err
	}
	if what, ok := strings.CutPrefix(base, whiteoutPrefix); ok {
		return t.whiteout(what)
	}
	if err := t.room(0); err != nil {
		return err
	}
	t.Bytes += block
	return t.make(base, h, body)
}

// describeRoot is the entry "./".
func (t *tree) describeRoot(h *tar.Header) error {
	if h.Typeflag != tar.TypeDir {
		return content("its root is no directory")
	}
	t.rooted = true
	if err := t.enter(""); err != nil {
		return err
	}
	return t.describe(".", h)
}

// enter opens the directory in which the next entry is made.
func (t *tree) enter(dir string) error {
	if t.dir != nil && t.path == dir {
		return nil
	}
	if err := t.leave(); err != nil {
		return err
	}
	d, mtime, err := t.open(dir)
	if err != nil {
		return err
	}
	t.dir, t.path, t.mtime = d, dir, mtime
	return nil
}

// leave closes the directory that is open, with the time that it had.
func (t *tree) leave() error {
	if t.dir == nil {
		return nil
	}
	err := errors.Join(setTime(t.dir, ".", t.mtime), t.dir.Close())
	t.dir = nil
	return err
}

// open opens a directory and gives its time. Where the archive names a directory only
// within longer paths, it is made.
func (t *tree) open(dir string) (*os.File, unix.Timespec, error) {
	d, err := resolve(t.root, dir)
	if errors.Is(err, unix.ENOENT) && dir != "" {
		if err := t.imply(dir); err != nil {
			return nil, unix.Timespec{}, err
		}
		d, err = resolve(t.root, dir)
	}
	switch {
	case errors.Is(err, unix.ENOTDIR):
		return nil, unix.Timespec{}, content("a part of the path %s is no directory", shown(dir))
	case errors.Is(err, unix.ELOOP):
		return nil, unix.Timespec{}, content("the symbolic links of %s lead round in circles", shown(dir))
	case err != nil:
		return nil, unix.Timespec{}, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(d.Fd()), &st); err != nil {
		return nil, unix.Timespec{}, errors.Join(err, d.Close())
	}
	return d, st.Mtim, nil
}

// imply makes a directory, and those above it that aren't there.
func (t *tree) imply(dir string) error {
	parts := strings.Split(dir, "/")
	prefix := func(n int) string { return strings.Join(parts[:n], "/") }
	// How many parts there are: a path can have 2000 of them.
	there := sort.Search(len(parts), func(n int) bool {
		d, err := resolve(t.root, prefix(n+1))
		if err == nil {
			_ = d.Close()
		}
		return errors.Is(err, unix.ENOENT)
	})
	d, mtime, err := t.open(prefix(there))
	if err != nil {
		return err
	}
	first := d
	for n := there; n < len(parts) && err == nil; n++ {
		var next *os.File
		if next, err = t.makeImplied(d, parts[n], prefix(n+1)); d != first {
			_ = d.Close()
		}
		d = next
	}
	if err == nil {
		err = errors.Join(setTime(first, ".", mtime), d.Close())
	}
	return errors.Join(err, first.Close())
}

// makeImplied makes one directory that nothing describes, and opens it.
func (t *tree) makeImplied(in *os.File, base, dir string) (*os.File, error) {
	fd := int(in.Fd())
	err := unix.Mkdirat(fd, base, 0o755)
	if errors.Is(err, unix.EEXIST) {
		return nil, content("a symbolic link in the path %s leads nowhere", shown(dir))
	}
	if err == nil {
		err = errors.Join(unix.Fchownat(fd, base, 0, 0, unix.AT_SYMLINK_NOFOLLOW), unix.Fchmodat(fd, base, 0o755, 0))
	}
	if err != nil {
		return nil, err
	}
	if t.Entries++; len(t.implied) < maxImplied {
		t.implied = append(t.implied, dir)
	}
	t.Bytes += block
	made, err := unix.Openat(fd, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(made), base), nil
}

// resolve opens a directory below root as a process would whose root that is.
func resolve(root *os.File, dir string) (*os.File, error) {
	if dir == "" {
		dir = "."
	}
	how := &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	for {
		fd, err := unix.Openat2(int(root.Fd()), dir, how)
		// EAGAIN: something was renamed or mounted meanwhile, anywhere (openat2(2)).
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return os.NewFile(uintptr(fd), dir), nil
	}
}

func setTime(dir *os.File, base string, mtime unix.Timespec) error {
	return unix.UtimesNanoAt(int(dir.Fd()), base, []unix.Timespec{mtime, mtime}, unix.AT_SYMLINK_NOFOLLOW)
}

// timespec keeps what the kernel takes of a time: nanoseconds since 1970 overflow for
// times that a header can say.
func timespec(m time.Time) unix.Timespec {
	if m.IsZero() {
		m = time.Unix(0, 0)
	}
	return unix.Timespec{Sec: m.Unix(), Nsec: int64(m.Nanosecond())}
}
