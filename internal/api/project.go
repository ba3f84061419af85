package api

import (
	"context"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
	"fairlead.dev/fairlead/wire"
)

func (a *API) projectRoutes() {
	serve(a, wire.ListProjects, func(ctx context.Context, who fairlead.Caller, _ wire.None) (wire.Projects, error) {
		list, err := a.Control.Projects(ctx, who)
		return wire.Projects{Projects: filled(list)}, err
	})
	serve(a, wire.CreateProject, func(ctx context.Context, who fairlead.Caller, in wire.ProjectRequest) (fairlead.Project, error) {
		name, err := fairlead.ParseName("name", in.Name)
		if err != nil {
			return fairlead.Project{}, err
		}
		return a.Control.CreateProject(ctx, who, fairlead.Name(in.Owner), name)
	})
	serve(a, wire.ShowProject, func(ctx context.Context, who fairlead.Caller, in wire.ProjectPath) (fairlead.Project, error) {
		return a.Control.Project(ctx, who, in.Owner, in.Project, fairlead.ProjectRead)
	})
	serve(a, wire.UpdateProject, func(ctx context.Context, who fairlead.Caller, in wire.ProjectUpdate) (fairlead.Project, error) {
		name, err := fairlead.ParseName("name", in.Name)
		if err != nil {
			return fairlead.Project{}, err
		}
		return a.Control.RenameProject(ctx, who, in.Owner, in.Project, name)
	})
	serve(a, wire.TransferProject, func(ctx context.Context, who fairlead.Caller, in wire.ProjectTransfer) (fairlead.Project, error) {
		return a.Control.TransferProject(ctx, who, in.Owner, in.Project, fairlead.Name(in.To))
	})
	serve(a, wire.DeleteProject, func(ctx context.Context, who fairlead.Caller, in wire.ProjectPath) (wire.None, error) {
		return wire.None{}, a.Control.DeleteProject(ctx, who, in.Owner, in.Project)
	})
	serve(a, wire.LeaseLogin, func(ctx context.Context, who fairlead.Caller, in wire.LeaseRequest) (wire.Lease, error) {
		verb := in.Verb
		if verb == "" {
			verb = fairlead.Pull
		}
		if verb != fairlead.Pull {
			return wire.Lease{}, &fairlead.Error{
				Kind: fairlead.Invalid, Field: "verb", What: "leasing a login", Why: "a login that is asked for here is for pulling",
				Remedy: "leave the verb out; a login to push with is asked for at .../leases/push",
			}
		}
		return a.lease(ctx, who, in, verb)
	})
	serve(a, wire.LeasePush, func(ctx context.Context, who fairlead.Caller, in wire.PushLeaseRequest) (wire.Lease, error) {
		return a.lease(ctx, who, wire.LeaseRequest{ProjectPath: in.ProjectPath, Image: in.Image, Refused: in.Refused}, fairlead.Push)
	})
}

func (a *API) lease(ctx context.Context, who fairlead.Caller, in wire.LeaseRequest, verb fairlead.Verb) (wire.Lease, error) {
	p, err := a.Control.Project(ctx, who, in.Owner, in.Project, verb.Leased())
	if err != nil {
		return wire.Lease{}, err
	}
	image, err := ref.Parse(in.Image)
	if err != nil {
		return wire.Lease{}, fairlead.Misread("image", err)
	}
	a.Leases.Refused(in.Refused)
	l, err := a.Leases.Lease(ctx, fairlead.Asker{Who: who, Project: p, Image: image}, fairlead.Scope{Resource: image.Resource, Verb: verb})
	return wire.FromLease(l), err
}
