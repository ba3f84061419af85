package sqlstore

import (
	"context"
	"encoding/json"
	"time"

	"fairlead.dev/fairlead"
)

func scanLookout(r row) (l fairlead.Lookout, err error) {
	err = r.Scan(&l.ID, &l.Worker, document{&l.Endpoint}, stamp{&l.Asked}, document{&l.Sight})
	return l, err
}

// Lookout reads one: NotFound.
func (q reader) Lookout(ctx context.Context, id string) (fairlead.Lookout, error) {
	return one(ctx, q.session, "reading lookout", "Lookout", scanLookout, id)
}

// AddLookout asks a worker to look, and forgets those that were asked for before a time:
// NotFound without the worker.
func (s *Store) AddLookout(ctx context.Context, l fairlead.Lookout, before time.Time) error {
	const doing = "adding lookout"
	if _, err := s.write.change(ctx, doing, "SweepLookouts", before); err != nil {
		return err
	}
	_, err := s.write.change(ctx, doing, "AddLookout", l.ID, l.Worker, document{l.Endpoint}, l.Asked)
	return err
}

// TakeLookout hands the worker the oldest that nobody has taken and that wasn't asked for
// before a time: [fairlead.ErrUnchanged] if there is none.
func (s *Store) TakeLookout(ctx context.Context, worker fairlead.WorkerID, since time.Time) (fairlead.Lookout, error) {
	const doing = "taking lookout"
	// Workers ask every second, and there is nearly never one: looking costs no write.
	id, err := value[string](ctx, s.session, doing, "WaitingLookout", worker, since)
	if isMissing(err) {
		return fairlead.Lookout{}, fairlead.ErrUnchanged
	}
	if err != nil {
		return fairlead.Lookout{}, err
	}
	l, err := one(ctx, s.write, doing, "TakeLookout", scanLookout, id)
	if isMissing(err) { // another slot of the worker was quicker
		return l, fairlead.ErrUnchanged
	}
	return l, err
}

// AnswerLookout notes what the worker that took it has seen: NotFound if it didn't, or has
// answered already.
func (s *Store) AnswerLookout(ctx context.Context, worker fairlead.WorkerID, id string, sight json.RawMessage) error {
	return s.touch(ctx, "answering lookout", "AnswerLookout", worker, id, document{sight})
}
