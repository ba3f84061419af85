package api

import (
	"context"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/wire"
)

func (a *API) repositoryRoutes() {
	serve(a, wire.PlanRepository, func(ctx context.Context, who fairlead.Caller, in wire.RepositoryRequest) (wire.RepositoryPlan, error) {
		o, c, err := a.Control.ConnectorFor(ctx, who, in.Organization, in.Connector, fairlead.RepositoryDeploy)
		if err != nil {
			return wire.RepositoryPlan{}, err
		}
		t, steps, err := a.Repositories.Plan(ctx, who, o, c, in.Address)
		return wire.RepositoryPlan{Address: t.Address, Pattern: t.Pattern(), Steps: filled(steps), Notes: filled(t.Notes)}, err
	})
	serve(a, wire.DeployRepository, func(ctx context.Context, who fairlead.Caller, in wire.RepositoryRequest) (wire.RepositoryDeployed, error) {
		o, c, err := a.Control.ConnectorFor(ctx, who, in.Organization, in.Connector, fairlead.RepositoryDeploy)
		if err != nil {
			return wire.RepositoryDeployed{}, err
		}
		t, existed, err := a.Repositories.Deploy(ctx, who, o, c, in.Address)
		return wire.RepositoryDeployed{Address: t.Address, Pattern: t.Pattern(), Existed: existed, Notes: filled(t.Notes)}, err
	})
	serve(a, wire.DestroyRepository, func(ctx context.Context, who fairlead.Caller, in wire.RepositoryRemoval) (wire.None, error) {
		o, c, err := a.Control.ConnectorFor(ctx, who, in.Organization, in.Connector, fairlead.RepositoryDestroy)
		if err != nil {
			return wire.None{}, err
		}
		_, err = a.Repositories.Destroy(ctx, who, o, c, in.Address, in.Force)
		return wire.None{}, err
	})
}
