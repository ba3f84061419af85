package survey

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// Find gives the one thing that the connector reaches and that is meant: by its address,
// or the beginning of one that no other has. Whatever [Survey.Resources] shows can be
// given, and addresses as people paste them. What lies in a registry whose repositories
// the provider doesn't list is taken as it is written. [fairlead.NotFound] and
// [fairlead.Conflict] list what is near.
func (s *Survey) Find(
	ctx context.Context, who fairlead.Caller, o fairlead.Organization, c fairlead.Connector, resource string,
) (fairlead.FoundResource, error) {
	none := func(err error) (fairlead.FoundResource, error) { return fairlead.FoundResource{}, err }
	meant, err := s.meant(c, resource)
	if err != nil {
		return none(err)
	}
	rows, err := s.Resources(ctx, who, o, []fairlead.Connector{c}, 0)
	if err != nil {
		return none(err)
	}
	if rows[0].Error != nil {
		e := *rows[0].Error
		e.Remedy = strings.TrimPrefix(e.Remedy+"; or give --unverified to take the address as it is written", "; ")
		return none(&e)
	}
	return choose(c, meant, rows[0].Resources)
}

// meant reads an address by the rules of the connector's family, without what makes a
// pattern of it.
func (s *Survey) meant(c fairlead.Connector, resource string) (string, error) {
	text := strings.TrimSpace(resource)
	p, err := s.providers.Family(c.Family)
	if err != nil {
		return "", err
	}
	// What can't be read may be the beginning of an address all the same.
	if read, _, err := (provider.Set{p}).Read(text); err == nil && pasted(text) {
		text = read
	}
	return strings.TrimSuffix(strings.TrimSuffix(text, "/*"), "/"), nil
}

// pasted reports whether a text isn't the beginning of an address, but another form of one.
func pasted(text string) bool {
	return strings.Contains(text, "://") || strings.HasPrefix(text, "arn:") || strings.HasPrefix(text, "projects/") || strings.HasPrefix(text, "/subscriptions/")
}

// choose finds what is meant among what is reached.
func choose(c fairlead.Connector, meant string, reached []fairlead.FoundResource) (fairlead.FoundResource, error) {
	var begin, around []fairlead.FoundResource
	for _, r := range reached {
		switch {
		case r.Address == meant || meant != "" && strings.TrimSuffix(r.Pattern, "/*") == meant:
			return r, nil
		case meant != "" && strings.HasPrefix(r.Address, meant):
			begin = append(begin, r)
		case r.Kind == fairlead.RegistryResource && strings.HasPrefix(meant, r.Address+"/"):
			around = append(around, r)
		}
	}
	fail := func(kind fairlead.Kind, why, remedy string) (fairlead.FoundResource, error) {
		return fairlead.FoundResource{}, &fairlead.Error{Kind: kind, Field: "resource", What: "finding resource " + fairlead.Clip(meant), Why: why, Remedy: remedy}
	}
	switch {
	case len(begin) == 1:
		return begin[0], nil
	case len(begin) > 1:
		return fail(fairlead.Conflict, fmt.Sprintf("%d of the things that connector %s reaches begin so: %s", len(begin), c.Name, addresses(begin)), "write more of the address")
	case len(around) > 0 && !lists(reached, around[0]):
		return fairlead.FoundResource{Kind: fairlead.RepositoryResource, Address: meant, Pattern: meant + "/*", Location: around[0].Location}, nil
	case len(reached) == 0:
		return fail(fairlead.NotFound, "connector "+string(c.Name)+" reaches nothing", "`fairlead connector verify "+string(c.Name)+"` says what it can do")
	}
	return fail(fairlead.NotFound, "connector "+string(c.Name)+" doesn't reach it; nearest: "+addresses(near(meant, reached)),
		"choose one that `fairlead connector resources "+string(c.Name)+"` lists, or give --unverified if you know better")
}

// lists reports whether repositories of a registry are among what is reached.
func lists(reached []fairlead.FoundResource, registry fairlead.FoundResource) bool {
	return slices.ContainsFunc(reached, func(r fairlead.FoundResource) bool { return strings.HasPrefix(r.Address, registry.Address+"/") })
}

// mostNear is how many addresses an error lists.
const mostNear = 3

// near gives those whose addresses have most of their beginning in common with a text.
func near(text string, reached []fairlead.FoundResource) []fairlead.FoundResource {
	list := slices.Clone(reached)
	slices.SortStableFunc(list, func(a, b fairlead.FoundResource) int { return common(text, b.Address) - common(text, a.Address) })
	return list
}

func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func addresses(list []fairlead.FoundResource) string {
	var texts []string
	for _, r := range list[:min(len(list), mostNear)] {
		texts = append(texts, r.Address)
	}
	s := strings.Join(texts, ", ")
	if len(list) > mostNear {
		s += fmt.Sprintf(" and %d more", len(list)-mostNear)
	}
	return s
}
