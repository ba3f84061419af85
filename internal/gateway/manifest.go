package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
)

// The types that a client may not know.
const (
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
)

// answer is what there is for a request of a manifest.
type answer struct {
	view *view
	// doc is nil where only its descriptor was asked for.
	doc  *doc
	body []byte
	oci.Descriptor
	// checked is when the tag stood for it; zero for a digest, which always does.
	checked time.Time
	// hit says that the upstream wasn't asked.
	hit bool
	// stale is why it is older than it should be.
	stale error
}

func (g *Gateway) serveManifest(w http.ResponseWriter, r *http.Request, t target, s *session, room *room) *refusal {
	ctx := r.Context()
	var a answer
	var err error
	if t.isDigest() {
		a, err = room.byDigest(ctx, s, t, fairlead.Digest(t.reference))
	} else {
		a, err = room.byTag(ctx, s, t, r.Method == http.MethodGet)
	}
	if err != nil {
		return refuse(err, manifests)
	}
	if accept := r.Header["Accept"]; !t.isDigest() && !accepts(accept, a.MediaType) {
		if a, err = room.instead(ctx, s, t, a, accept); err != nil {
			return refuse(err, manifests)
		}
	}
	g.sendManifest(w, r, t, s, a)
	return nil
}

func (g *Gateway) sendManifest(w http.ResponseWriter, r *http.Request, t target, s *session, a answer) {
	h := w.Header()
	a.view.count.served(a.hit, a.stale)
	if !a.checked.IsZero() {
		h["Cache-Control"] = ownFresh
		if age := int64(g.opts.Now().Sub(a.checked) / time.Second); age > 0 && a.hit {
			h["Age"] = []string{strconv.FormatInt(age, 10)}
		}
	} else {
		h["Cache-Control"] = ownForever
	}
	if a.stale != nil {
		g.warn(h, r, s, a.view, a.stale)
	}
	h["Vary"] = byAccept
	if a.doc == nil {
		d := a.Descriptor
		h["Content-Type"], h["Content-Length"] = []string{d.MediaType}, []string{strconv.FormatInt(d.Size, 10)}
		h["Docker-Content-Digest"], h["Etag"] = []string{string(d.Digest)}, []string{`"` + string(d.Digest) + `"`}
	} else {
		d := a.doc
		h["Content-Type"], h["Content-Length"] = d.contentType, d.length
		h["Docker-Content-Digest"], h["Etag"] = d.digest, d.etag
	}
	status := http.StatusOK
	if list := r.Header["If-None-Match"]; len(list) > 0 && matches(list, h["Etag"][0]) {
		status = http.StatusNotModified
		delete(h, "Content-Length")
	}
	w.WriteHeader(status)
	if status == http.StatusOK && r.Method == http.MethodGet {
		n, _ := w.Write(a.body) // whoever has left needs no reply
		a.view.count.sent(int64(n))
	}
	g.note(r, t, *s, status, nil)
}

// byTag gives what a tag stands for.
func (room *room) byTag(ctx context.Context, s *session, t target, whole bool) (answer, error) {
	v, err := room.view(ctx, s.image(room, t))
	if err != nil {
		return answer{}, err
	}
	if err := v.hand(ctx, s); err != nil {
		return answer{}, err
	}
	o := &room.gateway.opts
	now := o.Now()
	v.mu.RLock()
	have, ok := v.tags[t.reference]
	d := v.docs[have.Digest]
	granted, usable := v.granted(now), v.usable(now)
	v.mu.RUnlock()
	age := now.Sub(have.checked)
	a := answer{view: v, doc: d, Descriptor: have.Descriptor, checked: have.checked, hit: true}
	usable = usable && ok && (d != nil || !whole)
	if granted && usable && age < o.TagLife {
		return v.load(ctx, s, a)
	}
	if granted && ok && age < o.TagLife { // a HEAD has asked before
		return v.fetch(ctx, s, have.Digest, have.checked)
	}
	asked := v.ask(ctx, s, "tag "+t.reference, true, func(ctx context.Context, kc keychain) error {
		return v.refresh(ctx, kc, t.reference, whole)
	})
	if granted && usable && age < o.TagLife+o.Grace {
		return v.load(ctx, s, a)
	}
	err = v.await(ctx, asked, usable)
	switch {
	case err != nil && usable && passing(err):
		a.stale = err
		return v.load(ctx, s, a)
	case err != nil:
		return answer{}, err
	}
	v.mu.RLock()
	have = v.tags[t.reference]
	d = v.docs[have.Digest]
	v.mu.RUnlock()
	if d == nil && whole {
		return v.fetch(ctx, s, have.Digest, have.checked)
	}
	return v.load(ctx, s, answer{view: v, doc: d, Descriptor: have.Descriptor, checked: have.checked})
}

