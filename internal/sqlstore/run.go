package sqlstore

import (
	"context"
	"math"
	"time"

	"fairlead.dev/fairlead"
)

func scanRun(r row) (v fairlead.Run, err error) {
	err = r.Scan(&v.ID, &v.Project, &v.Number, &v.Organization, &v.State, document{&v.Spec}, &v.Archive, document{&v.Creator},
		stamp{&v.Created}, stamp{&v.Claimed}, stamp{&v.Began}, stamp{&v.Ended},
		document{&v.Pulled}, &v.ExitCode, document{&v.Failure}, document{&v.Progress},
		&v.Worker, &v.WorkerName, &v.Engine, &v.Attempt, &v.Fence, stamp{&v.Until}, document{&v.StopBy}, document{&v.Diagnosis})
	v.Spec = tidy(v.Spec)
	return v, err
}

// tidy makes what is empty nil, so that a run reads the same however it was written.
// What JSON leaves out when it is empty is nil already.
func tidy(s fairlead.RunSpec) fairlead.RunSpec {
	s.Interpreter = orNil(s.Interpreter)
	for i := range s.Inputs {
		s.Inputs[i].Files = orNil(s.Inputs[i].Files)
	}
	return s
}

// failure makes an error such as it will be read.
func failure(e *fairlead.Error) *fairlead.Error {
	if e == nil {
		return nil
	}
	kept := *e
	if !kept.RetryAt.IsZero() {
		kept.RetryAt = kept.RetryAt.UTC().Truncate(time.Microsecond)
	}
	return &kept
}

// diagnosed makes a diagnosis such as it will be read.
func diagnosed(d *fairlead.Diagnosis) *fairlead.Diagnosis {
	if d == nil {
		return nil
	}
	kept := *d
	kept.At, kept.Cause = kept.At.UTC().Truncate(time.Microsecond), failure(d.Cause)
	kept.Probes = nil
	for _, p := range d.Probes {
		p.Error = failure(p.Error)
		kept.Probes = append(kept.Probes, p)
	}
	return &kept
}

// NoteDiagnosis notes what was found on the way of a run's pull: NotFound.
func (s *Store) NoteDiagnosis(ctx context.Context, id fairlead.RunID, d fairlead.Diagnosis) error {
	return s.touch(ctx, "diagnosing run", "NoteDiagnosis", id, document{diagnosed(&d)})
}

// Run reads one: NotFound.
func (q reader) Run(ctx context.Context, id fairlead.RunID) (fairlead.Run, error) {
	return one(ctx, q.session, "reading run", "Run", scanRun, id)
}

// RunByNumber reads one of the project: NotFound.
func (q reader) RunByNumber(ctx context.Context, project fairlead.ProjectID, number int64) (fairlead.Run, error) {
	return one(ctx, q.session, "reading run", "RunByNumber", scanRun, project, number)
}

// RunsOf lists a project's, newest first.
func (q reader) RunsOf(ctx context.Context, project fairlead.ProjectID, before int64, limit int) ([]fairlead.Run, error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	return many(ctx, q.session, "reading runs", "RunsOf", scanRun, project, before, max(limit, 0))
}

// AddRun adds one under the next number of its project. A run without a state is
// queued. NotFound without the project; Conflict (CodeStale) if the project isn't the
// run's organization's (any more).
func (w *writer) AddRun(ctx context.Context, r fairlead.Run) (fairlead.Run, error) {
	const doing = "adding run"
	var l place
	number, err := one(ctx, w.session, "finding project", "NextRunNumber", func(r row) (n int64, err error) {
		err = r.Scan(&n, &l.id, &l.kind)
		return n, err
	}, r.Project)
	switch {
	case err != nil:
		return fairlead.Run{}, err
	case l.organization() != r.Organization:
		return fairlead.Run{}, w.refuse(conflict(doing, fairlead.CodeStale, "the project has another owner now", "look at the project again"))
	}
	if r.State == "" {
		r.State = fairlead.Queued
	}
	err = w.run(ctx, doing, "AddRun", r.ID, r.Project, number, r.Organization, r.State, document{r.Spec}, r.Archive, document{r.Creator},
		r.Created, when(r.Claimed), when(r.Began), when(r.Ended),
		document{r.Pulled}, maybe(r.ExitCode), document{failure(r.Failure)}, document{r.Progress},
		r.Worker, r.WorkerName, r.Engine, r.Attempt, r.Fence, nil, document{r.StopBy}, document{diagnosed(r.Diagnosis)}, indexed(r.Spec.Lane()))
	if err != nil {
		return fairlead.Run{}, err
	}
	return one(ctx, w.session, doing, "Run", scanRun, r.ID)
}

// LockRun reads a run and keeps others from changing it until the write ends: NotFound.
func (w *writer) LockRun(ctx context.Context, id fairlead.RunID) (fairlead.Run, error) {
	return one(ctx, w.session, "reading run", "LockRun", scanRun, id)
}

// UpdateRun stores state, record and result: NotFound, Conflict (CodeFence), and
// Conflict for the state of a run that a worker holds if none does. In a state in
// which no worker holds it, a run has neither hold nor progress.
func (w *writer) UpdateRun(ctx context.Context, r fairlead.Run) error {
	const doing = "updating run"
	n, err := w.change(ctx, doing, "UpdateRun", r.ID, r.Fence, r.State, r.State.Held(), when(r.Began), when(r.Ended),
		document{r.Pulled}, maybe(r.ExitCode), document{failure(r.Failure)}, document{r.StopBy})
	if err != nil || n > 0 {
		return err
	}
	stored, err := one(ctx, w.session, doing, "Run", scanRun, r.ID)
	switch {
	case err != nil:
		return err
	case stored.Fence != r.Fence || stored.State.Final():
		return w.refuse(fenced(doing))
	default:
		return w.refuse(conflict(doing, "", "no worker holds the run", "let a worker claim it"))
	}
}

func scanOutput(r row) (o fairlead.Output, err error) {
	err = r.Scan(&o.Name, &o.Digest, &o.Size)
	return o, err
}

// OutputsOf lists a run's outputs, by name.
func (q reader) OutputsOf(ctx context.Context, id fairlead.RunID) ([]fairlead.Output, error) {
	return many(ctx, q.session, "reading outputs", "OutputsOf", scanOutput, id)
}

// AddOutput notes an output: NotFound without the run, Conflict (CodeFence) if the
// fence isn't the run's or the run has ended.
func (w *writer) AddOutput(ctx context.Context, id fairlead.RunID, fence int64, o fairlead.Output) error {
	const doing = "adding output"
	r, err := w.LockRun(ctx, id)
	switch {
	case err != nil:
		return err
	case r.Fence != fence || r.State.Final():
		return w.refuse(fenced(doing))
	}
	return w.run(ctx, doing, "AddOutput", id, indexed(o.Name), o.Digest, o.Size)
}
