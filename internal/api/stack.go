package api

import (
	"context"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/control"
	"fairlead.dev/fairlead/wire"
)

func (a *API) stackRoutes() {
	serve(a, wire.ListStacks, func(ctx context.Context, who fairlead.Caller, in wire.OrganizationPath) (wire.Stacks, error) {
		list, err := a.Control.Stacks(ctx, who, in.Organization)
		return wire.Stacks{Stacks: filled(list)}, err
	})
	serve(a, wire.RegisterStack, func(ctx context.Context, who fairlead.Caller, in wire.StackRequest) (fairlead.Stack, error) {
		name, err := fairlead.ParseName("name", in.Name)
		if err != nil {
			return fairlead.Stack{}, err
		}
		return a.Control.RegisterStack(ctx, who, in.Organization, control.StackDraft{
			Name: name, Registry: fairlead.Name(in.Registry), Repository: in.Repository, Engine: in.Engine, Queue: in.Queue,
		})
	})
	serve(a, wire.DescribeStack, func(ctx context.Context, who fairlead.Caller, in wire.StackPath) (wire.StackDetail, error) {
		s, usedBy, err := a.Control.Stack(ctx, who, in.Organization, in.Stack)
		return wire.StackDetail{Stack: s, UsedBy: filled(usedBy)}, err
	})
	serve(a, wire.UpdateStack, func(ctx context.Context, who fairlead.Caller, in wire.StackUpdate) (fairlead.Stack, error) {
		name, err := optionalName(in.Name)
		if err != nil {
			return fairlead.Stack{}, err
		}
		return a.Control.UpdateStack(ctx, who, in.Organization, in.Stack, control.StackChange{
			Name: name, Registry: in.Registry, Repository: in.Repository, Engine: in.Engine, Queue: in.Queue, Version: in.Version,
		})
	})
	serve(a, wire.DeleteStack, func(ctx context.Context, who fairlead.Caller, in wire.StackPath) (wire.None, error) {
		return wire.None{}, a.Control.DeleteStack(ctx, who, in.Organization, in.Stack)
	})
	serve(a, wire.SetProjectStack, func(ctx context.Context, who fairlead.Caller, in wire.ProjectStack) (fairlead.Project, error) {
		return a.Control.SetProjectStack(ctx, who, in.Owner, in.Project, fairlead.Name(in.Stack))
	})
}
