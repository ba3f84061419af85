package vault

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// Prove is asked about a connector that is about to be saved, with its secrets open. An
// error is why it isn't saved. nil asks nothing.
type Prove = func(ctx context.Context, o provider.Opened) error

// MostKept is the longest that a replaced secret can be kept.
const MostKept = 30 * 24 * time.Hour

// Rotate replaces a connector's secrets, all of them, after prove has taken the new
// ones; nothing that is stored is opened. What it was is kept sealed for a while, so that
// [Vault.Rollback] can put it back. Unless the change says otherwise the new secrets have no
// end: the date was the old ones'. Errors are those of [Vault.Update] and of prove.
func (v *Vault) Rotate(
	ctx context.Context, who fairlead.Caller, org fairlead.OrganizationID, name fairlead.Name, ch provider.Rotation, prove Prove,
) (provider.Checked, error) {
	none := func(err error) (provider.Checked, error) { return provider.Checked{}, err }
	at := fairlead.Place{Organization: org}
	if err := who.May(fairlead.ConnectorRotate, at); err != nil {
		return none(err)
	}
	if err := keepable(name, ch.Keep); err != nil {
		return none(err)
	}
	old, err := v.store.ConnectorByName(ctx, org, name)
	if err != nil {
		return none(err)
	}
	if ch.Expires == nil {
		ch.Expires = &time.Time{}
	}
	c, err := v.revise(old, ch.Change, nil)
	if err == nil {
		err = allAnew(old, c.Connector)
	}
	if err != nil {
		return none(err)
	}
	if prove != nil {
		if err := prove(ctx, provider.Opened{Connector: c.Connector, Secret: ch.Given.Secret}); err != nil {
			return none(err)
		}
	}
	until := c.Updated.Add(ch.Keep)
	err = v.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		keys, err := v.lockedKeys(ctx, w, org)
		if err != nil {
			return fairlead.Event{}, err
		}
		next := c.Connector
		next.Version++
		sealed, err := sealAll(keys, next, ch.Given.Secret)
		if err != nil {
			return fairlead.Event{}, err
		}
		return swapped(who, fairlead.ConnectorRotate, c.Connector, until), w.RotateConnector(ctx, c.Connector, sealed, until)
	})
	if err != nil {
		return none(err)
	}
	c.Version++
	return c, nil
}

// Rollback puts back what a connector was before its last rotation: the two change
// places. [fairlead.NotFound] if there is nothing to go back to.
func (v *Vault) Rollback(
	ctx context.Context, who fairlead.Caller, org fairlead.OrganizationID, name fairlead.Name, keep time.Duration,
) (fairlead.Connector, error) {
	at := fairlead.Place{Organization: org}
	if err := who.May(fairlead.ConnectorRollback, at); err != nil {
		return fairlead.Connector{}, err
	}
	if err := keepable(name, keep); err != nil {
		return fairlead.Connector{}, err
	}
	var c fairlead.Connector
	err := v.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		// The keys are held, so that no rotation of theirs comes between reading and writing.
		if _, err := v.lockedKeys(ctx, w, org); err != nil {
			return fairlead.Event{}, err
		}
		var err error
		if c, err = w.ConnectorByName(ctx, org, name); err != nil {
			return fairlead.Event{}, err
		}
		now := v.now()
		was, err := w.Previous(ctx, org, c.ID, now)
		if fairlead.KindOf(err) == fairlead.NotFound {
			return fairlead.Event{}, noPrevious(name)
		}
		if err != nil {
			return fairlead.Event{}, err
		}
		fields, err := w.PreviousFields(ctx, org, c.ID, now)
		if err != nil {
			return fairlead.Event{}, err
		}
		c.Method, c.Public, c.Secrets, c.Expires, c.Updated = was.Method, was.Public, was.Secrets, was.Expires, now
		until := now.Add(keep)
		return swapped(who, fairlead.ConnectorRollback, c, until), w.RotateConnector(ctx, c, fields, until)
	})
	if err != nil {
		return fairlead.Connector{}, err
	}
	c.Version++
	return c, nil
}

func swapped(who fairlead.Caller, a fairlead.Action, c fairlead.Connector, until time.Time) fairlead.Event {
	return who.Event(a, fairlead.Place{Organization: c.Organization}, object(c)).
		With("version", fmt.Sprint(c.Version+1)).With("previous_until", until.UTC().Format(time.RFC3339))
}

func keepable(name fairlead.Name, keep time.Duration) error {
	if keep >= 0 && keep <= MostKept {
		return nil
	}
	return &fairlead.Error{
		Kind: fairlead.Invalid, Field: "keep", What: "rotating connector " + string(name),
		Why: "the old secret can't be kept for " + keep.String(), Remedy: "give 0 to " + MostKept.String(),
	}
}

func noPrevious(name fairlead.Name) error {
	return &fairlead.Error{
		Kind: fairlead.NotFound, What: "rolling back connector " + string(name), Why: "nothing is kept of what it was before: it wasn't rotated, or the time is over",
		Remedy: "give the secret again: `fairlead connector rotate " + string(name) + "`",
	}
}

// allAnew asks that a rotation gives every secret that there was: one that is kept would have to
// be opened to prove it, and a mix of old and new has no end of its own.
func allAnew(old, c fairlead.Connector) error {
	refuse := func(field, why, remedy string) error {
		return &fairlead.Error{Kind: fairlead.Invalid, Field: field, What: "rotating connector " + string(old.Name), Why: why, Remedy: remedy}
	}
	if len(c.Secrets) == 0 {
		return refuse("secrets", "there is no secret: method "+c.Method+" keeps none, or none was given",
			"give the new secret; what isn't secret is changed by `fairlead connector update "+string(old.Name)+"`")
	}
	if c.Method != old.Method {
		return nil
	}
	for _, name := range old.Secrets {
		if !slices.Contains(c.Secrets, name) {
			return refuse(name, "the secret field "+name+" isn't given, and a rotation replaces all of them",
				"give --"+strings.ReplaceAll(name, "_", "-")+"-file too, or change one alone with `fairlead connector update "+string(old.Name)+"`")
		}
	}
	return nil
}
