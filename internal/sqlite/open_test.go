package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/conform"
)

// on runs statements on each new connection, as if the disk or the file had become so.
type on struct {
	driver.Connector
	statements []string
}

func (o on) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := o.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range o.statements {
		if _, err := c.(driver.ExecerContext).ExecContext(ctx, s, nil); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func raw(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func add(ctx context.Context, s fairlead.Store, id string) error {
	return s.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return fairlead.Event{Action: fairlead.OrganizationCreate}, w.AddOrganization(ctx, fairlead.Organization{ID: fairlead.OrganizationID(id), Name: fairlead.Name(id)})
	})
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string) (path string)
		on      []string
		kind    fairlead.Kind
		why     string
	}{
		"no directory": {func(_ *testing.T, dir string) string { return filepath.Join(dir, "none", "f.db") }, nil, fairlead.Invalid, "there is no directory "},
		"a directory":  {func(_ *testing.T, dir string) string { return dir }, nil, fairlead.Invalid, " is a directory"},
		"below a file": {func(t *testing.T, dir string) string {
			t.Helper()
			raw(t, filepath.Join(dir, "f"), "CREATE TABLE t (a)")
			return filepath.Join(dir, "f", "f.db")
		}, nil, fairlead.Invalid, "isn't a directory"},
		"no file": {func(t *testing.T, dir string) string {
			t.Helper()
			if err := syscall.Mkfifo(filepath.Join(dir, "f"), 0o600); err != nil {
				t.Fatal(err)
			}
			return filepath.Join(dir, "f")
		}, nil, fairlead.Invalid, "isn't a file"},
		"text": {func(t *testing.T, dir string) string {
			t.Helper()
			if err := os.WriteFile(filepath.Join(dir, "f"), []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
			return filepath.Join(dir, "f")
		}, nil, fairlead.Invalid, "isn't a SQLite database"},
		"somebody's": {func(t *testing.T, dir string) string {
			t.Helper()
			raw(t, filepath.Join(dir, "f"), "CREATE TABLE users (a)")
			return filepath.Join(dir, "f")
		}, nil, fairlead.Invalid, "not one of Fairlead's"},
		"newer": {func(t *testing.T, dir string) string {
			t.Helper()
			raw(t, filepath.Join(dir, "f"), "PRAGMA application_id = 0x464c4452", "PRAGMA user_version = 99")
			return filepath.Join(dir, "f")
		}, nil, fairlead.Invalid, "its schema is version 99, and this fairlead knows versions up to"},
		"full":      {func(_ *testing.T, dir string) string { return filepath.Join(dir, "f") }, []string{"PRAGMA max_page_count = 10"}, fairlead.Unavailable, "the disk is full"},
		"read-only": {func(_ *testing.T, dir string) string { return filepath.Join(dir, "f") }, []string{"PRAGMA query_only = 1"}, fairlead.Unavailable, "can't be written"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := c.prepare(t, t.TempDir())
			s, err := open(t.Context(), path, Options{Now: conform.Now}, func(d driver.Connector) driver.Connector { return on{d, c.on} })
			if err == nil {
				t.Fatal("it opens", s.Close())
			}
			e := fairlead.AsError("", err)
			if e.Kind != c.kind || !strings.Contains(e.Why, c.why) || e.Remedy == "" || e.What != "opening store" {
				t.Errorf("%s: %v; %s", e.Kind, err, e.Remedy)
			}
			t.Log(err, ";", e.Remedy)
		})
	}
}

// TestOpenAsOther opens what another user owns.
func TestOpenAsOther(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Log("only root can become another user; then the file is tried as it is")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "f.db")
	if err := os.WriteFile(path, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if os.Geteuid() == 0 {
		if err := syscall.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}
		defer syscall.Setfsuid(0) //nolint:errcheck // It has no error.
	}
	_, err := prepare(path)
	if e := fairlead.AsError("", err); e.Kind != fairlead.Invalid || !strings.Contains(e.Why, "may not be written by this user") {
		t.Errorf("%s: %v", e.Kind, err)
	}
}

func TestOpenWithoutClock(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "f.db"), Options{})
	if err == nil || s != nil {
		t.Errorf("%v, %v", s, err)
	}
}

// TestFiles: odd names are names, and what is in the files is for their owner only.
func TestFiles(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"f.db", "a b", "q?mode=memory", "%41", "#f", "file:x", ":memory:", "ünï", "a&b=c;d"} {
		dir := t.TempDir()
		for n := range 2 { // new, and there already
			s, err := Open(t.Context(), filepath.Join(dir, name), Options{Now: conform.Now})
			if err != nil {
				t.Fatal(name, err)
			}
			if err := add(t.Context(), s, "o"+string(rune('a'+n))); err != nil {
				t.Fatal(name, err)
			}
			entries, err := os.ReadDir(dir)
			if err != nil || len(entries) != 3 {
				t.Errorf("%s: %v, %v", name, entries, err)
			}
			for _, e := range entries {
				if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 || !strings.HasPrefix(e.Name(), name) {
					t.Errorf("%s: %s has mode %v, %v", name, e.Name(), info.Mode(), err)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if err := os.Chmod(filepath.Join(dir, name), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestOpenAtOnce: of several that make the same store, one does, and all can use it.
func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f.db")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			s, err := Open(t.Context(), path, Options{Now: conform.Now})
			if err != nil {
				t.Error(err)
				return
			}
			if err := errors.Join(add(t.Context(), s, "o"+string(rune('a'+i))), s.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// TestLocked: a write that waited long enough for another process says so.
func TestLocked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f.db")
	s, err := Open(t.Context(), path, Options{Now: conform.Now, Wait: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // Not what is tested.
	db, err := sql.Open("sqlite", path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // As above.
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	err = add(t.Context(), s, "a")
	if e := fairlead.AsError("", err); e.Kind != fairlead.Unavailable || !strings.Contains(e.Why, "locked") {
		t.Errorf("%s: %v", e.Kind, err)
	}
	if _, err := s.OrganizationByName(t.Context(), "a"); fairlead.KindOf(err) != fairlead.NotFound { // readers don't wait
		t.Error(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := add(t.Context(), s, "a"); err != nil {
		t.Error(err)
	}
}

// TestFull: a disk that gets full stops writing, not reading, and nothing is half done.
func TestFull(t *testing.T) {
	t.Parallel()
	s := openTemp(t, func(c driver.Connector) driver.Connector { return on{c, []string{"PRAGMA max_page_count = 120"}} })
	last := ""
	for i := 0; ; i++ {
		id := "o" + strings.Repeat("x", i)
		err := add(t.Context(), s, id)
		if err == nil {
			last = id
			continue
		}
		if e := fairlead.AsError("", err); e.Kind != fairlead.Unavailable || e.Why != "the disk is full" {
			t.Errorf("%s: %v", e.Kind, err)
		}
		break
	}
	if _, err := s.OrganizationByName(t.Context(), fairlead.Name(last)); err != nil {
		t.Error(err)
	}
}
