package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/wire"
)

// blobAnswer is a blob that may be read.
type blobAnswer struct {
	view  *view
	size  int64
	hit   bool
	stale error
}

func (g *Gateway) serveBlob(w http.ResponseWriter, r *http.Request, t target, s *session, room *room) *refusal {
	digest := fairlead.Digest(t.reference)
	a, err := room.blob(r.Context(), s, t, digest)
	if err != nil {
		return refuse(err, blobs)
	}
	h := w.Header()
	h["Docker-Content-Digest"] = []string{t.reference}
	h["Etag"] = []string{`"` + t.reference + `"`}
	h["Cache-Control"] = ownForever
	if a.stale != nil {
		g.warn(h, r, s, a.view, a.stale)
	}
	if list := r.Header["If-None-Match"]; len(list) > 0 && matches(list, h["Etag"][0]) {
		a.view.count.served(a.hit, a.stale)
		w.WriteHeader(http.StatusNotModified)
		g.note(r, t, *s, http.StatusNotModified, nil)
		return nil
	}
	want, status := span{0, a.size}, http.StatusOK
	if header := r.Header.Get("Range"); header != "" && ifRange(r, h["Etag"][0]) {
		s, part, within := readRange(header, a.size)
		if !within {
			for _, name := range []string{"Docker-Content-Digest", "Etag", "Cache-Control"} {
				delete(h, name)
			}
			return &refusal{code: wire.RangeInvalid, message: "the range isn't in the blob", size: a.size}
		}
		if want = s; part {
			status = http.StatusPartialContent
			h["Content-Range"] = []string{"bytes " + strconv.FormatInt(want.from, 10) + "-" + strconv.FormatInt(want.to-1, 10) + "/" + strconv.FormatInt(a.size, 10)}
		}
	}
	h["Content-Type"] = octetType
	h["Accept-Ranges"] = acceptBytes
	h["Content-Length"] = []string{strconv.FormatInt(want.to-want.from, 10)}
	if r.Method == http.MethodHead {
		a.view.count.served(a.hit, a.stale)
		w.WriteHeader(status)
		g.note(r, t, *s, status, nil)
		return nil
	}
	return g.sendBlob(r.Context(), exchange{w, r, t, s}, a, digest, want, status)
}

// ifRange reports whether a Range is to be looked at (RFC 9110, section 13.1.5).
func ifRange(r *http.Request, etag string) bool {
	v := r.Header.Get("If-Range")
	return v == "" || v == etag
}

// sendBlob sends the bytes as they come. Once some were sent, only breaking the reply off
// can say that it isn't whole.
func (g *Gateway) sendBlob(ctx context.Context, x exchange, a blobAnswer, digest fairlead.Digest, want span, status int) *refusal {
	out := &late{ResponseWriter: x.w, status: status}
	hit, err := a.view.copyBlob(ctx, x.s, digest, a.size, want, out)
	a.view.count.served(hit, a.stale)
	a.view.count.sent(out.n)
	if fairlead.CodeOf(err) == fairlead.CodeDigest {
		a.view.doubt(digest)
	}
	switch {
	case err == nil:
		out.begin() // of an empty blob nothing was written
		g.note(x.r, x.t, *x.s, status, nil)
		return nil
	case !out.begun:
		h := x.w.Header()
		for _, name := range []string{"Docker-Content-Digest", "Etag", "Accept-Ranges", "Content-Range"} {
			delete(h, name)
		}
		return refuse(err, blobs)
	default:
		g.note(x.r, x.t, *x.s, status, &refusal{cause: err})
		panic(http.ErrAbortHandler)
	}
}

// late writes the header with the first bytes, so that what goes wrong before can still
// be said.
type late struct {
	http.ResponseWriter
	status int
	begun  bool
	n      int64
}

func (l *late) begin() {
	if !l.begun {
		l.begun = true
		l.WriteHeader(l.status)
	}
}

// Write writes.
func (l *late) Write(b []byte) (int, error) {
	l.begin()
	n, err := l.ResponseWriter.Write(b)
	l.n += int64(n)
	return n, err
}

// ReadFrom lets files be sent without passing through this process.
func (l *late) ReadFrom(r io.Reader) (int64, error) {
	l.begin()
	n, err := io.Copy(l.ResponseWriter, r)
	l.n += n
	return n, err
}

// Flush lets what was written go. Before anything was, nothing is to be said yet.
func (l *late) Flush() {
	if l.begun {
		_ = http.NewResponseController(l.ResponseWriter).Flush()
	}
}

// Unwrap is for http.ResponseController.
func (l *late) Unwrap() http.ResponseWriter { return l.ResponseWriter }

