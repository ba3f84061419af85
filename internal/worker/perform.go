package worker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/internal/engine"
	"fairlead.dev/fairlead/wire"
)

// job is one run on its way.
type job struct {
	*Worker
	run     fairlead.Run
	project string
	dir     string
	hold    *hold
	log     *log
	pulled  *fairlead.PullRecord
}

// perform performs a claimed run and reports its end.
func (w *Worker) perform(ctx context.Context, a wire.Assignment, asked time.Duration) {
	log := w.Log.With("run", string(a.Run.ID), "project", a.Project, "fence", a.Run.Fence)
	j := &job{Worker: w, run: *a.Run, project: a.Project, dir: filepath.Join(w.runsDir(), fmt.Sprintf("%s-%d", a.Run.ID, a.Run.Fence))}
	defer func() { _ = os.RemoveAll(j.dir) }()
	if err := j.makeDirs(); err != nil {
		log.ErrorContext(ctx, "performing run", "error", err.Error())
		return
	}
	// The hold counts from when the claim was asked for.
	telling, held, h, err := w.begin(ctx, a, asked, j.holdDir())
	if err != nil {
		log.ErrorContext(ctx, "performing run", "error", err.Error())
		return
	}
	j.hold = h
	defer h.lose(nil)
	j.log = newLog(telling, w, h, a.NextLine)
	code, err := j.steps(held, telling)
	j.finish(telling, held, code, err)
}

// steps goes from the image's name to the command's exit code.
func (j *job) steps(ctx, telling context.Context) (*int, error) {
	image, err := j.pull(ctx)
	if err != nil {
		return nil, err
	}
	defer image.Release()
	j.hold.report(fairlead.Progress{Phase: fairlead.PhaseFetch})
	if err := j.fetch(ctx); err != nil {
		return nil, err
	}
	if err := j.writeConfig(); err != nil {
		return nil, err
	}
	if err := j.began(ctx); err != nil {
		return nil, err
	}
	code, err := j.command(ctx, image)
	if lost := context.Cause(ctx); lost != nil && !errors.Is(lost, errStop) {
		return code, lost
	}
	return code, errors.Join(err, j.upload(telling))
}

// began tells the server that the command begins. It is asked again while it can't be
// told: the hold bounds how long.
func (j *job) began(ctx context.Context) error {
	return j.tell(ctx, func(ctx context.Context) error {
		_, err := client.Do(ctx, j.Client, wire.Begin, wire.BegunRequest{HeldPath: j.hold.path(), Pulled: *j.pulled})
		return err
	})
}

// tell repeats what the server couldn't be told. A server that answers, but not to this
// (because its disk is full, say), lets the hold be renewed: it isn't tried for ever.
func (j *job) tell(ctx context.Context, f func(context.Context) error) error {
	begun := j.Now()
	for {
		err := f(ctx)
		if !mayPass(err) || ctx.Err() != nil || j.Now().Sub(begun) >= longestWait {
			return err
		}
		j.Wait(ctx, claimBackoff)
	}
}

// mayPass reports whether what the server answered may be another answer later.
func mayPass(err error) bool {
	kind := fairlead.KindOf(err)
	return kind == fairlead.Unavailable || kind == fairlead.Internal
}

// command runs the container.
func (j *job) command(ctx context.Context, image engine.Pulled) (*int, error) {
	j.hold.report(fairlead.Progress{Phase: fairlead.PhaseRun})
	stdout, stderr := j.log.writer(fairlead.Stdout), j.log.writer(fairlead.Stderr)
	limited, stop := j.limits(ctx)
	defer stop()
	code, err := j.Engine.Run(limited, engine.Container{
		ID: containerName(j.run), Owner: j.owner, Image: image, Args: j.args(), Env: j.environment(), Dir: repositoryPath,
		Mounts: j.mounts(), CPUs: j.run.Spec.Environment["VH_CPU_LIMIT"], Stdout: stdout, Stderr: stderr, Grace: stopGrace,
	})
	stdout.end()
	stderr.end()
	if cause := context.Cause(limited); cause != nil {
		return nil, cause
	}
	if err != nil {
		return nil, err
	}
	if j.hold.ended(code) {
		j.hold.lose(errLeash)
		return nil, errLeash
	}
	return &code, nil
}

