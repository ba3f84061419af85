package cache

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/depot"
)

// manifest is what a manifest or an index is made of.
type manifest struct {
	blobs    []fairlead.Digest // config and layers
	config   fairlead.Digest
	children []child
}

// child is an entry of an index.
type child struct {
	digest   fairlead.Digest
	platform string // "" if it is for none
}

const (
	maxManifest   = 4 << 20
	mostManifests = 20_000
)

// manifestOf reads a manifest that is kept; nil if it isn't.
func (c *Cache) manifestOf(digest fairlead.Digest) *manifest {
	c.mu.Lock()
	known := c.manifests[digest]
	c.mu.Unlock()
	if known != nil {
		return known
	}
	raw, err := c.Depot.Peek(digest, maxManifest)
	if err != nil {
		return nil
	}
	m := readManifest(raw)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.manifests) >= mostManifests {
		clear(c.manifests)
	}
	c.manifests[digest] = m
	return m
}

// readManifest reads manifests and indexes of OCI and of Docker. What else it may be has
// no parts.
func readManifest(raw []byte) *manifest {
	var all struct {
		Config    *ocispec.Descriptor  `json:"config"`
		Layers    []ocispec.Descriptor `json:"layers"`
		Blobs     []ocispec.Descriptor `json:"blobs"`
		Manifests []ocispec.Descriptor `json:"manifests"`
	}
	m := &manifest{}
	if json.Unmarshal(raw, &all) != nil {
		return m
	}
	if all.Config != nil {
		m.config = fairlead.Digest(all.Config.Digest)
		m.blobs = append(m.blobs, m.config)
	}
	for _, d := range append(all.Layers, all.Blobs...) {
		m.blobs = append(m.blobs, fairlead.Digest(d.Digest))
	}
	for _, d := range all.Manifests {
		m.children = append(m.children, child{fairlead.Digest(d.Digest), platformOf(d.Platform)})
	}
	return m
}

