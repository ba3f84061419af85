package conform

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
)

// Faults stands between database/sql and a driver, and makes one operation fail: the
// beginning of a transaction, a statement or a commit.
type Faults struct {
	mu     sync.Mutex
	left   int // operations that still go well; below 0 all do
	fail   func() error
	failed bool
}

// arm lets n operations go well and the next one fail with what fail gives. If that is
// no error, the operation goes on.
func (f *Faults) arm(n int, fail func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left, f.fail, f.failed = n, fail, false
}

// disarm ends that, and reports whether anything failed.
func (f *Faults) disarm() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = nil
	return f.failed
}

func (f *Faults) next() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail == nil || f.failed {
		return nil
	}
	if f.left--; f.left >= 0 {
		return nil
	}
	f.failed = true
	return f.fail()
}

// Between wraps a driver's connector.
func (f *Faults) Between(c driver.Connector) driver.Connector { return faultyConnector{c, f} }

type faultyConnector struct {
	driver.Connector
	faults *Faults
}

func (c faultyConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &faultyConn{conn, c.faults}, nil
}

// faultyConn passes on what database/sql asks a connection for beyond driver.Conn.
type faultyConn struct {
	driver.Conn
	faults *Faults
}

func (c *faultyConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if err := c.faults.next(); err != nil {
		return nil, err
	}
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
	return faultyTx{tx, c.faults}, err
}

func (c *faultyConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	st, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	return faultyStmt{st, c.faults}, err
}

func (c *faultyConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.faults.next(); err != nil {
		return nil, err
	}
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c *faultyConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.faults.next(); err != nil {
		return nil, err
	}
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c *faultyConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *faultyConn) Ping(ctx context.Context) error { return c.Conn.(driver.Pinger).Ping(ctx) }

func (c *faultyConn) ResetSession(ctx context.Context) error {
	return c.Conn.(driver.SessionResetter).ResetSession(ctx)
}

func (c *faultyConn) IsValid() bool {
	v, ok := c.Conn.(driver.Validator)
	return !ok || v.IsValid()
}

type faultyTx struct {
	driver.Tx
	faults *Faults
}

// Commit that fails rolls back, as database/sql asks of a driver.
func (t faultyTx) Commit() error {
	if err := t.faults.next(); err != nil {
		return errors.Join(err, t.Rollback())
	}
	return t.Tx.Commit()
}

type faultyStmt struct {
	driver.Stmt
	faults *Faults
}

func (s faultyStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if err := s.faults.next(); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (s faultyStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if err := s.faults.next(); err != nil {
		return nil, err
	}
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}