// refresh finds out what a tag stands for now.
func (v *view) refresh(ctx context.Context, kc keychain, tag string, whole bool) (err error) {
	c, r := v.gateway().opts.Registries, v.room.resource
	defer func() {
		if fairlead.KindOf(err) == fairlead.NotFound {
			v.mu.Lock()
			delete(v.tags, tag)
			v.mu.Unlock()
		}
	}()
	v.mu.RLock()
	have, ok := v.tags[tag]
	v.mu.RUnlock()
	if ok || !whole {
		f, said, err := c.HeadManifest(ctx, kc, r, tag, have.Descriptor)
		if err != nil {
			return err
		}
		v.gateway().hostOf(v).quotes(v.gateway().opts.Now(), f.Quota)
		if said && f.Size > 0 && f.MediaType != "" {
			v.mu.RLock()
			there := v.docs[f.Digest] != nil
			v.mu.RUnlock()
			if whole && !there {
				if _, err := v.get(ctx, kc, string(f.Digest)); err != nil {
					return err
				}
			}
			v.stand(tag, f.Descriptor)
			return nil
		}
	}
	d, err := v.get(ctx, kc, tag)
	if err == nil {
		v.stand(tag, d.Descriptor)
	}
	return err
}

func (v *view) stand(tag string, d oci.Descriptor) {
	v.mu.Lock()
	defer v.mu.Unlock()
	put(v.tags, tag, tagged{d, v.gateway().opts.Now()})
}

// get fetches a manifest with the view's login, and remembers that.
func (v *view) get(ctx context.Context, kc keychain, reference string) (*doc, error) {
	g := v.gateway()
	raw, f, err := g.opts.Registries.GetManifest(ctx, kc, v.room.resource, reference)
	if err != nil {
		return nil, err
	}
	g.hostOf(v).quotes(g.opts.Now(), f.Quota)
	v.count.received(int64(len(raw)))
	d := g.shelf.add(f.Descriptor, raw)
	g.keep(ctx, f.Digest, v.room.owner(), raw)
	v.mu.Lock()
	defer v.mu.Unlock()
	put(v.docs, f.Digest, d)
	return d, nil
}

// keep puts a manifest into the depot, behind the back of who waits for it: until it is
// there, its bytes are had from memory or from the upstream.
func (g *Gateway) keep(ctx context.Context, digest fairlead.Digest, owner fairlead.OrganizationID, raw []byte) {
	ctx = context.WithoutCancel(ctx)
	g.work.Go(func() {
		if err := g.opts.Depot.Put(ctx, digest, owner, raw); err != nil {
			g.opts.Log.WarnContext(ctx, "keeping manifest", "digest", string(digest), "error", err.Error())
		}
	})
}

// owner is on whose account bytes are kept.
func (room *room) owner() fairlead.OrganizationID { return room.tenant.organization }

// fetch gives a manifest that the view has a digest of, and not more yet.
func (v *view) fetch(ctx context.Context, s *session, digest fairlead.Digest, checked time.Time) (answer, error) {
	asked := v.ask(ctx, s, "manifest "+string(digest), true, func(ctx context.Context, kc keychain) error {
		_, err := v.get(ctx, kc, string(digest))
		return v.gone(err, digest)
	})
	if err := v.await(ctx, asked, false); err != nil {
		return answer{}, err
	}
	v.mu.RLock()
	d := v.docs[digest]
	v.mu.RUnlock()
	if d == nil {
		return answer{}, fairlead.Missing(fairlead.LeasePull)
	}
	return v.load(ctx, s, answer{view: v, doc: d, Descriptor: d.Descriptor, checked: checked})
}

// gone forgets a manifest that isn't there any more.
func (v *view) gone(err error, digest fairlead.Digest) error {
	if fairlead.KindOf(err) == fairlead.NotFound {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.docs, digest)
	}
	return err
}

