package diagnose

import (
	"context"
	"fmt"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/ref"
)

// Explain says which entry decides about an image in a project and why no other does, who
// may pull it, and what their lease will be. The caller needs the right
// to a login in the project: [fairlead.Denied] otherwise, and [fairlead.Invalid] for an
// image that can't be read.
func (d *Doctor) Explain(ctx context.Context, who fairlead.Caller, p fairlead.Project, image string) (fairlead.Explanation, error) {
	if err := who.May(fairlead.LeasePull, p.Place()); err != nil {
		return fairlead.Explanation{}, err
	}
	i, err := ref.Parse(image)
	if err != nil {
		return fairlead.Explanation{}, fairlead.Misread("image", err)
	}
	h, err := d.houseFor(ctx, p, i)
	if err != nil {
		return fairlead.Explanation{}, err
	}
	if p.Personal() && h.organization.ID != "" && who.May(fairlead.RegistryRead, fairlead.Place{Organization: h.organization.ID}) != nil {
		h = house{} // the token isn't for that organization
	}
	x := fairlead.Explanation{
		Image: i.String(), Project: p.FullName(), Organization: h.organization.Name, Personal: p.Personal(),
		Entries: h.findings(i), MayPull: mayPull(p),
	}
	winner, ok := h.winner(i)
	switch {
	case p.Personal():
		x.Lease.Kind = fairlead.Anonymous
		x.Note = personal(p, h, winner, ok)
		for n := range x.Entries {
			x.Entries[n].Wins = false
		}
	case !ok:
		x.Lease.Kind = fairlead.Anonymous
		x.Note = noted(fairlead.CodeNoEntry, "opening "+i.Resource.String(), h.uncovered(i),
			fmt.Sprintf("if it is private, an administrator adds an entry: `fairlead registry add NAME --pattern '%s/*'`", namespace(i.Resource)))
	default:
		x.Lease = d.outlook(h, winner, i)
	}
	return x, nil
}

// outlook says what a lease by an entry will be, as far as nobody has to be asked.
func (d *Doctor) outlook(h house, e fairlead.Registry, i ref.Image) fairlead.LeaseOutlook {
	if e.Connector == "" {
		return fairlead.LeaseOutlook{Kind: fairlead.Anonymous, Registry: e.Name}
	}
	c := h.connectors[e.Connector]
	l := fairlead.LeaseOutlook{
		Registry: e.Name, Connector: c.Name, Family: c.Family, Method: c.Method, Power: d.Providers.Power(c), Disclosure: e.Disclosure, Ends: c.Expires,
	}
	if c.Expired(d.Now()) {
		l.Error = expired(c)
	} else if f, err := d.Providers.Family(c.Family); err != nil {
		l.Error = fairlead.AsError("opening connector "+string(c.Name), err)
	} else if err := f.Accepts(c, i.Host); err != nil {
		l.Error = fairlead.AsError("opening connector "+string(c.Name), err)
	}
	return l
}

func expired(c fairlead.Connector) *fairlead.Error {
	return noted(fairlead.CodeConnectorExpired, "opening connector "+string(c.Name),
		"it expired at "+c.Expires.UTC().Format(date),
		"an administrator renews it: `fairlead connector update "+string(c.Name)+"` with the new secret and --expires")
}

// personal says why an organization's entries don't count for a personal project.
func personal(p fairlead.Project, h house, winner fairlead.Registry, covered bool) *fairlead.Error {
	what := "opening the image in project " + p.FullName()
	if covered {
		return noted(fairlead.CodePersonalProject, what,
			fmt.Sprintf("the project is personal: personal projects can't use an organization's registries (entry %s of %s covers the image)", winner.Name, h.organization.Name),
			fmt.Sprintf("give the project to the organization: `fairlead project transfer %s --to %s`", p.FullName(), h.organization.Name))
	}
	return noted(fairlead.CodePersonalProject, what, "the project is personal, so its images are pulled without a login",
		fmt.Sprintf("if the image is private, give the project to an organization that has a registry entry for it: `fairlead project transfer %s --to ORGANIZATION`", p.FullName()))
}

// mayPull says who gets a login, as the rights table has it.
func mayPull(p fairlead.Project) []string {
	var list []string
	at := p.Place()
	may := func(c fairlead.Caller, a fairlead.Action) bool { return c.May(a, at) == nil }
	if p.Personal() {
		if may(fairlead.Caller{Subject: fairlead.Subject{Kind: fairlead.UserSubject, ID: string(p.User)}}, fairlead.LeasePull) {
			list = append(list, fmt.Sprintf("%s, whose project it is", p.Owner))
		}
	}
	for _, role := range []fairlead.Role{fairlead.Admin, fairlead.Member} {
		c := fairlead.Caller{
			Subject: fairlead.Subject{Kind: fairlead.UserSubject, ID: "somebody"}, Roles: map[fairlead.OrganizationID]fairlead.Role{p.Organization: role},
		}
		if !p.Personal() && may(c, fairlead.LeasePull) {
			list = append(list, fmt.Sprintf("members of %s with role %s", p.Owner, role))
		}
	}
	worker := fairlead.Caller{Subject: fairlead.Subject{Kind: fairlead.WorkerSubject, ID: "some"}, Only: p.Organization}
	if may(worker, fairlead.RunPerform) {
		list = append(list, "a worker, for a run of the project that it holds")
	}
	return list
}

// namespace is what a repository's name begins with: host and path without its last part.
func namespace(r ref.Resource) string {
	s := r.String()
	for n := len(s) - 1; n > len(r.Host); n-- {
		if s[n] == '/' {
			return s[:n]
		}
	}
	return r.Host
}

// date is how dates are written for people.
const date = "2006-01-02 15:04 MST"

// methodTitle is how people read a connector's method.
func methodTitle(set provider.Set, c fairlead.Connector) string {
	if p, err := set.Family(c.Family); err == nil {
		if m, err := provider.MethodOf(p.Info(), c.Method); err == nil {
			return m.Title
		}
	}
	return c.Method
}
