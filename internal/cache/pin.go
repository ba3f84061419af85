package cache

import (
	"context"
	"slices"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/depot"
	"fairlead.dev/fairlead/ref"
)

// Pin keeps an image from being evicted and pruned: as its name stands for it now, for
// the platforms (none are all) of which all is there. Only what the organization has
// pulled itself can be pinned. [fairlead.NotFound] for what isn't kept whole, and
// [fairlead.Conflict] if too much would be pinned.
func (c *Cache) Pin(ctx context.Context, who fairlead.Caller, org fairlead.Organization, text string, platforms []string) (fairlead.GatewayPinned, error) {
	s := scopeOf(&org)
	if err := who.May(fairlead.GatewayPin, s.place); err != nil {
		return fairlead.GatewayPinned{}, err
	}
	a := c.accountOf(org.ID)
	i, err := a.find("pinning", text)
	if err != nil {
		return fairlead.GatewayPinned{}, err
	}
	chosen, err := i.choose(platforms)
	if err != nil {
		return fairlead.GatewayPinned{}, err
	}
	blobs := map[fairlead.Digest]bool{i.digest: true}
	out := fairlead.GatewayPinned{Image: i.shown("").Name(), Digest: i.digest, Platforms: []string{}}
	for _, p := range chosen {
		if p.platform != "" {
			out.Platforms = append(out.Platforms, p.platform)
		}
		for _, d := range p.blobs {
			blobs[d] = true
		}
	}
	for d := range blobs {
		out.Blobs++
		out.Bytes += a.held[d].Size
	}
	if err := c.fits(a, blobs); err != nil {
		return fairlead.GatewayPinned{}, err
	}
	ev := who.Event(fairlead.GatewayPin, s.place, fairlead.Object{Kind: "image", Name: out.Image}).With("digest", string(i.digest))
	if err := c.record(ctx, ev); err != nil {
		return fairlead.GatewayPinned{}, err
	}
	for d := range blobs {
		if err := c.Depot.PinOwn(d, depot.Owner(org.ID)); err != nil {
			c.unpin(ctx, a, blobs)
			return fairlead.GatewayPinned{}, err
		}
	}
	return out, nil
}

// fits refuses pins that would leave little room for anything else: an organization may
// pin half of what it may keep.
func (c *Cache) fits(a *account, more map[fairlead.Digest]bool) error {
	quota := c.Quota(a.organization)
	if quota <= 0 {
		quota = c.Depot.Usage().Quota
	}
	if quota <= 0 {
		return nil
	}
	var pinned int64
	for d, h := range a.held {
		if h.Pinned || more[d] {
			pinned += h.Size
		}
	}
	if pinned <= quota/2 {
		return nil
	}
	return &fairlead.Error{
		Kind: fairlead.Conflict, What: "pinning an image", Why: "more than half of the gateway's quota would be pinned",
		Remedy: "unpin another image, or have the operator give the gateway a larger quota",
	}
}

// Unpin takes an image's pin away. What other pinned images need of it stays pinned; an
// image that isn't pinned is no error. [fairlead.NotFound]
func (c *Cache) Unpin(ctx context.Context, who fairlead.Caller, org fairlead.Organization, text string) (fairlead.GatewayPinned, error) {
	s := scopeOf(&org)
	if err := who.May(fairlead.GatewayUnpin, s.place); err != nil {
		return fairlead.GatewayPinned{}, err
	}
	a := c.accountOf(org.ID)
	i, err := a.find("unpinning", text)
	if err != nil {
		return fairlead.GatewayPinned{}, err
	}
	needed := map[fairlead.Digest]bool{}
	for _, other := range a.images {
		if other.pinned && other.digest != i.digest {
			for d := range other.kept {
				needed[d] = true
			}
		}
	}
	out := fairlead.GatewayPinned{Image: i.shown("").Name(), Digest: i.digest, Platforms: i.platforms()}
	blobs := map[fairlead.Digest]bool{}
	for d := range i.kept {
		if a.held[d].Pinned && !needed[d] {
			blobs[d] = true
			out.Blobs++
			out.Bytes += a.held[d].Size
		}
	}
	ev := who.Event(fairlead.GatewayUnpin, s.place, fairlead.Object{Kind: "image", Name: out.Image}).With("digest", string(i.digest))
	if err := c.record(ctx, ev); err != nil {
		return fairlead.GatewayPinned{}, err
	}
	c.unpin(ctx, a, blobs)
	return out, nil
}

func (c *Cache) unpin(ctx context.Context, a *account, blobs map[fairlead.Digest]bool) {
	for d := range blobs {
		_ = c.Depot.Unpin(ctx, d, depot.Owner(a.organization)) // it knows no error
	}
}

// find finds an image in an account.
func (a *account) find(doing, text string) (*image, error) {
	n, err := ref.Parse(text)
	if err != nil {
		return nil, fairlead.Misread("image", err)
	}
	for _, i := range a.images {
		if i.resource != n.Resource {
			continue
		}
		if n.Digest != "" && string(i.digest) == n.Digest || n.Digest == "" && i.reference == n.Tag {
			return i, nil
		}
	}
	return nil, notKept(doing, n.String(), "the gateway keeps nothing of it for the organization")
}

// choose gives the parts of an image for some platforms (none: all that are there).
func (i *image) choose(platforms []string) ([]part, error) {
	if len(platforms) == 0 && len(i.parts) > 0 {
		return i.parts, nil
	}
	var list []part
	for _, want := range platforms {
		n := slices.IndexFunc(i.parts, func(p part) bool { return p.platform == want })
		if n < 0 {
			return nil, notKept("pinning", i.shown("").Name(), "not all of it is kept for platform "+fairlead.Clip(want))
		}
		list = append(list, i.parts[n])
	}
	if len(list) == 0 {
		return nil, notKept("pinning", i.shown("").Name(), "not all of it is kept for any platform")
	}
	return list, nil
}

func notKept(doing, image, why string) error {
	return &fairlead.Error{
		Kind: fairlead.NotFound, What: doing + " " + image, Why: why,
		Remedy: "fetch it first: `fairlead gateway prefetch " + image + "`; `fairlead gateway usage` shows what there is",
	}
}

// Prefetch fetches an image ahead of time, with the rights and the login with which the
// caller would pull it, and tells how far it is. Errors are those of a pull.
func (c *Cache) Prefetch(ctx context.Context, who fairlead.Caller, org fairlead.Organization, text string, platforms []string, tell func(fairlead.PrefetchProgress)) error {
	s := scopeOf(&org)
	if err := who.May(fairlead.GatewayPrefetch, s.place); err != nil {
		return err
	}
	n, err := ref.Parse(text)
	if err != nil {
		return fairlead.Misread("image", err)
	}
	for _, p := range platforms {
		if parts := strings.Split(p, "/"); len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") {
			return &fairlead.Error{
				Kind: fairlead.Invalid, Field: "platform", What: "reading platform", Why: fairlead.Clip(p) + " is none", Remedy: "give one such as linux/amd64 or linux/arm64/v8",
			}
		}
	}
	ev := who.Event(fairlead.GatewayPrefetch, s.place, fairlead.Object{Kind: "image", Name: n.String()})
	if err := c.record(ctx, ev); err != nil {
		return err
	}
	a := fairlead.Asker{Who: who, Project: fairlead.Project{Organization: org.ID, Owner: org.Name}, Inside: true}
	return c.Door.Prefetch(ctx, a, n, platforms, tell)
}
