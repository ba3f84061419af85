package api

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/wire"
)

func (a *API) connectorRoutes() {
	serve(a, wire.ListConnectors, func(ctx context.Context, who fairlead.Caller, in wire.OrganizationPath) (wire.Connectors, error) {
		list, err := a.Control.Connectors(ctx, who, in.Organization)
		return wire.Connectors{Connectors: filled(list)}, err
	})
	serve(a, wire.RegisterConnector, a.registerConnector)
	serve(a, wire.DescribeConnector, func(ctx context.Context, who fairlead.Caller, in wire.ConnectorPath) (wire.ConnectorDetail, error) {
		c, usedBy, err := a.Control.Connector(ctx, who, in.Organization, in.Connector)
		return wire.ConnectorDetail{Connector: c, Power: a.Providers.Power(c), UsedBy: filled(usedBy)}, err
	})
	serve(a, wire.UpdateConnector, a.updateConnector)
	serve(a, wire.DeleteConnector, func(ctx context.Context, who fairlead.Caller, in wire.ConnectorPath) (wire.None, error) {
		o, err := a.Control.Organization(ctx, who, in.Organization, fairlead.ConnectorDelete)
		if err != nil {
			return wire.None{}, err
		}
		return wire.None{}, a.Vault.Delete(ctx, who, o.ID, in.Connector)
	})
	a.trialRoutes()
}

// trialRoutes are those with which a connector is set up and tried.
func (a *API) trialRoutes() {
	serve(a, wire.GuideConnector, func(ctx context.Context, who fairlead.Caller, in wire.ConnectorPath) (wire.ConnectorGuide, error) {
		o, c, err := a.Control.ConnectorFor(ctx, who, in.Organization, in.Connector, fairlead.ConnectorRead)
		if err != nil {
			return wire.ConnectorGuide{}, err
		}
		return a.guide(o, c)
	})
	serve(a, wire.GuideNewConnector, a.guideNewConnector)
	serve(a, wire.VerifyConnector, func(ctx context.Context, who fairlead.Caller, in wire.VerifyRequest) (fairlead.Proof, error) {
		o, c, err := a.Control.ConnectorFor(ctx, who, in.Organization, in.Connector, fairlead.ConnectorVerify)
		if err != nil {
			return fairlead.Proof{}, err
		}
		return a.Prover.Verify(ctx, who, o, c, in.Image)
	})
	serve(a, wire.ListResources, a.listResources)
}

func (a *API) registerConnector(ctx context.Context, who fairlead.Caller, in wire.ConnectorRequest) (wire.ConnectorSaved, error) {
	o, err := a.Control.Organization(ctx, who, in.Organization, fairlead.ConnectorRegister)
	if err != nil {
		return wire.ConnectorSaved{}, err
	}
	name, err := fairlead.ParseName("name", in.Name)
	if err != nil {
		return wire.ConnectorSaved{}, err
	}
	d := draft(in.ConnectorFields)
	d.Name = name
	made, err := a.Vault.Register(ctx, who, o.ID, d)
	made.Facts = append(made.Facts, a.unverified(ctx, made.Connector)...)
	return saved(made), err
}

func (a *API) updateConnector(ctx context.Context, who fairlead.Caller, in wire.ConnectorUpdate) (wire.ConnectorSaved, error) {
	o, err := a.Control.Organization(ctx, who, in.Organization, fairlead.ConnectorUpdate)
	if err != nil {
		return wire.ConnectorSaved{}, err
	}
	name, err := optionalName(in.Name)
	if err != nil {
		return wire.ConnectorSaved{}, err
	}
	changed, err := a.Vault.Update(ctx, who, o.ID, in.Connector, provider.Change{
		Name: name, Method: in.Method, Given: given(in.Public, in.Secrets), Expires: in.Expires, Version: in.Version,
	})
	return saved(changed), err
}

func saved(c provider.Checked) wire.ConnectorSaved {
	return wire.ConnectorSaved{Connector: c.Connector, Facts: filled(c.Facts)}
}

// unverified warns of keys of this server's issuer with which the provider can't verify
// what they sign. That the keys can't be read is said when a login needs them.
func (a *API) unverified(ctx context.Context, c fairlead.Connector) []fairlead.Fact {
	p, err := a.Providers.Family(c.Family)
	if err != nil || a.Issuer == nil {
		return nil
	}
	v, ok := p.(provider.Verifier)
	if !ok || v.Verifies(c.Method) == nil {
		return nil
	}
	text, err := a.Issuer.Keys(ctx)
	var set jose.JSONWebKeySet
	if err != nil || json.Unmarshal(text, &set) != nil {
		return nil
	}
	for _, k := range set.Keys {
		if takes := v.Verifies(c.Method); !slices.Contains(takes, k.Algorithm) {
			return []fairlead.Fact{{
				Name: "warning", Value: "this server's issuer has a key of algorithm " + k.Algorithm + ", and the provider verifies " + strings.Join(takes, ", ") +
					" alone: logins fail while that key signs. The operator mends it with `fairlead issuer rotate --algorithm " + takes[0] + "`",
			}}
		}
	}
	return nil
}

// guideNewConnector is for a connector without a name yet too: its place in the guide is
// held by a word that can't be one.
func (a *API) guideNewConnector(ctx context.Context, who fairlead.Caller, in wire.GuideRequest) (wire.ConnectorGuide, error) {
	o, err := a.Control.Organization(ctx, who, in.Organization, fairlead.ConnectorRead)
	if err != nil {
		return wire.ConnectorGuide{}, err
	}
	name, err := optionalName(in.Name)
	if err != nil {
		return wire.ConnectorGuide{}, err
	}
	if name == "" {
		name = "NAME"
	}
	return a.guide(o, fairlead.Connector{Organization: o.ID, Name: name, Family: in.Family, Method: in.Method, Public: in.Public})
}

func (a *API) guide(o fairlead.Organization, c fairlead.Connector) (wire.ConnectorGuide, error) {
	issuer := ""
	if a.Issuer != nil {
		issuer = a.Issuer.URL()
	}
	g, m, err := a.Providers.Guide(c, issuer, o.Name)
	return wire.ConnectorGuide{
		Guide: g, Family: c.Family, Method: m.Name, Keyless: m.Keyless, Issuer: issuer, Subject: provider.SubjectName(o.Name, c.Name),
	}, err
}

func (a *API) listResources(ctx context.Context, who fairlead.Caller, in wire.ResourcesRequest) (wire.Resources, error) {
	o, connectors, err := a.Control.ConnectorsFor(ctx, who, in.Organization, in.Connector, fairlead.ConnectorDiscover)
	if err != nil {
		return wire.Resources{}, err
	}
	rows, err := a.Survey.Resources(ctx, who, o, connectors, time.Duration(in.Timeout)*time.Second)
	for i := range rows {
		rows[i].Resources = filled(rows[i].Resources)
	}
	return wire.Resources{Connectors: filled(rows)}, err
}
