package runs

import (
	"context"
	"time"

	"fairlead.dev/fairlead"
)

// Release ends the worker's hold: the run goes back into the queue, or ends if it was
// tried often enough or somebody asked for its end.
func (r *Runs) Release(ctx context.Context, who fairlead.Caller, id fairlead.RunID, fence int64) error {
	var run fairlead.Run
	err := r.update(ctx, who, id, fence, "release", func(held *fairlead.Run) {
		*held = released(*held, r.opts.Now())
		run = *held
	})
	if err == nil && run.State == fairlead.Queued {
		r.bell.queued()
	}
	return err
}

// released is what becomes of a run that its worker gives back: what becomes of a lost
// one too.
func released(run fairlead.Run, now time.Time) fairlead.Run {
	switch {
	case run.State == fairlead.Stopping:
		run.State, run.Ended = fairlead.Stopped, now
	case run.Attempt > run.Spec.Retries:
		run.State, run.Ended = fairlead.Failed, now
		run.Failure = &fairlead.Error{
			Kind: fairlead.Unavailable, Code: fairlead.CodeWorkerLost, What: "performing run",
			Why:    "the worker " + string(run.WorkerName) + " ended before the run did",
			Remedy: "start the run again",
		}
	default:
		run.State, run.Began, run.Pulled = fairlead.Queued, time.Time{}, nil
	}
	return run
}
