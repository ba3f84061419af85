package unpack_test

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/engine/runc/unpack"
)

// yard is a directory for a tree, beside a file that must not be reached.
type yard struct{ top, canary, fs string }

func newYard(tb testing.TB) yard {
	tb.Helper()
	return yardIn(tb, newDir(tb))
}

func yardIn(tb testing.TB, top string) yard {
	tb.Helper()
	y := yard{top, filepath.Join(top, "outside", "canary"), filepath.Join(top, "fs")}
	for _, d := range []string{filepath.Dir(y.canary), y.fs} {
		if err := os.Mkdir(d, 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	if err := os.WriteFile(y.canary, []byte("untouched"), 0o600); err != nil {
		tb.Fatal(err)
	}
	return y
}

// outside describes everything but the tree.
func (y yard) outside(tb testing.TB) []string {
	tb.Helper()
	var lines []string
	for _, line := range look(tb, y.top) {
		if !strings.HasPrefix(line, `"fs`) {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestHostile unpacks archives that try to get out. %TOP stands for the directory that
// is one above the tree's.
func TestHostile(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("d/", 10_000)
	for _, row := range []struct {
		name    string
		entries []entry
		why     string // "" for what does no harm
	}{
		{"up", []entry{file("../outside/canary", "x")}, `its entry "../outside/canary" leads out of it`},
		{"up within", []entry{dir("a"), file("a/b/../../../outside/canary", "x")}, "leads out of it"},
		{"up only", []entry{dir("..")}, "leads out of it"},
		{"absolute", []entry{file("%TOP/outside/canary", "x")}, ""},
		{"through a relative link", []entry{symlink("l", "../outside"), file("l/canary", "x")}, "making \"l/canary\"|leads nowhere"},
		{"through an absolute link", []entry{symlink("l", "%TOP/outside"), file("l/canary", "x")}, "leads nowhere"},
		{"through a chain of links", []entry{symlink("a", "/b/.."), symlink("b", "../.."), dir("c"), symlink("c/l", "../a/outside"), file("c/l/canary", "x")}, "leads nowhere"},
		{"a directory becomes a link", []entry{dir("d"), file("d/in", ""), symlink("d", "../outside"), file("d/canary", "x"), file("d/in", "x")}, "leads nowhere"},
		{"a link becomes a directory", []entry{symlink("d", "../outside"), dir("d"), file("d/canary", "x")}, ""},
		{"over a link", []entry{symlink("d", "../outside/canary"), file("d", "x")}, ""},
		{"a directory over a link keeps the link's aim as it is", []entry{symlink("d", "../outside"), dir("d").with(func(h *tar.Header) { h.Mode, h.Uid = 0o777, 9 })}, ""},
		{"a whiteout over a link", []entry{symlink("d", "../outside"), file(".wh.d", "")}, ""},
		{"a whiteout through a link", []entry{symlink("d", "../outside"), file("d/.wh.canary", "")}, "leads nowhere"},
		{"a whiteout of what is above", []entry{file("d/.wh...", "")}, "hides nothing that has a name"},
		{"a whiteout of itself", []entry{file("d/.wh..", "")}, "hides nothing that has a name"},
		{"a whiteout of nothing", []entry{file("d/.wh.", "")}, "hides nothing that has a name"},
		{"opaque through a link", []entry{symlink("d", "../outside"), file("d/.wh..wh..opq", "")}, "leads nowhere"},
		{"a hard link up", []entry{hardlink("h", "../outside/canary"), file("h", "x")}, "leads out of it"},
		{"an absolute hard link", []entry{hardlink("h", "%TOP/outside/canary")}, "which it doesn't have"},
		{"a hard link through a link", []entry{symlink("l", "../outside"), hardlink("h", "l/canary"), file("h", "x")}, "which it doesn't have"},
		{"a hard link to a link", []entry{symlink("l", "../outside/canary"), hardlink("h", "l"), file("h", "x").with(func(h *tar.Header) { h.Mode, h.Uid = 0o777, 9 })}, ""},
		{"a hard link to a directory", []entry{dir("d"), hardlink("h", "d")}, "operation not permitted"},
		{"a hard link to itself", []entry{file("f", ""), hardlink("f", "f")}, "which it doesn't have"},
		{"a hard link to what comes later", []entry{hardlink("h", "f"), file("f", "")}, "which it doesn't have"},
		{"through a hard link of a link", []entry{symlink("l", "../outside"), hardlink("h", "l"), file("h/canary", "x")}, "leads nowhere"},
		{"a link in circles", []entry{symlink("a", "b"), symlink("b", "a"), file("a/x", "")}, "round in circles"},
		{"through proc", []entry{symlink("l", "/proc/self/root"), file("l/canary", "x")}, "leads nowhere"},
		{"through a file", []entry{file("f", ""), file("f/x", "")}, `a part of the path "f" is no directory`},
		{"through a device", []entry{{tar.Header{Name: "n", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}, ""}, file("n/x", "")}, "is no directory"},
		{"the root as a link", []entry{symlink(".", "../outside"), file("canary", "x")}, "its root is no directory"},
		{"the root as a file", []entry{file(".", "x")}, "its root is no directory"},
		{"10 000 levels", []entry{file(deep+"f", "")}, "longer than the 4095 bytes"},
		{"2 000 levels", []entry{file(strings.Repeat("d/", 2000)+"f", ""), file("d/g", ""), file("d", "a file now")}, ""},
		{"a name that is too long", []entry{file(strings.Repeat("n", 256), "")}, "file name too long"},
		{"a link that is too long", []entry{symlink("l", strings.Repeat("n/", 3000))}, "file name too long"},
		{"a link to nothing", []entry{symlink("l", "x").with(func(h *tar.Header) { h.Linkname = "" })}, "no such file or directory"},
		{"nobody's file", []entry{file("f", "").with(func(h *tar.Header) { h.Uid = 1<<32 - 1 })}, "belongs to the user 4294967295"},
		{"an attribute that is too long", []entry{file("f", "").with(func(h *tar.Header) {
			h.PAXRecords = map[string]string{"SCHILY.xattr.user.a": strings.Repeat("v", 70_000)}
		})}, "extended attribute of 70000 bytes"},
		{"an unknown type", []entry{{tar.Header{Name: "v", Typeflag: 'V', Format: tar.FormatGNU, ModTime: when.Truncate(1e9)}, ""}}, "is of the type 'V'"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			y := newYard(t)
			for i := range row.entries {
				h := &row.entries[i].Header
				h.Name, h.Linkname = strings.Replace(h.Name, "%TOP", y.top, 1), strings.Replace(h.Linkname, "%TOP", y.top, 1)
			}
			before := y.outside(t)
			raw := archive(t, row.entries...)
			_, err := unpack.Layer(t.Context(), bytes.NewReader(raw), y.fs, unpack.Options{Name: "layer", DiffID: diffID(raw)})
			if diff := cmp.Diff(before, y.outside(t)); diff != "" {
				t.Errorf("the archive got out: %s", diff)
			}
			wantRefusal(t, err, row.why)
			if err := os.RemoveAll(y.fs); err != nil {
				t.Errorf("the tree can't be removed: %v", err)
			}
		})
	}
}

// wantRefusal wants an error that blames the layer, with one of the words; none for "".
func wantRefusal(tb testing.TB, err error, words string) {
	tb.Helper()
	if words == "" {
		if err != nil {
			tb.Errorf("it is refused: %v", err)
		}
		return
	}
	if fairlead.KindOf(err) != fairlead.Invalid || fairlead.CodeOf(err) != fairlead.CodeUnpack {
		tb.Errorf("the error is %q %q (%v)", fairlead.KindOf(err), fairlead.CodeOf(err), err)
		return
	}
	for word := range strings.SplitSeq(words, "|") {
		if strings.Contains(err.Error(), word) {
			return
		}
	}
	tb.Errorf("the error is %q, and not about %q", err, words)
}

// tmpfs is a small disk of the test's own.
func tmpfs(tb testing.TB, options string) string {
	tb.Helper()
	d := newDir(tb)
	if err := unix.Mount("tmpfs", d, "tmpfs", 0, options); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := unix.Unmount(d, unix.MNT_DETACH); err != nil {
			tb.Error(err)
		}
	})
	return d
}

// TestBombs unpacks what is small when it is packed.
func TestBombs(t *testing.T) {
	t.Parallel()
	many := make([]entry, 200_000)
	for i := range many {
		many[i] = entry{tar.Header{Name: "same", Typeflag: tar.TypeReg}, ""}
	}
	for _, row := range []struct {
		name, disk string
		raw        func(t *testing.T) []byte
		most       int64
		full       bool // the disk, or else the layer is to blame
		why        string
	}{
		{"a file larger than the disk", "size=64m", func(t *testing.T) []byte {
			t.Helper()
			return archive(t, file("a", ""), file("b", strings.Repeat("\x00", 80<<20)))
		}, 0, true, "more than the 62 MiB that the disk has left"},
		{"a file that says it is larger than any disk", "size=64m", func(t *testing.T) []byte {
			t.Helper()
			return sparse(t, 1<<60)
		}, 0, true, "more than the 62 MiB that the disk has left"},
		{"more zeros after the archive than the disk takes", "size=16m", func(t *testing.T) []byte {
			t.Helper()
			return append(archive(t, file("a", "")), make([]byte, 300<<20)...)
		}, 0, true, "more than the 15 MiB that the disk has left"},
		{"a file that comes again and again", "size=16m", func(t *testing.T) []byte {
			t.Helper()
			f := file("a", strings.Repeat("a", 6<<20))
			return archive(t, f, f, f)
		}, 0, true, "more than the 15 MiB that the disk has left"},
		{"files that fill the disk", "size=16m", func(t *testing.T) []byte {
			t.Helper()
			return archive(t, file("a", strings.Repeat("a", 10<<20)), file("b", strings.Repeat("b", 10<<20)))
		}, 0, true, "no space left on device"},
		{"more files than there may be", "size=64m", func(t *testing.T) []byte {
			t.Helper()
			return archive(t, many[:101]...)
		}, 100, false, "more than 100 files"},
		{"more files than the disk takes", "size=64m,nr_inodes=100", func(t *testing.T) []byte {
			t.Helper()
			var list []entry
			for i := range 200 {
				list = append(list, file("f"+strings.Repeat("x", i), ""))
			}
			return archive(t, list...)
		}, 0, true, "no space left on device"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			raw := row.raw(t)
			_, err := unpack.Layer(t.Context(), bytes.NewReader(raw), tmpfs(t, row.disk), unpack.Options{Name: "layer", DiffID: diffID(raw), MaxEntries: row.most})
			if !row.full {
				wantRefusal(t, err, row.why)
				return
			}
			if fairlead.KindOf(err) != fairlead.Unavailable || fairlead.CodeOf(err) != fairlead.CodeUnpack || !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), row.why) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// sparse is an archive with a sparse file that holds nothing (tar(5), "GNU tar
// archives": type S, no pieces, and the size in base 256 at byte 483).
func sparse(tb testing.TB, size int64) []byte {
	tb.Helper()
	b := archive(tb, entry{tar.Header{Name: "sparse", Format: tar.FormatGNU, ModTime: when.Truncate(time.Second), Typeflag: tar.TypeReg}, ""})
	b[156] = 'S'
	b[483] = 0x80
	binary.BigEndian.PutUint64(b[487:], uint64(size))
	copy(b[148:156], "        ")
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return b
}
