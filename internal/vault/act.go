package vault

import (
	"context"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// OpenFor records that a connector of the organization is opened for an administrator's
// act (to verify it, to discover what it reaches, or to make and remove repositories with it), and opens it. What s has of a
// resource is what it is opened for. Whoever may do no such act is told so; errors are
// those of [Vault.Open] beside.
func (v *Vault) OpenFor(
	ctx context.Context, who fairlead.Caller, act fairlead.Action, o fairlead.Organization, c fairlead.Connector, s fairlead.Scope,
) (provider.Opened, error) {
	switch act {
	case fairlead.ConnectorVerify, fairlead.ConnectorDiscover, fairlead.RepositoryDeploy, fairlead.RepositoryDestroy:
	default:
		return provider.Opened{}, fairlead.Missing(act)
	}
	at := fairlead.Place{Organization: o.ID}
	if err := who.May(act, at); err != nil {
		return provider.Opened{}, err
	}
	if c.Organization != o.ID {
		return provider.Opened{}, fairlead.Missing(act)
	}
	err := v.store.Write(ctx, func(context.Context, fairlead.Writer) (fairlead.Event, error) {
		ev := who.Event(act, at, object(c))
		if s.Resource.Host != "" {
			ev = ev.With("for", s.Resource.String()).With("verb", string(s.Verb))
		}
		return ev, nil
	})
	if err != nil {
		return provider.Opened{}, err
	}
	opened, err := v.read(ctx, c)
	opened.Owner = o.Name
	return opened, err
}