func platformOf(p *ocispec.Platform) string {
	if p == nil || p.OS == "" || p.OS == "unknown" {
		return ""
	}
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// image is what an organization keeps of an image.
type image struct {
	known
	kept   map[fairlead.Digest]bool // all that is kept of it
	parts  []part                   // those of which all is kept
	size   int64
	pinned bool
}

// part is an image for one platform.
type part struct {
	platform string
	blobs    []fairlead.Digest // with its manifest
}

// account is what counts for an organization.
type account struct {
	organization fairlead.OrganizationID
	held         map[fairlead.Digest]depot.Held
	images       []*image // the last used first
}

// accountOf looks an organization's account through.
func (c *Cache) accountOf(org fairlead.OrganizationID) *account {
	a := &account{organization: org, held: c.Depot.Account(depot.Owner(org))}
	list := c.Catalog.all(org, false)
	for _, k := range list {
		if i := c.look(k, a.held); len(i.kept) > 0 {
			a.images = append(a.images, i)
		}
	}
	a.hideParts()
	slices.SortFunc(a.images, func(x, y *image) int {
		return cmp.Or(y.used.Compare(x.used), cmp.Compare(x.resource.String(), y.resource.String()), cmp.Compare(x.reference, y.reference))
	})
	return a
}

// hideParts leaves out what is there under another name already: an index's images, and a
// tag's digest.
func (a *account) hideParts() {
	type at struct{ resource, digest string }
	parts, tags := map[at]bool{}, map[at]bool{}
	for _, i := range a.images {
		for d := range i.kept {
			if d != i.digest {
				parts[at{i.resource.String(), string(d)}] = true
			}
		}
		if !i.byDigest() {
			tags[at{i.resource.String(), string(i.digest)}] = true
		}
	}
	a.images = slices.DeleteFunc(a.images, func(i *image) bool {
		k := at{i.resource.String(), string(i.digest)}
		return i.byDigest() && (parts[k] || tags[k])
	})
}

func (i *image) byDigest() bool { return i.reference == string(i.digest) }

// look finds out what of an image is in an account.
func (c *Cache) look(k known, held map[fairlead.Digest]depot.Held) *image {
	i := &image{known: k, kept: map[fairlead.Digest]bool{}}
	add := func(d fairlead.Digest) bool {
		h, there := held[d]
		if there && !i.kept[d] {
			i.kept[d] = true
			i.size += h.Size
		}
		return there
	}
	if !add(k.digest) {
		return i
	}
	i.pinned = held[k.digest].Pinned
	m := c.manifestOf(k.digest)
	if m == nil {
		return i
	}
	if len(m.children) == 0 {
		if p, whole := c.partOf(k.digest, m, add); whole {
			i.parts = append(i.parts, p)
		}
		return i
	}
	for _, one := range m.children {
		if !add(one.digest) {
			continue
		}
		sub := c.manifestOf(one.digest)
		if sub == nil {
			continue
		}
		p, whole := c.partOf(one.digest, sub, add)
		if p.platform = cmp.Or(one.platform, p.platform); whole && p.platform != "" {
			i.parts = append(i.parts, p)
		}
	}
	return i
}

// partOf adds what a manifest is made of; whole reports whether all of it is there.
func (c *Cache) partOf(digest fairlead.Digest, m *manifest, add func(fairlead.Digest) bool) (p part, whole bool) {
	whole = true
	p.blobs = append(p.blobs, digest)
	for _, d := range m.blobs {
		if !add(d) {
			whole = false
			continue
		}
		p.blobs = append(p.blobs, d)
	}
	if raw, err := c.Depot.Peek(m.config, maxManifest); err == nil && whole {
		var config ocispec.Platform
		if json.Unmarshal(raw, &config) == nil {
			p.platform = platformOf(&config)
		}
	}
	return p, whole
}

func (i *image) platforms() []string {
	list := []string{}
	for _, p := range i.parts {
		if p.platform != "" {
			list = append(list, p.platform)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// shown is the image as people see it.
func (i *image) shown(org fairlead.Name) fairlead.CachedImage {
	return fairlead.CachedImage{
		Organization: org, Registry: i.resource.Host, Repository: i.resource.Repository, Reference: i.reference, Digest: i.digest,
		Platforms: i.platforms(), Size: i.size, Blobs: len(i.kept), Used: i.used, Pinned: i.pinned,
	}
}

// unnamed gives what is kept of no image that is known, but for what is pinned.
func (a *account) unnamed() []fairlead.Digest {
	named := map[fairlead.Digest]bool{}
	for _, i := range a.images {
		for d := range i.kept {
			named[d] = true
		}
	}
	var list []fairlead.Digest
	for d, h := range a.held {
		if !named[d] && !h.Pinned {
			list = append(list, d)
		}
	}
	return list
}

func (a *account) bytes() (n int64) {
	for _, h := range a.held {
		n += h.Size
	}
	return n
}

// accounts gives those that a scope is about.
func (c *Cache) accounts(s scope) []*account {
	if !s.all() {
		return []*account{c.accountOf(s.organization.ID)}
	}
	ids := map[fairlead.OrganizationID]bool{}
	for o := range c.Depot.Usage().Owners {
		ids[fairlead.OrganizationID(o)] = true
	}
	list := make([]*account, 0, len(ids))
	for id := range ids {
		list = append(list, c.accountOf(id))
	}
	slices.SortFunc(list, func(x, y *account) int { return strings.Compare(string(x.organization), string(y.organization)) })
	return list
}

// nameOf gives an organization's name; what personal projects keep has none, and so has
// an organization that isn't there any more.
func (c *Cache) nameOf(ctx context.Context, s scope, id fairlead.OrganizationID) fairlead.Name {
	if !s.all() || id == "" {
		return ""
	}
	o, err := c.Store.Organization(ctx, id)
	if err != nil {
		return fairlead.Name(id)
	}
	return o.Name
}

// Usage gives what is kept: of an organization, or (nil) of all.
func (c *Cache) Usage(ctx context.Context, who fairlead.Caller, org *fairlead.Organization) (fairlead.GatewayUsage, error) {
	s := scopeOf(org)
	if err := who.May(fairlead.GatewayRead, s.place); err != nil {
		return fairlead.GatewayUsage{}, err
	}
	u := fairlead.GatewayUsage{Images: []fairlead.CachedImage{}}
	for _, a := range c.accounts(s) {
		u.Bytes += a.bytes()
		for _, d := range a.unnamed() {
			u.Unnamed += a.held[d].Size
		}
		of := c.nameOf(ctx, s, a.organization)
		for _, i := range a.images {
			u.Images = append(u.Images, i.shown(of))
		}
	}
	if s.all() {
		u.Bytes = c.Depot.Usage().Bytes // what organizations share counts once
		slices.SortStableFunc(u.Images, func(x, y fairlead.CachedImage) int { return y.Used.Compare(x.Used) })
	}
	return u, nil
}
