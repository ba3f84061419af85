package unpack

import (
	"archive/tar"
	"errors"
	"math"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// describe gives something its owner, mode, extended attributes and time, in the order
// in which one doesn't undo the other: a change of owner takes setuid and capabilities
// away (chown(2), capabilities(7)).
func (t *tree) describe(base string, h *tar.Header) error {
	if h.Uid < 0 || h.Gid < 0 || h.Uid >= math.MaxUint32 || h.Gid >= math.MaxUint32 {
		return content("its entry %s belongs to the user %d and the group %d, which can't be", shown(h.Name), h.Uid, h.Gid)
	}
	if err := unix.Fchownat(t.fd(), base, h.Uid, h.Gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if h.Typeflag != tar.TypeSymlink {
		if err := unix.Fchmodat(t.fd(), base, uint32(h.Mode&0o7777), 0); err != nil {
			return err
		}
	}
	if err := t.attributes(base, h); err != nil {
		return err
	}
	m := timespec(h.ModTime)
	if base == "." {
		t.mtime = m
	}
	return setTime(t.dir, base, m)
}

// paxAttribute is how archives name extended attributes (star(5)).
const paxAttribute = "SCHILY.xattr."

// keeps reports whether an extended attribute says something about the file itself and
// not about the machine that it was on.
func keeps(attribute string) bool {
	return attribute == "security.capability" || strings.HasPrefix(attribute, "user.") || strings.HasPrefix(attribute, "system.posix_acl_")
}

func (t *tree) attributes(base string, h *tar.Header) error {
	for key, value := range h.PAXRecords {
		attribute, ok := strings.CutPrefix(key, paxAttribute)
		if !ok || !keeps(attribute) {
			continue
		}
		err := unix.Lsetxattr(t.below(base), attribute, []byte(value), 0)
		switch {
		case err == nil, errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.EPERM):
			// A file system without them, or user.* of a symbolic link: as Docker does.
		case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.E2BIG), errors.Is(err, unix.ERANGE):
			return content("its entry %s has an extended attribute of %d bytes, which is more than the disk's file system takes", shown(h.Name), len(value))
		default:
			return err
		}
	}
	return nil
}

func splitPath(name string) (dir, base string) {
	dir, base = path.Split(name)
	return strings.TrimSuffix(dir, "/"), base
}
