package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"fairlead.dev/fairlead"
)

// Claimable reports whether the worker would find a run at now.
func (q reader) Claimable(ctx context.Context, k fairlead.Worker, now time.Time) (bool, error) {
	const doing = "looking into the queue"
	if k.Organization == "" {
		return value[bool](ctx, q.session, doing, "ClaimableAny", now, document{k.Lanes()})
	}
	return value[bool](ctx, q.session, doing, "ClaimableOf", now, document{k.Lanes()}, k.Organization)
}

// head is the oldest run that waits in a lane.
type head struct {
	lane    string
	created time.Time
	id      fairlead.RunID
}

func scanHead(r row) (h head, err error) {
	err = r.Scan(&h.lane, stamp{&h.created}, &h.id)
	return h, err
}

// ClaimRun hands the oldest queued run of the worker's lanes to it:
// [fairlead.ErrUnchanged] if there is none. Each lane is a range of an index, so its
// oldest run is the first of the range; the lanes are few, and are compared here. Of a
// lane in which others claim at the same time, the worker gets the next run.
func (w *writer) ClaimRun(ctx context.Context, k fairlead.Worker, now, until time.Time) (fairlead.Run, error) {
	const doing = "claiming run"
	look, lanes := "HeadsAny", []any{document{k.Lanes()}}
	name, args := "ClaimAny", []any{k.ID, k.Name, k.Engine, now, until}
	if k.Organization != "" {
		look, lanes, name = "HeadsOf", append(lanes, k.Organization), "ClaimOf"
	}
	heads, err := many(ctx, w.session, doing, look, scanHead, lanes...)
	if err != nil {
		return fairlead.Run{}, err
	}
	slices.SortFunc(heads, func(a, b head) int {
		return cmp.Or(a.created.Compare(b.created), cmp.Compare(a.id, b.id))
	})
	for _, h := range heads {
		from := append(slices.Clone(args), h.lane)
		if k.Organization != "" {
			from = append(from, k.Organization)
		}
		if r, err := one(ctx, w.session, doing, name, scanRun, from...); !isMissing(err) {
			return r, err
		}
	}
	return fairlead.Run{}, fairlead.ErrUnchanged
}

func orUnchanged(r fairlead.Run, err error) (fairlead.Run, error) {
	if isMissing(err) {
		return r, fairlead.ErrUnchanged
	}
	return r, err
}

// LoseRun takes one run from a worker whose hold ended before now:
// [fairlead.ErrUnchanged] if there is none.
func (w *writer) LoseRun(ctx context.Context, now time.Time) (fairlead.Run, error) {
	const doing = "losing run"
	r, err := orUnchanged(one(ctx, w.session, doing, "LostRun", scanRun, now))
	if err != nil {
		return r, err
	}
	r = lose(r, now)
	return r, w.run(ctx, doing, "LoseRun", r.ID, r.State, r.Fence, when(r.Claimed), when(r.Began), when(r.Ended),
		document{r.Pulled}, document{r.Failure}, r.Worker, r.WorkerName, r.Engine)
}

// lose says what becomes of a run whose worker is lost. It gets another fence at once:
// the worker may be alive after all, and must not write any more. Somebody who asked
// for the run's end gets it. A run that goes back into the queue forgets the worker and
// what it had done so far.
func lose(r fairlead.Run, now time.Time) fairlead.Run {
	lost := string(r.WorkerName)
	r.Fence++
	r.Until, r.Progress = time.Time{}, nil
	switch {
	case r.State == fairlead.Stopping:
		r.State, r.Ended = fairlead.Stopped, now
	case r.Attempt > r.Spec.Retries:
		r.State, r.Ended = fairlead.Failed, now
		r.Failure = &fairlead.Error{
			Kind: fairlead.Unavailable, Code: fairlead.CodeWorkerLost, What: "performing run",
			Why: "the worker " + lost + " was not heard of in time", Remedy: "look at the worker's log and machine, then start the run again",
		}
	default:
		r.State, r.Worker, r.WorkerName, r.Engine = fairlead.Queued, "", "", ""
		r.Claimed, r.Began, r.Pulled = time.Time{}, time.Time{}, nil
	}
	r.Ended = r.Ended.UTC().Truncate(time.Microsecond)
	return r
}

// Renew lengthens a worker's hold, never shortens it, and notes its progress; without
// one the last stays. NotFound, and Conflict (CodeFence) if the fence isn't the run's
// or nobody holds it.
func (s *Store) Renew(ctx context.Context, id fairlead.RunID, fence int64, until time.Time, p *fairlead.Progress) (fairlead.Run, error) {
	const doing = "renewing run"
	r, err := one(ctx, s.write, doing, "Renew", scanRun, id, fence, until, document{p})
	if !isMissing(err) {
		return r, err
	}
	if _, err := value[int64](ctx, s.session, doing, "Fence", id); err != nil {
		return r, err
	}
	return r, fenced(doing)
}
