// Package vault is the gate in front of the secrets: it authorises who asks, records
// the event, and only then seals or opens a connector's secret fields. It is the only
// user of seal. If the event can't be written, the act doesn't happen.
package vault

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// Vault keeps connectors.
type Vault struct {
	store     fairlead.Store
	providers provider.Set
	ring      *Ring
	now       func() time.Time
}

// New makes a vault over a store. The providers say which fields a connector has.
func New(store fairlead.Store, providers provider.Set, ring *Ring, now func() time.Time) *Vault {
	return &Vault{store: store, providers: providers, ring: ring, now: now}
}

// Register makes a connector, if prove takes it: [fairlead.Invalid] with the field,
// [fairlead.Denied], [fairlead.Conflict] for a name that is taken.
func (v *Vault) Register(
	ctx context.Context, who fairlead.Caller, org fairlead.OrganizationID, d provider.Draft, prove Prove,
) (provider.Checked, error) {
	at := fairlead.Place{Organization: org}
	if err := who.May(fairlead.ConnectorRegister, at); err != nil {
		return provider.Checked{}, err
	}
	c, err := v.Prepare(org, d)
	if err != nil {
		return provider.Checked{}, err
	}
	if prove != nil {
		// Who has it tried is told of a name that is taken before, and not after.
		if _, err := v.store.ConnectorByName(ctx, org, d.Name); err == nil {
			return provider.Checked{}, taken(d.Name)
		}
		if err := prove(ctx, provider.Opened{Connector: c.Connector, Secret: d.Given.Secret}); err != nil {
			return provider.Checked{}, err
		}
	}
	err = v.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return who.Event(fairlead.ConnectorRegister, at, object(c.Connector)).
			With("family", string(c.Family)).With("method", c.Method), v.Add(ctx, w, c.Connector, d.Given)
	})
	if err != nil {
		return provider.Checked{}, err
	}
	c.Version++
	return c, nil
}

// Prepare checks a draft, and its secrets as far as that can be done without asking
// anybody, and gives the connector that it would become, which has no version yet. It
// asks for no right and writes nothing: whoever stores it, with [Vault.Add] in a write
// of their own, has asked.
func (v *Vault) Prepare(org fairlead.OrganizationID, d provider.Draft) (provider.Checked, error) {
	p, err := v.providers.Family(d.Family)
	if err != nil {
		return provider.Checked{}, err
	}
	m, err := provider.MethodOf(p.Info(), d.Method)
	if err != nil {
		return provider.Checked{}, err
	}
	d.Given.Public = provider.Generate(p, m, org, withoutEmpty(d.Given.Public))
	now := v.now()
	facts, err := provider.Examine(p, m, d.Given, now)
	if err != nil {
		return provider.Checked{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return provider.Checked{}, fairlead.AsError("naming connector", err)
	}
	return provider.Checked{Facts: facts, Connector: fairlead.Connector{
		ID: fairlead.ConnectorID(id.String()), Organization: org, Name: d.Name, Family: d.Family, Method: m.Name,
		Public: d.Given.Public, Secrets: secretNames(d.Given.Secret), Expires: d.Expires,
		Created: now, Updated: now,
	}}, nil
}

// Add seals the secrets of a prepared connector and stores both, which makes it the
// connector's version 1.
func (v *Vault) Add(ctx context.Context, w fairlead.Writer, c fairlead.Connector, g provider.Given) error {
	keys, err := v.lockedKeys(ctx, w, c.Organization)
	if err != nil {
		return err
	}
	stored := c
	stored.Version++
	sealed, err := sealAll(keys, stored, g.Secret)
	if err != nil {
		return err
	}
	return w.AddConnector(ctx, c, sealed)
}

func taken(name fairlead.Name) error {
	return &fairlead.Error{
		Kind: fairlead.Conflict, Field: "name", What: "adding connector", Why: "the name is taken: there is a connector " + string(name) + " already",
		Remedy: "choose another name, or change that one: `fairlead connector update " + string(name) + "`",
	}
}

// Update changes a connector, if prove takes it as it would be; it isn't asked about a
// change that the registry wouldn't notice. Secret fields that aren't given are kept as
// they are.
func (v *Vault) Update(
	ctx context.Context, who fairlead.Caller, org fairlead.OrganizationID, name fairlead.Name, ch provider.Change, prove Prove,
) (provider.Checked, error) {
	at := fairlead.Place{Organization: org}
	if err := who.May(fairlead.ConnectorUpdate, at); err != nil {
		return provider.Checked{}, err
	}
	old, err := v.store.ConnectorByName(ctx, org, name)
	if err != nil {
		return provider.Checked{}, err
	}
	c, err := v.Revise(old, ch)
	if err != nil {
		return provider.Checked{}, err
	}
	if prove != nil && noticed(old, c.Connector, ch) {
		opened, err := v.Revised(ctx, who, old, c.Connector, ch.Given)
		if err == nil {
			err = prove(ctx, opened)
		}
		if err != nil {
			return provider.Checked{}, err
		}
	}
	err = v.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return who.Event(fairlead.ConnectorUpdate, at, object(c.Connector)), v.Replace(ctx, w, c.Connector, ch.Given)
	})
	if err != nil {
		return provider.Checked{}, err
	}
	c.Version++
	return c, nil
}

