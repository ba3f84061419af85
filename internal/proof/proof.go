// Package proof proves, step by step, what a connector can do: its fields are whole, its
// provider gives a login, the registry takes it, an image can be read. It says of each
// step what has happened, and never of one that it holds because nothing spoke against it.
package proof

import (
	"context"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/ref"
)

// Opener opens connectors, and records that: the vault.
type Opener interface {
	OpenFor(
		ctx context.Context, who fairlead.Caller, act fairlead.Action, o fairlead.Organization, c fairlead.Connector, s fairlead.Scope,
	) (provider.Opened, error)
}

// Registries are what logins are tried on: the OCI client.
type Registries interface {
	Trade(ctx context.Context, e oci.Endpoint, l oci.Login, s fairlead.Scope) (oci.Bearer, error)
	Verify(ctx context.Context, e oci.Endpoint, l oci.Login) error
	Resolve(ctx context.Context, kc fairlead.Keychain, i ref.Image) (oci.Descriptor, error)
}

// Store is what is read.
type Store interface {
	RegistriesOf(ctx context.Context, org fairlead.OrganizationID) ([]fairlead.Registry, error)
}

// Prover proves. It is safe for concurrent use.
type Prover struct {
	store      Store
	providers  provider.Set
	vault      Opener
	registries Registries
	now        func() time.Time
}

// New makes a prover.
func New(store Store, providers provider.Set, vault Opener, registries Registries, now func() time.Time) *Prover {
	return &Prover{store: store, providers: providers, vault: vault, registries: registries, now: now}
}

// Verify proves what the connector can do, with the image, or if that is empty with what
// the registry entries that use the connector name. What goes wrong at the provider or at
// the registry is a step that failed; an error is that nothing was tried:
// [fairlead.Denied], [fairlead.NotFound], [fairlead.Invalid] for an image that can't be
// read.
func (p *Prover) Verify(ctx context.Context, who fairlead.Caller, o fairlead.Organization, c fairlead.Connector, image string) (fairlead.Proof, error) {
	if err := who.May(fairlead.ConnectorVerify, fairlead.Place{Organization: o.ID}); err != nil {
		return fairlead.Proof{}, err
	}
	family, err := p.providers.Family(c.Family)
	if err != nil {
		return fairlead.Proof{}, err
	}
	entries, err := p.store.RegistriesOf(ctx, o.ID)
	if err != nil {
		return fairlead.Proof{}, err
	}
	t, err := aim(family, c, entries, image)
	if err != nil {
		return fairlead.Proof{}, err
	}
	opened, err := p.vault.OpenFor(ctx, who, fairlead.ConnectorVerify, o, c, t.scope())
	if err != nil {
		return fairlead.Proof{}, err
	}
	return p.walk(ctx, family, opened, t), nil
}

// Try proves what a connector could do that isn't saved yet, or not as it is given here
// with its secrets open. planned are the entries that are saved with it, if there are
// any: it is tried on them alone. It opens nothing, and asks for no right:
// whoever has it called has the right to save it. The errors are those of Verify.
func (p *Prover) Try(ctx context.Context, o fairlead.Organization, opened provider.Opened, image string, planned ...fairlead.Registry) (fairlead.Proof, error) {
	family, err := p.providers.Family(opened.Family)
	if err != nil {
		return fairlead.Proof{}, err
	}
	if planned == nil {
		if planned, err = p.store.RegistriesOf(ctx, o.ID); err != nil {
			return fairlead.Proof{}, err
		}
	}
	t, err := aim(family, opened.Connector, planned, image)
	if err != nil {
		return fairlead.Proof{}, err
	}
	opened.Owner = o.Name
	return p.walk(ctx, family, opened, t), nil
}

func (p *Prover) walk(ctx context.Context, family provider.Provider, opened provider.Opened, t target) fairlead.Proof {
	w := &walk{p: p, family: family, opened: opened, target: t}
	w.steps(ctx)
	return fairlead.Proof{Connector: opened.Name, Image: t.String(), At: p.now(), Steps: w.done}
}
