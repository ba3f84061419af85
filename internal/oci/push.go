package oci

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// Source is where what is pushed comes from: an image's layout on a disk.
type Source interface {
	// Root is the manifest or index that is pushed.
	Root() Descriptor
	// Referrers are the manifests that say something about the root (signatures, bills
	// of materials) and are pushed with it.
	Referrers() []Descriptor
	// Open gives the bytes of a blob or a manifest. It is called from several goroutines,
	// and again for what has to be sent again.
	Open(d Descriptor) (io.ReadSeekCloser, error)
}

// PushOptions are how a push goes on. The zero value is right.
type PushOptions struct {
	// From is another repository of the same registry, of which layers are taken over
	// without being sent, where the login may pull from it.
	From ref.Resource
	// Told hears how far the blobs are. It is called by one goroutine at a time.
	Told func(Transfer)
}

// Transfer is one blob's way to the registry.
type Transfer struct {
	Descriptor
	State TransferState
	Done  int64
}

// TransferState is how far a blob is.
type TransferState string

// The states. The last three are ends.
const (
	Waiting TransferState = "waiting"
	Pushing TransferState = "pushing"
	Pushed  TransferState = "pushed"
	There   TransferState = "there"   // it was there already
	Mounted TransferState = "mounted" // the registry has taken it over from another repository
)

// PushResult is what a push came to.
type PushResult struct {
	Descriptor
	// Before is what the tag stood for, if the registry had it.
	Before fairlead.Digest
	// Sent is how many bytes of blobs went over the wire.
	Sent int64
}

const (
	// maxParallel bounds how many blobs are sent at once.
	maxParallel = 4
	// maxNodes and maxDepth bound what one push may consist of.
	maxNodes = 4096
	maxDepth = 8
)

// Push puts an image, or an index with all that it names, where to says, and gives what
// the registry knows it as then: blobs first, then manifests, children before parents,
// and the tag last, so that the registry never shows an image that isn't whole. What is
// there already is not sent. Where a connection is cut, a blob goes on at the byte that
// the registry says it has; a login that ends meanwhile is leased again.
//
// Errors are those of the keychain and of [Client.Resolve] with the words of a push;
// beside, [fairlead.NotFound] (CodeNoRepository) where the repository has to be made
// first, [fairlead.Conflict] (CodeImmutable) for a tag that can't be moved, and
// [fairlead.Invalid] for a source that isn't whole.
func (c *Client) Push(ctx context.Context, kc fairlead.Keychain, to ref.Image, from Source, o PushOptions) (PushResult, error) {
	p := &push{c: c, kc: kc, to: to, from: from, o: o}
	root, err := p.read(from.Root())
	if err != nil {
		return PushResult{}, err
	}
	result := PushResult{Descriptor: root.Descriptor}
	if result.Before, err = p.before(ctx); err != nil {
		return PushResult{}, err
	}
	nodes, err := p.plan(root)
	if err != nil {
		return PushResult{}, err
	}
	err = p.blobs(ctx, nodes)
	result.Sent = p.sent
	if err != nil {
		return result, err
	}
	for _, n := range nodes {
		if n.Digest == root.Digest && to.Tag != "" {
			continue
		}
		if err := p.putManifest(ctx, n, string(n.Digest)); err != nil {
			return result, err
		}
	}
	if to.Tag != "" {
		return result, p.putManifest(ctx, root, to.Tag)
	}
	return result, nil
}

// push is one push under way.
type push struct {
	c    *Client
	kc   fairlead.Keychain
	to   ref.Image
	from Source
	o    PushOptions

	mu   sync.Mutex
	sent int64
}

// op is one operation of the push.
func (p *push) op(what, object string) *pull {
	return &pull{c: p.c, kc: p.kc, resource: p.to.Resource, what: what, object: object, verb: fairlead.Push}
}

func (p *push) what() string { return "pushing " + p.to.String() }

// before asks what the tag stands for. Nothing is an answer too.
func (p *push) before(ctx context.Context) (fairlead.Digest, error) {
	if p.to.Tag == "" {
		return "", nil
	}
	i := ref.Image{Resource: p.to.Resource, Tag: p.to.Tag}
	d, ok, err := p.op(p.what(), "tag "+p.to.Tag).head(ctx, i)
	if !ok || err != nil {
		return "", err
	}
	return d.Digest, nil
}

