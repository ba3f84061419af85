package postgres

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5"

	"fairlead.dev/fairlead/internal/sqlstore"
)

// migrationLock is the number of the advisory lock under which the schema is changed:
// "fairlead" in ASCII.
const migrationLock = 0x666169726c656164

// What the server is, when that is nothing for a store.
var (
	errReplica  = errors.New("a read-only server")
	errEncoding = errors.New("a database of another encoding")
)

// migrate brings the schema up to date, all steps in one transaction under a lock: of
// several replicas that start at once one does it, the others wait and find nothing
// left to do. goose does as much with a table and a transaction of its own for each
// step, and asks for the lock again and again instead of waiting for it.
func migrate(ctx context.Context, db *sql.DB) error {
	steps, err := sqlstore.ParseMigrations(sub("migrations"))
	if err != nil {
		return err
	}
	if err := check(ctx, db); err != nil {
		return err
	}
	have, err := version(ctx, db)
	if err != nil || have == len(steps) {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // After Commit it does nothing.
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(migrationLock)); err != nil {
		return err
	}
	if have, err = version(ctx, tx); err != nil {
		return err
	}
	pending, err := sqlstore.Pending(steps, have)
	if err != nil {
		return err
	}
	for _, step := range pending {
		if _, err := tx.ExecContext(ctx, step.SQL, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE fairlead_schema SET version = $1", step.Number); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func check(ctx context.Context, db *sql.DB) error {
	var encoding, readOnly string
	const ask = "SELECT current_setting('server_encoding'), current_setting('transaction_read_only')"
	if err := db.QueryRowContext(ctx, ask).Scan(&encoding, &readOnly); err != nil {
		return err
	}
	switch {
	case readOnly == "on":
		return errReplica
	case encoding != "UTF8":
		return errEncoding
	}
	return nil
}

// version reads the schema's version: 0 for an empty database.
func version(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
},
) (int, error) {
	var there bool
	var have int
	// Not to_regclass: it may remember from before the lock that there was no such table.
	const ask = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class WHERE relname = 'fairlead_schema' AND pg_catalog.pg_table_is_visible(oid))"
	if err := q.QueryRowContext(ctx, ask).Scan(&there); err != nil || !there {
		return 0, err
	}
	err := q.QueryRowContext(ctx, "SELECT version FROM fairlead_schema").Scan(&have)
	return have, err
}
