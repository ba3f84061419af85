package runs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// Assignment is a run that a worker was given, or without one what it shall look at.
type Assignment struct {
	Lookout  *fairlead.Lookout
	Run      fairlead.Run
	Project  fairlead.Project
	Hold     time.Duration
	NextLine int64
}

// Claim gives a worker a run, false if there is none until wait is over.
func (r *Runs) Claim(ctx context.Context, who fairlead.Caller, about fairlead.Worker, most time.Duration) (Assignment, bool, error) {
	w, err := r.worker(ctx, who)
	if err != nil {
		return Assignment{}, false, err
	}
	w.Engine, w.Platform, w.Version, w.Queues, w.LastSeen = about.Engine, about.Platform, about.Version, about.Queues, r.opts.Now()
	if err := r.store.TouchWorker(ctx, w); err != nil {
		return Assignment{}, false, err
	}
	waiting, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for {
		rung := r.bell.listenQueue()
		run, err := r.claim(ctx, who, w)
		if err == nil {
			a, err := r.assignment(ctx, run)
			return a, err == nil, err
		}
		if !errors.Is(err, fairlead.ErrUnchanged) {
			return Assignment{}, false, err
		}
		if l, some, err := r.lookout(ctx, w); some || err != nil {
			return Assignment{Lookout: &l}, some, err
		}
		if !wait(waiting, rung) {
			return Assignment{}, false, nil
		}
	}
}

func (r *Runs) worker(ctx context.Context, who fairlead.Caller) (fairlead.Worker, error) {
	if err := who.May(fairlead.RunPerform, fairlead.Place{Organization: who.Only}); err != nil {
		return fairlead.Worker{}, err
	}
	return r.store.Worker(ctx, fairlead.WorkerID(who.ID))
}

// claim takes runs from lost workers, then the oldest that waits.
func (r *Runs) claim(ctx context.Context, who fairlead.Caller, w fairlead.Worker) (fairlead.Run, error) {
	now := r.opts.Now()
	some, err := r.store.Claimable(ctx, w, now)
	if err != nil {
		return fairlead.Run{}, err
	}
	if !some {
		return fairlead.Run{}, fairlead.ErrUnchanged
	}
	if err := r.LoseRuns(ctx); err != nil {
		return fairlead.Run{}, err
	}
	var run fairlead.Run
	err = r.store.Write(ctx, func(ctx context.Context, tx fairlead.Writer) (fairlead.Event, error) {
		var err error
		run, err = tx.ClaimRun(ctx, w, now, now.Add(r.opts.Hold))
		return r.event(who, fairlead.RunPerform, run, "claim").With("attempt", fmt.Sprint(run.Attempt)), err
	})
	r.bell.ring(run.ID)
	return run, err
}

// LoseRuns puts back, or ends, the runs of workers that haven't renewed their hold.
func (r *Runs) LoseRuns(ctx context.Context) error {
	for {
		var run fairlead.Run
		err := r.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
			var err error
			run, err = w.LoseRun(ctx, r.opts.Now())
			return r.event(fairlead.System(), fairlead.RunPerform, run, "lose").With("state", string(run.State)), err
		})
		if errors.Is(err, fairlead.ErrUnchanged) {
			return nil
		}
		if err != nil {
			return err
		}
		r.bell.ring(run.ID)
		if run.State == fairlead.Queued {
			r.bell.queued()
		}
	}
}

func (r *Runs) assignment(ctx context.Context, run fairlead.Run) (Assignment, error) {
	p, err := r.store.Project(ctx, run.Project)
	if err != nil {
		return Assignment{}, err
	}
	next, err := r.nextLine(ctx, run.ID)
	return Assignment{Run: run, Project: p, Hold: r.opts.Hold, NextLine: next}, err
}

// held finds a run that the worker holds under the fence. Whatever isn't the worker's
// isn't found, as if it weren't there.
func (r *Runs) held(ctx context.Context, who fairlead.Caller, id fairlead.RunID, fence int64) (fairlead.Run, error) {
	run, err := r.store.Run(ctx, id)
	alien := who.Kind != fairlead.WorkerSubject || who.Only != "" && who.Only != run.Organization
	switch {
	case fairlead.KindOf(err) == fairlead.NotFound, err == nil && alien:
		return fairlead.Run{}, fairlead.Missing(fairlead.RunPerform)
	case err != nil:
		return fairlead.Run{}, err
	}
	if err := who.May(fairlead.RunPerform, fairlead.Place{Organization: run.Organization}); err != nil {
		return fairlead.Run{}, err
	}
	if string(run.Worker) != who.ID || run.Fence != fence || !run.State.Held() {
		return fairlead.Run{}, fenced()
	}
	return run, nil
}

func fenced() error {
	return &fairlead.Error{
		Kind: fairlead.Conflict, Code: fairlead.CodeFence, What: "performing run", Why: "the worker doesn't hold it any more",
		Remedy: "stop the run's container; another worker may have the run",
	}
}

