package api

import (
	"context"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/control"
	"fairlead.dev/fairlead/wire"
)

func (a *API) organizationRoutes() {
	serve(a, wire.CreateOrganization, func(ctx context.Context, who fairlead.Caller, in wire.OrganizationRequest) (fairlead.Organization, error) {
		name, err := fairlead.ParseName("name", in.Name)
		if err != nil {
			return fairlead.Organization{}, err
		}
		return a.Control.CreateOrganization(ctx, who, name, in.ForbidPersonal)
	})
	serve(a, wire.ListOrganizations, func(ctx context.Context, who fairlead.Caller, _ wire.None) (wire.Organizations, error) {
		list, err := a.Control.Organizations(ctx, who)
		out := wire.Organizations{Organizations: []wire.MyOrganization{}}
		for _, o := range list {
			out.Organizations = append(out.Organizations, wire.MyOrganization{Organization: o.Organization, Role: o.Role})
		}
		return out, err
	})
	serve(a, wire.ShowOrganization, func(ctx context.Context, who fairlead.Caller, in wire.OrganizationPath) (fairlead.Organization, error) {
		return a.Control.Organization(ctx, who, in.Organization, fairlead.OrganizationRead)
	})
	serve(a, wire.UpdateOrganization, func(ctx context.Context, who fairlead.Caller, in wire.OrganizationUpdate) (fairlead.Organization, error) {
		return a.Control.UpdateOrganization(ctx, who, in.Organization, in.ForbidPersonal)
	})
	a.memberRoutes()
	a.workerRoutes()
	serve(a, wire.ListEvents, func(ctx context.Context, who fairlead.Caller, in wire.EventsRequest) (wire.Events, error) {
		page, err := a.Control.Events(ctx, who, control.EventsRequest{
			Organization: in.Organization, Project: in.Project, Action: in.Action, Subject: in.Subject, By: in.By, On: in.On,
			Outcome: fairlead.EventOutcome(in.Outcome), Since: in.Since, Until: in.Until, Text: in.Text, Before: in.Before, Limit: in.Limit,
		})
		return wire.Events{Events: filled(page.Events), Next: page.Next}, err
	})
}

func (a *API) memberRoutes() {
	serve(a, wire.ListMembers, func(ctx context.Context, who fairlead.Caller, in wire.OrganizationPath) (wire.Members, error) {
		list, err := a.Control.Members(ctx, who, in.Organization)
		return wire.Members{Members: filled(list)}, err
	})
	serve(a, wire.AddMember, a.addMember)
	serve(a, wire.UpdateMember, func(ctx context.Context, who fairlead.Caller, in wire.MemberUpdate) (wire.None, error) {
		return wire.None{}, a.Control.UpdateMember(ctx, who, in.Organization, in.User, in.Role)
	})
	serve(a, wire.RemoveMember, func(ctx context.Context, who fairlead.Caller, in wire.MemberPath) (wire.None, error) {
		return wire.None{}, a.Control.RemoveMember(ctx, who, in.Organization, in.User)
	})
}

func (a *API) addMember(ctx context.Context, who fairlead.Caller, in wire.MemberRequest) (wire.NewMember, error) {
	name, err := fairlead.ParseName("name", in.Name)
	if err != nil {
		return wire.NewMember{}, err
	}
	m, err := a.Control.AddMember(ctx, who, in.Organization, name, in.Email, in.Role)
	out := wire.NewMember{Member: m.Member, Expires: m.Expires}
	if err == nil && !m.Link.IsZero() {
		out.Link = wire.Link(a.PublicURL, "join", m.Link)
	}
	return out, err
}

func (a *API) workerRoutes() {
	serve(a, wire.ListWorkers, func(ctx context.Context, who fairlead.Caller, in wire.OrganizationPath) (wire.Workers, error) {
		list, err := a.Control.Workers(ctx, who, in.Organization)
		return wire.Workers{Workers: filled(list)}, err
	})
	serve(a, wire.AddWorker, func(ctx context.Context, who fairlead.Caller, in wire.WorkerRequest) (wire.NewWorker, error) {
		name, err := fairlead.ParseName("name", in.Name)
		if err != nil {
			return wire.NewWorker{}, err
		}
		w, text, err := a.Control.AddWorker(ctx, who, in.Organization, name)
		return wire.NewWorker{Worker: w, Token: wire.Clear{Secret: text}}, err
	})
	serve(a, wire.RemoveWorker, func(ctx context.Context, who fairlead.Caller, in wire.WorkerPath) (wire.None, error) {
		return wire.None{}, a.Control.RemoveWorker(ctx, who, in.Organization, in.Worker)
	})
}
