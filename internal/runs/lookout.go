package runs

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"fairlead.dev/fairlead"
)

// How long lookouts live.
const (
	// lookoutWait is how long a worker may take to see that it is asked, and to look.
	lookoutWait = 45 * time.Second
	// lookoutLife is how long one is kept.
	lookoutLife = 10 * time.Minute
)

// Look has a worker of the organization look at the way to a registry, and gives what it
// has seen, as it wrote it: [fairlead.NotFound] for a worker that isn't there,
// [fairlead.Unavailable] if it doesn't look in time.
func (r *Runs) Look(
	ctx context.Context, who fairlead.Caller, org fairlead.OrganizationID, worker fairlead.Name, at fairlead.LookoutEndpoint,
) (json.RawMessage, error) {
	k, err := r.WorkerNamed(ctx, who, org, worker)
	if err != nil {
		return nil, err
	}
	id, err := newID()
	if err != nil {
		return nil, err
	}
	now := r.opts.Now()
	if err := r.store.AddLookout(ctx, fairlead.Lookout{ID: id, Worker: k.ID, Endpoint: at, Asked: now}, now.Add(-lookoutLife)); err != nil {
		return nil, err
	}
	listened, stop := r.bell.listen(fairlead.RunID(id))
	defer func() { stop() }()
	r.bell.queued()
	waiting, cancel := context.WithTimeout(ctx, lookoutWait)
	defer cancel()
	for {
		l, err := r.store.Lookout(ctx, id)
		if err != nil || l.Sight != nil {
			return l.Sight, err
		}
		if !wait(waiting, listened) {
			return nil, unseen(k, r.opts.Now())
		}
		stop()
		listened, stop = r.bell.listen(fairlead.RunID(id))
	}
}

// WorkerNamed finds a worker of the organization, or the one inside the server:
// [fairlead.NotFound] for every other, and for whoever may not see workers.
func (r *Runs) WorkerNamed(ctx context.Context, who fairlead.Caller, org fairlead.OrganizationID, name fairlead.Name) (fairlead.Worker, error) {
	if err := who.May(fairlead.WorkerRead, fairlead.Place{Organization: org}); err != nil {
		return fairlead.Worker{}, err
	}
	for _, id := range []fairlead.OrganizationID{org, ""} {
		list, err := r.store.WorkersOf(ctx, id)
		if err != nil {
			return fairlead.Worker{}, err
		}
		for _, k := range list {
			if k.Name == name {
				return k, nil
			}
		}
	}
	return fairlead.Worker{}, fairlead.Missing(fairlead.WorkerRead)
}

func unseen(k fairlead.Worker, now time.Time) error {
	why := "it was never heard of"
	if !k.LastSeen.IsZero() {
		why = fmt.Sprintf("it was heard of last %s ago", now.Sub(k.LastSeen).Round(time.Second))
	}
	return &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeTimeout, What: "looking from worker " + string(k.Name),
		Why:    "the worker didn't look in time: " + why + ", and one whose slots are all busy looks when a run has ended",
		Remedy: "see that it runs (`fairlead worker list`), and try again when it is idle",
	}
}

// lookout gives a worker what it is asked to look at, false if nothing.
func (r *Runs) lookout(ctx context.Context, w fairlead.Worker) (fairlead.Lookout, bool, error) {
	l, err := r.store.TakeLookout(ctx, w.ID, r.opts.Now().Add(-lookoutWait))
	if err == fairlead.ErrUnchanged { //nolint:errorlint // The store gives it as it is.
		return l, false, nil
	}
	return l, err == nil, err
}

// Seen takes what a worker has seen.
func (r *Runs) Seen(ctx context.Context, who fairlead.Caller, id string, sight json.RawMessage) error {
	w, err := r.worker(ctx, who)
	if err != nil {
		return err
	}
	if err := r.store.AnswerLookout(ctx, w.ID, id, sight); err != nil {
		if fairlead.KindOf(err) == fairlead.NotFound {
			return fairlead.Missing(fairlead.RunPerform)
		}
		return err
	}
	r.bell.ring(fairlead.RunID(id))
	return nil
}
