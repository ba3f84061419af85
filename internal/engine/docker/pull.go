package docker

import (
	"context"
	"strings"
	"time"

	"github.com/containerd/errdefs"
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
	name := p.Image.Resource.String() + "@" + p.Image.Digest
	scope := fairlead.Scope{Resource: p.Image.Resource, Verb: fairlead.Pull}
	for again := false; ; again = true {
		lease, err := p.Keychain.Lease(ctx, scope)
		if err != nil {
			return engine.Pulled{}, err
		}
		bytes, err := e.pull(ctx, name, lease, p)
		if err == nil {
			return e.inspect(ctx, name, p.Image, bytes)
		}
		refuser, ok := p.Keychain.(fairlead.Refuser)
		if again || !ok || !isRefusal(err) || lease.Kind == fairlead.Anonymous {
			return engine.Pulled{}, pullError(p.Image, lease, err)
		}
		refuser.Refused(ctx, lease)
	}
}

// pull has the engine pull with one lease and gives the bytes that it fetched.
func (e *Engine) pull(ctx context.Context, name string, l fairlead.Lease, p engine.PullRequest) (int64, error) {
	auth, err := authHeader(p.Image.Host, l)
	if err != nil {
		return 0, err
	}
	stream, err := e.api.ImagePull(ctx, name, client.ImagePullOptions{RegistryAuth: auth})
	if err != nil {
		return 0, err
	}
	defer func() { _ = stream.Close() }()
	layers := newLayers(p.Report, e.now)
	for m, err := range stream.JSONMessages(ctx) {
		if err != nil {
			return 0, err
		}
		if m.Error != nil {
			return 0, m.Error
		}
		layers.note(m)
	}
	layers.report(true)
	return layers.fetched(), nil
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

// inspect finds out what was pulled.
func (e *Engine) inspect(ctx context.Context, name string, image ref.Image, bytes int64) (engine.Pulled, error) {
	info, err := e.api.ImageInspect(ctx, name)
	if err != nil {
		return engine.Pulled{}, engineError("looking at the pulled image", err)
	}
	platform := info.Os + "/" + info.Architecture
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

// isRefusal reports whether the registry refused the login.
func isRefusal(err error) bool {
	s := strings.ToLower(err.Error())
	return strings.Contains(s, "unauthorized") || strings.Contains(s, "authentication required") || strings.Contains(s, "no basic auth")
}

// pullError says what stopped the engine's pull. The name was resolved just before with
// the same login, so what comes here has changed meanwhile, or concerns the engine's
// own way to the registry.
func pullError(image ref.Image, l fairlead.Lease, err error) error {
	s := err.Error()
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(strings.ToLower(s), w) {
				return true
			}
		}
		return false
	}
	e := &fairlead.Error{What: "pulling " + image.Resource.String() + " with the Docker engine", Why: firstLine(s)}
	switch {
	case isRefusal(err) && l.Kind == fairlead.Anonymous && l.Note != nil:
		return l.Note
	case isRefusal(err), has("denied", "forbidden"):
		e.Kind, e.Code, e.Remedy = fairlead.Denied, fairlead.CodeNoRight, "have the registry's owner give the login the right to pull this repository"
	case has("no matching manifest"):
		e.Kind, e.Code, e.Remedy = fairlead.Invalid, fairlead.CodePlatform, "build the image for the worker's platform too"
	case errdefs.IsNotFound(err), has("manifest unknown", "not found"):
		e.Kind, e.Code, e.Remedy = fairlead.NotFound, fairlead.CodeNoImage, "check the image's name"
	case has("toomanyrequests", "too many requests"):
		e.Kind, e.Code, e.Remedy = fairlead.Limited, fairlead.CodeRateLimited, "wait, or connect the registry with a login that may pull more"
	case has("server gave http response to https client"):
		e.Kind, e.Code = fairlead.Invalid, fairlead.CodeTLS
		e.Remedy = `add "` + image.Host + `" to insecure-registries in the engine's daemon.json, or use engine runc`
	case has("x509", "tls"):
		e.Kind, e.Code = fairlead.Invalid, fairlead.CodeTLS
		e.Remedy = "put the CA's certificate into /etc/docker/certs.d/" + image.Host + "/ca.crt on the worker's machine, or use engine runc"
	case has("no such host", "server misbehaving"):
		e.Kind, e.Code, e.Remedy = fairlead.Unavailable, fairlead.CodeDNS, "check the name, and the engine's DNS"
	case has("timeout", "deadline"):
		e.Kind, e.Code, e.Remedy = fairlead.Unavailable, fairlead.CodeTimeout, "check the network between the worker and the registry"
	case has("connection refused", "no route", "reset by peer", "eof"):
		e.Kind, e.Code, e.Remedy = fairlead.Unavailable, fairlead.CodeConnect, "check the network between the worker and the registry"
	case has("no space left"):
		e.Kind, e.Code, e.Remedy = fairlead.Unavailable, fairlead.CodeUnpack, "make room on the engine's disk (docker system prune)"
	default:
		e.Kind, e.Code, e.Remedy = fairlead.Unavailable, fairlead.CodeEngine, "look at the Docker engine's own log"
	}
	return e
}
