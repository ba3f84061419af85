package runs

import (
	"context"
	"fmt"
	"time"

	"fairlead.dev/fairlead"
)

// A worker that hasn't been heard of for so long isn't there: a claim waits for less, and
// whoever performs a run is heard of about as often.
const (
	present   = time.Minute
	hearEvery = 20 * time.Second
)

// place says where a new run goes: the project's active stack decides.
func (r *Runs) place(ctx context.Context, p fairlead.Project, spec *fairlead.RunSpec) error {
	if p.Stack == "" {
		return nil
	}
	s, err := r.store.StackByName(ctx, p.Organization, p.StackName)
	if err != nil {
		return err
	}
	spec.Stack, spec.Engine, spec.Queue = s.Name, s.Engine, s.Queue
	return nil
}

// hear notes now and then that a worker is there that performs a run, and so claims none.
func (r *Runs) hear(ctx context.Context, id fairlead.WorkerID) error {
	w, err := r.store.Worker(ctx, id)
	if err != nil {
		return err
	}
	now := r.opts.Now()
	if now.Sub(w.LastSeen) < hearEvery {
		return nil
	}
	w.LastSeen = now
	return r.store.TouchWorker(ctx, w)
}

// sayWaiting says of a run that waits why nobody takes it, if no worker that could was
// heard of. A run for which there is one only waits for its turn.
func (r *Runs) sayWaiting(ctx context.Context, run *fairlead.Run) error {
	if run.State != fairlead.Queued {
		return nil
	}
	since := r.opts.Now().Add(-present)
	for _, org := range []fairlead.OrganizationID{run.Organization, ""} {
		workers, err := r.store.WorkersOf(ctx, org)
		if err != nil {
			return err
		}
		for _, w := range workers {
			if w.LastSeen.After(since) && w.MayPerform(run.Organization, run.Spec) {
				return nil
			}
		}
		if org == "" {
			break // a personal project's run is for everybody's workers only
		}
	}
	queue, engine, flag := run.Spec.QueueOrDefault(), "", ""
	if queue != fairlead.DefaultQueue {
		flag = " --queue " + string(queue)
	}
	if run.Spec.Engine != "" {
		engine = " with engine " + run.Spec.Engine
		flag += " --engine " + run.Spec.Engine
	}
	run.Waiting = &fairlead.Error{
		Kind: fairlead.Unavailable, What: "waiting for a worker", Why: fmt.Sprintf("no worker of queue %s%s was heard of in the last minute", queue, engine),
		Remedy: fmt.Sprintf("start one: `fairlead worker%s`, with a token of `fairlead worker add`", flag),
	}
	if run.Spec.Stack != "" {
		run.Waiting.Remedy += fmt.Sprintf("; or give stack %s another queue or engine and start the run again", run.Spec.Stack)
	}
	return nil
}
