package gateway

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/ref"
)

// prefetcher fetches an image that nobody pulls yet.
type prefetcher struct {
	room      *room
	session   *session
	platforms []string
	tell      func(fairlead.PrefetchProgress)

	mu    sync.Mutex
	state fairlead.PrefetchProgress
	told  int64
	sizes map[fairlead.Digest]int64
}

const (
	// atOnce is how many blobs of an image are fetched at the same time.
	atOnce = 3
	// tellEvery is after how many bytes it is told how far an image is.
	tellEvery = 1 << 20
)

// Prefetch fetches an image on the way of a pull: with the asker's rights and login, and
// for the platforms that are named, or all. How far it is is told to one at a time.
// Errors are those of a pull.
func (g *Gateway) Prefetch(ctx context.Context, a fairlead.Asker, i ref.Image, platforms []string, tell func(fairlead.PrefetchProgress)) error {
	if err := a.May(fairlead.Pull); err != nil {
		return err
	}
	p := &prefetcher{
		room: g.roomOf(tenantOf(a), i.Resource), session: &session{asker: a, reader: reader{kind: a.Who.Kind, id: a.Who.ID}},
		platforms: platforms, tell: tell, state: fairlead.PrefetchProgress{Image: i.String()}, sizes: map[fairlead.Digest]int64{},
	}
	top, err := p.manifest(ctx, i.Reference())
	if err != nil {
		return err
	}
	p.state.Digest = top.Digest
	if err := p.collect(ctx, top); err != nil {
		return err
	}
	if err := p.fetch(ctx); err != nil {
		return err
	}
	p.state.Ready = true
	tell(p.state)
	return nil
}

// manifest gets a manifest as a client's GET does.
func (p *prefetcher) manifest(ctx context.Context, reference string) (answer, error) {
	t := target{kind: manifests, name: p.room.resource.Repository, reference: reference}
	var a answer
	var err error
	if t.isDigest() {
		a, err = p.room.byDigest(ctx, p.session, t, fairlead.Digest(reference))
	} else {
		a, err = p.room.byTag(ctx, p.session, t, true)
	}
	if err != nil {
		return answer{}, err
	}
	a.view.count.served(a.hit, a.hit, a.stale)
	return a, p.room.gateway.opts.Depot.Put(ctx, a.Digest, p.room.owner(), a.body) // it may have been evicted while it was served out of memory
}

// contents is what a manifest or an index is made of.
type contents struct {
	Config    *ocispec.Descriptor  `json:"config"`
	Layers    []ocispec.Descriptor `json:"layers"`
	Blobs     []ocispec.Descriptor `json:"blobs"`
	Manifests []ocispec.Descriptor `json:"manifests"`
}

// collect finds out which blobs there are to fetch.
func (p *prefetcher) collect(ctx context.Context, top answer) error {
	var c contents
	if err := json.Unmarshal(top.body, &c); err != nil {
		return fairlead.AsError("reading manifest", err)
	}
	if len(c.Manifests) == 0 {
		return p.single(ctx, c)
	}
	missing := slices.Clone(p.platforms)
	for _, m := range c.Manifests {
		is := platformOf(m.Platform)
		if len(p.platforms) > 0 && !slices.Contains(p.platforms, is) {
			continue
		}
		missing = slices.DeleteFunc(missing, func(s string) bool { return s == is })
		a, err := p.manifest(ctx, string(m.Digest))
		if err != nil {
			return err
		}
		var sub contents
		if err := json.Unmarshal(a.body, &sub); err != nil {
			return fairlead.AsError("reading manifest", err)
		}
		p.add(sub)
	}
	if len(missing) > 0 {
		return p.notFor(missing[0])
	}
	return nil
}

// single is an image for one platform, which its configuration names.
func (p *prefetcher) single(ctx context.Context, c contents) error {
	p.add(c)
	if len(p.platforms) == 0 || c.Config == nil {
		return nil
	}
	var text strings.Builder
	if err := p.blob(ctx, fairlead.Digest(c.Config.Digest), &text); err != nil {
		return err
	}
	var is ocispec.Platform
	_ = json.Unmarshal([]byte(text.String()), &is) // what can't be read is for no platform
	for _, want := range p.platforms {
		if want != platformOf(&is) {
			return p.notFor(want)
		}
	}
	return nil
}