// byDigest gives a manifest by its digest.
func (room *room) byDigest(ctx context.Context, s *session, t target, digest fairlead.Digest) (answer, error) {
	views, err := room.viewsOf(ctx, s.image(room, t))
	if err != nil {
		return answer{}, err
	}
	o := &room.gateway.opts
	now := o.Now()
	v := views[0]
	for _, one := range views {
		one.mu.RLock()
		_, there := one.docs[digest]
		one.mu.RUnlock()
		if there {
			v = one
			break
		}
	}
	if err := v.hand(ctx, s); err != nil {
		return answer{}, err
	}
	v.mu.RLock()
	d, granted, usable := v.docs[digest], v.granted(now), v.usable(now)
	v.mu.RUnlock()
	if d == nil {
		return v.fetch(ctx, s, digest, time.Time{})
	}
	a := answer{view: v, doc: d, Descriptor: d.Descriptor, hit: true}
	if granted {
		return v.load(ctx, s, a)
	}
	asked := v.ask(ctx, s, "manifest "+string(digest), true, func(ctx context.Context, kc keychain) error {
		f, said, err := o.Registries.HeadManifest(ctx, kc, room.resource, string(digest), oci.Descriptor{})
		room.gateway.hostOf(v).quotes(now, f.Quota)
		if err == nil && !said {
			_, err = v.get(ctx, kc, string(digest))
		}
		return v.gone(err, digest)
	})
	switch err := v.await(ctx, asked, usable); {
	case err == nil:
		a.hit = false
	case usable && passing(err):
		a.stale = err
	default:
		return answer{}, err
	}
	return v.load(ctx, s, a)
}

// load puts the manifest's bytes into the answer, out of the depot if they aren't in
// memory any more.
func (v *view) load(ctx context.Context, s *session, a answer) (answer, error) {
	d, g := a.doc, v.gateway()
	if d == nil {
		return a, nil
	}
	d.used.Store(g.opts.Now().Unix())
	if body := d.body.Load(); body != nil {
		a.body = *body
		return a, nil
	}
	b, err := g.opts.Depot.Get(ctx, d.Digest, d.Size, v.room.owner(), &manifestSource{view: v, kc: v.keychain(s), digest: d.Digest})
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = b.Close() }()
	var into bytes.Buffer
	if _, err := b.CopyTo(ctx, &into, 0, -1); err != nil {
		return answer{}, err
	}
	a.body = into.Bytes()
	g.shelf.refill(d, a.body)
	return a, nil
}

// manifestSource gives a manifest as the depot takes blobs.
type manifestSource struct {
	view   *view
	kc     keychain
	digest fairlead.Digest
}

// Host tells upstreams apart.
func (m *manifestSource) Host() string { return m.view.origin() }

// Fetch gives all of it.
func (m *manifestSource) Fetch(ctx context.Context, _, _ int64) (Part, error) {
	raw, _, err := m.view.gateway().opts.Registries.GetManifest(ctx, m.kc, m.view.room.resource, string(m.digest))
	if err != nil {
		return Part{}, err
	}
	return Part{Body: io.NopCloser(bytes.NewReader(raw)), Size: int64(len(raw))}, nil
}

// instead gives a client that doesn't know indexes the image that older ones mean: that
// for linux/amd64, as Docker's registry does.
func (room *room) instead(ctx context.Context, s *session, t target, a answer, accept []string) (answer, error) {
	unfit := &fairlead.Error{Kind: fairlead.NotFound, What: "choosing an image", Why: "the client takes nothing of the type " + a.MediaType}
	index := a.MediaType == ocispec.MediaTypeImageIndex || a.MediaType == dockerList
	if !index || !accepts(accept, ocispec.MediaTypeImageManifest) && !accepts(accept, dockerManifest) {
		return answer{}, unfit
	}
	if a.doc == nil {
		var err error
		if a, err = room.byTag(ctx, s, t, true); err != nil {
			return answer{}, err
		}
	}
	var list struct {
		Manifests []ocispec.Descriptor `json:"manifests"`
	}
	if json.Unmarshal(a.body, &list) != nil {
		return answer{}, unfit
	}
	for _, m := range list.Manifests {
		if m.Platform == nil || m.Platform.OS != "linux" || m.Platform.Architecture != "amd64" || !accepts(accept, m.MediaType) {
			continue
		}
		child, err := room.byDigest(ctx, s, target{kind: manifests, name: t.name, reference: string(m.Digest), space: t.space}, fairlead.Digest(m.Digest))
		child.checked = a.checked
		return child, err
	}
	return answer{}, unfit
}

// warn says that what is served is older than it should be (RFC 7234, section 5.5), and
// has that recorded once.
func (g *Gateway) warn(h http.Header, r *http.Request, s *session, v *view, why error) {
	h["Warning"] = []string{`110 fairlead "Response is Stale"`, `111 fairlead "Revalidation Failed"`}
	v.mu.Lock()
	told := v.told
	v.told = true
	v.mu.Unlock()
	if !told {
		g.recordStale(r.Context(), s, v, why)
	}
}