// containerName tells the run and the fence: of two containers of one run the names
// tell which is the elder.
func containerName(r fairlead.Run) string { return fmt.Sprintf("fairlead-%s-%d", r.ID, r.Fence) }

// limits gives a context that ends when the step's time-limit or no-output-timeout
// has passed.
func (j *job) limits(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	begun := j.Now()
	limit, quiet := j.run.Spec.TimeLimit.Duration(), j.run.Spec.NoOutput.Duration()
	if limit == 0 && quiet == 0 {
		return ctx, func() { cancel(nil) }
	}
	go func() {
		tick := time.NewTicker(limitsEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			switch {
			case limit > 0 && j.Now().Sub(begun) >= limit:
				cancel(&fairlead.Error{
					Kind: fairlead.Limited, Code: fairlead.CodeTimeLimit, What: "running the command", Why: fmt.Sprintf("the step's time-limit of %s has passed", limit),
					Remedy: "raise time-limit in the step file, or make the command quicker",
				})
			case quiet > 0 && j.log.quiet() >= quiet:
				cancel(&fairlead.Error{
					Kind: fairlead.Limited, Code: fairlead.CodeNoOutput, What: "running the command", Why: fmt.Sprintf("it wrote nothing for %s (no-output-timeout)", quiet),
					Remedy: "raise no-output-timeout in the step file, or have the command say what it does",
				})
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// limitsEvery is how exactly time limits are kept.
const limitsEvery = 200 * time.Millisecond

// finish says why a run failed, in its log, and tells the server how it ended.
func (j *job) finish(telling, held context.Context, code *int, err error) {
	cause := context.Cause(held)
	end := wire.EndRequest{HeldPath: j.hold.path(), ExitCode: code, Pulled: j.pulled, Stopped: errors.Is(cause, errStop)}
	switch {
	case cause != nil && !end.Stopped:
		j.Log.WarnContext(telling, "giving up run", "run", string(j.run.ID), "error", cause.Error())
		j.log.giveUp()
		j.giveBack(telling, cause)
		return
	case end.Stopped:
		j.log.status("Stopped.")
	case err != nil:
		end.Failure = fairlead.AsError("performing run", err)
		if end.Failure.Why == "" {
			end.Failure.Why = err.Error()
		}
		j.say(end.Failure)
	case *code != 0:
		j.log.status(fmt.Sprintf("The command ended with exit code %d.", *code))
	}
	j.log.close()
	err = j.tell(telling, func(ctx context.Context) error {
		_, err := client.Do(ctx, j.Client, wire.End, end)
		return err
	})
	if err != nil {
		j.Log.WarnContext(telling, "ending run", "run", string(j.run.ID), "error", err.Error())
	}
}

// giveBack tells the server that the run can be given to another worker now: its
// container has ended. A worker that has lost its hold has nothing to give back.
func (j *job) giveBack(ctx context.Context, cause error) {
	if errors.Is(cause, errLost) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	_, err := client.Do(ctx, j.Client, wire.Renew, wire.RenewRequest{HeldPath: j.hold.path(), Release: true})
	if err != nil {
		j.Log.WarnContext(ctx, "giving back run", "run", string(j.run.ID), "error", err.Error())
	}
}

// say writes an error into the run's log: what, why, and what to do.
func (j *job) say(e *fairlead.Error) {
	j.log.status(fairlead.FailureLine + e.Error())
	if e.Remedy != "" {
		for line := range strings.SplitSeq(e.Remedy, "\n") {
			j.log.status("What to do: " + line)
		}
	}
}
