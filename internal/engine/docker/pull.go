package docker

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/engine"
	"fairlead.dev/fairlead/ref"
)

// hubAddress is what Docker calls Docker Hub where it names servers
// (github.com/moby/moby, registry.IndexServer).
const hubAddress = "https://index.docker.io/v1/"

// Pull has the engine pull the image by its digest. A login that the registry refuses
// before its time is asked for anew, once.
func (e *Engine) Pull(ctx context.Context, p engine.PullRequest) (engine.Pulled, error) {
	from := p.From()
	name := from.Resource.String() + "@" + from.Digest
	scope := fairlead.Scope{Resource: from.Resource, Verb: fairlead.Pull}
	for again := false; ; again = true {
		lease, err := p.Keychain.Lease(ctx, scope)
		if err != nil {
			return engine.Pulled{}, err
		}
		bytes, err := e.pull(ctx, name, lease, p)
		if err == nil {
			if err := e.tag(ctx, name, p); err != nil {
				return engine.Pulled{}, err
			}
			return e.inspect(ctx, name, p.Image, bytes)
		}
		if ctx.Err() != nil {
			return engine.Pulled{}, context.Cause(ctx)
		}
		refuser, ok := p.Keychain.(fairlead.Refuser)
		if again || !ok || !isRefusal(err) || lease.Kind == fairlead.Anonymous {
			return engine.Pulled{}, pullError(from, lease, err)
		}
		refuser.Refused(ctx, lease)
	}
}

// pull has the engine pull with one lease and gives the bytes that it fetched. Of an
// image that it has, by this name or another, the engine gives out what it has without
// asking the registry (github.com/moby/moby, distribution/manifest.go). So where it
// fetches nothing, it is made to ask.
func (e *Engine) pull(ctx context.Context, name string, l fairlead.Lease, p engine.PullRequest) (int64, error) {
	auth, err := authHeader(p.From().Host, l)
	if err != nil {
		return 0, err
	}
	if _, err := e.api.ImageInspect(ctx, name); err == nil {
		return 0, e.ask(ctx, name, auth)
	}
	layers := newLayers(p.Report, e.now)
	if err := e.fetch(ctx, name, auth, layers); err != nil {
		return 0, err
	}
	if layers.fetchedNothing() {
		return 0, e.ask(ctx, name, auth)
	}
	return layers.fetched(), nil
}

// ask has the engine ask the registry for the image's manifest.
func (e *Engine) ask(ctx context.Context, name, auth string) error {
	_, err := e.api.DistributionInspect(ctx, name, client.DistributionInspectOptions{EncodedRegistryAuth: auth})
	return err
}

func (e *Engine) fetch(ctx context.Context, name, auth string, layers *layers) error {
	stream, err := e.api.ImagePull(ctx, name, client.ImagePullOptions{RegistryAuth: auth})
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	for m, err := range stream.JSONMessages(ctx) {
		if err != nil {
			return err
		}
		if m.Error != nil {
			return m.Error
		}
		layers.note(m)
	}
	layers.report(true)
	return nil
}

// authHeader is the X-Registry-Auth of a pull. A registry token is passed on by the
// engine as it is (registrytoken); otherwise it logs in itself.
func authHeader(host string, l fairlead.Lease) (string, error) {
	if l.Bearer.IsZero() && l.Password.IsZero() {
		return "", nil
	}
	address := host
	if host == "docker.io" {
		address = hubAddress
	}
	return authconfig.Encode(registry.AuthConfig{
		Username: l.Username, Password: string(l.Password.Reveal()), RegistryToken: string(l.Bearer.Reveal()), ServerAddress: address,
	})
}

// tag gives an image that came by another name its own, as far as the engine takes one
// that isn't a digest.
func (e *Engine) tag(ctx context.Context, name string, p engine.PullRequest) error {
	if p.Through.Host == "" || p.Image.Tag == "" {
		return nil
	}
	own := p.Image.Resource.String() + ":" + p.Image.Tag
	if _, err := e.api.ImageTag(ctx, client.ImageTagOptions{Source: name, Target: own}); err != nil {
		return engineError("naming the pulled image", err)
	}
	return nil
}

