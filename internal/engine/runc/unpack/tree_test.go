package unpack_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/engine/runc/unpack"
)

// when is the time of everything that doesn't say another.
var when = time.Unix(1_500_000_000, 123_456_789)

// entry is an entry of an archive: a header with a body.
type entry struct {
	tar.Header
	body string
}

func file(name, body string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}, body}
}

func dir(name string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755}, ""}
}

func symlink(name, to string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to, Mode: 0o777}, ""}
}

func hardlink(name, to string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: to, Mode: 0o644}, ""}
}

func (e entry) with(change func(*tar.Header)) entry {
	change(&e.Header)
	return e
}

func archive(tb testing.TB, entries ...entry) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := e.Header
		h.Size = int64(len(e.body))
		if h.ModTime.IsZero() {
			h.ModTime = when
		}
		if h.Format == tar.FormatUnknown {
			h.Format = tar.FormatPAX
		}
		if err := w.WriteHeader(&h); err != nil {
			tb.Fatal(err)
		}
		if _, err := io.WriteString(w, e.body); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func diffID(raw []byte) fairlead.Digest {
	sum := sha256.Sum256(raw)
	return fairlead.Digest("sha256:" + hex.EncodeToString(sum[:]))
}

// newDir is an empty directory on a file system that has everything.
func newDir(tb testing.TB) string {
	tb.Helper()
	if os.Geteuid() != 0 {
		tb.Fatal("this test makes files of other users and devices: run it as root")
	}
	d := filepath.Join(tb.TempDir(), "fs")
	if err := os.Mkdir(d, 0o700); err != nil {
		tb.Fatal(err)
	}
	return d
}

// unpackRaw unpacks an archive as it is.
func unpackRaw(tb testing.TB, raw []byte) (string, unpack.Result, error) {
	tb.Helper()
	d := newDir(tb)
	res, err := unpack.Layer(tb.Context(), bytes.NewReader(raw), d, unpack.Options{Name: "layer", DiffID: diffID(raw)})
	return d, res, err
}

func must(tb testing.TB, entries ...entry) (string, unpack.Result) {
	tb.Helper()
	d, res, err := unpackRaw(tb, archive(tb, entries...))
	if err != nil {
		tb.Fatal(err)
	}
	return d, res
}

// look describes a tree: a line for each file with all that there is to say of it.
func look(tb testing.TB, root string) []string {
	tb.Helper()
	var lines []string
	links := map[uint64]string{}
	err := filepath.WalkDir(root, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		name, _ := filepath.Rel(root, p)
		line := fmt.Sprintf("%q %o %d:%d", name, st.Mode, st.Uid, st.Gid)
		line += fmt.Sprintf(" %s", time.Unix(st.Mtim.Unix()).UTC().Format("2006-01-02T15:04:05.999999999"))
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			line += " " + contentOf(tb, p)
		case unix.S_IFLNK:
			to, _ := os.Readlink(p)
			line += fmt.Sprintf(" -> %q", to)
		case unix.S_IFCHR, unix.S_IFBLK:
			line += fmt.Sprintf(" %d,%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
		}
		if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
			if first, ok := links[st.Ino]; ok {
				line += " = " + first
			} else {
				links[st.Ino] = name
			}
		}
		lines = append(lines, line+attributes(tb, p))
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return lines
}

func contentOf(tb testing.TB, p string) string {
	tb.Helper()
	b, err := os.ReadFile(p)
	if err != nil {
		tb.Fatal(err)
	}
	if len(b) <= 40 {
		return fmt.Sprintf("%q", b)
	}
	sum := sha256.Sum256(b)
	return fmt.Sprintf("%d bytes %x", len(b), sum[:8])
}

func attributes(tb testing.TB, p string) string {
	tb.Helper()
	names := make([]byte, 1<<16)
	n, err := unix.Llistxattr(p, names)
	if err != nil {
		tb.Fatal(err)
	}
	var list []string
	for name := range strings.SplitSeq(strings.Trim(string(names[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		value := make([]byte, 1<<16)
		n, err := unix.Lgetxattr(p, name, value)
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, fmt.Sprintf(" %s=%x", name, value[:n]))
	}
	slices.Sort(list)
	return strings.Join(list, "")
}

func sha512Hex(raw []byte) fairlead.Digest {
	sum := sha512.Sum512(raw)
	return fairlead.Digest(hex.EncodeToString(sum[:]))
}
