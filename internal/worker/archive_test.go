package worker

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"fairlead.dev/fairlead"
)

// packed is an archive of entries.
func packed(t *testing.T, entries ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range entries {
		if h.Typeflag == 0 {
			h.Typeflag, h.Size = tar.TypeReg, 7
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			_, _ = w.Write([]byte("content"))
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func digestOf(b []byte) fairlead.Digest { return fairlead.Digest("sha256:" + sum(b)) }

func serving(b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(b) }
}

// TestArchive unpacks what a client packs.
func TestArchive(t *testing.T) {
	t.Parallel()
	b := packed(t,
		tar.Header{Name: "dir/", Typeflag: tar.TypeDir, Mode: 0o755}, tar.Header{Name: "dir/run.sh", Mode: 0o4755}, tar.Header{Name: "deep/below/x"},
		tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "dir/run.sh"}, tar.Header{Name: "dir/up", Typeflag: tar.TypeSymlink, Linkname: "../deep"},
	)
	j := newBench(t, fairlead.Run{Archive: digestOf(b)}, serving(b))
	if err := j.fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"dir/run.sh", "deep/below/x", "link", "dir/up/below/x"} {
		if got, err := os.ReadFile(filepath.Join(j.codeDir(), name)); err != nil || string(got) != "content" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	info, err := os.Stat(filepath.Join(j.codeDir(), "dir/run.sh"))
	if err != nil || info.Mode() != 0o777 {
		t.Errorf("run.sh has mode %v, %v", info.Mode(), err)
	}
	if _, err := os.Stat(filepath.Join(j.dir, "archive")); !os.IsNotExist(err) {
		t.Errorf("the archive is left: %v", err)
	}
}

// TestArchiveEscapes unpacks what nobody's client packs: nothing is written outside.
func TestArchiveEscapes(t *testing.T) {
	t.Parallel()
	for name, entries := range map[string][]tar.Header{
		"dots":                        {{Name: "../evil"}},
		"dots behind a name":          {{Name: "a/../../evil"}},
		"an absolute name":            {{Name: "/evil-of-the-test/evil"}},
		"a link out":                  {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: ".."}},
		"an absolute link":            {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/tmp"}},
		"a link out by a link":        {{Name: "a/b/", Typeflag: tar.TypeDir}, {Name: "a/b/l", Typeflag: tar.TypeSymlink, Linkname: "../.."}, {Name: "m", Typeflag: tar.TypeSymlink, Linkname: "a/b/l/.."}, {Name: "m/evil"}},
		"through a link out":          {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../x"}, {Name: "l/evil"}},
		"over a link":                 {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "evil"}, {Name: "l"}},
		"a hard link":                 {{Name: "h", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}},
		"a device":                    {{Name: "d", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}},
		"a pipe":                      {{Name: "p", Typeflag: tar.TypeFifo}},
		"one name twice":              {{Name: "x"}, {Name: "x"}},
		"a file where a directory is": {{Name: "x/", Typeflag: tar.TypeDir}, {Name: "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := packed(t, entries...)
			j := newBench(t, fairlead.Run{Archive: digestOf(b)}, serving(b))
			err := j.fetchCode(t.Context())
			e := fairlead.AsError("", err)
			if e.Kind != fairlead.Invalid || e.What != "unpacking the code's archive" || e.Remedy == "" {
				t.Errorf("%v", err)
			}
			for _, dir := range []string{j.dir, filepath.Dir(j.dir), "/evil-of-the-test"} {
				if _, err := os.Lstat(filepath.Join(dir, "evil")); !os.IsNotExist(err) {
					t.Errorf("something was written in %s: %v", dir, err)
				}
			}
		})
	}
}

// TestArchiveBroken has the server's bytes not be those of the archive, or be none.
func TestArchiveBroken(t *testing.T) {
	t.Parallel()
	good := packed(t, tar.Header{Name: "x"})
	for name, b := range map[string][]byte{"no archive": []byte("hello"), "cut": good[:len(good)/2], "empty": {}} {
		j := newBench(t, fairlead.Run{Archive: digestOf(b)}, serving(b)) // the digest is that of these bytes
		if err := j.fetchCode(t.Context()); fairlead.KindOf(err) != fairlead.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	j := newBench(t, fairlead.Run{Archive: digestOf([]byte("other"))}, serving(good))
	if err := j.fetchCode(t.Context()); fairlead.CodeOf(err) != fairlead.CodeDigest {
		t.Errorf("other bytes: %v", err)
	}
	if files, err := os.ReadDir(j.codeDir()); err != nil || len(files) != 0 {
		t.Errorf("of other bytes, %d files were unpacked (%v)", len(files), err)
	}
}

// TestArchiveCut has the download be cut, and the server be away: it is tried again, and
// the run has its code.
func TestArchiveCut(t *testing.T) {
	t.Parallel()
	b := packed(t, tar.Header{Name: "a"}, tar.Header{Name: "b"}, tar.Header{Name: "c"})
	var mu sync.Mutex
	count := 0
	j := newBench(t, fairlead.Run{Archive: digestOf(b)}, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch count++; count {
		case 1, 3:
			w.Header().Set("Content-Length", fmt.Sprint(len(b)))
			_, _ = w.Write(b[:len(b)-20])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			_, _ = w.Write(b)
		}
	})
	if err := j.fetchCode(t.Context()); err != nil || count != 4 {
		t.Fatalf("%v after %d requests", err, count)
	}
	if got, err := os.ReadFile(filepath.Join(j.codeDir(), "c")); err != nil || string(got) != "content" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestTellingEnds has a server that never takes what it is told: the worker gives up at
// some time, and not at once.
func TestTellingEnds(t *testing.T) {
	t.Parallel()
	j := newBench(t, fairlead.Run{Archive: "sha256:" + fairlead.Digest(strings.Repeat("0", 64))}, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	begun := j.Now()
	if err := j.fetchCode(t.Context()); fairlead.KindOf(err) != fairlead.Unavailable {
		t.Errorf("%v", err)
	}
	if d := j.Now().Sub(begun); d < longestWait || d > 2*longestWait {
		t.Errorf("given up after %s", d)
	}
}
