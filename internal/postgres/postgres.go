// Package postgres keeps the state of the house in PostgreSQL, for several replicas at
// once. It brings the SQL of PostgreSQL; what a store does is internal/sqlstore's.
//
// Transactions are READ COMMITTED. Where a rule needs more (the last administrator,
// the numbers of a project's runs, whose a run is), a row is locked: then nothing has
// to be tried again but after a deadlock, and a claim that meets another passes it by
// (SKIP LOCKED).
package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"io/fs"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/sqlstore"
)

//go:embed queries/*.sql migrations/*.sql
var files embed.FS

const doing = "opening store"

// Options are what a store needs beside its address.
type Options struct {
	// Now is the clock. It must be set.
	Now func() time.Time
	// Connections is how many this replica may hold; 0 is 16.
	Connections int
}

// Open opens the store in the database at address, postgres://user:password@host/name
// with the parameters that libpq knows
// (https://www.postgresql.org/docs/15/libpq-connect.html), and brings its schema up to
// date. What the address leaves out is taken from libpq's environment and files
// (PGPASSWORD, ~/.pgpass). Errors are [fairlead.Invalid] for what must be changed in
// the address or on the server, and for a newer schema; [fairlead.Unavailable] when the
// server doesn't answer. None holds the password.
func Open(ctx context.Context, address string, o Options) (fairlead.Store, error) {
	s, err := open(ctx, address, o, func(c driver.Connector) driver.Connector { return c })
	if err != nil {
		return nil, err
	}
	return s, nil
}

// open takes what stands between database/sql and the driver, for tests.
func open(ctx context.Context, address string, o Options, between func(driver.Connector) driver.Connector) (*sqlstore.Store, error) {
	config, err := parse(address)
	if err != nil {
		return nil, err
	}
	queries, err := sqlstore.ParseQueries(sub("queries"))
	if err != nil {
		return nil, fairlead.AsError(doing, err)
	}
	db := sql.OpenDB(between(stdlib.GetConnector(*config, stdlib.OptionAfterConnect(plainly))))
	if o.Connections == 0 {
		o.Connections = 16
	}
	db.SetMaxOpenConns(o.Connections)
	db.SetMaxIdleConns(o.Connections)
	db.SetConnMaxIdleTime(5 * time.Minute)
	db.SetConnMaxLifetime(time.Hour) // so that the replicas spread again after a failover
	if err := migrate(ctx, db); err != nil {
		return nil, errors.Join(explain(ctx, config, err), db.Close())
	}
	s, err := sqlstore.New(ctx, sqlstore.Database{
		Read: db, Write: db, Queries: queries, Isolation: sql.LevelReadCommitted, Fault: fault, Now: o.Now,
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

func sub(dir string) fs.FS {
	f, err := fs.Sub(files, dir)
	if err != nil {
		panic(err) // the name is a constant of this package
	}
	return f
}

// parse reads the address. What is wrong with it isn't said: the texts of net/url and
// pgx repeat the address, and with it the password.
func parse(address string) (*pgx.ConnConfig, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, invalid("the database's address isn't a postgres:// URL",
			"write postgres://USER:PASSWORD@HOST:5432/DATABASE, with %XX for special characters in the password")
	}
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, invalid("the database's address has a part or a parameter that can't be read",
			"look at the parameters after the question mark, at the port and at the files that they name")
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 10 * time.Second
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "fairlead"
	}
	return config, nil
}

// plainly makes the server answer each query in the one way for which its index was
// made, whatever it thinks of the size of things: as it can't know how much of an
// organization's events one project has, it would sort a million of them to show fifty.
// TestPlans holds the plans that are left.
func plainly(ctx context.Context, c *pgx.Conn) error {
	_, err := c.Exec(ctx, `SET plan_cache_mode = force_generic_plan; SET jit = off;
		SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off`,
		pgx.QueryExecModeSimpleProtocol)
	return err
}
