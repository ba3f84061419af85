package runs

import (
	"context"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// Asker gives on whose behalf a worker pulls the image of a run that it holds: with the
// rights of the run's project, for the image that the run names and no other. who may be
// a worker's identifier alone, from a login that was made for the run.
func (r *Runs) Asker(ctx context.Context, who fairlead.Caller, id fairlead.RunID, fence int64) (fairlead.Asker, error) {
	w, err := r.store.Worker(ctx, fairlead.WorkerID(who.ID))
	if err != nil {
		return fairlead.Asker{}, err
	}
	who.Name, who.Only = string(w.Name), w.Organization
	run, err := r.held(ctx, who, id, fence)
	if err != nil {
		return fairlead.Asker{}, err
	}
	image, err := ref.Parse(run.Spec.Image)
	if err != nil {
		return fairlead.Asker{}, fairlead.Misread("image", err)
	}
	p, err := r.store.Project(ctx, run.Project)
	if err != nil {
		return fairlead.Asker{}, err
	}
	return fairlead.Asker{Who: who, Project: p, Run: id, Image: image}, nil
}
