package watch

import (
	"context"
	"fmt"
	"strings"
	"time"

	"fairlead.dev/fairlead"
)

// How far back uses are looked at, and how many are shown and named.
const (
	recent    = 30 * 24 * time.Hour
	mostShown = 100
	mostNamed = 5
)

// DefaultKeep is how long what was replaced is kept, if nothing else is said.
const DefaultKeep = 24 * time.Hour

// Detail is what is known of a connector beside itself.
type Detail struct {
	Health   fairlead.Health
	Uses     []fairlead.ConnectorUse
	Previous *fairlead.Previous
}

// Describe gives what is known of a connector.
func (w *Watch) Describe(ctx context.Context, c fairlead.Connector) (Detail, error) {
	var d Detail
	var err error
	if d.Health, err = w.Health(ctx, c); err != nil {
		return d, err
	}
	now := w.opts.Now()
	if d.Uses, err = w.store.UsesOf(ctx, c.Organization, c.ID, now.Add(-recent), mostShown); err != nil {
		return d, err
	}
	was, err := w.store.Previous(ctx, c.Organization, c.ID, now)
	switch {
	case err == nil:
		d.Previous = &was
	case fairlead.KindOf(err) != fairlead.NotFound:
		return d, err
	}
	return d, nil
}

// Delete deletes a connector. [fairlead.Conflict]: CodeInUse while registry entries use
// it; CodeRecentlyUsed if something pulled with it not long ago, unless forced. Both name
// who it is.
func (w *Watch) Delete(ctx context.Context, who fairlead.Caller, o fairlead.Organization, name fairlead.Name, force bool) error {
	if err := who.May(fairlead.ConnectorDelete, fairlead.Place{Organization: o.ID}); err != nil {
		return err
	}
	c, err := w.store.ConnectorByName(ctx, o.ID, name)
	if err != nil {
		return err
	}
	uses, err := w.store.UsesOf(ctx, o.ID, c.ID, w.opts.Now().Add(-recent), mostShown)
	if err != nil {
		return err
	}
	if len(uses) == 0 {
		return w.vault.Delete(ctx, who, o.ID, name)
	}
	if force {
		err := w.vault.Delete(ctx, who, o.ID, name)
		if e := fairlead.AsError("", err); err != nil && e.Code == fairlead.CodeInUse {
			told := *e
			told.Why += "; " + named(uses)
			return &told
		}
		return err
	}
	registries, err := w.store.RegistriesOf(ctx, o.ID)
	if err != nil {
		return err
	}
	for _, r := range registries {
		if r.Connector == c.ID {
			return w.Delete(ctx, who, o, name, true) // which says so, and more
		}
	}
	return &fairlead.Error{
		Kind: fairlead.Conflict, Code: fairlead.CodeRecentlyUsed, What: "deleting connector " + string(name),
		Why: named(uses), Remedy: "make sure that nobody needs it, then delete it all the same with --yes",
	}
}

// named says for whom a connector was used.
func named(uses []fairlead.ConnectorUse) string {
	var projects, runs []string
	seen := map[string]bool{}
	for _, u := range uses {
		if !seen[u.ProjectName] {
			seen[u.ProjectName] = true
			projects = append(projects, u.ProjectName)
		}
		if u.Number > 0 {
			runs = append(runs, fmt.Sprintf("%s#%d", u.ProjectName, u.Number))
		}
	}
	text := "in the last 30 days it opened pulls of " + some(projects)
	if len(runs) > 0 {
		text += "; by the runs " + some(runs)
	}
	return text
}

// some names a few of a list.
func some(list []string) string {
	if len(list) <= mostNamed {
		return strings.Join(list, ", ")
	}
	return strings.Join(list[:mostNamed], ", ") + fmt.Sprintf(" and %d more", len(list)-mostNamed)
}
