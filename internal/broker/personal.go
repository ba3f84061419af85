package broker

import (
	"context"
	"fmt"

	"fairlead.dev/fairlead"
)

// personal gives a personal project an anonymous lease: an organization's registries
// are for the organization's projects. If an entry of an organization of the project's
// owner would cover the image, the lease's note says so and how to transfer the
// project; it is what a refusal by the registry then says.
func (b *Broker) personal(ctx context.Context, a fairlead.Asker, s fairlead.Scope) (fairlead.Lease, error) {
	l := fairlead.Lease{For: s, Kind: fairlead.Anonymous}
	memberships, err := b.store.Memberships(ctx, a.Project.User)
	if err != nil {
		return fairlead.Lease{}, err
	}
	for _, m := range memberships {
		table, err := b.entries.of(ctx, m.Organization)
		if err != nil {
			return fairlead.Lease{}, err
		}
		e, ok := table.find(image(a, s.Resource))
		if !ok {
			continue
		}
		org, err := b.store.Organization(ctx, m.Organization)
		if err != nil {
			return fairlead.Lease{}, err
		}
		// How the host is reached is no secret of the organization's.
		l.PlainHTTP, l.CABundle = e.PlainHTTP, e.CABundle
		l.Note = &fairlead.Error{
			Kind: fairlead.Denied, Code: fairlead.CodePersonalProject, What: fmt.Sprintf("opening %s/%s", s.Resource.Host, s.Resource.Repository),
			Why: fmt.Sprintf("project %s is personal: personal projects can't use an organization's registries (entry %s of %s covers the image)",
				a.Project.FullName(), e.Name, org.Name),
			Remedy: fmt.Sprintf("give the project to the organization: `fairlead project transfer %s --to %s`", a.Project.FullName(), org.Name),
		}
		return l, nil
	}
	l.Note = &fairlead.Error{
		Kind: fairlead.Denied, Code: fairlead.CodePersonalProject, What: fmt.Sprintf("opening %s/%s", s.Resource.Host, s.Resource.Repository),
		Why:    fmt.Sprintf("project %s is personal, so its images are pulled without a login", a.Project.FullName()),
		Remedy: fmt.Sprintf("give the project to an organization that has a registry entry for the image: `fairlead project transfer %s --to ORGANIZATION`", a.Project.FullName()),
	}
	return l, nil
}
