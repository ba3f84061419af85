package api

import (
	"context"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/control"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/wire"
)

func (a *API) registryRoutes() {
	serve(a, wire.ListProviders, func(_ context.Context, who fairlead.Caller, _ wire.None) (wire.Providers, error) {
		return wire.Providers{Providers: a.Providers.Infos()}, nil
	})
	a.connectorRoutes()
	a.repositoryRoutes()
	serve(a, wire.ListRegistries, func(ctx context.Context, who fairlead.Caller, in wire.OrganizationPath) (wire.Registries, error) {
		list, err := a.Control.Registries(ctx, who, in.Organization)
		return wire.Registries{Registries: filled(list)}, err
	})
	serve(a, wire.AddRegistry, a.addRegistry)
	serve(a, wire.ShowRegistry, func(ctx context.Context, who fairlead.Caller, in wire.RegistryPath) (fairlead.Registry, error) {
		_, r, err := a.Control.Registry(ctx, who, in.Organization, in.Registry, fairlead.RegistryRead)
		return r, err
	})
	serve(a, wire.UpdateRegistry, a.updateRegistry)
	serve(a, wire.RemoveRegistry, func(ctx context.Context, who fairlead.Caller, in wire.RegistryRemoval) (wire.None, error) {
		return wire.None{}, a.Control.RemoveRegistry(ctx, who, in.Organization, in.Registry, in.WithConnector)
	})
}

func (a *API) updateRegistry(ctx context.Context, who fairlead.Caller, in wire.RegistryUpdate) (wire.RegistrySaved, error) {
	name, err := optionalName(in.Name)
	if err != nil {
		return wire.RegistrySaved{}, err
	}
	ch := control.RegistryChange{
		Name: name, Pattern: in.Pattern, Disclosure: in.Disclosure, Push: in.Push, PlainHTTP: in.PlainHTTP, CABundle: in.CABundle,
		Given: given(in.Public, in.Secrets), Version: in.Version,
	}
	if in.Connector != nil {
		other := fairlead.Name(*in.Connector)
		ch.Connector = &other
	}
	t := a.Watch.Entry(trial(in.ConnectorTrial))
	ch.Trial = t
	r, err := a.Control.UpdateRegistry(ctx, who, in.Organization, in.Registry, ch)
	return savedRegistry(r, t.Proof(), err)
}

func draft(f wire.ConnectorFields) provider.Draft {
	return provider.Draft{Family: f.Family, Method: f.Method, Given: given(f.Public, f.Secrets), Expires: f.Expires}
}

func given(public map[string]string, secrets map[string]wire.Clear) provider.Given {
	g := provider.Given{Public: public}
	for name, value := range secrets {
		if g.Secret == nil {
			g.Secret = map[string]fairlead.Secret{}
		}
		g.Secret[name] = value.Secret
	}
	return g
}

func optionalName(s string) (fairlead.Name, error) {
	if s == "" {
		return "", nil
	}
	return fairlead.ParseName("name", s)
}
