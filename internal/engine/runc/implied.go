package runc

import (
	"errors"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// restoreImplied gives directories back what lower layers say of them. A layer may have
// tmp/file without an entry for tmp; of the two, overlayfs then shows the tmp that it
// knows least of. (The Docker engine leaves it so, and /tmp becomes unwritable.)
func (r *root) restoreImplied(layers []planLayer) error {
	var all []string
	implied := make([]map[string]bool, len(layers))
	for n, l := range layers {
		implied[n] = map[string]bool{}
		for _, dir := range l.Implied {
			implied[n][dir] = true
			all = append(all, dir)
		}
	}
	all = append(all, ".") // of which the upper directory, too, says nothing
	slices.Sort(all)
	for _, dir := range slices.Compact(all) {
		if err := r.restore(dir, layers, implied); err != nil {
			return err
		}
	}
	return nil
}

// restore finds the highest layer that describes a directory. It is looked for without
// following links: a layer in which the path leads through one has another directory.
func (r *root) restore(dir string, layers []planLayer, implied []map[string]bool) error {
	for n, l := range layers {
		var st unix.Stat_t
		opaque, err := look(l.Dir, dir, &st)
		switch {
		case err == nil && !implied[n][dir]:
			return r.describe(dir, &st)
		case err == nil && opaque:
			return nil // what is below isn't seen
		case err != nil && !errors.Is(err, unix.ENOENT):
			return nil // something else hides what is below
		}
	}
	return nil
}

// noLinks refuses every symbolic link on the way.
const noLinks = unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_BENEATH

func look(layer, dir string, st *unix.Stat_t) (opaque bool, err error) {
	top, err := os.Open(layer) //nolint:gosec // The engine's own.
	if err != nil {
		return false, err
	}
	defer top.Close() //nolint:errcheck // It was only read.
	d, err := openIn(top, dir, unix.O_RDONLY|unix.O_DIRECTORY, noLinks)
	if err != nil {
		return false, err
	}
	defer d.Close() //nolint:errcheck // as above
	if err := unix.Fstat(int(d.Fd()), st); err != nil {
		return false, err
	}
	value := make([]byte, 1)
	n, err := unix.Fgetxattr(int(d.Fd()), "trusted.overlay.opaque", value)
	return err == nil && strings.HasPrefix(string(value[:n]), "y"), nil
}

func (r *root) describe(dir string, st *unix.Stat_t) error {
	d, err := openIn(r.dir, dir, unix.O_RDONLY|unix.O_DIRECTORY, noLinks)
	if err != nil {
		return nil
	}
	defer d.Close() //nolint:errcheck // It was only read.
	fd := int(d.Fd())
	return errors.Join(
		unix.Fchown(fd, int(st.Uid), int(st.Gid)), unix.Fchmod(fd, st.Mode&0o7777),
		unix.UtimesNanoAt(fd, ".", []unix.Timespec{st.Mtim, st.Mtim}, 0),
	)
}
