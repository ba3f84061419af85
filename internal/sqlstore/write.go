package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"math/big"
	"time"

	"github.com/google/uuid"

	"fairlead.dev/fairlead"
)

// A transaction that loses against others is run again this often, each time after a
// longer pause.
const (
	tries     = 12
	firstWait = 2 * time.Millisecond
	lastWait  = 200 * time.Millisecond
)

// trouble is what went wrong within a transaction, whether or not change made anything
// of it.
type trouble struct {
	again bool
	first error // what can't be committed any more
}

// refuse gives err back, and makes sure that the transaction isn't committed.
func (q session) refuse(err error) error {
	if q.trouble.first == nil {
		q.trouble.first = err
	}
	return err
}

// writer is one transaction of [Store.Write].
type writer struct{ reader }

var _ fairlead.Writer = (*writer)(nil)

// Write runs change in a transaction: see [fairlead.Store]. An error of w that may
// have left half of a step behind (any but ErrUnchanged and NotFound) is given back
// even if change passes over it: PostgreSQL commits nothing after such an error, so
// neither does SQLite.
func (s *Store) Write(ctx context.Context, change func(context.Context, fairlead.Writer) (fairlead.Event, error)) error {
	wait := firstWait
	for n := 1; ; n++ {
		again, err := s.try(ctx, change)
		if !again || n == tries {
			return err
		}
		if err := pause(ctx, wait); err != nil {
			return s.write.explain(ctx, "writing", err)
		}
		wait = min(2*wait, lastWait)
	}
}

// try runs change once. again reports that it lost against another transaction; err is
// what to say if it isn't tried any more.
func (s *Store) try(ctx context.Context, change func(context.Context, fairlead.Writer) (fairlead.Event, error)) (again bool, err error) {
	const doing = "writing"
	q := s.write
	q.trouble = &trouble{}
	if q.tx, err = q.pool.BeginTx(ctx, &sql.TxOptions{Isolation: s.isolation}); err != nil {
		err = q.explain(ctx, doing, err)
		return q.trouble.again, err
	}
	defer func() { _ = q.tx.Rollback() }() // Also when change panics; after Commit it does nothing.

	event, err := change(ctx, &writer{reader{session: q, packer: s.packer}})
	switch {
	case q.trouble.again:
		return true, Fault{Class: Again}.Error(doing, nil)
	case err != nil:
		return false, err
	case q.trouble.first != nil:
		return false, q.trouble.first
	case event.Action == "":
		return false, &fairlead.Error{Kind: fairlead.Internal, What: doing, Why: "the change has no event that explains it"}
	}
	if err := s.addEvent(ctx, q, event); err != nil {
		return q.trouble.again, err
	}
	if err := q.tx.Commit(); err != nil {
		err = q.explain(ctx, doing, err)
		return q.trouble.again, err
	}
	return false, nil
}

func (s *Store) addEvent(ctx context.Context, q session, e fairlead.Event) error {
	const doing = "recording event"
	if e.ID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return fairlead.AsError(doing, err)
		}
		e.ID = fairlead.EventID(id.String())
	}
	if e.At.IsZero() {
		e.At = s.now()
	}
	// Whatever is in it, an event is no reason not to do what it tells of.
	_, err := q.change(ctx, doing, "AddEvent", short(e.ID), e.At, short(e.Organization), short(e.Project),
		e.By.Kind, short(e.By.ID), e.By.Name, e.From, e.Request, short(e.Action), short(e.On.Kind), e.On.ID, short(e.On.Name), e.Allowed, document{orEmpty(e.Detail)})
	if err != nil || !e.Allowed || e.Organization == "" {
		return err
	}
	// What the organization's webhooks are told of is on its way with the same commit.
	_, err = q.change(ctx, doing, "AddDeliveries", short(e.Organization), short(e.Action), short(e.ID), e.At)
	return err
}

// pause waits about d, so that those who met don't meet again.
func pause(ctx context.Context, d time.Duration) error {
	if n, err := rand.Int(rand.Reader, big.NewInt(int64(d))); err == nil {
		d = d/2 + time.Duration(n.Int64())
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// bump counts a change of the organization, and holds its row until the commit: those
// who change what an organization owns do so one after the other. It comes first in
// every such change.
func (w *writer) bump(ctx context.Context, doing string, org fairlead.OrganizationID) error {
	return w.exactly(ctx, doing, "organization", "BumpRevision", org)
}

// exactly runs a step that must change a row: if there is none, the noun is missing.
func (w *writer) exactly(ctx context.Context, doing, noun, name string, args ...any) error {
	n, err := w.change(ctx, doing, name, args...)
	if err == nil && n == 0 {
		return missing(doing, noun)
	}
	return err
}

// run runs a step that may change any number of rows.
func (w *writer) run(ctx context.Context, doing, name string, args ...any) error {
	_, err := w.change(ctx, doing, name, args...)
	return err
}
