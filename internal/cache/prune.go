package cache

import (
	"context"
	"slices"
	"strconv"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/depot"
	"fairlead.dev/fairlead/ref"
)

// Pruning says what to let go of. Images that are pinned stay, and so does what is being
// served. At least one of its fields is set.
type Pruning struct {
	// To is how many bytes may be left; -1 is no matter. The images that weren't used for
	// the longest time go first.
	To int64
	// UnusedFor is for how long an image wasn't used.
	UnusedFor time.Duration
	// Registry is a registry's host.
	Registry string
	// Image is a repository, or an image by its tag or digest.
	Image string
	// DryRun lets go of nothing.
	DryRun bool
}

// check reads the pruning, and gives what chooses images.
func (p Pruning) check() (func(i *image, now time.Time) bool, error) {
	const what = "pruning what the gateway keeps"
	if p.To < 0 && p.UnusedFor <= 0 && p.Registry == "" && p.Image == "" {
		return nil, &fairlead.Error{
			Kind: fairlead.Invalid, What: what, Why: "it isn't said what is to go",
			Remedy: "say how much may be left, for how long an image wasn't used, of which registry, or which image",
		}
	}
	host := p.Registry
	if host != "" {
		var err error
		if host, err = ref.CanonicalHost(host); err != nil {
			return nil, fairlead.Misread("registry", err)
		}
	}
	fits := func(*image) bool { return true }
	if p.Image != "" {
		var err error
		if fits, err = named(p.Image); err != nil {
			return nil, err
		}
	}
	return func(i *image, now time.Time) bool {
		return !i.pinned && (host == "" || i.resource.Host == host) && now.Sub(i.used) >= p.UnusedFor && fits(i)
	}, nil
}

// named gives what chooses images by a name: a repository's is all of its images.
func named(text string) (func(*image) bool, error) {
	if r, err := ref.ParseResource(text); err == nil {
		return func(i *image) bool { return i.resource == r }, nil
	}
	n, err := ref.Parse(text)
	if err != nil {
		return nil, fairlead.Misread("image", err)
	}
	return func(i *image) bool {
		return i.resource == n.Resource && (n.Digest != "" && string(i.digest) == n.Digest || n.Digest == "" && i.reference == n.Tag)
	}, nil
}

// pruner is a pruning under way.
type pruner struct {
	c        *Cache
	s        scope
	p        Pruning
	accounts []*account
	// uses is by how many images of an account a blob is used, sharers by how many
	// accounts.
	uses    map[fairlead.OrganizationID]map[fairlead.Digest]int
	sharers map[fairlead.Digest]int
	total   int64
	out     fairlead.GatewayPruned
}

// Prune lets go of what is kept: of an organization's account, or (nil) of all. Each
// image that has gone is told.
func (c *Cache) Prune(ctx context.Context, who fairlead.Caller, org *fairlead.Organization, p Pruning, tell func(fairlead.CachedImage)) (fairlead.GatewayPruned, error) {
	s := scopeOf(org)
	if err := who.May(fairlead.GatewayPrune, s.place); err != nil {
		return fairlead.GatewayPruned{}, err
	}
	chosen, err := p.check()
	if err != nil {
		return fairlead.GatewayPruned{}, err
	}
	if !p.DryRun {
		ev := who.Event(fairlead.GatewayPrune, s.place, fairlead.Object{Kind: "gateway", Name: "gateway"})
		if err := c.record(ctx, p.describe(ev)); err != nil {
			return fairlead.GatewayPruned{}, err
		}
	}
	r := c.newPruner(s, p)
	if p.Registry == "" && p.Image == "" {
		for _, a := range r.accounts {
			if r.enough() {
				break
			}
			r.release(a, a.unnamed())
		}
	}
	now := c.Now()
	for _, v := range r.victims() {
		if r.enough() || ctx.Err() != nil {
			break
		}
		if !chosen(v.image, now) {
			continue
		}
		r.drop(v)
		shown := v.image.shown(c.nameOf(ctx, s, v.account.organization))
		r.out.Images = append(r.out.Images, shown)
		tell(shown)
	}
	r.out.Left = r.total
	return r.out, ctx.Err()
}

func (p Pruning) describe(ev fairlead.Event) fairlead.Event {
	if p.To >= 0 {
		ev = ev.With("to", strconv.FormatInt(p.To, 10))
	}
	if p.UnusedFor > 0 {
		ev = ev.With("unused_for", p.UnusedFor.String())
	}
	if p.Registry != "" {
		ev = ev.With("registry", p.Registry)
	}
	if p.Image != "" {
		ev = ev.With("image", p.Image)
	}
	return ev
}

func (c *Cache) newPruner(s scope, p Pruning) *pruner {
	r := &pruner{
		c: c, s: s, p: p, accounts: c.accounts(s), uses: map[fairlead.OrganizationID]map[fairlead.Digest]int{},
		sharers: map[fairlead.Digest]int{}, out: fairlead.GatewayPruned{Images: []fairlead.CachedImage{}, DryRun: p.DryRun},
	}
	for _, a := range r.accounts {
		uses := map[fairlead.Digest]int{}
		for _, i := range a.images {
			for d := range i.kept {
				uses[d]++
			}
		}
		r.uses[a.organization] = uses
		for d, h := range a.held {
			if r.sharers[d]++; r.sharers[d] == 1 {
				r.total += h.Size
			}
		}
	}
	return r
}

// enough reports whether as little is left as was wanted.
func (r *pruner) enough() bool { return r.p.To >= 0 && r.total <= r.p.To }

// victim is an image that may go.
type victim struct {
	account *account
	image   *image
}

// victims are all images, the one that wasn't used for the longest time first.
func (r *pruner) victims() []victim {
	var list []victim
	for _, a := range r.accounts {
		for _, i := range a.images {
			list = append(list, victim{a, i})
		}
	}
	slices.SortStableFunc(list, func(x, y victim) int { return x.image.used.Compare(y.image.used) })
	return list
}

// drop lets go of an image: of what of it no other image of the account needs.
func (r *pruner) drop(v victim) {
	uses := r.uses[v.account.organization]
	var alone []fairlead.Digest
	for d := range v.image.kept {
		if uses[d]--; uses[d] == 0 {
			alone = append(alone, d)
		}
	}
	r.release(v.account, alone)
	if r.p.DryRun {
		return
	}
	r.c.Catalog.mu.Lock()
	r.c.Catalog.forget(v.image.name)
	r.c.Catalog.mu.Unlock()
	r.c.Door.Forget(v.account.organization, v.image.resource)
}

// release takes blobs out of an account.
func (r *pruner) release(a *account, list []fairlead.Digest) {
	for _, d := range list {
		h := a.held[d]
		if h.Pinned {
			continue
		}
		if !r.p.DryRun {
			if went, _ := r.c.Depot.Release(depot.Owner(a.organization), []fairlead.Digest{d}); went == 0 {
				continue // it is being served
			}
		}
		r.out.Blobs++
		if r.sharers[d]--; r.sharers[d] == 0 {
			r.total -= h.Size
			r.out.Bytes += h.Size
		}
	}
}
