package api

import (
	"context"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/control"
	"fairlead.dev/fairlead/wire"
)

func (a *API) addRegistry(ctx context.Context, who fairlead.Caller, in wire.RegistryRequest) (wire.RegistrySaved, error) {
	d := control.RegistryDraft{
		Pattern: in.Pattern, Connector: fairlead.Name(in.Connector), Disclosure: in.Disclosure, Push: in.Push, PlainHTTP: in.PlainHTTP, CABundle: in.CABundle,
	}
	var err error
	if in.Name != "" || in.Resource == "" { // else it is derived from what the resource is called
		if d.Name, err = fairlead.ParseName("name", in.Name); err != nil {
			return wire.RegistrySaved{}, err
		}
	}
	if in.NewConnector != nil {
		c := draft(*in.NewConnector)
		d.NewConnector = &c
	}
	if in.Resource != "" {
		if d.Pattern, err = a.patternOf(ctx, who, in); err != nil {
			return wire.RegistrySaved{}, err
		}
	}
	t := a.Watch.Entry(trial(in.ConnectorTrial))
	d.Trial = t
	r, err := a.Control.AddRegistry(ctx, who, in.Organization, d)
	return savedRegistry(r, t.Proof(), err)
}

// patternOf is the pattern of the resource that a request names.
func (a *API) patternOf(ctx context.Context, who fairlead.Caller, in wire.RegistryRequest) (string, error) {
	switch {
	case in.Pattern != "":
		return "", &fairlead.Error{Kind: fairlead.Invalid, Field: "resource", What: "adding registry", Why: "it has a pattern and a resource", Remedy: "give one of the two"}
	case in.Connector == "":
		return "", &fairlead.Error{
			Kind: fairlead.Invalid, Field: "connector", What: "adding registry", Why: "a resource is what a connector reaches, and none is named",
			Remedy: "name the connector with --connector; `fairlead connector resources` lists what each reaches",
		}
	}
	if _, err := a.Control.Organization(ctx, who, in.Organization, fairlead.RegistryAdd); err != nil || in.Unverified {
		return in.Resource, err
	}
	o, c, err := a.Control.ConnectorFor(ctx, who, in.Organization, fairlead.Name(in.Connector), fairlead.ConnectorDiscover)
	if err != nil {
		return "", err
	}
	found, err := a.Survey.Find(ctx, who, o, c, in.Resource)
	return found.Pattern, err
}

func savedRegistry(r control.SavedRegistry, proof *fairlead.Proof, err error) (wire.RegistrySaved, error) {
	return wire.RegistrySaved{Registry: r.Registry, Notes: filled(r.Notes), Proof: proof}, err
}
