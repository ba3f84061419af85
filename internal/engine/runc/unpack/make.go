package unpack

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	whiteoutPrefix = ".wh."
	// opaque and reserved are what follows the prefix: of the marker that hides all that
	// lower layers have in a directory, and of what AUFS kept for itself.
	opaqueMarker = ".wh..opq"
	reserved     = ".wh."
)

// make makes an entry in the directory that is open. What is there already gives way,
// but a directory to a directory.
func (t *tree) make(base string, h *tar.Header, body io.Reader) error {
	var st unix.Stat_t
	err := t.create(base, h, body)
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	if err := unix.Fstatat(t.fd(), base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	if isDir && h.Typeflag == tar.TypeDir {
		return t.describe(base, h)
	}
	if err := t.remove(base, isDir); err != nil {
		return err
	}
	if err := t.create(base, h, body); err != nil {
		return err
	}
	if isWhiteout(&st) && h.Typeflag == tar.TypeDir {
		return t.hide(base)
	}
	return nil
}

func (t *tree) fd() int { return int(t.dir.Fd()) }

// below is a path of something in the open directory, for system calls that take no
// directory. Its name isn't followed by those that don't follow links.
func (t *tree) below(base string) string {
	return "/proc/self/fd/" + strconv.Itoa(t.fd()) + "/" + base
}

func (t *tree) remove(base string, isDir bool) error {
	if isDir {
		return os.RemoveAll(t.below(base))
	}
	return unix.Unlinkat(t.fd(), base, 0)
}

// create makes what isn't there yet: EEXIST if it is.
func (t *tree) create(base string, h *tar.Header, body io.Reader) error {
	var err error
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		return t.file(base, h, body)
	case tar.TypeLink:
		return t.link(base, h)
	case tar.TypeDir:
		err = unix.Mkdirat(t.fd(), base, 0o700)
	case tar.TypeSymlink:
		err = unix.Symlinkat(h.Linkname, t.fd(), base)
	case tar.TypeFifo:
		err = unix.Mknodat(t.fd(), base, unix.S_IFIFO|0o600, 0)
	case tar.TypeChar:
		err = unix.Mknodat(t.fd(), base, unix.S_IFCHR|0o600, device(h))
	case tar.TypeBlock:
		err = unix.Mknodat(t.fd(), base, unix.S_IFBLK|0o600, device(h))
	default:
		return content("its entry %s is of the type %q, which no layer has", shown(h.Name), h.Typeflag)
	}
	if err != nil {
		return err
	}
	return t.describe(base, h)
}

func device(h *tar.Header) int {
	return int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))) //nolint:gosec // Whatever it is, the container's device rules hold for it.
}

// file makes a regular file.
func (t *tree) file(base string, h *tar.Header, body io.Reader) error {
	fd, err := unix.Openat(t.fd(), base, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	err = t.fill(fd, h.Size, body)
	if e := unix.Close(fd); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return t.describe(base, h)
}

// fill writes a file's bytes. Where a whole buffer is zero, a hole is left: an archive
// can say so in a few bytes that a file is large and empty.
func (t *tree) fill(fd int, size int64, body io.Reader) error {
	if err := t.room(size); err != nil {
		return err
	}
	for {
		n, err := body.Read(t.buffer)
		if e := t.put(fd, t.buffer[:n]); e != nil {
			return e
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return misread("reading its archive", err)
		}
	}
	return unix.Ftruncate(fd, size)
}

// put writes bytes, or leaves a hole for them.
func (t *tree) put(fd int, b []byte) error {
	if len(b) == bufferSize && isZero(b) {
		_, err := unix.Seek(fd, bufferSize, io.SeekCurrent)
		return err
	}
	t.Bytes += int64(len(b))
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		b = b[max(n, 0):]
	}
	return nil
}

func isZero(b []byte) bool {
	return b[0] == 0 && bytes.Equal(b[:len(b)-1], b[1:])
}

// link makes a hard link to something that the same layer has.
func (t *tree) link(base string, h *tar.Header) error {
	name, err := clean(h.Linkname)
	if err != nil {
		return err
	}
	up, target := splitPath(name)
	d, err := resolve(t.root, up)
	if err == nil {
		defer d.Close() //nolint:errcheck // It was only read.
		err = unix.Linkat(int(d.Fd()), target, t.fd(), base, 0)
	}
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return content("its hard link %s leads to %s, which it doesn't have", shown(h.Name), shown(h.Linkname))
	}
	return err
}

// whiteout hides what lower layers have under a name, and nothing of this layer.
func (t *tree) whiteout(what string) error {
	switch {
	case what == opaqueMarker:
		return t.hide(".")
	case len(what) >= len(reserved) && what[:len(reserved)] == reserved:
		return nil
	case what == "", what == ".", what == "..":
		return content("its whiteout .wh.%s hides nothing that has a name", what)
	}
	var st unix.Stat_t
	err := unix.Fstatat(t.fd(), what, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case errors.Is(err, unix.ENOENT):
		return unix.Mknodat(t.fd(), what, unix.S_IFCHR, 0)
	case err != nil:
		return err
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return t.hide(what)
	}
	return nil
}

func isWhiteout(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
}

// hide makes a directory opaque: of lower layers nothing is seen in it.
func (t *tree) hide(base string) error {
	if t.path == "" && base == "." {
		t.OpaqueRoot = true // overlayfs doesn't ask the roots of its layers
		return nil
	}
	return unix.Setxattr(t.below(base), "trusted.overlay.opaque", []byte("y"), 0)
}
