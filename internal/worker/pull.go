package worker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/engine"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/ref"
)

// pull makes the run's image ready. A failure that may pass is tried again with
// growing pauses; one that won't, isn't.
func (j *job) pull(ctx context.Context) (engine.Pulled, error) {
	image, err := ref.Parse(j.run.Spec.Image)
	if err != nil {
		return engine.Pulled{}, fairlead.Misread("image", err)
	}
	j.log.status("Pulling image: " + image.String())
	if err := j.supported(); err != nil {
		return engine.Pulled{}, err
	}
	begun := j.Now()
	for try := 1; ; try++ {
		pulled, err := j.pullOnce(ctx, image)
		if err == nil {
			j.pulled.Took = j.Now().Sub(begun)
			return pulled, nil
		}
		wait, again := j.again(err, try)
		if !again || ctx.Err() != nil {
			return engine.Pulled{}, err
		}
		j.log.status("Pull interrupted: " + err.Error())
		j.log.status(fmt.Sprintf("Trying again in %s (%d of %d).", wait.Round(time.Second), try+1, j.Tries))
		j.hold.report(fairlead.Progress{Phase: fairlead.PhaseWaitPull})
		j.Wait(ctx, wait)
	}
}

// supported refuses what the engine can't do, by name, and says what it leaves out
// because the step is right without it.
func (j *job) supported() error {
	var names []string
	for _, f := range j.Engine.Unsupported(j.run.Spec.Features) {
		if f.Ignorable {
			j.log.status(fmt.Sprintf("Engine %s leaves out %s.", j.Engine.Name(), f.Name))
			continue
		}
		names = append(names, f.Name)
	}
	if len(names) == 0 {
		return nil
	}
	return &fairlead.Error{
		Kind: fairlead.Invalid, Code: fairlead.CodeEngineUnsupported, What: "preparing the run",
		Why:    fmt.Sprintf("engine %s can't do what the step asks for: %s", j.Engine.Name(), strings.Join(names, ", ")),
		Remedy: "take it out of the step, or run it on a worker whose engine can",
	}
}

// pullOnce pulls the way that the worker goes, and directly where that way isn't there.
func (j *job) pullOnce(ctx context.Context, image ref.Image) (engine.Pulled, error) {
	w, err := j.way(ctx, image)
	if err != nil {
		return engine.Pulled{}, err
	}
	got, err := j.pullBy(ctx, image, w)
	if err == nil || !w.gateway() || ctx.Err() != nil {
		return got, err
	}
	if err := j.besides(ctx, image, w, err); err != nil {
		return engine.Pulled{}, err
	}
	got, directly := j.pullBy(ctx, image, j.direct())
	return got, bothWays(err, directly)
}

// pullBy resolves the name, once for the run, and pulls by the digest. A second try
// pulls the digest that the first one resolved: the tag may have moved meanwhile.
func (j *job) pullBy(ctx context.Context, image ref.Image, w way) (engine.Pulled, error) {
	if j.pulled == nil {
		j.hold.report(fairlead.Progress{Phase: fairlead.PhaseResolve})
		d, err := j.OCI.Resolve(ctx, w.keychain, w.from(image))
		if err != nil {
			return engine.Pulled{}, fairlead.Uncovered(err, w.keychain.last().Note)
		}
		l := w.keychain.last()
		// From here on it is known, and part of the run's record however the pull ends.
		j.pulled = &fairlead.PullRecord{
			Image: image.String(), Digest: d.Digest, Registry: l.RegistryName, Connector: l.ConnectorName, Lease: l.Kind,
		}
		j.log.status("Image digest: " + string(j.pulled.Digest))
	}
	image.Digest = string(j.pulled.Digest)
	j.hold.report(fairlead.Progress{Phase: fairlead.PhasePull})
	got, err := j.Engine.Pull(ctx, engine.PullRequest{
		Image: image, Through: w.through, Keychain: w.keychain,
		Report: func(layers []fairlead.LayerProgress) {
			j.hold.report(fairlead.Progress{Phase: fairlead.PhasePull, Layers: layers})
		},
	})
	if err = j.platform(ctx, w.keychain, w.from(image), got, err); err != nil {
		return engine.Pulled{}, err
	}
	l := w.keychain.last()
	j.pulled.Registry, j.pulled.Connector, j.pulled.Lease = l.RegistryName, l.ConnectorName, l.Kind
	j.pulled.Platform, j.pulled.Bytes = got.Platform, got.Bytes
	return got, nil
}

// platform says for which platforms the image is there, if the engine found none for its
// own and didn't say, or took another without a word. err is the engine's.
func (j *job) platform(ctx context.Context, kc fairlead.Keychain, image ref.Image, got engine.Pulled, err error) error {
	own := j.Engine.Platform()
	switch {
	case err != nil && fairlead.CodeOf(err) != fairlead.CodePlatform, err == nil && strings.HasPrefix(got.Platform, own):
		return err
	}
	_, why := j.OCI.Image(ctx, kc, image, oci.ParsePlatform(own))
	if fairlead.CodeOf(why) != fairlead.CodePlatform {
		return err // it runs here, such as 386 on amd64
	}
	if err == nil {
		got.Release()
	}
	return why
}

// How pulls are tried again.
const (
	firstPause = time.Second
	// longestWait is the longest that a registry's Retry-After is waited for.
	longestWait = 15 * time.Minute
)

// again says whether a failed pull may succeed later, and how long to wait: what the
// registry says, or a second, doubled with each try, and up to a quarter more: not less,
// because for a second the server gives the same answer without asking.
func (j *job) again(err error, try int) (time.Duration, bool) {
	kind := fairlead.KindOf(err)
	passing := kind == fairlead.Unavailable && fairlead.CodeOf(err) != fairlead.CodeTLS // a certificate stays as it is
	if try >= j.Tries || !passing && kind != fairlead.Limited {
		return 0, false
	}
	wait := firstPause << (try - 1)
	wait += time.Duration(rand.Float64() / 4 * float64(wait)) //nolint:gosec // Spreads tries; nothing is secret about it.
	if at := fairlead.AsError("", err).RetryAt; !at.IsZero() {
		if left := at.Sub(j.Now()); left > wait {
			wait = left
		}
	}
	return wait, wait <= longestWait
}
