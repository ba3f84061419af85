package runc

import (
	"context"
	"fmt"
	"slices"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/engine"
	"fairlead.dev/fairlead/internal/engine/runc/layers"
	"fairlead.dev/fairlead/internal/engine/runc/unpack"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/ref"
)

// image is an image that is ready.
type image struct {
	config ocispec.ImageConfig
	layers []layers.Layer // lowest first
}

// maxLayers is how many overlayfs lays over each other (linux, OVL_MAX_STACK).
const maxLayers = 500

// Pull makes an image ready. Its manifest is asked of the registry each time; of its
// layers those are fetched that aren't there.
func (e *Engine) Pull(ctx context.Context, p engine.PullRequest) (engine.Pulled, error) {
	described, err := e.oci.Image(ctx, p.Keychain, p.From(), e.platform)
	if err != nil {
		return engine.Pulled{}, orCause(ctx, err)
	}
	if n := len(described.Layers); n > maxLayers {
		return engine.Pulled{}, &fairlead.Error{
			Kind: fairlead.Invalid, Code: fairlead.CodeUnpack, What: "pulling " + p.Image.String(),
			Why: fmt.Sprintf("it has %d layers, and overlayfs takes %d", n, maxLayers), Remedy: "build the image with fewer layers",
		}
	}
	f := e.newFetch(p, described)
	defer f.close()
	stop := follow(f.progress)
	taken, err := f.all(ctx)
	stop()
	if err != nil {
		return engine.Pulled{}, orCause(ctx, failed("pulling "+p.Image.String(), err))
	}
	ref := e.addImage(described, taken)
	return engine.Pulled{
		Image: p.Image, Ref: ref, Platform: described.Platform.String(), Bytes: f.bytes(),
		Release: sync.OnceFunc(func() { e.dropImage(ref) }),
	}, nil
}

// orCause gives why ctx ended, if it did, and err otherwise.
func orCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// addImage gives the name under which [Engine.Run] finds an image.
func (e *Engine) addImage(described oci.Image, taken []layers.Layer) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pulls++
	ref := fmt.Sprintf("%s#%d", described.Manifest.Digest, e.pulls)
	e.images[ref] = &image{config: described.Config.Config, layers: taken}
	return ref
}

func (e *Engine) dropImage(ref string) {
	e.mu.Lock()
	i := e.images[ref]
	delete(e.images, ref)
	e.mu.Unlock()
	for _, l := range i.layers {
		e.layers.Release(l.Digest)
	}
}

// fetch is one pull on its way.
type fetch struct {
	e        *Engine
	from     ref.Resource
	keychain fairlead.Keychain
	layers   []oci.Layer
	progress *progress
}

func (e *Engine) newFetch(p engine.PullRequest, described oci.Image) *fetch {
	f := &fetch{e: e, from: p.From().Resource, keychain: p.Keychain, layers: described.Layers, progress: &progress{tell: p.Report}}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range f.layers {
		m := e.meters[l.Digest]
		if m == nil {
			m = &meter{size: l.Size}
			e.meters[l.Digest] = m
		}
		m.pulls++
		f.progress.layers = append(f.progress.layers, shown{digest: l.Digest, meter: m})
	}
	return f
}

func (f *fetch) close() {
	f.e.mu.Lock()
	defer f.e.mu.Unlock()
	for _, l := range f.layers {
		m := f.e.meters[l.Digest]
		if m.pulls--; m.pulls == 0 {
			delete(f.e.meters, l.Digest)
		}
	}
}

// all takes every layer, the largest first: the last to end then ends soonest.
func (f *fetch) all(ctx context.Context) ([]layers.Layer, error) {
	taken := make([]layers.Layer, len(f.layers))
	order := make([]int, len(f.layers))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(f.layers[b].Size - f.layers[a].Size) })
	group, ctx := errgroup.WithContext(ctx)
	for _, i := range order {
		group.Go(func() error {
			l, there, err := f.take(ctx, i)
			if err != nil {
				return err
			}
			taken[i] = l
			if there {
				f.progress.there(i)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		for _, l := range taken {
			if l.Digest != "" {
				f.e.layers.Release(l.Digest)
			}
		}
		return nil, err
	}
	return taken, nil
}

// take takes one layer, whoever fetches it.
func (f *fetch) take(ctx context.Context, i int) (layers.Layer, bool, error) {
	l := f.layers[i]
	m := f.progress.layers[i].meter
	return f.e.layers.Take(ctx, layers.Want{Digest: l.Digest, DiffID: l.DiffID}, func(ctx context.Context, dir string) (layers.Tree, error) {
		select {
		case f.e.slots <- struct{}{}:
			defer func() { <-f.e.slots }()
		case <-ctx.Done():
			return layers.Tree{}, context.Cause(ctx)
		}
		return f.unpack(ctx, l, m, dir)
	})
}

// unpack fetches a layer and unpacks it while it comes.
func (f *fetch) unpack(ctx context.Context, l oci.Layer, m *meter, dir string) (layers.Tree, error) {
	m.begin()
	blob, err := f.e.oci.Blob(ctx, f.keychain, f.from, l.Descriptor)
	if err != nil {
		return layers.Tree{}, err
	}
	defer blob.Close() //nolint:errcheck // It was only read.
	res, err := unpack.Layer(ctx, &metered{blob, m}, dir, unpack.Options{Name: "layer " + string(l.Digest), DiffID: l.DiffID, Igzip: f.e.igzip})
	if err != nil {
		return layers.Tree{}, err
	}
	m.end()
	return layers.Tree{Bytes: res.Bytes, Implied: res.Implied, OpaqueRoot: res.OpaqueRoot}, nil
}

// bytes are what was fetched, packed.
func (f *fetch) bytes() int64 {
	var sum int64
	seen := map[fairlead.Digest]bool{}
	for i, l := range f.layers {
		if p := f.progress.layers[i]; !p.there && !seen[l.Digest] {
			sum += p.meter.done.Load()
			seen[l.Digest] = true
		}
	}
	return sum
}
