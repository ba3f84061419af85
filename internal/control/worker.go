package control

import (
	"context"

	"fairlead.dev/fairlead"
)

// Workers lists an organization's, by name.
func (c *Control) Workers(ctx context.Context, who fairlead.Caller, org fairlead.Name) ([]fairlead.Worker, error) {
	o, err := c.Organization(ctx, who, org, fairlead.WorkerRead)
	if err != nil {
		return nil, err
	}
	return c.store.WorkersOf(ctx, o.ID)
}

// AddWorker makes a worker of an organization and gives its token's text, this once.
func (c *Control) AddWorker(ctx context.Context, who fairlead.Caller, org, name fairlead.Name) (fairlead.Worker, fairlead.Secret, error) {
	o, err := c.Organization(ctx, who, org, fairlead.WorkerAdd)
	if err != nil {
		return fairlead.Worker{}, fairlead.Secret{}, err
	}
	return c.addWorker(ctx, who, o.ID, name)
}

// AddOwnWorker makes the worker inside the server, which performs everybody's runs. It
// takes the place of the one that a server of the same name left behind, and has a new
// token, so that none that anybody knows is of use.
func (c *Control) AddOwnWorker(ctx context.Context, name fairlead.Name) (fairlead.Worker, fairlead.Secret, error) {
	left, err := c.store.WorkersOf(ctx, "")
	if err != nil {
		return fairlead.Worker{}, fairlead.Secret{}, err
	}
	for _, w := range left {
		if w.Name == name {
			if err := c.RemoveOwnWorker(ctx, w); err != nil {
				return fairlead.Worker{}, fairlead.Secret{}, err
			}
		}
	}
	return c.addWorker(ctx, fairlead.System(), "", name)
}

func (c *Control) addWorker(
	ctx context.Context, who fairlead.Caller, org fairlead.OrganizationID, name fairlead.Name,
) (fairlead.Worker, fairlead.Secret, error) {
	id, err := newID()
	if err != nil {
		return fairlead.Worker{}, fairlead.Secret{}, err
	}
	worker := fairlead.Worker{ID: fairlead.WorkerID(id), Name: name, Organization: org, Created: c.now()}
	var text fairlead.Secret
	err = c.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		if err := w.AddWorker(ctx, worker); err != nil {
			return fairlead.Event{}, err
		}
		var err error
		text, err = c.identity.AddWorkerToken(ctx, w, worker)
		return who.Event(fairlead.WorkerAdd, fairlead.Place{Organization: org}, workerObject(worker)), err
	})
	return worker, text, err
}

// RemoveWorker removes a worker and revokes its token. Runs that it holds are lost to
// it when their hold ends.
func (c *Control) RemoveWorker(ctx context.Context, who fairlead.Caller, org, name fairlead.Name) error {
	o, err := c.Organization(ctx, who, org, fairlead.WorkerRemove)
	if err != nil {
		return err
	}
	workers, err := c.store.WorkersOf(ctx, o.ID)
	if err != nil {
		return err
	}
	for _, worker := range workers {
		if worker.Name == name {
			defer c.identity.Forget()
			return c.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
				return who.Event(fairlead.WorkerRemove, fairlead.Place{Organization: o.ID}, workerObject(worker)), w.RemoveWorker(ctx, o.ID, worker.ID)
			})
		}
	}
	return missing("worker", name, fairlead.WorkerRemove)
}

// RemoveOwnWorker removes the worker inside the server, at the server's end.
func (c *Control) RemoveOwnWorker(ctx context.Context, worker fairlead.Worker) error {
	return c.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return fairlead.System().Event(fairlead.WorkerRemove, fairlead.Place{}, workerObject(worker)), w.RemoveWorker(ctx, "", worker.ID)
	})
}

func workerObject(w fairlead.Worker) fairlead.Object {
	return fairlead.Object{Kind: "worker", ID: string(w.ID), Name: string(w.Name)}
}
