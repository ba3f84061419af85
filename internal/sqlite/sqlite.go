// Package sqlite keeps the state of the house in one file. It brings the SQL of
// SQLite; what a store does is internal/sqlstore's.
//
// One connection writes, so that writers wait in Go's queue rather than in SQLite's
// retries; another process may write as well (a CLI that rotates keys), then the two
// wait for each other in the file's lock. Readers never wait: the file is in WAL mode
// (https://www.sqlite.org/wal.html).
//
// A write that was acknowledged survives kill -9 and the loss of power: synchronous is
// FULL, that is one fsync for each commit. NORMAL would survive kill -9 only, and what
// it may forget is what nobody can do again: the event of a login that was handed out,
// the data keys wrapped with a new key while the operator already removed the old one.
package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"io/fs"
	"net/url"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"modernc.org/sqlite"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/sqlstore"
)

//go:embed queries/*.sql migrations/*.sql
var files embed.FS

const doing = "opening store"

// Options are what a store needs beside its file.
type Options struct {
	// Now is the clock. It must be set.
	Now func() time.Time
	// Wait is how long a write waits for another process that writes; 0 is 10 seconds.
	Wait time.Duration
}

// Open opens the store in the file at path, which is made, readable by its owner only,
// if it isn't there; its directory must be. Errors are [fairlead.Invalid] for a path
// that holds something else or can't be used, and for a newer schema;
// [fairlead.Unavailable] when the file is locked, the disk full or read-only.
func Open(ctx context.Context, path string, o Options) (fairlead.Store, error) {
	s, err := open(ctx, path, o, func(c driver.Connector) driver.Connector { return c })
	if err != nil {
		return nil, err
	}
	return s, nil
}

// open takes what stands between database/sql and the driver, for tests.
func open(ctx context.Context, path string, o Options, between func(driver.Connector) driver.Connector) (*sqlstore.Store, error) {
	if o.Wait == 0 {
		o.Wait = 10 * time.Second
	}
	path, err := prepare(path)
	if err != nil {
		return nil, err
	}
	queries, err := sqlstore.ParseQueries(sub("queries"))
	if err != nil {
		return nil, fairlead.AsError(doing, err)
	}
	write, err := pool(path, 1, o, between, "_txlock", "immediate")
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, write); err != nil {
		return nil, errors.Join(explain(ctx, path, err), write.Close())
	}
	read, err := pool(path, max(4, runtime.GOMAXPROCS(0)), o, between, "_query_only", "1")
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	s, err := sqlstore.New(ctx, sqlstore.Database{
		Read: read, Write: write, Queries: queries, Prepare: true, Fault: fault, Now: o.Now,
	})
	if err != nil {
		return nil, errors.Join(err, read.Close(), write.Close())
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

// pool opens connections to the file. Its name is a URI, as the path may hold what a
// query would (https://www.sqlite.org/uri.html).
func pool(path string, size int, o Options, between func(driver.Connector) driver.Connector, key, value string) (*sql.DB, error) {
	name := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: url.Values{
		"mode":          {"rw"},
		"_busy_timeout": {strconv.FormatInt(o.Wait.Milliseconds(), 10)},
		"_foreign_keys": {"1"},
		"_synchronous":  {"FULL"},
		"_dqs":          {"0"},
		"_pragma":       {"journal_size_limit(67108864)"}, // what one big write made of the log is given back
		key:             {value},
	}.Encode()}
	c, err := sqlite.NewConnector(name.String())
	if err != nil {
		return nil, fairlead.AsError(doing, err)
	}
	db := sql.OpenDB(between(c))
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}
