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
	"fairlead.dev/fairlead/internal/survey"
	"fairlead.dev/fairlead/internal/watch"
	"fairlead.dev/fairlead/wire"
)

func (a *API) connectorRoutes() {
	serve(a, wire.ListConnectors, a.listConnectors)
	serve(a, wire.RegisterConnector, a.registerConnector)
	serve(a, wire.DescribeConnector, a.describeConnector)
	serve(a, wire.UpdateConnector, a.updateConnector)
	serve(a, wire.RotateConnector, a.rotateConnector)
	serve(a, wire.RollbackConnector, a.rollbackConnector)
	serve(a, wire.DeleteConnector, func(ctx context.Context, who fairlead.Caller, in wire.ConnectorRemoval) (wire.None, error) {
		o, err := a.Control.Organization(ctx, who, in.Organization, fairlead.ConnectorDelete)
		if err != nil {
			return wire.None{}, err
		}
		return wire.None{}, a.Watch.Delete(ctx, who, o, in.Connector, in.Force)
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
		return a.Watch.Verify(ctx, who, o, c, in.Image)
	})
	serve(a, wire.ListResources, a.listResources)
	serve(a, wire.CompareSecrets, func(ctx context.Context, who fairlead.Caller, in wire.SecretsComparison) (wire.SecretsCompared, error) {
		o, _, err := a.Control.ConnectorFor(ctx, who, in.Organization, in.Connector, fairlead.ConnectorUpdate)
		if err != nil {
			return wire.SecretsCompared{}, err
		}
		same, different, err := a.Vault.Compare(ctx, who, o.ID, in.Connector, given(nil, in.Secrets).Secret)
		return wire.SecretsCompared{Same: filled(same), Different: filled(different)}, err
	})
	serve(a, wire.ListImages, func(ctx context.Context, who fairlead.Caller, in wire.ImagesRequest) (fairlead.Images, error) {
		o, err := a.Control.Organization(ctx, who, in.Organization, fairlead.ConnectorDiscover)
		if err != nil {
			return fairlead.Images{}, err
		}
		found, err := a.Browser.Images(ctx, who, o, survey.Wanted{
			Repository: in.Repository, Registry: in.Registry, Connector: in.Connector, Limit: in.Limit, Time: time.Duration(in.Timeout) * time.Second,
		})
		found.Images = filled(found.Images)
		return found, err
	})
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
	made, err := a.Watch.Register(ctx, who, o, d, trial(in.ConnectorTrial))
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
	changed, err := a.Watch.Update(ctx, who, o, in.Connector, provider.Change{
		Name: name, Method: in.Method, Given: given(in.Public, in.Secrets), Expires: in.Expires, Version: in.Version,
	}, trial(in.ConnectorTrial))
	return saved(changed), err
}

func (a *API) rotateConnector(ctx context.Context, who fairlead.Caller, in wire.RotateRequest) (wire.ConnectorSaved, error) {
	o, _, err := a.Control.ConnectorFor(ctx, who, in.Organization, in.Connector, fairlead.ConnectorRotate)
	if err != nil {
		return wire.ConnectorSaved{}, err
	}
	rotated, err := a.Watch.Rotate(ctx, who, o, in.Connector, watch.Rotation{
		Rotation: provider.Rotation{
			Change: provider.Change{Method: in.Method, Given: given(in.Public, in.Secrets), Expires: in.Expires, Version: in.Version}, Keep: kept(in.Keep),
		},
		Trial: trial(in.ConnectorTrial),
	})
	return saved(rotated), err
}

func (a *API) rollbackConnector(ctx context.Context, who fairlead.Caller, in wire.RollbackRequest) (fairlead.Connector, error) {
	o, _, err := a.Control.ConnectorFor(ctx, who, in.Organization, in.Connector, fairlead.ConnectorRollback)
	if err != nil {
		return fairlead.Connector{}, err
	}
	return a.Watch.Rollback(ctx, who, o, in.Connector, kept(in.Keep))
}

func trial(t wire.ConnectorTrial) watch.Trial { return watch.Trial{Skip: t.NoVerify, Image: t.Image} }

// kept is how long what was replaced is kept.
func kept(seconds *int64) time.Duration {
	if seconds == nil {
		return watch.DefaultKeep
	}
	return time.Duration(*seconds) * time.Second
}

func (a *API) listConnectors(ctx context.Context, who fairlead.Caller, in wire.OrganizationPath) (wire.Connectors, error) {
	o, list, err := a.Control.ConnectorsFor(ctx, who, in.Organization, "", fairlead.ConnectorRead)
	if err != nil {
		return wire.Connectors{}, err
	}
	healths, err := a.Watch.Healths(ctx, o.ID, list)
	if err != nil {
		return wire.Connectors{}, err
	}
	out := wire.Connectors{Connectors: make([]wire.ConnectorInfo, 0, len(list))}
	for i, c := range list {
		out.Connectors = append(out.Connectors, wire.ConnectorInfo{Connector: c, Health: healths[i]})
	}
	return out, nil
}

func (a *API) describeConnector(ctx context.Context, who fairlead.Caller, in wire.ConnectorPath) (wire.ConnectorDetail, error) {
	c, usedBy, err := a.Control.Connector(ctx, who, in.Organization, in.Connector)
	if err != nil {
		return wire.ConnectorDetail{}, err
	}
	d, err := a.Watch.Describe(ctx, c)
	return wire.ConnectorDetail{
		ConnectorInfo: wire.ConnectorInfo{Connector: c, Health: d.Health}, Power: a.Providers.Power(c), UsedBy: filled(usedBy),
		Uses: filled(d.Uses), Previous: d.Previous,
	}, err
}

func saved(c watch.Saved) wire.ConnectorSaved {
	return wire.ConnectorSaved{Connector: c.Connector, Facts: filled(c.Facts), Proof: c.Proof}
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
