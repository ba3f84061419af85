// Package sqlstore is the half of a store that every SQL database shares: it binds and
// scans, runs transactions, knows which steps a change takes and what an error means to
// its caller. It holds no SQL: internal/sqlite and internal/postgres each bring their
// own queries under the same names, their own schema, and what their driver's errors
// mean. internal/conform holds both to the same behaviour.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"fairlead.dev/fairlead"
)

// Database is what a dialect brings.
type Database struct {
	// Read and Write are the pools for reading and for writing. They may be the same.
	Read, Write *sql.DB
	Queries     Queries
	// Prepare says that statements are to be prepared when the store is opened,
	// because the driver doesn't keep them itself.
	Prepare bool
	// Isolation must be at least read committed. What the rules of the house need
	// beyond that they get by locking rows.
	Isolation sql.IsolationLevel
	// Fault says what an error of the driver means.
	Fault func(error) Fault
	// Now is the clock: it dates the events that come without a time.
	Now func() time.Time
}

// Store is a [fairlead.Store] over a [Database].
type Store struct {
	reader
	write     session
	isolation sql.IsolationLevel
	now       func() time.Time
}

// reader is what a store and a write read alike: the one on its pool, the other
// within its transaction.
type reader struct {
	session
	packer *packer
}

var _ fairlead.Store = (*Store)(nil)

// New makes a store of d, the schema of which is the one that the queries expect. The
// store closes the pools.
func New(ctx context.Context, d Database) (*Store, error) {
	if d.Now == nil {
		return nil, &fairlead.Error{Kind: fairlead.Internal, What: "opening store", Why: "there is no clock"}
	}
	p, err := newPacker()
	if err != nil {
		return nil, fairlead.AsError("opening store", err)
	}
	s := &Store{reader: reader{packer: p}, isolation: d.Isolation, now: d.Now}
	if s.session, err = newSession(ctx, d, d.Read); err != nil {
		return nil, err
	}
	if s.write, err = newSession(ctx, d, d.Write); err != nil {
		return nil, err
	}
	return s, nil
}

// Ping reports whether the database answers: [fairlead.Unavailable] if not.
func (s *Store) Ping(ctx context.Context) error {
	for _, q := range []session{s.session, s.write} {
		if err := q.pool.PingContext(ctx); err != nil {
			return q.explain(ctx, "asking the store whether it answers", err)
		}
	}
	return nil
}

// Close waits for what runs and closes the pools.
func (s *Store) Close() error {
	s.packer.close()
	return errors.Join(s.pool.Close(), s.write.pool.Close())
}