// blob finds out whether the login may read a blob of the repository, and its size. It is
// always the upstream that says so, never what is kept.
func (room *room) blob(ctx context.Context, s *session, t target, digest fairlead.Digest) (blobAnswer, error) {
	views, err := room.viewsOf(ctx, s.image(room, t))
	if err != nil {
		return blobAnswer{}, err
	}
	o := &room.gateway.opts
	now := o.Now()
	v := views[0]
	for _, one := range views {
		if one.has(digest) {
			v = one
			break
		}
	}
	if err := v.hand(ctx, s); err != nil {
		return blobAnswer{}, err
	}
	v.mu.RLock()
	size, there := v.blobs[digest]
	granted, usable := v.granted(now), v.usable(now) && there
	v.mu.RUnlock()
	a := blobAnswer{view: v, size: size, hit: true}
	if there && granted {
		return a, nil
	}
	asked := v.ask(ctx, s, "blob "+string(digest), true, func(ctx context.Context, kc keychain) error {
		size, err := o.Registries.HeadBlob(ctx, kc, room.resource, digest)
		v.mu.Lock()
		defer v.mu.Unlock()
		if err == nil {
			put(v.blobs, digest, size)
		} else if fairlead.KindOf(err) == fairlead.NotFound {
			delete(v.blobs, digest)
		}
		return err
	})
	switch err := v.await(ctx, asked, usable); {
	case err == nil:
	case usable && passing(err):
		a.stale = err
		return a, nil
	default:
		return blobAnswer{}, err
	}
	v.mu.RLock()
	a.size, there = v.blobs[digest]
	v.mu.RUnlock()
	if a.hit = false; !there {
		return blobAnswer{}, fairlead.Missing(fairlead.LeasePull)
	}
	return a, nil
}

// doubt forgets what the upstream has said of a blob that it then sent otherwise: the size
// may be what was wrong.
func (v *view) doubt(digest fairlead.Digest) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.blobs, digest)
}

// has reports whether a digest is one that the upstream has told the view of.
func (v *view) has(digest fairlead.Digest) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	_, there := v.blobs[digest]
	return there
}

// copyBlob sends a blob out of the depot, or, where the upstream hasn't proved yet to
// have what is kept, the upstream's own bytes.
func (v *view) copyBlob(ctx context.Context, s *session, digest fairlead.Digest, size int64, want span, w io.Writer) (hit bool, err error) {
	g := v.gateway()
	is, err := g.origins.standing(ctx, digest, v.origin())
	if err != nil {
		return false, err
	}
	src := &blobSource{view: v, kc: v.keychain(s), desc: oci.Descriptor{Digest: digest, Size: size}}
	if is == stranger {
		return false, src.passOn(ctx, want, w)
	}
	if is == first {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, firstTime)
		defer cancel()
	}
	b, err := g.opts.Depot.Get(ctx, digest, size, v.room.owner(), src)
	if err != nil {
		return false, err
	}
	defer func() { _ = b.Close() }()
	if _, err = b.CopyTo(ctx, w, want.from, want.to); err != nil {
		return b.Hit(), err
	}
	if is == first && want == (span{0, size}) {
		if err := g.origins.finish(ctx, digest, v.origin()); err != nil {
			g.opts.Log.WarnContext(ctx, "noting a blob's origin", "digest", string(digest), "error", err.Error())
		}
	}
	return b.Hit(), nil
}

// blobSource gives one blob of an upstream. Logins that have ended, redirects to signed
// URLs and those that have grown old are the registry client's, which renews them.
type blobSource struct {
	view *view
	kc   keychain
	desc oci.Descriptor
}

// Host tells upstreams apart.
func (b *blobSource) Host() string { return b.view.origin() }

// Fetch begins to fetch. An upstream that knows no ranges begins at the first byte.
func (b *blobSource) Fetch(ctx context.Context, from, to int64) (Part, error) {
	v := b.view
	g := v.gateway()
	n := int64(-1)
	if to >= 0 {
		n = to - from
	}
	begun := g.opts.Now()
	p, err := g.opts.Registries.Part(ctx, b.kc, v.room.resource, b.desc, from, n)
	if errors.Is(err, oci.ErrNoRange) {
		from = 0
		p, err = g.opts.Registries.Part(ctx, b.kc, v.room.resource, b.desc, 0, -1)
	}
	v.count.upstream(g.opts.Now().Sub(begun), err)
	if err != nil {
		if !passing(err) && ctx.Err() == nil {
			v.forbid(err)
		}
		return Part{}, err
	}
	return Part{Body: counted{p.ReadCloser, v.count}, From: from, Size: p.Total}, nil
}

// passOn sends the upstream's own bytes, checked if it is the whole blob: then the host
// has proved that it has it.
func (b *blobSource) passOn(ctx context.Context, want span, w io.Writer) error {
	v := b.view
	g := v.gateway()
	if want.from > 0 || want.to < b.desc.Size {
		p, err := g.opts.Registries.Part(ctx, b.kc, v.room.resource, b.desc, want.from, want.to-want.from)
		if errors.Is(err, oci.ErrNoRange) {
			return b.cutOut(ctx, want, w)
		}
		if err != nil {
			return err
		}
		defer func() { _ = p.Close() }()
		_, err = io.Copy(w, counted{p.ReadCloser, v.count})
		return err
	}
	body, err := g.opts.Registries.Blob(ctx, b.kc, v.room.resource, b.desc)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	if _, err := io.Copy(w, counted{body, v.count}); err != nil {
		return err
	}
	return g.origins.prove(ctx, b.desc.Digest, v.origin())
}

// cutOut sends a part of a blob that its upstream gives only as a whole.
func (b *blobSource) cutOut(ctx context.Context, want span, w io.Writer) error {
	v := b.view
	body, err := v.gateway().opts.Registries.Blob(ctx, b.kc, v.room.resource, b.desc)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	from := counted{body, v.count}
	if _, err := io.CopyN(io.Discard, from, want.from); err != nil {
		return err
	}
	_, err = io.CopyN(w, from, want.to-want.from)
	return err
}

// counted counts bytes that come from an upstream.
type counted struct {
	io.ReadCloser
	count *count
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.count.received(int64(n))
	return n, err
}
