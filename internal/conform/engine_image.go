package conform

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/sys/unix"

	"fairlead.dev/fairlead/internal/registrytest"
)

// entry is one entry of a layer's archive.
type entry struct {
	tar.Header
	body string
}

func file(name, body string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(body))}, body}
}

func dir(name string) entry {
	return entry{tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: 0o755}, ""}
}

func symlink(name, to string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to, Mode: 0o777}, ""}
}

func hardlink(name, to string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: to, Mode: 0o644}, ""}
}

func special(name string, kind byte, major, minor int64) entry {
	return entry{tar.Header{Name: name, Typeflag: kind, Mode: 0o600, Devmajor: major, Devminor: minor}, ""}
}

// with gives the entry another header.
func (e entry) with(change func(*tar.Header)) entry {
	change(&e.Header)
	return e
}

// entryTime is when everything in an archive was changed.
func entryTime() time.Time { return time.Date(2017, 7, 14, 2, 40, 0, 0, time.UTC) }

func archive(tb testing.TB, entries ...entry) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		e.ModTime, e.Format = entryTime(), tar.FormatPAX
		if err := w.WriteHeader(&e.Header); err != nil {
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

func layer(tb testing.TB, entries ...entry) v1.Layer {
	tb.Helper()
	return layerOf(tb, archive(tb, entries...))
}

func layerOf(tb testing.TB, raw []byte, options ...tarball.LayerOption) v1.Layer {
	tb.Helper()
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil }, options...)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

const (
	passwdFile = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:An app:/home/app:/bin/sh\nbare:x:1001:1000::/nowhere:\n"
	groupFile  = "root:x:0:\napp:x:1000:\nstaff:x:50:app\nvideo:x:44:app,root\nother:x:60:nobody\n"
)

// busyboxFile is of Debian's package busybox-static.
const busyboxFile = "/bin/busybox"

// program is a program that needs no library. It does what its name says.
func program(tb testing.TB) string {
	tb.Helper()
	b, err := os.ReadFile(busyboxFile)
	if err != nil {
		tb.Fatalf("%v: apt-get install busybox-static", err)
	}
	return string(b)
}

// base is Debian's busybox with links for its commands, and a few files.
func base(tb testing.TB) v1.Layer {
	tb.Helper()
	applets, err := exec.CommandContext(tb.Context(), busyboxFile, "--list").Output()
	if err != nil {
		tb.Fatal(err)
	}
	entries := []entry{
		dir("bin"), file("bin/busybox", program(tb)).with(func(h *tar.Header) { h.Mode = 0o755 }),
		dir("etc"), file("etc/passwd", passwdFile), file("etc/group", groupFile),
		dir("root").with(func(h *tar.Header) { h.Mode = 0o700 }),
		dir("home"), dir("home/app").with(func(h *tar.Header) { h.Uid, h.Gid = 1000, 1000 }),
		dir("tmp").with(func(h *tar.Header) { h.Mode = 0o1777 }),
	}
	for applet := range strings.FieldsSeq(string(applets)) {
		if applet != "busybox" {
			entries = append(entries, symlink("bin/"+applet, "busybox"))
		}
	}
	return layer(tb, entries...)
}

// busybox is an image of the base with more layers upon it.
func busybox(tb testing.TB, layers ...v1.Layer) v1.Image {
	tb.Helper()
	return configured(tb, func(c *v1.Config) { c.Env = []string{"PATH=/bin"} }, registrytest.Image(tb, append([]v1.Layer{base(tb)}, layers...)...))
}

func configured(tb testing.TB, change func(*v1.Config), image v1.Image) v1.Image {
	tb.Helper()
	c, err := image.ConfigFile()
	if err != nil {
		tb.Fatal(err)
	}
	config := *c.Config.DeepCopy()
	change(&config)
	if image, err = mutate.Config(image, config); err != nil {
		tb.Fatal(err)
	}
	return image
}

func mkfifo(tb testing.TB, name string) {
	tb.Helper()
	if err := unix.Mkfifo(name, 0o666); err != nil {
		tb.Fatal(err)
	}
	if err := os.Chmod(name, 0o666); err != nil {
		tb.Fatal(err)
	}
}