// Renew lengthens the worker's hold; it answers whether the run shall stop.
func (r *Runs) Renew(
	ctx context.Context, who fairlead.Caller, id fairlead.RunID, fence int64, p *fairlead.Progress,
) (hold time.Duration, stop bool, err error) {
	if _, err := r.held(ctx, who, id, fence); err != nil {
		return 0, false, err
	}
	run, err := r.store.Renew(ctx, id, fence, r.opts.Now().Add(r.opts.Hold), p)
	if err != nil {
		return 0, false, err
	}
	if p != nil {
		r.bell.ring(id)
	}
	if err := r.hear(ctx, fairlead.WorkerID(who.ID)); err != nil {
		return 0, false, err
	}
	return r.opts.Hold, run.State == fairlead.Stopping, nil
}

// AppendLog adds lines to a held run's log.
func (r *Runs) AppendLog(ctx context.Context, who fairlead.Caller, id fairlead.RunID, fence int64, lines []fairlead.LogLine) error {
	if _, err := r.held(ctx, who, id, fence); err != nil {
		return err
	}
	if err := r.store.AppendLog(ctx, id, fence, lines); err != nil {
		return err
	}
	r.bell.ring(id)
	return nil
}

// Lease gives the worker a login for a held run's image: with the rights of the run's
// project, for the image that the run names and no other.
func (r *Runs) Lease(
	ctx context.Context, who fairlead.Caller, id fairlead.RunID, fence int64, at ref.Resource, refused string,
) (fairlead.Lease, error) {
	run, err := r.held(ctx, who, id, fence)
	if err != nil {
		return fairlead.Lease{}, err
	}
	image, err := ref.Parse(run.Spec.Image)
	if err != nil {
		return fairlead.Lease{}, fairlead.Misread("image", err)
	}
	if at != image.Resource {
		return fairlead.Lease{}, AnotherImage(image.Resource)
	}
	p, err := r.store.Project(ctx, run.Project)
	if err != nil {
		return fairlead.Lease{}, err
	}
	r.leases.Refused(refused)
	return r.leases.Lease(ctx, fairlead.Asker{Who: who, Project: p, Run: id, Image: image}, fairlead.Scope{Resource: at, Verb: fairlead.Pull})
}

// AnotherImage is what a worker is told that asks for a login to another image than its
// run's.
func AnotherImage(own ref.Resource) error {
	return &fairlead.Error{
		Kind: fairlead.Denied, What: "leasing a login for a run", Why: "the run is of another image", Remedy: "ask for " + own.String(),
	}
}

// Begin notes how the image was pulled and that the command begins.
func (r *Runs) Begin(ctx context.Context, who fairlead.Caller, id fairlead.RunID, fence int64, pulled fairlead.PullRecord) error {
	return r.update(ctx, who, id, fence, "begin", func(run *fairlead.Run) {
		if run.State == fairlead.Preparing {
			run.State = fairlead.Started
		}
		run.Began, run.Pulled = r.opts.Now(), &pulled
	})
}

// Ending is how a run ended.
type Ending struct {
	ExitCode *int
	Failure  *fairlead.Error
	Pulled   *fairlead.PullRecord
	Stopped  bool
}

// End ends a run: complete with exit code 0, stopped if somebody asked for it, in
// error otherwise.
func (r *Runs) End(ctx context.Context, who fairlead.Caller, id fairlead.RunID, fence int64, e Ending) error {
	var ended fairlead.Run
	err := r.update(ctx, who, id, fence, "end", func(run *fairlead.Run) {
		defer func() { ended = *run }()
		run.ExitCode, run.Failure, run.Ended = e.ExitCode, e.Failure, r.opts.Now()
		if e.Pulled != nil {
			run.Pulled = e.Pulled
		}
		switch {
		case e.Stopped:
			run.State = fairlead.Stopped
		case e.Failure == nil && e.ExitCode != nil && *e.ExitCode == 0:
			run.State = fairlead.Complete
		default:
			run.State = fairlead.Failed
			if run.Failure == nil {
				run.Failure = exitFailure(e.ExitCode)
			}
		}
	})
	if err == nil && ended.State == fairlead.Failed {
		r.diagnose(ctx, ended)
	}
	return err
}

func exitFailure(code *int) *fairlead.Error {
	f := &fairlead.Error{Kind: fairlead.Invalid, Code: fairlead.CodeExit, What: "running the command", Why: "it ended without an exit code"}
	if code != nil {
		f.Why = fmt.Sprintf("it ended with exit code %d", *code)
		f.Remedy = "the last lines of the log say why"
	}
	return f
}

// update changes a held run.
func (r *Runs) update(ctx context.Context, who fairlead.Caller, id fairlead.RunID, fence int64, did string, change func(*fairlead.Run)) error {
	if _, err := r.held(ctx, who, id, fence); err != nil {
		return err
	}
	err := r.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		run, err := w.LockRun(ctx, id)
		if err != nil {
			return fairlead.Event{}, err
		}
		if run.Fence != fence || !run.State.Held() {
			return fairlead.Event{}, fenced()
		}
		change(&run)
		ev := r.event(who, fairlead.RunPerform, run, did).With("state", string(run.State))
		if run.Pulled != nil {
			ev = ev.With("image", run.Pulled.Image).With("digest", string(run.Pulled.Digest)).With("connector", string(run.Pulled.Connector))
		}
		return ev, w.UpdateRun(ctx, run)
	})
	if err == nil {
		r.bell.ring(id)
	}
	return err
}
