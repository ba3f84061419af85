package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/sqlstore"
)

// applicationID marks Fairlead's files: see the first migration.
const applicationID = 0x464c4452

// errForeign is for a database that isn't Fairlead's.
var errForeign = errors.New("somebody else's database")

// migrate brings the schema up to date, all steps in one transaction: a process that
// opens the file at the same time waits, and finds nothing left to do. goose would take
// a table, a transaction for each step and no lock on SQLite; what is needed instead is
// in SQLite already: the version stands in the file's header and is a part of the
// transaction.
func migrate(ctx context.Context, db *sql.DB) error {
	steps, err := sqlstore.ParseMigrations(sub("migrations"))
	if err != nil {
		return err
	}
	have, err := version(ctx, db)
	if err != nil {
		return err
	}
	if _, err := sqlstore.Pending(steps, have); err != nil {
		return err
	}
	if err := enterWAL(ctx, db); err != nil || have == len(steps) {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // After Commit it does nothing.
	if have, err = version(ctx, tx); err != nil {
		return err
	}
	pending, err := sqlstore.Pending(steps, have)
	if err != nil {
		return err
	}
	for _, step := range pending {
		if _, err := tx.ExecContext(ctx, step.SQL); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", step.Number)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// version reads the schema's version: 0 for an empty file.
func version(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
},
) (int, error) {
	var application, have, tables int
	const ask = `SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version),
		(SELECT COUNT(*) FROM sqlite_schema)`
	if err := q.QueryRowContext(ctx, ask).Scan(&application, &have, &tables); err != nil {
		return 0, err
	}
	if application != applicationID && (application != 0 || have != 0 || tables != 0) {
		return 0, errForeign
	}
	return have, nil
}

// enterWAL sets the journal mode, which stays with the file. Of several processes that
// open a new file at once, SQLite turns all but one away without letting them wait.
func enterWAL(ctx context.Context, db *sql.DB) error {
	wait := time.NewTicker(5 * time.Millisecond)
	defer wait.Stop()
	for n := 0; ; n++ {
		_, err := db.ExecContext(ctx, "PRAGMA journal_mode = WAL")
		if err == nil || n == 1000 || fault(err).Class != sqlstore.Away {
			return err
		}
		select {
		case <-wait.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// explain translates what went wrong before there was a store.
func explain(ctx context.Context, path string, err error) error {
	if ended := ctx.Err(); ended != nil {
		return (&fairlead.Error{Kind: fairlead.Unavailable, What: doing, Why: "the file " + path + " didn't open in time"}).Because(ended)
	}
	if e, ok := errors.AsType[*fairlead.Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, errForeign):
		return invalid(path+" is a SQLite database, but not one of Fairlead's", "name another file")
	case isNoDatabase(err):
		return invalid(path+" isn't a SQLite database, or it is damaged", "name another file, or restore a backup")
	}
	return fault(err).Error(doing, err)
}
