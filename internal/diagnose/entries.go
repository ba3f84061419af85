package diagnose

import (
	"context"
	"fmt"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/ref"
)

// house is the entries that count for a project, or would.
type house struct {
	organization fairlead.Organization
	entries      []fairlead.Registry
	connectors   map[fairlead.ConnectorID]fairlead.Connector
}

// houseOf reads an organization's entries.
func (d *Doctor) houseOf(ctx context.Context, id fairlead.OrganizationID) (house, error) {
	o, err := d.Store.Organization(ctx, id)
	if err != nil {
		return house{}, err
	}
	h := house{organization: o, connectors: map[fairlead.ConnectorID]fairlead.Connector{}}
	if h.entries, err = d.Store.RegistriesOf(ctx, id); err != nil {
		return house{}, err
	}
	list, err := d.Store.ConnectorsOf(ctx, id)
	for _, c := range list {
		h.connectors[c.ID] = c
	}
	return h, err
}

// houseFor reads the entries for a project. For a personal one they are those of the
// first organization of its owner's that has one for the image: they don't count, and
// are what the project would be given to.
func (d *Doctor) houseFor(ctx context.Context, p fairlead.Project, i ref.Image) (house, error) {
	if !p.Personal() {
		return d.houseOf(ctx, p.Organization)
	}
	memberships, err := d.Store.Memberships(ctx, p.User)
	if err != nil {
		return house{}, err
	}
	for _, m := range memberships {
		h, err := d.houseOf(ctx, m.Organization)
		if err != nil {
			return house{}, err
		}
		if _, ok := h.winner(i); ok {
			return h, nil
		}
	}
	return house{}, nil
}

// winner is the entry that decides about an image.
func (h house) winner(i ref.Image) (fairlead.Registry, bool) {
	for _, f := range pattern.Explain(i, h.patterns()) {
		if f.Reason == pattern.Wins {
			return h.entries[f.At], true
		}
	}
	return fairlead.Registry{}, false
}

func (h house) patterns() []pattern.Pattern {
	list := make([]pattern.Pattern, 0, len(h.entries))
	for _, e := range h.entries {
		list = append(list, e.Pattern)
	}
	return list
}

// findings say of each entry what it has to do with the image.
func (h house) findings(i ref.Image) []fairlead.EntryFinding {
	list := make([]fairlead.EntryFinding, 0, len(h.entries))
	for _, f := range pattern.Explain(i, h.patterns()) {
		e := h.entries[f.At]
		n := fairlead.EntryFinding{
			Registry: e.Name, Pattern: e.Pattern.String(), Connector: h.connectors[e.Connector].Name,
			Wins: f.Reason == pattern.Wins, Covers: f.Reason == pattern.Wins || f.Reason == pattern.LessSpecific,
			Reason: string(f.Reason), Why: fmt.Sprintf("%s of entry %s %s.", f.Pattern, e.Name, f.Why),
		}
		if f.Instead != (pattern.Pattern{}) {
			n.Instead = f.Instead.String()
		}
		list = append(list, n)
	}
	return list
}

// shadowed names the entries that cover the image and lose.
func (h house) shadowed(i ref.Image) []string {
	var names []string
	for _, f := range pattern.Explain(i, h.patterns()) {
		if f.Reason == pattern.LessSpecific {
			names = append(names, string(h.entries[f.At].Name))
		}
	}
	return names
}

// uncovered says that no entry covers the image, and which are nearest.
func (h house) uncovered(i ref.Image) string {
	why := "no registry entry of " + string(h.organization.Name) + " covers it: it is pulled without a login"
	var near []string
	for _, f := range pattern.Nearest(i, h.patterns(), 3) {
		near = append(near, fmt.Sprintf("%s of entry %s (it %s)", f.Pattern, h.entries[f.At].Name, f.Why))
	}
	if len(near) > 0 {
		why += "; nearest: " + strings.Join(near, ", ")
	}
	return why
}
