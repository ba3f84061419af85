// Package runs is the queue of runs: what is asked for by members, claimed and
// performed by workers, and seen in between. A worker holds a run for a while and
// renews its hold; under a fence that counts the holders, so that one who comes back
// late can change nothing.
package runs

import (
	"context"
	"time"

	"github.com/google/uuid"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/blob"
)

// Projects finds projects for callers: control.
type Projects interface {
	Project(ctx context.Context, who fairlead.Caller, owner, name fairlead.Name, a fairlead.Action) (fairlead.Project, error)
}

// Leases gives logins: the broker.
type Leases interface {
	Lease(ctx context.Context, a fairlead.Asker, s fairlead.Scope) (fairlead.Lease, error)
	Refused(id string)
}

// Doctor looks at pulls: diagnose.
type Doctor interface {
	// Preflight says what would stop a run that is to be queued, as an error, and what is
	// uncertain, as a diagnosis.
	Preflight(ctx context.Context, p fairlead.Project, run fairlead.RunID, image string) (*fairlead.Diagnosis, error)
	// OfRun diagnoses the pull of a run that has failed; false if it failed of something
	// else.
	OfRun(ctx context.Context, p fairlead.Project, run fairlead.Run) (fairlead.Diagnosis, bool)
}

// Options are what can be set.
type Options struct {
	Now func() time.Time
	// Hold is how long a worker holds a run without renewing it.
	Hold time.Duration
	// Doctor looks at pulls that failed, and with Preflight also at those that are to be;
	// nil looks at none.
	Doctor    Doctor
	Preflight bool
	// Undiagnosed leaves failed pulls undiagnosed.
	Undiagnosed bool
}

// Runs is the queue. It is safe for concurrent use.
type Runs struct {
	store    fairlead.Store
	projects Projects
	leases   Leases
	blobs    blob.Keeper
	opts     Options
	bell     *bell
	clinic   *clinic
}

// New makes the queue over a store; archives and outputs are kept in blobs.
func New(store fairlead.Store, projects Projects, leases Leases, blobs blob.Keeper, opts Options) *Runs {
	return &Runs{store: store, projects: projects, leases: leases, blobs: blobs, opts: opts, bell: newBell(), clinic: newClinic()}
}

// Path names a run for people: the project's owner and name, and the run's number.
type Path struct {
	Owner, Project fairlead.Name
	Number         int64
}

// Run shows a run: [fairlead.NotFound] for whoever may not see the project.
func (r *Runs) Run(ctx context.Context, who fairlead.Caller, p Path) (fairlead.Run, error) {
	run, err := r.find(ctx, who, p, fairlead.RunRead)
	if err != nil {
		return fairlead.Run{}, err
	}
	return run, r.sayWaiting(ctx, &run)
}

func (r *Runs) find(ctx context.Context, who fairlead.Caller, p Path, a fairlead.Action) (fairlead.Run, error) {
	project, err := r.projects.Project(ctx, who, p.Owner, p.Project, a)
	if err != nil {
		return fairlead.Run{}, err
	}
	return r.store.RunByNumber(ctx, project.ID, p.Number)
}

// mostRuns is how many come if no number is asked for.
const mostRuns = 50

// List lists a project's runs, newest first, below a number (0 begins at the newest).
func (r *Runs) List(ctx context.Context, who fairlead.Caller, owner, project fairlead.Name, before int64, limit int) ([]fairlead.Run, error) {
	p, err := r.projects.Project(ctx, who, owner, project, fairlead.RunRead)
	if err != nil {
		return nil, err
	}
	if limit == 0 {
		limit = mostRuns
	}
	return r.store.RunsOf(ctx, p.ID, before, limit)
}

// Stop asks for a run's end. One that waits ends at once; one that a worker holds is
// stopping until the worker has ended it. To stop one that has ended changes nothing.
func (r *Runs) Stop(ctx context.Context, who fairlead.Caller, p Path) (fairlead.Run, error) {
	project, err := r.projects.Project(ctx, who, p.Owner, p.Project, fairlead.RunStop)
	if err != nil {
		return fairlead.Run{}, err
	}
	run, err := r.store.RunByNumber(ctx, project.ID, p.Number)
	if err != nil {
		return fairlead.Run{}, err
	}
	err = r.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		if run, err = w.LockRun(ctx, run.ID); err != nil {
			return fairlead.Event{}, err
		}
		if run.State.Final() || run.State == fairlead.Stopping {
			return fairlead.Event{}, fairlead.ErrUnchanged
		}
		run.StopBy = &who.Subject
		if run.State.Held() {
			run.State = fairlead.Stopping
		} else {
			run.State, run.Ended = fairlead.Stopped, r.opts.Now()
		}
		ev := r.event(who, fairlead.RunStop, run, "stop").With("state", string(run.State))
		ev.Organization = project.Organization // which may have got it after the run was made
		return ev, w.UpdateRun(ctx, run)
	})
	if err != nil && err != fairlead.ErrUnchanged { //nolint:errorlint // Write gives it back as it is.
		return fairlead.Run{}, err
	}
	r.bell.ring(run.ID)
	return run, nil
}

// event is the event of something that happened to a run.
func (r *Runs) event(who fairlead.Caller, a fairlead.Action, run fairlead.Run, did string) fairlead.Event {
	ev := who.Event(a, fairlead.Place{Organization: run.Organization}, fairlead.Object{Kind: "run", ID: string(run.ID), Name: run.Spec.Step}).
		With("did", did)
	ev.Project = run.Project
	return ev
}

func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fairlead.AsError("naming run", err)
	}
	return id.String(), nil
}
