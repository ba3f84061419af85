package sqlstore

import (
	"context"

	"fairlead.dev/fairlead"
)

func scanWorker(r row) (w fairlead.Worker, err error) {
	err = r.Scan(&w.ID, &w.Organization, &w.Name, stamp{&w.Created}, stamp{&w.LastSeen}, &w.Engine, &w.Platform, &w.Version, document{&w.Queues})
	w.Queues = orNil(w.Queues)
	return w, err
}

// Worker reads one: NotFound.
func (q reader) Worker(ctx context.Context, id fairlead.WorkerID) (fairlead.Worker, error) {
	return one(ctx, q.session, "reading worker", "Worker", scanWorker, id)
}

// WorkersOf lists an organization's ("" is those for everybody), by name.
func (q reader) WorkersOf(ctx context.Context, org fairlead.OrganizationID) ([]fairlead.Worker, error) {
	return many(ctx, q.session, "reading workers", "WorkersOf", scanWorker, org)
}

// AddWorker adds one: NotFound without the organization, Conflict if it has the name.
func (w *writer) AddWorker(ctx context.Context, k fairlead.Worker) error {
	const doing = "adding worker"
	if k.Organization != "" {
		if err := w.bump(ctx, doing, k.Organization); err != nil {
			return err
		}
	}
	return w.run(ctx, doing, "AddWorker", k.ID, k.Organization, k.Name, k.Created, when(k.LastSeen), k.Engine, k.Platform, k.Version, document{orNil(k.Queues)})
}

// RemoveWorker removes one of the organization with its token: NotFound. What it
// performs is lost when its hold ends.
func (w *writer) RemoveWorker(ctx context.Context, org fairlead.OrganizationID, id fairlead.WorkerID) error {
	const doing = "removing worker"
	if org != "" {
		if err := w.bump(ctx, doing, org); err != nil {
			return err
		}
	}
	return w.exactly(ctx, doing, "worker", "RemoveWorker", org, id)
}

// TouchWorker notes that a worker was heard of, and what it said of itself: NotFound.
func (s *Store) TouchWorker(ctx context.Context, w fairlead.Worker) error {
	return s.touch(ctx, "touching worker", "TouchWorker", w.ID, when(w.LastSeen), w.Engine, w.Platform, w.Version, document{orNil(w.Queues)})
}
