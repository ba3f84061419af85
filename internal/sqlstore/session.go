package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"fairlead.dev/fairlead"
)

// session runs named queries, on a pool or within a transaction.
type session struct {
	pool    *sql.DB
	tx      *sql.Tx // nil is the pool
	queries Queries
	kept    map[string]*sql.Stmt // nil if the driver keeps them
	fault   func(error) Fault
	trouble *trouble // of the transaction
}

// row is what can be scanned.
type row interface{ Scan(into ...any) error }

func newSession(ctx context.Context, d Database, pool *sql.DB) (session, error) {
	q := session{pool: pool, queries: d.Queries, fault: d.Fault}
	if !d.Prepare {
		return q, nil
	}
	q.kept = make(map[string]*sql.Stmt, len(d.Queries))
	for name, text := range d.Queries {
		st, err := pool.PrepareContext(ctx, text) //nolint:sqlclosecheck // Closed with the pool.
		if err != nil {
			return q, q.explain(ctx, "opening store", fmt.Errorf("preparing %s: %w", name, err))
		}
		q.kept[name] = st
	}
	return q, nil
}

func (q session) query(ctx context.Context, name string, args []any) (*sql.Rows, error) {
	args, err := bindAll(args)
	if err != nil {
		return nil, err
	}
	if st := q.statement(ctx, name); st != nil { //nolint:sqlclosecheck // It is kept.
		return st.QueryContext(ctx, args...)
	}
	if q.tx != nil {
		return q.tx.QueryContext(ctx, q.queries[name], args...)
	}
	return q.pool.QueryContext(ctx, q.queries[name], args...)
}

// change runs a statement and gives the number of rows that it changed.
func (q session) change(ctx context.Context, doing, name string, args ...any) (int64, error) {
	result, err := q.exec(ctx, name, args)
	if err != nil {
		return 0, q.explain(ctx, doing, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return 0, q.explain(ctx, doing, err)
	}
	return n, nil
}

func (q session) exec(ctx context.Context, name string, args []any) (sql.Result, error) {
	args, err := bindAll(args)
	if err != nil {
		return nil, err
	}
	if st := q.statement(ctx, name); st != nil { //nolint:sqlclosecheck // It is kept.
		return st.ExecContext(ctx, args...)
	}
	if q.tx != nil {
		return q.tx.ExecContext(ctx, q.queries[name], args...)
	}
	return q.pool.ExecContext(ctx, q.queries[name], args...)
}

func (q session) statement(ctx context.Context, name string) *sql.Stmt {
	st := q.kept[name]
	if st != nil && q.tx != nil {
		return q.tx.StmtContext(ctx, st)
	}
	return st
}

// each runs a query and hands its rows to scan.
func (q session) each(ctx context.Context, doing, name string, scan func(row) error, args ...any) error {
	rows, err := q.query(ctx, name, args)
	if err != nil {
		return q.explain(ctx, doing, err)
	}
	defer rows.Close() //nolint:errcheck // What goes wrong is told by Err.
	for rows.Next() {
		if err := scan(rows); err != nil {
			return q.explain(ctx, doing, err)
		}
	}
	if err := rows.Err(); err != nil {
		return q.explain(ctx, doing, err)
	}
	return nil
}

// many lists what a query finds: nil if nothing.
func many[T any](ctx context.Context, q session, doing, name string, scan func(row) (T, error), args ...any) ([]T, error) {
	var list []T
	err := q.each(ctx, doing, name, func(r row) error {
		v, err := scan(r)
		list = append(list, v)
		return err
	}, args...)
	if err != nil {
		return nil, err
	}
	return list, nil
}

// one gives the only thing that a query finds, or NotFound.
func one[T any](ctx context.Context, q session, doing, name string, scan func(row) (T, error), args ...any) (T, error) {
	var found T
	list, err := many(ctx, q, doing, name, scan, args...)
	if err != nil {
		return found, err
	}
	if len(list) == 0 {
		return found, missing(doing, thing(doing))
	}
	return list[0], nil
}

// value gives the only value that a query finds, or NotFound.
func value[T any](ctx context.Context, q session, doing, name string, args ...any) (T, error) {
	return one(ctx, q, doing, name, func(r row) (v T, err error) {
		err = r.Scan(&v)
		return v, err
	}, args...)
}

// isMissing reports whether an error of this package says that there is no such thing.
func isMissing(err error) bool { return fairlead.KindOf(err) == fairlead.NotFound }
