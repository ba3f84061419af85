package blob_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/blob"
	"fairlead.dev/fairlead/internal/conform"
)

// TestMain lets this program be one that writes blobs until it is killed.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "write-until-killed" {
		writeUntilKilled(os.Args[2])
	}
	os.Exit(m.Run())
}

func open(t *testing.T, dir string) *blob.Disk {
	t.Helper()
	d, err := blob.NewDisk(dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDisk(t *testing.T) {
	t.Parallel()
	conform.Keeper(t, func(t *testing.T) (blob.Keeper, func() blob.Keeper) {
		t.Helper()
		dir := t.TempDir()
		return open(t, dir), func() blob.Keeper { return open(t, dir) }
	})
}

func numbered(n int) []byte { return []byte(strings.Repeat(fmt.Sprintf("blob %d ", n), 20_000)) }

// writeUntilKilled keeps one blob after the other, and tells of each that is kept.
func writeUntilKilled(dir string) {
	d, err := blob.NewDisk(dir, time.Now)
	for n := 0; err == nil; n++ {
		var w blob.Writer
		if w, err = d.Create(context.Background()); err != nil {
			break
		}
		if _, err = w.Write(numbered(n)); err == nil {
			err = w.Commit(context.Background(), conform.BlobDigest(numbered(n)))
		}
		fmt.Println(n)
	}
	fmt.Println(err)
}

// TestKilled kills writers at any point: what was kept is there, whole, and nothing else
// is.
func TestKilled(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for round := range 10 {
		cmd := exec.CommandContext(t.Context(), self, "write-until-killed", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, kept := bufio.NewScanner(out), -1
		for lines.Scan() {
			if _, err := fmt.Sscan(lines.Text(), &kept); err != nil {
				t.Fatalf("the writer says %s", lines.Text())
			}
			if kept == round*3 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait()
		d := open(t, dir)
		for n := range kept + 1 {
			r, err := d.Open(t.Context(), conform.BlobDigest(numbered(n)))
			if err != nil {
				t.Errorf("round %d: blob %d was kept and is gone: %v", round, n, err)
				continue
			}
			_ = r.Close()
		}
	}
	whole(t, dir)
}

// whole checks every blob of a directory against its name.
func whole(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "sha256"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if got := conform.BlobDigest(b); string(got) != "sha256:"+e.Name() || filepath.Base(filepath.Dir(path)) != e.Name()[:2] {
			t.Errorf("%s has digest %s", path, got)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestSweep clears away what writers left a day ago, and nothing that may still be
// written.
func TestSweep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := open(t, dir)
	w, err := d.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	if _, err := w.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	left := func() int {
		files, err := os.ReadDir(filepath.Join(dir, "tmp"))
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	now := time.Now()
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {23 * time.Hour, 1}, {25 * time.Hour, 0}} {
		if _, err := blob.NewDisk(dir, func() time.Time { return now.Add(c.after) }); err != nil {
			t.Fatal(err)
		}
		if n := left(); n != c.want {
			t.Errorf("after %s, %d temporary files", c.after, n)
		}
	}
	if err := w.Commit(t.Context(), w.Digest()); fairlead.KindOf(err) != fairlead.Unavailable {
		t.Errorf("what was cleared away is kept: %v", err)
	}
}

// TestPrivate lets nobody else read what is kept.
func TestPrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "blobs")
	d := open(t, dir)
	w, err := d.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(t.Context(), w.Digest()); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestUnusable has no directory to keep blobs in.
func TestUnusable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := blob.NewDisk(filepath.Join(file, "blobs"), time.Now); fairlead.KindOf(err) != fairlead.Unavailable || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("%v", err)
	}
	dir := t.TempDir()
	d := open(t, dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Create(t.Context()); fairlead.KindOf(err) != fairlead.Unavailable {
		t.Errorf("without its directory: %v", err)
	}
}

// TestDiskFull writes more than the disk takes.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		if os.Getuid() == 0 {
			t.Fatal(err)
		}
		return // only root can mount; internal/runs has a disk that is full by a limit
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	d := open(t, dir)
	w, err := d.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(w, strings.NewReader(strings.Repeat("x", 2<<20)))
	e := fairlead.AsError("", err)
	if e.Kind != fairlead.Unavailable || !strings.Contains(e.Why, "no space left") || !strings.Contains(e.Remedy, "make room") {
		t.Errorf("%v; %s", e, e.Remedy)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	// A process that another test is just starting may hold the removed file open for a
	// moment: until then its room isn't free.
	for err = errors.New("not tried"); err != nil && t.Context().Err() == nil; runtime.Gosched() {
		if w, err = d.Create(t.Context()); err != nil {
			continue
		}
		if _, err = w.Write([]byte("small")); err == nil {
			err = w.Commit(t.Context(), w.Digest())
		}
		_ = w.Close()
	}
	whole(t, dir)
}
