package sqlite

import (
	"database/sql"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"fairlead.dev/fairlead/internal/conform"
	"fairlead.dev/fairlead/internal/sqlstore"
)

// harmless are the scans that don't grow with the store, but for AllWrappedKeys, HouseSecrets and TallyConnectors: those
// of a partial index that holds what is queued only, those that end with the first row,
// and the sum of deposits, which is made once an hour.
var harmless = regexp.MustCompile(`^SCAN (CONSTANT ROW|users|(json_each|l) VIRTUAL TABLE INDEX 1:|\(subquery-\d+\)|` +
	`runs USING COVERING INDEX runs_queued|(wrapped_keys|house_secrets) USING INDEX \S+|deposits USING (COVERING )?INDEX deposits_by_use|connector_health)$`)

// TestPlans: no query reads a whole table, and none sorts but those whose lists are
// read as a whole.
func TestPlans(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f.db")
	s, err := Open(t.Context(), path, Options{Now: conform.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // Not what is tested.
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // As above.
	queries, err := sqlstore.ParseQueries(sub("queries"))
	if err != nil {
		t.Fatal(err)
	}
	sorted := []string{"Connector", "ConnectorByName", "ConnectorsOf", "MembersOf", "Previous", "ProjectsOf", "ProjectsUsing", "RegistriesUsing", "StacksUsing"}
	for _, name := range queries.Names() {
		for _, step := range plan(t, db, queries[name], queries.Parameters(name)) {
			scan, sort := step[:min(len(step), 5)] == "SCAN ", regexp.MustCompile("^USE TEMP B-TREE").MatchString(step)
			if scan && !harmless.MatchString(step) || sort && !slices.Contains(sorted, name) {
				t.Errorf("%s: %s", name, step)
			}
		}
	}
}

func plan(t *testing.T, db *sql.DB, query string, parameters int) (steps []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, make([]any, parameters)...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // What goes wrong is told by Err.
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}