// Revise checks a change and gives the connector as it would become, with the version
// that it has now. Like [Vault.Prepare] it asks for no right.
func (v *Vault) Revise(old fairlead.Connector, ch provider.Change) (provider.Checked, error) {
	return v.revise(old, ch, keptSecrets)
}

// revise checks a change of which keep says what stays of the secrets; nil keeps none.
func (v *Vault) revise(
	old fairlead.Connector, ch provider.Change, keep func(fairlead.Method, []string, map[string]fairlead.Secret) []string,
) (provider.Checked, error) {
	if ch.Version != 0 && ch.Version != old.Version {
		return provider.Checked{}, &fairlead.Error{
			Kind: fairlead.Conflict, Code: fairlead.CodeStale, What: "updating connector " + string(old.Name),
			Why: "it was changed meanwhile", Remedy: "look at it again, then repeat the change",
		}
	}
	p, err := v.providers.Family(old.Family)
	if err != nil {
		return provider.Checked{}, err
	}
	c := old
	if ch.Method != "" {
		c.Method = ch.Method
	}
	m, err := provider.MethodOf(p.Info(), c.Method)
	if err != nil {
		return provider.Checked{}, err
	}
	c.Public = provider.Generate(p, m, c.Organization, merged(m, old.Public, ch.Given.Public))
	var kept []string
	if keep != nil {
		kept = keep(m, old.Secrets, ch.Given.Secret)
	}
	now := v.now()
	facts, err := provider.Examine(p, m, provider.Given{Public: c.Public, Secret: ch.Given.Secret, Kept: kept}, now)
	if err != nil {
		return provider.Checked{}, err
	}
	if err := bound(m, old, c, kept); err != nil {
		return provider.Checked{}, err
	}
	c.Secrets = append(kept, secretNames(ch.Given.Secret)...)
	slices.Sort(c.Secrets)
	if ch.Name != "" {
		c.Name = ch.Name
	}
	if ch.Expires != nil {
		c.Expires = *ch.Expires
	}
	c.Updated = now
	return provider.Checked{Connector: c, Facts: facts}, nil
}

// noticed reports whether the registry, or the provider, would notice a change.
func noticed(old, c fairlead.Connector, ch provider.Change) bool {
	return c.Method != old.Method || !maps.Equal(c.Public, old.Public) || len(secretNames(ch.Given.Secret)) > 0
}

// Revised opens a connector as it would become: the secrets that it keeps are opened, and
// that recorded, for which the right to update is enough. Where they may go has not
// changed, or they wouldn't be kept.
func (v *Vault) Revised(
	ctx context.Context, who fairlead.Caller, old, c fairlead.Connector, g provider.Given,
) (provider.Opened, error) {
	opened := provider.Opened{Connector: c, Secret: maps.Clone(g.Secret)}
	if len(secretNames(g.Secret)) == len(c.Secrets) {
		return opened, nil
	}
	err := v.store.Write(ctx, func(context.Context, fairlead.Writer) (fairlead.Event, error) {
		return who.Event(fairlead.ConnectorVerify, fairlead.Place{Organization: c.Organization}, object(old)), nil
	})
	if err != nil {
		return provider.Opened{}, err
	}
	stored, err := v.read(ctx, old)
	if err != nil {
		return provider.Opened{}, err
	}
	opened.Secret = map[string]fairlead.Secret{}
	for _, name := range c.Secrets {
		opened.Secret[name] = stored.Secret[name]
		if given := g.Secret[name]; !given.IsZero() {
			opened.Secret[name] = given
		}
	}
	return opened, nil
}

// Replace seals the given secrets of a revised connector, keeps the other fields that
// it names as they are sealed, and stores all.
func (v *Vault) Replace(ctx context.Context, w fairlead.Writer, c fairlead.Connector, g provider.Given) error {
	keys, err := v.lockedKeys(ctx, w, c.Organization)
	if err != nil {
		return err
	}
	old, err := w.SealedFields(ctx, c.Organization, c.ID)
	if err != nil {
		return err
	}
	next := c
	next.Version++
	sealed, err := sealAll(keys, next, g.Secret)
	if err != nil {
		return err
	}
	for _, f := range old {
		if g.Secret[f.Field].IsZero() && slices.Contains(c.Secrets, f.Field) {
			sealed = append(sealed, f)
		}
	}
	return w.UpdateConnector(ctx, c, sealed)
}

// Delete removes a connector that no registry uses: [fairlead.Conflict] (CodeInUse)
// names those that do.
func (v *Vault) Delete(ctx context.Context, who fairlead.Caller, org fairlead.OrganizationID, name fairlead.Name) error {
	at := fairlead.Place{Organization: org}
	if err := who.May(fairlead.ConnectorDelete, at); err != nil {
		return err
	}
	c, err := v.store.ConnectorByName(ctx, org, name)
	if err != nil {
		return err
	}
	return v.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return who.Event(fairlead.ConnectorDelete, at, object(c)), w.RemoveConnector(ctx, org, c.ID)
	})
}

func object(c fairlead.Connector) fairlead.Object {
	return fairlead.Object{Kind: "connector", ID: string(c.ID), Name: string(c.Name)}
}
