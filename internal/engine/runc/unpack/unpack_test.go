package unpack_test

import (
	"archive/tar"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fairlead.dev/fairlead/internal/engine/runc/unpack"
)

const day = "2017-07-14T02:40:00.123456789"

func TestTrees(t *testing.T) {
	t.Parallel()
	capability := map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}
	long := strings.Repeat("x", 200)
	for _, row := range []struct {
		name    string
		entries []entry
		want    []string // after the root's line
		result  unpack.Result
	}{
		{
			"owners, modes, links, devices",
			[]entry{
				dir("bin").with(func(h *tar.Header) { h.Mode, h.Uid, h.Gid = 0o1777, 3, 4 }),
				file("bin/su", "x").with(func(h *tar.Header) { h.Mode, h.Uid, h.Gid = 0o6755, 1000, 4294967294 }),
				hardlink("bin/too", "bin/su"), symlink("bin/sh", "/bin/dash"),
				{tar.Header{Name: "bin/fifo", Typeflag: tar.TypeFifo, Mode: 0o620}, ""},
				{tar.Header{Name: "bin/null", Typeflag: tar.TypeChar, Mode: 0o666, Devmajor: 1, Devminor: 3}, ""},
				{tar.Header{Name: "bin/disk", Typeflag: tar.TypeBlock, Mode: 0o660, Devmajor: 254, Devminor: 70000}, ""},
			},
			[]string{
				`"bin" 41777 3:4 ` + day, `"bin/disk" 60660 0:0 ` + day + " 254,70000", `"bin/fifo" 10620 0:0 ` + day, `"bin/null" 20666 0:0 ` + day + " 1,3",
				`"bin/sh" 120777 0:0 ` + day + ` -> "/bin/dash"`, `"bin/su" 106755 1000:4294967294 ` + day + ` "x"`, `"bin/too" 106755 1000:4294967294 ` + day + ` "x" = bin/su`,
			},
			unpack.Result{Entries: 7, Implied: []string{"."}},
		},
		{
			"attributes",
			[]entry{
				file("ping", "x").with(func(h *tar.Header) { h.PAXRecords, h.Uid = capability, 5 }),
				file("all", "").with(func(h *tar.Header) {
					h.PAXRecords = map[string]string{
						"SCHILY.xattr.user.a": "1", "SCHILY.xattr.trusted.overlay.redirect": "/etc", "SCHILY.xattr.security.selinux": "label", "comment": "none",
					}
				}),
				symlink("link", "all").with(func(h *tar.Header) { h.PAXRecords = map[string]string{"SCHILY.xattr.user.a": "1"} }),
			},
			[]string{
				`"all" 100644 0:0 ` + day + ` "" user.a=31`, `"link" 120777 0:0 ` + day + ` -> "all"`,
				`"ping" 100644 5:0 ` + day + ` "x" security.capability=0100000200200000000000000000000000000000`,
			},
			unpack.Result{Entries: 3, Implied: []string{"."}},
		},
		{
			"times of directories",
			[]entry{
				dir("a").with(func(h *tar.Header) { h.ModTime = time.Unix(1, 0) }), file("a/one", ""), dir("a/b").with(func(h *tar.Header) { h.ModTime = time.Unix(2, 5) }),
				file("a/b/two", ""), file("a/three", ""), file("a/b/four", ""), dir("a/b").with(func(h *tar.Header) { h.ModTime = time.Unix(3, 0) }),
			},
			[]string{
				`"a" 40755 0:0 1970-01-01T00:00:01`, `"a/b" 40755 0:0 1970-01-01T00:00:03`, `"a/b/four" 100644 0:0 ` + day + ` ""`,
				`"a/b/two" 100644 0:0 ` + day + ` ""`, `"a/one" 100644 0:0 ` + day + ` ""`, `"a/three" 100644 0:0 ` + day + ` ""`,
			},
			unpack.Result{Entries: 7, Implied: []string{"."}},
		},
		{
			"what comes twice",
			[]entry{
				file("f", "old"), file("f", "new"), dir("d"), file("d/x", ""), file("d", "a file now"), file("e", ""), dir("e"), symlink("s", "e"), dir("s"), file("s/in", ""),
				dir("t").with(func(h *tar.Header) { h.Mode = 0o700 }), dir("t").with(func(h *tar.Header) { h.Mode = 0o711 }),
			},
			[]string{
				`"d" 100644 0:0 ` + day + ` "a file now"`, `"e" 40755 0:0 ` + day, `"f" 100644 0:0 ` + day + ` "new"`, `"s" 40755 0:0 ` + day,
				`"s/in" 100644 0:0 ` + day + ` ""`, `"t" 40711 0:0 ` + day,
			},
			unpack.Result{Entries: 12, Implied: []string{"."}},
		},
		{
			"the root",
			[]entry{dir("./").with(func(h *tar.Header) { h.Mode, h.Uid = 0o700, 7 }), file("./x", "")},
			[]string{`"x" 100644 0:0 ` + day + ` ""`},
			unpack.Result{Entries: 2},
		},
		{
			"whiteouts",
			[]entry{
				dir("d"), file("d/.wh.gone", ""), file("d/.wh..wh..opq", ""), file(".wh..wh.plnk", ""), file(".wh.dir", ""), dir("dir"), dir("late"), file(".wh.late", ""),
				file("both", "x"), file(".wh.both", ""),
			},
			[]string{
				`"both" 100644 0:0 ` + day + ` "x"`, `"d" 40755 0:0 ` + day + ` trusted.overlay.opaque=79`, `"d/gone" 20000 0:0 NOW 0,0`,
				`"dir" 40755 0:0 ` + day + ` trusted.overlay.opaque=79`, `"late" 40755 0:0 ` + day + ` trusted.overlay.opaque=79`,
			},
			unpack.Result{Entries: 10, Implied: []string{"."}},
		},
		{
			"all is opaque",
			[]entry{file(".wh..wh..opq", "")},
			nil,
			unpack.Result{Entries: 1, Implied: []string{"."}, OpaqueRoot: true},
		},
		{
			"through links",
			[]entry{
				dir("usr"), dir("usr/lib"), symlink("lib", "usr/lib"), symlink("abs", "/usr/lib"), symlink("up", "../../../../usr"),
				file("lib/a", "1"), file("abs/b", "2"), file("up/c", "3"), hardlink("abs/d", "up/c"),
			},
			[]string{
				`"abs" 120777 0:0 ` + day + ` -> "/usr/lib"`, `"lib" 120777 0:0 ` + day + ` -> "usr/lib"`, `"up" 120777 0:0 ` + day + ` -> "../../../../usr"`,
				`"usr" 40755 0:0 ` + day, `"usr/c" 100644 0:0 ` + day + ` "3"`, `"usr/lib" 40755 0:0 ` + day, `"usr/lib/a" 100644 0:0 ` + day + ` "1"`,
				`"usr/lib/b" 100644 0:0 ` + day + ` "2"`, `"usr/lib/d" 100644 0:0 ` + day + ` "3" = usr/c`,
			},
			unpack.Result{Entries: 9, Implied: []string{"."}},
		},
		{
			"strange names",
			[]entry{
				file("/abs", ""), file("a//b/./../c", ""), file("new\nline\x1b[2J", ""), file("not utf-8 \xff\xfe", "").with(func(h *tar.Header) { h.Format = tar.FormatGNU; h.ModTime = time.Unix(5, 0) }),
				file(strings.Repeat("d", 150)+"/"+long, "x"), file(" ", ""), file("...", ""),
			},
			[]string{
				`" " 100644 0:0 ` + day + ` ""`, `"..." 100644 0:0 ` + day + ` ""`, `"a" 40755 0:0 NOW`, `"a/c" 100644 0:0 ` + day + ` ""`, `"abs" 100644 0:0 ` + day + ` ""`,
				`"` + strings.Repeat("d", 150) + `" 40755 0:0 NOW`, `"` + strings.Repeat("d", 150) + "/" + long + `" 100644 0:0 ` + day + ` "x"`,
				`"new\nline\x1b[2J" 100644 0:0 ` + day + ` ""`, `"not utf-8 \xff\xfe" 100644 0:0 1970-01-01T00:00:05 ""`,
			},
			unpack.Result{Entries: 9, Implied: []string{".", "a", strings.Repeat("d", 150)}},
		},
		{
			"times that can't be",
			[]entry{
				file("early", "").with(func(h *tar.Header) { h.ModTime = time.Unix(-1<<33, 0) }), file("late", "").with(func(h *tar.Header) { h.ModTime = time.Unix(1<<60, 0) }),
			},
			[]string{`"early" 100644 0:0 1901-12-13T20:45:52 ""`, `"late" 100644 0:0 2446-05-10T22:38:55 ""`},
			unpack.Result{Entries: 2, Implied: []string{"."}},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d, res := must(t, row.entries...)
			got := look(t, d)[1:]
			for i := range got {
				if i < len(row.want) && strings.Contains(row.want[i], " NOW") {
					at := strings.Index(row.want[i], "NOW")
					got[i] = got[i][:at] + "NOW" + strings.TrimLeft(got[i][at:], "0123456789-:T.")
				}
			}
			if diff := cmp.Diff(row.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
			res.Bytes = 0
			if diff := cmp.Diff(row.result, res); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestLikeTar holds trees against those of GNU tar, for what it makes of this machine's
// own files, in its three formats and with sparse files.
func TestLikeTar(t *testing.T) {
	t.Parallel()
	from := newDir(t)
	script := `cp -a /etc/skel /etc/alternatives /etc/ssl ` + from + ` 2>/dev/null; cd ` + from + `
		long=deep/$(printf 'n%.0s' $(seq 90))/$(printf 'm%.0s' $(seq 90)); mkdir -p $long; echo x >$long/file; ln $long/file hard
		truncate -s 5M hole; printf end >>hole; mkfifo fifo; chown 12345:54321 fifo; chmod 4711 hard; touch -d 2001-02-03T04:05:06.789 deep`
	if out, err := exec.CommandContext(t.Context(), "sh", "-ec", script).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, options := range map[string][]string{
		"gnu": {"--format=gnu"}, "gnu sparse": {"--format=gnu", "-S"}, "pax": {"--format=posix", "--xattrs"}, "pax sparse": {"--format=posix", "-S"},
		"pax sparse 0.0": {"--format=posix", "-S", "--sparse-version=0.0"}, "pax sparse 0.1": {"--format=posix", "-S", "--sparse-version=0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := exec.CommandContext(t.Context(), "tar", append(options, "-C", from, "-c", ".")...).Output()
			if err != nil {
				t.Fatal(err)
			}
			d, _, err := unpackRaw(t, out)
			if err != nil {
				t.Fatal(err)
			}
			want := newDir(t)
			cmd := exec.CommandContext(t.Context(), "tar", "--xattrs", "-C", want, "-xp", "--numeric-owner", "--same-owner")
			cmd.Stdin = bytes.NewReader(out)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if diff := cmp.Diff(look(t, want), look(t, d)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestHoles finds that what is zero takes no room.
func TestHoles(t *testing.T) {
	t.Parallel()
	d, res := must(t, file("zero", strings.Repeat("\x00", 8<<20)+"x"))
	out, err := exec.CommandContext(t.Context(), "du", "-k", filepath.Join(d, "zero")).Output()
	if err != nil {
		t.Fatal(err)
	}
	used, _, _ := strings.Cut(string(out), "\t")
	if n, err := strconv.Atoi(used); err != nil || n > 1024 || res.Bytes > 1<<20 {
		t.Errorf("8 MiB of zeros take %s KiB, and are counted as %d bytes", used, res.Bytes)
	}
	if b, err := os.ReadFile(filepath.Join(d, "zero")); err != nil || len(b) != 8<<20+1 || b[8<<20] != 'x' || bytes.Count(b, []byte{0}) != 8<<20 {
		t.Errorf("the file is another one: %d bytes, %v", len(b), err)
	}
}
