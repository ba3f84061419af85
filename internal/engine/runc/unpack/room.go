package unpack

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const (
	// lookEvery is after how many bytes the disk is looked at.
	lookEvery = 64 << 20
	// mostKept and shareKept are what is left free of the disk: whatever else is on it,
	// such as the server's database, is to go on.
	mostKept  = 1 << 30
	shareKept = 50
	// entryCost is what an entry counts as before the disk is looked at: many small
	// files must not fill it unseen.
	entryCost = 16 << 10
	// overhead is what an archive may have beside its files.
	overhead = 256 << 20
)

// noRoom is an error that wraps ENOSPC.
func noRoom(free int64) error {
	return fmt.Errorf("it needs more than the %d MiB that the disk has left for it: %w", free>>20, unix.ENOSPC)
}

// freeRoom gives how many bytes may be written to the disk that dir is on.
func freeRoom(dir *os.File) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &st); err != nil {
		return 0, err
	}
	if st.Files > 0 && st.Ffree < st.Files/shareKept {
		return 0, fmt.Errorf("the disk has room for %d more files, which are kept free: %w", st.Ffree, unix.ENOSPC)
	}
	each := int64(st.Bsize)                                //nolint:unconvert // It is an int32 on other machines.
	keep := min(int64(st.Blocks)*each/shareKept, mostKept) //nolint:gosec // There are no disks of 2^63 bytes.
	return max(int64(st.Bavail)*each-keep, 0), nil         //nolint:gosec // as above
}

// room is asked before something of a size is made. It looks at the disk now and then,
// and before each large file. What the layer's files say to have in all may not be
// more than was free at first: zeros take no room, but their writing takes time.
func (t *tree) room(size int64) error {
	if t.left -= size; t.left < 0 {
		return noRoom(t.free)
	}
	if t.unchecked += size + entryCost; t.unchecked < lookEvery {
		return nil
	}
	t.unchecked = 0
	free, err := freeRoom(t.root)
	if err == nil && free < size {
		err = noRoom(free)
	}
	return err
}

// bounded ends an archive that is far larger than what the disk could take.
type bounded struct {
	io.Reader
	left, free int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, noRoom(b.free)
	}
	return n, err
}