// read reads a manifest of the source, and holds it against its digest.
func (p *push) read(d Descriptor) (manifest, error) {
	bad := func(why string) error { return damaged(p.what(), d.Digest, why) }
	if err := ref.CheckDigest(string(d.Digest)); err != nil {
		return manifest{}, bad("that isn't a digest")
	}
	r, err := p.from.Open(d)
	if err != nil {
		return manifest{}, err
	}
	raw, err := readAll(r, maxManifest)
	_ = r.Close()
	if err != nil {
		return manifest{}, bad(fmt.Sprintf("it can't be read, or has more than %d MiB", maxManifest>>20))
	}
	v, err := newVerifier(d.Digest)
	if err != nil {
		return manifest{}, unreachable(p.what(), p.to.Host, err, p.c.now())
	}
	if _, _ = v.Write(raw); !v.verified() {
		return manifest{}, bad("its bytes have another digest")
	}
	doc, err := parseManifest(d.MediaType, raw)
	if err != nil {
		return manifest{}, unreachable(p.what(), p.to.Host, err, p.c.now())
	}
	return manifest{Descriptor: Descriptor{MediaType: doc.MediaType, Digest: d.Digest, Size: int64(len(raw))}, raw: raw, doc: doc}, nil
}

// plan lists the manifests in the order in which they are put: children first, the root,
// and what refers to it.
func (p *push) plan(root manifest) ([]manifest, error) {
	w := &walk{push: p, seen: map[fairlead.Digest]bool{}}
	if err := w.add(root, 0); err != nil {
		return nil, err
	}
	for _, d := range p.from.Referrers() {
		if err := w.child(d, 0); err != nil {
			return nil, err
		}
	}
	return w.list, nil
}

type walk struct {
	*push
	seen map[fairlead.Digest]bool
	list []manifest
}

func (w *walk) child(d Descriptor, depth int) error {
	if w.seen[d.Digest] {
		return nil
	}
	m, err := w.read(d)
	if err != nil {
		return err
	}
	return w.add(m, depth)
}

func (w *walk) add(m manifest, depth int) error {
	w.seen[m.Digest] = true
	if depth > maxDepth || len(w.seen) > maxNodes {
		return damaged(w.what(), m.Digest, "there are too many indexes inside of each other")
	}
	for _, d := range m.doc.Manifests {
		if err := w.child(descriptor(d), depth+1); err != nil {
			return err
		}
	}
	w.list = append(w.list, m)
	return nil
}

// blobs sends what the manifests name, a few at a time. What registries don't hold stays
// where its URLs say.
func (p *push) blobs(ctx context.Context, nodes []manifest) error {
	seen := map[fairlead.Digest]bool{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxParallel)
	var all []Descriptor
	for _, n := range nodes {
		list := slices.Clone(n.doc.Layers)
		if n.doc.Config != nil {
			list = append([]ocispec.Descriptor{*n.doc.Config}, list...)
		}
		for _, l := range list {
			d := descriptor(l)
			switch {
			case seen[d.Digest], isForeign(d.MediaType):
				continue
			case ref.CheckDigest(string(d.Digest)) != nil || d.Size < 0:
				return damaged(p.what(), n.Digest, "it names "+quote(string(d.Digest))+", which isn't a digest, or a negative size")
			}
			seen[d.Digest] = true
			all = append(all, d)
			p.tell(d, Waiting, 0)
		}
	}
	for _, d := range all {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return p.blob(ctx, d) })
	}
	return group.Wait()
}

func (p *push) tell(d Descriptor, s TransferState, done int64) {
	if p.o.Told == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.o.Told(Transfer{Descriptor: d, State: s, Done: done})
}

// damaged is a source that isn't what it says.
func damaged(what string, d fairlead.Digest, why string) *fairlead.Error {
	return &fairlead.Error{
		Kind: fairlead.Invalid, Code: fairlead.CodeDigest, What: what, Why: fmt.Sprintf("%s is damaged where it is pushed from: %s", d, why),
		Remedy: "build or save the image again",
	}
}
