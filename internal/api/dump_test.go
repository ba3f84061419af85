package api_test

import (
	"database/sql"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // the driver

	"fairlead.dev/fairlead"
)

// dump is everything that the plane keeps, but for when somebody was last seen and the
// records of denials.
func (w *world) dump(t *testing.T) map[string][]string {
	t.Helper()
	all := dumpFile(t, filepath.Join(w.Data, "fairlead.db"))
	err := filepath.WalkDir(filepath.Join(w.Data, "blobs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all["blobs"] = append(all["blobs"], path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// dumpFile gives the rows of every table of an SQLite file.
func dumpFile(t *testing.T, file string) map[string][]string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	all := map[string][]string{}
	for _, table := range query(t, db, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name") {
		name := strings.Trim(table, "[]")
		columns := query(t, db, "SELECT name FROM pragma_table_info('"+name+"')")
		var kept []string
		for _, c := range columns {
			if c = strings.Trim(c, "[]"); c != "last_used" && c != "last_seen" {
				kept = append(kept, c)
			}
		}
		only := ""
		if name == "events" {
			only = " WHERE allowed"
		}
		all[name] = query(t, db, "SELECT "+strings.Join(kept, ", ")+" FROM "+name+only)
		slices.Sort(all[name])
	}
	return all
}

func query(t *testing.T, db *sql.DB, q string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprint(values))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// words are identifiers and names that only acme knows.
func (w *world) words(t *testing.T) []string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.Data, "fairlead.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	list := []string{robot, "hello", w.host}
	for _, q := range []string{
		"SELECT id FROM projects", "SELECT id FROM connectors", "SELECT id FROM registries", "SELECT id FROM runs",
		"SELECT id FROM workers WHERE organization_id = '" + string(w.id) + "'", "SELECT user_id FROM members WHERE organization_id = '" + string(w.id) + "'",
		"SELECT organization_id FROM wrapped_keys WHERE organization_id = '" + string(w.id) + "'",
	} {
		for _, id := range query(t, db, q) {
			if id = strings.Trim(id, "[]"); id != string(w.annID) {
				list = append(list, id)
			}
		}
	}
	for _, name := range []fairlead.Name{w.connector, w.spareConnector, w.spareRegistry, "worker-holder", "member-"} {
		list = append(list, string(name))
	}
	return list
}