// inspect finds out what was pulled.
func (e *Engine) inspect(ctx context.Context, name string, image ref.Image, bytes int64) (engine.Pulled, error) {
	info, err := e.api.ImageInspect(ctx, name)
	if err != nil {
		return engine.Pulled{}, engineError("looking at the pulled image", err)
	}
	platform := info.Os + "/" + info.Architecture
	// Of an image that is in no index, the engine takes any architecture.
	if mine, _, _ := strings.Cut(e.platform, "/v"); platform != "/" && platform != mine {
		return engine.Pulled{}, noPlatform(image, "it is for "+platform+", and the engine runs on "+e.platform)
	}
	if info.Variant != "" {
		platform += "/" + info.Variant
	}
	return engine.Pulled{Image: image, Ref: name, Platform: platform, Bytes: bytes, Release: func() {}}, nil
}

// layers follows the engine's messages on each layer.
type layers struct {
	tell  func([]fairlead.LayerProgress)
	now   func() time.Time
	last  time.Time
	order []string
	byID  map[string]*fairlead.LayerProgress
}

// reportEvery is how often progress is told: as often as a person can see.
const reportEvery = 200 * time.Millisecond

func newLayers(tell func([]fairlead.LayerProgress), now func() time.Time) *layers {
	return &layers{tell: tell, now: now, byID: map[string]*fairlead.LayerProgress{}}
}

func (l *layers) note(m jsonstream.Message) {
	state, ok := layerState(m.Status)
	if m.ID == "" || !ok {
		return
	}
	p := l.byID[m.ID]
	if p == nil {
		p = &fairlead.LayerProgress{Digest: fairlead.Digest("sha256:" + m.ID)}
		l.byID[m.ID] = p
		l.order = append(l.order, m.ID)
	}
	if m.Progress != nil && state == "pulling" && m.Progress.Current > 0 {
		p.Done, p.Size = m.Progress.Current, m.Progress.Total
	}
	// The engine leaves out what has been overtaken (github.com/moby/moby, distribution/xfer),
	// for a small layer all of its fetching: how large it was, its unpacking still says.
	if m.Progress != nil && state == "unpacking" && p.Size == 0 {
		p.Size = m.Progress.Total
	}
	if state != "pulling" || m.Progress == nil {
		p.Done = p.Size // of the end of the fetching, the engine tells no number
	}
	if state == "waiting" || state == "there" {
		p.Done = 0
	}
	changed := p.State != state
	p.State = state
	l.report(changed)
}

// layerState reads the engine's words (github.com/moby/moby, distribution and xfer).
func layerState(status string) (string, bool) {
	switch status {
	case "Pulling fs layer", "Waiting":
		return "waiting", true
	case "Downloading", "Verifying Checksum", "Download complete":
		return "pulling", true
	case "Extracting":
		return "unpacking", true
	case "Pull complete":
		return "done", true
	case "Already exists":
		return "there", true
	default:
		return "", false
	}
}

func (l *layers) report(now bool) {
	if l.tell == nil || !now && l.now().Sub(l.last) < reportEvery {
		return
	}
	l.last = l.now()
	list := make([]fairlead.LayerProgress, 0, len(l.order))
	for _, id := range l.order {
		list = append(list, *l.byID[id])
	}
	l.tell(list)
}

// fetched is the sum of the layers that were fetched. The engine tells no size of one
// that is too small to have been seen on its way.
func (l *layers) fetched() int64 {
	var sum int64
	for _, p := range l.byID {
		if p.State != "there" {
			sum += p.Size
		}
	}
	return sum
}

func (l *layers) fetchedNothing() bool {
	return !slices.ContainsFunc(l.order, func(id string) bool { return l.byID[id].State != "there" })
}
