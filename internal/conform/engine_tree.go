package conform

import (
	"archive/tar"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/compression"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sys/unix"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/engine"
	"fairlead.dev/fairlead/internal/registrytest"
)

// testTrees compares what containers have below /t with what their layers say.
func testTrees(t *testing.T, s *shop) {
	t.Helper()
	capability := "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	for _, row := range []struct {
		name   string
		layers [][]entry // lowest first
		want   []string
	}{
		{"a file over a file", [][]entry{{dir("t"), file("t/f", "low")}, {file("t/f", "high")}}, []string{`f 100644 0:0 "high"`}},
		{"whiteouts", [][]entry{
			{dir("t"), file("t/f", ""), file("t/stays", ""), dir("t/d"), file("t/d/f", ""), symlink("t/l", "stays")},
			{file("t/.wh.f", ""), file("t/.wh.d", ""), file("t/.wh.l", ""), file("t/.wh.none", "")},
		}, []string{`stays 100644 0:0 ""`}},
		{"made anew over a whiteout", [][]entry{{dir("t"), file("t/f", "low")}, {file("t/.wh.f", "")}, {file("t/f", "new")}}, []string{`f 100644 0:0 "new"`}},
		{"opaque", [][]entry{
			{dir("t"), dir("t/d"), file("t/d/a", ""), dir("t/d/b"), file("t/d/b/c", "")},
			{dir("t/d"), file("t/d/.wh..wh..opq", ""), file("t/d/new", "")},
		}, []string{`d 40755 0:0`, `d/new 100644 0:0 ""`}},
		{"opaque, said last", [][]entry{
			{dir("t"), dir("t/d"), file("t/d/a", ""), file("t/d/new", "low")},
			{dir("t/d"), file("t/d/new", "high"), file("t/d/.wh..wh..opq", "")},
		}, []string{`d 40755 0:0`, `d/new 100644 0:0 "high"`}},
		{"kinds that change", [][]entry{
			{dir("t"), dir("t/d"), file("t/d/in", ""), file("t/f", ""), symlink("t/l", "d"), file("t/s", "")},
			{file("t/d", "now a file"), dir("t/f"), file("t/f/in", ""), dir("t/l"), symlink("t/s", "f")},
		}, []string{`d 100644 0:0 "now a file"`, `f 40755 0:0`, `f/in 100644 0:0 ""`, `l 40755 0:0`, `s 120777 0:0 -> f`}},
		{"a directory's owner and mode", [][]entry{
			{dir("t"), dir("t/d"), file("t/d/low", "")},
			{dir("t/d").with(func(h *tar.Header) { h.Mode, h.Uid, h.Gid = 0o1777, 3, 4 }), file("t/d/high", "")},
		}, []string{`d 41777 3:4`, `d/high 100644 0:0 ""`, `d/low 100644 0:0 ""`}},
		{"hard links", [][]entry{{dir("t"), file("t/a", "same"), hardlink("t/b", "t/a"), hardlink("t/c", "/t/b")}}, []string{
			`a 100644 0:0 "same" x3`, `b 100644 0:0 "same" x3`, `c 100644 0:0 "same" x3`,
		}},
		{"symbolic links", [][]entry{{dir("t"), symlink("t/a", "/etc/passwd"), symlink("t/n", "nowhere"), symlink("t/u", "../../../up"), symlink("t/s", "s"), hardlink("t/h", "t/n")}}, []string{
			"a 120777 0:0 -> /etc/passwd", "h 120777 0:0 -> nowhere x2", "n 120777 0:0 -> nowhere x2", "s 120777 0:0 -> s", "u 120777 0:0 -> ../../../up",
		}},
		{"modes and owners", [][]entry{{
			dir("t"), file("t/su", "x").with(func(h *tar.Header) { h.Mode, h.Uid, h.Gid = 0o6755, 1000, 2000 }), file("t/none", "x").with(func(h *tar.Header) { h.Mode = 0 }),
			file("t/high", "x").with(func(h *tar.Header) { h.Uid, h.Gid = 3_000_000_000, 4_000_000_000 }),
			dir("t/sticky").with(func(h *tar.Header) { h.Mode = 0o3777 }), symlink("t/l", "su").with(func(h *tar.Header) { h.Uid, h.Gid = 5, 6 }),
		}}, []string{`high 100644 3000000000:4000000000 "x"`, "l 120777 5:6 -> su", `none 100000 0:0 "x"`, "sticky 43777 0:0", `su 106755 1000:2000 "x"`}},
		{"attributes", [][]entry{{
			dir("t"), file("t/cap", "x").with(func(h *tar.Header) {
				h.Uid, h.PAXRecords = 7, map[string]string{"SCHILY.xattr.security.capability": capability, "SCHILY.xattr.user.colour": "blue\x00green"}
			}),
		}}, []string{fmt.Sprintf(`cap 100644 7:0 "x" security.capability=%q user.colour="blue\x00green"`, capability)}},
		{"devices", [][]entry{{
			dir("t"), special("t/char", tar.TypeChar, 1, 3), special("t/block", tar.TypeBlock, 254, 70000), special("t/fifo", tar.TypeFifo, 0, 0),
		}}, []string{"block 60600 0:0 254,70000", "char 20600 0:0 1,3", "fifo 10600 0:0"}},
		{"names", [][]entry{{
			dir("t"), file("t/ünï cödé", ""), file("t/line\nbreak", ""), file("t/-rf", ""), file("t/"+strings.Repeat("n", 255), ""), file("./t//dot", ""), file("/t/absolute", ""),
		}}, []string{`"line\nbreak" 100644 0:0 ""`, `"ünï cödé" 100644 0:0 ""`, `-rf 100644 0:0 ""`, `absolute 100644 0:0 ""`, `dot 100644 0:0 ""`, strings.Repeat("n", 255) + ` 100644 0:0 ""`}},
		{"a layer that says nothing", [][]entry{{dir("t"), file("t/f", "")}, {}, {dir("t/e")}}, []string{"e 40755 0:0", `f 100644 0:0 ""`}},
		{"a layer twice", [][]entry{{dir("t"), file("t/f", "a")}, {file("t/f", "b")}, {dir("t"), file("t/f", "a")}}, []string{`f 100644 0:0 "a"`}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var layers []v1.Layer
			for _, entries := range row.layers {
				layers = append(layers, layer(t, entries...))
			}
			image := s.image(t, func(*v1.Config) {}, layers...)
			if diff := cmp.Diff(row.want, list(t, s.inside(t, image))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// inside starts a container and gives its /t as this process sees it.
func (s *shop) inside(t *testing.T, image engine.Pulled) string {
	t.Helper()
	m := newMeeting(t, "up")
	c := s.container("echo up >/meet/up; sleep 1000; :")
	c.Image, c.Mounts, c.Grace, c.Args = image, []engine.Mount{m.mount()}, 0, append(c.Args, c.ID)
	r := s.start(t, c)
	m.up(t, r.done)
	for _, p := range processes(t, c.ID) {
		pid, _, _ := strings.Cut(p, " ")
		status, err := os.ReadFile("/proc/" + pid + "/status")
		if err == nil && strings.Contains(string(status), "\nNSpid:\t"+pid+"\t1\n") {
			return "/proc/" + pid + "/root/t"
		}
	}
	t.Fatal("the container's first process isn't to be found")
	return ""
}

// list describes what is in a directory, a line for each.
func list(t *testing.T, top string) []string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(top+"/", func(path string, _ fs.DirEntry, err error) error {
		name := strings.TrimLeft(strings.TrimPrefix(path, top), "/")
		if err != nil || name == "" {
			return err
		}
		if quoted := strconv.Quote(name); strings.ContainsAny(name, "\n ") {
			name = quoted
		}
		line, err := describe(path)
		lines = append(lines, name+" "+line)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

func describe(path string) (string, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return "", err
	}
	line := fmt.Sprintf("%o %d:%d", st.Mode, st.Uid, st.Gid)
	if st.Mtim.Sec != entryTime().Unix() || st.Mtim.Nsec != 0 {
		line += fmt.Sprintf(" changed at %d", st.Mtim.Sec)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		b, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		line += fmt.Sprintf(" %q", b)
	case unix.S_IFLNK:
		to, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		line += " -> " + to
	case unix.S_IFCHR, unix.S_IFBLK:
		line += fmt.Sprintf(" %d,%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	}
	if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		line += fmt.Sprintf(" x%d", st.Nlink)
	}
	return line + attribute(path, "security.capability") + attribute(path, "user.colour"), nil
}

func attribute(path, name string) string {
	value := make([]byte, 1000)
	n, err := unix.Lgetxattr(path, name, value)
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" %s=%q", name, value[:n])
}

// testHostileLayers wants layers that lead out to be refused, and nothing to be changed
// outside.
func testHostileLayers(t *testing.T, s *shop) {
	t.Helper()
	outside := t.TempDir()
	canary := filepath.Join(outside, "canary")
	if err := os.WriteFile(canary, []byte("untouched"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name    string
		entries []entry
	}{
		{"a hard link out", []entry{hardlink("h", "../../../../../../../../../../../.."+canary), file("h", "x")}},
		{"a hard link to nothing", []entry{hardlink("h", "nothing")}},
		{"a hard link to a lower layer", []entry{hardlink("h", "etc/passwd")}},
		{"no archive", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			l := layer(t, row.entries...)
			if row.entries == nil {
				l = layerOf(t, []byte(strings.Repeat("this is no archive\n", 1000)))
			}
			_, err := s.engine.Pull(t.Context(), engine.PullRequest{Image: s.push(t, busybox(t, l)), Keychain: keys(anonymous())})
			wantKind(t, err, fairlead.Invalid, fairlead.CodeUnpack)
		})
	}
	// Some engines refuse these, and some make something harmless of them.
	for _, row := range []struct {
		name    string
		entries []entry
	}{
		{"up", []entry{file("../../../../../../../../../../../.."+canary, "x")}},
		{"absolute", []entry{file(canary, "x")}},
		{"through a link", []entry{symlink("l", outside), file("l/canary", "x"), file("l/new", "x"), file("l/.wh.canary", "")}},
		{"a whiteout up", []entry{file("../../../../../../../../../../../.."+outside+"/.wh.canary", "")}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p, err := s.engine.Pull(t.Context(), engine.PullRequest{Image: s.push(t, busybox(t, layer(t, row.entries...))), Keychain: keys(anonymous())})
			if err != nil {
				wantKind(t, err, fairlead.Invalid, fairlead.CodeUnpack)
				return
			}
			p.Release()
		})
	}
	t.Cleanup(func() {
		found, err := os.ReadDir(outside)
		b, readErr := os.ReadFile(canary)
		if err != nil || readErr != nil || len(found) != 1 || string(b) != "untouched" {
			t.Errorf("a layer got out: %v %q %v %v", found, b, err, readErr)
		}
	})
}

// testManyLayers lays as many layers over each other as the engine says it takes.
func testManyLayers(t *testing.T, s *shop) {
	t.Helper()
	var layers []v1.Layer
	for n := range s.kind.Layers - 1 { // the base is one
		layers = append(layers, layer(t, dir("l"), file(fmt.Sprintf("l/%d", n), ""), file("l/last", strconv.Itoa(n))))
	}
	c := s.container("ls /l | wc -l; cat /l/last")
	c.Image = s.image(t, func(*v1.Config) {}, layers...)
	if got, want := s.output(t, c), fmt.Sprintf("%d\n%d", s.kind.Layers, s.kind.Layers-2); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// testZstd pulls layers of that compression, or wants to be told why not.
func testZstd(t *testing.T, s *shop) {
	t.Helper()
	l := layerOf(t, archive(t, file("f", "of zstd")), tarball.WithCompression(compression.ZStd), tarball.WithMediaType(types.OCILayerZStd))
	i := s.push(t, busybox(t, l))
	if !s.kind.Zstd {
		_, err := s.engine.Pull(t.Context(), engine.PullRequest{Image: i, Keychain: keys(anonymous())})
		wantKind(t, err, fairlead.Invalid, fairlead.CodeUnpack)
		return
	}
	c := s.container("cat /f")
	c.Image = s.pull(t, i)
	if got := s.output(t, c); got != "of zstd" {
		t.Errorf("%q", got)
	}
}

// testFormats pulls what registries hold: images of Docker's and OCI's media types, from
// an index and without, with layers that are packed and not.
func testFormats(t *testing.T, s *shop) {
	t.Helper()
	plain := layerOf(t, archive(t, file("f", "well")), tarball.WithCompression(compression.None), tarball.WithMediaType(types.OCIUncompressedLayer))
	packed := layer(t, file("f", "well"))
	platform := v1.Platform{OS: "linux", Architecture: "amd64"}
	inIndex := func(i v1.Image) v1.ImageIndex {
		return registrytest.Attest(t, mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex),
			mutate.IndexAddendum{Add: registrytest.ImageFor(t, v1.Platform{OS: "linux", Architecture: "s390x"}, packed), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "s390x"}}},
			mutate.IndexAddendum{Add: i, Descriptor: v1.Descriptor{Platform: &platform}}))
	}
	for _, row := range []struct {
		name  string
		image registrytest.Writable
	}{
		{"OCI", busybox(t, packed)},
		{"Docker", registrytest.Docker(busybox(t, packed))},
		{"an index", inIndex(busybox(t, packed))},
		{"an index with Docker's images", inIndex(registrytest.Docker(busybox(t, packed)))},
		{"an archive that isn't packed", busybox(t, plain)},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			i := s.push(t, busybox(t)) // for the name
			digest, err := registrytest.Write(t.Context(), s.registry, row.image, i.Repository+":v2", registrytest.Account{})
			if err != nil {
				t.Fatal(err)
			}
			i.Tag, i.Digest = "v2", digest
			c := s.container("cat /f")
			c.Image = s.pull(t, i)
			if c.Image.Platform != "linux/amd64" {
				t.Errorf("the platform is %q", c.Image.Platform)
			}
			if got := s.output(t, c); got != "well" {
				t.Errorf("%q", got)
			}
		})
	}
}
