// Package control is what administrators and members do with all that isn't secret:
// organizations, members, projects, registry entries, workers, events. Each act asks
// for the right, then writes the change with the event that explains it.
package control

import (
	"context"
	"time"

	"github.com/google/uuid"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/identity"
	"fairlead.dev/fairlead/internal/provider"
)

// Control does the acts. It is safe for concurrent use.
type Control struct {
	store     fairlead.Store
	identity  *identity.Identity
	providers provider.Set
	vault     Vault
	now       func() time.Time
}

// Vault is what control needs of the keeper of secrets.
type Vault interface {
	// AddKeys makes an organization's data keys, in the write that makes it.
	AddKeys(ctx context.Context, w fairlead.Writer, org fairlead.OrganizationID) error
	// Prepare checks a draft and gives the connector that it would become; Add stores
	// it with its secrets sealed.
	Prepare(org fairlead.OrganizationID, d provider.Draft) (provider.Checked, error)
	Add(ctx context.Context, w fairlead.Writer, c fairlead.Connector, g provider.Given) error
	// Revise checks a change and gives the connector as it would become; Replace
	// stores it.
	Revise(old fairlead.Connector, ch provider.Change) (provider.Checked, error)
	// Revised opens it as it would become.
	Revised(ctx context.Context, who fairlead.Caller, old, c fairlead.Connector, g provider.Given) (provider.Opened, error)
	Replace(ctx context.Context, w fairlead.Writer, c fairlead.Connector, g provider.Given) error
}

// New makes a control.
func New(store fairlead.Store, ids *identity.Identity, providers provider.Set, vault Vault, now func() time.Time) *Control {
	return &Control{store: store, identity: ids, providers: providers, vault: vault, now: now}
}

func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fairlead.AsError("naming", err)
	}
	return id.String(), nil
}

// Organization finds an organization by its name, for a caller who belongs to it.
// Every other caller is told [fairlead.NotFound], whether it is there or not.
func (c *Control) Organization(ctx context.Context, who fairlead.Caller, name fairlead.Name, a fairlead.Action) (fairlead.Organization, error) {
	o, err := c.store.OrganizationByName(ctx, name)
	if err != nil {
		if fairlead.KindOf(err) == fairlead.NotFound {
			return fairlead.Organization{}, missing("organization", name, a)
		}
		return fairlead.Organization{}, err
	}
	if err := who.May(a, fairlead.Place{Organization: o.ID}); err != nil {
		if fairlead.KindOf(err) == fairlead.NotFound {
			return fairlead.Organization{}, missing("organization", name, a)
		}
		return fairlead.Organization{}, err
	}
	return o, nil
}

// missing is what is said of a thing that isn't there or isn't the caller's.
func missing(noun string, name fairlead.Name, a fairlead.Action) error {
	e := fairlead.Missing(a)
	e.Why = "there is no " + noun + " " + fairlead.Clip(string(name)) + ", or you have no access to it"
	e.Remedy = "`fairlead " + noun + " list` shows those that you may see"
	return e
}
