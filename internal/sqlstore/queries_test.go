package sqlstore_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/sqlstore"
)

func parsed(t *testing.T, dialect string) sqlstore.Queries {
	t.Helper()
	q, err := sqlstore.ParseQueries(os.DirFS(filepath.Join("..", dialect, "queries")))
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// TestDialects: both dialects know the same queries, with as many parameters, and each
// is used.
func TestDialects(t *testing.T) {
	t.Parallel()
	a, b := parsed(t, "sqlite"), parsed(t, "postgres")
	if d := cmp.Diff(a.Names(), b.Names()); d != "" {
		t.Fatalf("SQLite has -, PostgreSQL has +:\n%s", d)
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, name := range sources {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(text)
	}
	for _, name := range a.Names() {
		if n, m := a.Parameters(name), b.Parameters(name); n != m {
			t.Errorf("%s has %d parameters in SQLite, %d in PostgreSQL", name, n, m)
		}
		if !strings.Contains(code.String(), strconv.Quote(name)) {
			t.Errorf("%s is used by nobody", name)
		}
	}
}

func TestParseQueries(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want sqlstore.Queries // nil is an error
	}{
		"two":             {"-- about\n-- name: A\nSELECT $1\n\n-- says why\n-- name: B\nSELECT\n  $2, $1\n", sqlstore.Queries{"A": "SELECT $1", "B": "SELECT\n  $2, $1"}},
		"part":            {"-- part: p\na, b\n\n-- name: A\nSELECT {p}, {p}", sqlstore.Queries{"A": "SELECT a, b, a, b"}},
		"nothing":         {"-- only this", sqlstore.Queries{}},
		"twice":           {"-- name: A\nSELECT 1\n-- name: A\nSELECT 2", nil},
		"before a name":   {"SELECT 1\n-- name: A\nSELECT 2", nil},
		"empty":           {"-- name: A\n-- name: B\nSELECT 1", nil},
		"no such part":    {"-- name: A\nSELECT {p}", nil},
		"part in a part":  {"-- part: p\n{q}\n-- part: q\nx\n-- name: A\nSELECT {r}", nil},
		"part of a brace": {"-- name: A\nSELECT '{'", nil},
	} {
		got, err := sqlstore.ParseQueries(fstest.MapFS{"x.sql": {Data: []byte(c.text)}, "README": {Data: []byte("no")}})
		if d := cmp.Diff(c.want, got); d != "" || (err == nil) != (c.want != nil) {
			t.Errorf("%s: %v\n%s", name, err, d)
		}
	}
}

func TestMigrations(t *testing.T) {
	t.Parallel()
	var numbers [][]int
	for _, dialect := range []string{"sqlite", "postgres"} {
		all, err := sqlstore.ParseMigrations(os.DirFS(filepath.Join("..", dialect, "migrations")))
		if err != nil {
			t.Fatal(err)
		}
		var list []int
		for _, m := range all {
			list = append(list, m.Number)
		}
		numbers = append(numbers, list)
	}
	if d := cmp.Diff(numbers[0], numbers[1]); d != "" || len(numbers[0]) == 0 {
		t.Errorf("SQLite has -, PostgreSQL has +:\n%s", d)
	}
	for _, names := range [][]string{{"0002_a.sql"}, {"0001_a.sql", "0001_b.sql"}, {"0001_a.sql", "0003_b.sql"}, {"1.sql"}} {
		files := fstest.MapFS{}
		for _, name := range names {
			files[name] = &fstest.MapFile{}
		}
		if got, err := sqlstore.ParseMigrations(files); err == nil {
			t.Errorf("%v: %v", names, got)
		}
	}
}

func TestPending(t *testing.T) {
	t.Parallel()
	all := []sqlstore.Migration{{Number: 1}, {Number: 2}}
	for have, want := range map[int][]sqlstore.Migration{0: all, 1: all[1:], 2: {}, 3: nil, -1: nil} {
		got, err := sqlstore.Pending(all, have)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%d: %s", have, d)
		}
		if (want == nil) != (fairlead.KindOf(err) == fairlead.Invalid) {
			t.Errorf("%d: %v", have, err)
		}
	}
}
