package postgres

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"fairlead.dev/fairlead/internal/pgtest"
	"fairlead.dev/fairlead/internal/sqlstore"
)

// furnish fills a store as a busy house does, but for its size.
const furnish = `
INSERT INTO owners SELECT 'o' || n, 'o' || n, 'organization' FROM generate_series(1, 50) n;
INSERT INTO organizations SELECT 'o' || n, false, n, 1 FROM generate_series(1, 50) n;
INSERT INTO owners SELECT 'u' || n, 'u' || n, 'user' FROM generate_series(1, 2000) n;
INSERT INTO users SELECT 'u' || n, '', '', n FROM generate_series(1, 2000) n;
INSERT INTO members SELECT 'o' || n % 50 + 1, 'u' || n, 'member', n FROM generate_series(1, 2000) n;
INSERT INTO workers SELECT 'w' || n, 'o' || n % 50 + 1, 'w' || n, n, NULL, '', '', '' FROM generate_series(1, 2000) n;
INSERT INTO tokens SELECT 't' || n, 'api', '', decode(md5(n::text), 'hex'), 'u' || n % 2000 + 1, NULL, NULL, NULL, n, NULL, NULL FROM generate_series(1, 20000) n;
INSERT INTO projects SELECT 'p' || n, 'o' || n % 50 + 1, 'p' || n, n, 0 FROM generate_series(1, 500) n;
INSERT INTO connectors SELECT 'o' || n % 50 + 1, 'c' || n, 'c' || n, '', '', '{}', 1, NULL, n, n FROM generate_series(1, 2000) n;
INSERT INTO sealed_fields SELECT 'o' || n % 50 + 1, 'c' || n, 'f', 1, '' FROM generate_series(1, 2000) n;
INSERT INTO registries SELECT 'o' || n % 50 + 1, 'r' || n, 'r' || n, 'p' || n, 'c' || n % 2000 / 50 * 50 + n % 50, '', false, '', 1, n, n
  FROM generate_series(1, 20000) n WHERE n % 2000 / 50 * 50 + n % 50 > 0;
INSERT INTO wrapped_keys SELECT 'o' || n, '', '', 1 FROM generate_series(1, 50) n;
INSERT INTO archives SELECT 'p' || n % 500 + 1, 'd' || n, 1, n FROM generate_series(1, 20000) n;
INSERT INTO runs SELECT 'r' || n, 'p' || n % 500 + 1, n, 'o' || n % 50 + 1,
  CASE n % 1000 WHEN 0 THEN 'queued' WHEN 1 THEN 'started' ELSE 'complete' END, repeat('x', 500), '', '{}', n,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, '', '', '', 0, 0, CASE n % 1000 WHEN 1 THEN n END, NULL FROM generate_series(1, 30000) n;
INSERT INTO outputs SELECT 'r' || n % 30000 + 1, 'n' || n, '', 1 FROM generate_series(1, 60000) n;
INSERT INTO log_chunks SELECT 'r' || n % 30000 + 1, n, n, '' FROM generate_series(1, 60000) n;
INSERT INTO events SELECT md5(n::text), n, 'o' || n % 50 + 1, 'p' || n % 500 + 1, 'user', 'u' || n % 2000 + 1, '', '', '',
  'a' || n % 30, '', '', '', true, '{}' FROM generate_series(1, 150000) n;
ANALYZE`

// TestPlans: no query reads a whole table that grows, and none sorts but those whose
// lists are read as a whole. The plans are those that are made once for all parameters,
// which are those that are used.
func TestPlans(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	s, err := Open(t.Context(), address, Options{Now: nil})
	if err == nil {
		t.Fatal(s.Close())
	}
	queries, err := sqlstore.ParseQueries(sub("queries"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context()) //nolint:errcheck // Not what is tested.
	if _, err := c.Exec(t.Context(), furnish, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	if err := plainly(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	sorted := []string{"MembersOf", "ProjectsOf", "ProjectsUsing", "RegistriesUsing", "StacksUsing"}
	for _, name := range queries.Names() {
		lines := plan(t, c, name, queries[name], queries.Parameters(name))
		for _, line := range lines {
			scan, sort := strings.Contains(line, "Seq Scan"), strings.HasPrefix(strings.TrimLeft(line, " ->"), "Sort ")
			scan = scan && name != "TallyConnectors" // it counts them all
			if scan || sort && !slices.Contains(sorted, name) {
				t.Errorf("%s:\n%s", name, strings.Join(lines, "\n"))
			}
		}
	}
}

func plan(t *testing.T, c *pgx.Conn, name, query string, parameters int) []string {
	t.Helper()
	if _, err := c.Exec(t.Context(), "PREPARE q_"+strings.ToLower(name)+" AS "+query); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	arguments := ""
	if parameters > 0 {
		arguments = "(" + strings.TrimSuffix(strings.Repeat("NULL, ", parameters), ", ") + ")"
	}
	rows, err := c.Query(t.Context(), fmt.Sprintf("EXPLAIN EXECUTE q_%s%s", strings.ToLower(name), arguments), pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return lines
}