func (p *prefetcher) notFor(platform string) error {
	return &fairlead.Error{
		Kind: fairlead.NotFound, Code: fairlead.CodeNoImage, What: "fetching " + p.state.Image, Why: "it isn't there for platform " + platform,
		Remedy: "name platforms that it is there for, or none for all",
	}
}

func platformOf(p *ocispec.Platform) string {
	if p == nil || p.OS == "" {
		return ""
	}
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// add adds what a manifest is made of, but for layers that lie elsewhere (Image
// Specification, "Non-Distributable Layers").
func (p *prefetcher) add(c contents) {
	list := slices.Concat(c.Layers, c.Blobs)
	if c.Config != nil {
		list = append(list, *c.Config)
	}
	for _, d := range list {
		if len(d.URLs) > 0 {
			continue
		}
		if _, known := p.sizes[fairlead.Digest(d.Digest)]; !known {
			p.sizes[fairlead.Digest(d.Digest)] = d.Size
			p.state.Blobs++
			p.state.Size += d.Size
		}
	}
}

// fetch fetches all blobs.
func (p *prefetcher) fetch(ctx context.Context) error {
	p.tell(p.state)
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(atOnce)
	for digest := range p.sizes {
		all.Go(func() error { return p.blob(ctx, digest, p) })
	}
	return all.Wait()
}

// Write counts bytes that are there.
func (p *prefetcher) Write(b []byte) (int, error) {
	p.arrived(int64(len(b)))
	return len(b), nil
}

func (p *prefetcher) arrived(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.Done += n
	if p.state.Done-p.told >= tellEvery {
		p.told = p.state.Done
		p.tell(p.state)
	}
}

// blob gets a blob as a client's GET does. What the registry has proved only now to have
// is got once more, for then it can be kept.
func (p *prefetcher) blob(ctx context.Context, digest fairlead.Digest, w io.Writer) error {
	a, err := p.room.blob(ctx, p.session, target{kind: blobs, name: p.room.resource.Repository, reference: string(digest)}, digest)
	if err != nil {
		return err
	}
	v, g := a.view, p.room.gateway
	is, err := g.origins.standing(ctx, digest, v.origin())
	if err != nil {
		return err
	}
	if is == stranger {
		if _, _, err := v.copyBlob(ctx, p.session, digest, a.size, span{0, a.size}, io.Discard); err != nil {
			return err
		}
		if is, err = g.origins.standing(ctx, digest, v.origin()); err != nil {
			return err
		}
	}
	if is == stranger { // it can't be kept yet, for somebody else is filling it
		p.arrived(a.size)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, firstTime)
	defer cancel()
	src := &blobSource{view: v, kc: v.keychain(p.session), desc: oci.Descriptor{Digest: digest, Size: a.size}}
	b, err := g.opts.Depot.Get(ctx, digest, a.size, p.room.owner(), src)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	v.count.served(b.Hit(), b.Own(), a.stale)
	if !b.Own() {
		v.count.fetched(a.size)
	}
	if b.Hit() && w == io.Writer(p) { // nobody has to read it, if only its bytes are counted
		p.arrived(a.size)
		return nil
	}
	if _, err := b.CopyTo(ctx, w, 0, a.size); err != nil {
		return err
	}
	if err := b.Landed(ctx); err != nil || is != first {
		return err
	}
	return g.origins.finish(ctx, digest, v.origin())
}

// Forget has a repository be asked for anew: what was known of it for a tenant is gone.
func (g *Gateway) Forget(org fairlead.OrganizationID, r ref.Resource) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := roomKey{tenant{organization: org}, r}
	room := g.rooms[key]
	if room == nil {
		return
	}
	delete(g.rooms, key)
	for k, a := range g.names {
		if a.room == room {
			delete(g.names, k)
		}
	}
}
