// Package worker performs runs: it claims one, pulls its image with a leased login,
// runs it on an engine, and reports. It needs no database and holds no registry
// secret: a worker is its token, an engine, and a directory.
package worker

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/internal/engine"
	"fairlead.dev/fairlead/internal/leash"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/ref"
	"fairlead.dev/fairlead/wire"
)

// Resolver finds out what a name stands for at its registry: the OCI client.
type Resolver interface {
	Resolve(ctx context.Context, kc fairlead.Keychain, image ref.Image) (oci.Descriptor, error)
	Image(ctx context.Context, kc fairlead.Keychain, image ref.Image, on oci.Platform) (oci.Image, error)
	Look(ctx context.Context, e oci.Endpoint) (oci.Sight, error)
	Permit(e oci.Endpoint)
}

// Options are what a worker is made of.
type Options struct {
	Client *client.Client
	Engine engine.Engine
	OCI    Resolver
	// Dir is the worker's own directory. No other worker may use it.
	Dir string
	// Self is the path of this program, which is bound into containers as the leash.
	Self string
	// Slots is how many runs it performs at once.
	Slots int
	// Queues are those from which it takes runs; none is the default one.
	Queues  []string
	Version string
	Now     func() time.Time
	Log     *slog.Logger
	// Route is where images are pulled from; empty is Auto.
	Route Route
	// Tries is how often a pull that may yet succeed is tried.
	Tries int
	// Fetch downloads inputs.
	Fetch Fetcher
	// Wait waits for d, or until ctx is done. nil is a timer. It is what lies between two
	// tries of something.
	Wait func(ctx context.Context, d time.Duration)
}

// Worker performs runs.
type Worker struct {
	Options
	owner string
}

// How the worker behaves.
const (
	claimWait    = 20 // seconds that the server keeps a claim waiting
	claimBackoff = time.Second
	mostBackoff  = 30 * time.Second
	stopGrace    = 10 * time.Second
	defaultTries = 5
	dirMode      = 0o700
)

// New makes a worker and clears away what an earlier one with the same directory left.
func New(ctx context.Context, o Options) (*Worker, error) {
	if o.Slots < 1 {
		o.Slots = 1
	}
	if o.Tries < 1 {
		o.Tries = defaultTries
	}
	if o.Wait == nil {
		o.Wait = pause
	}
	if o.Route == "" {
		o.Route = Auto
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, failed("finding the worker's directory", err)
	}
	o.Dir = dir
	w := &Worker{Options: o, owner: dir}
	if err := o.Engine.Sweep(ctx, w.owner); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(w.runsDir()); err != nil {
		return nil, failed("clearing "+w.runsDir(), err)
	}
	if err := os.MkdirAll(w.runsDir(), dirMode); err != nil {
		return nil, failed("making "+w.runsDir(), err)
	}
	return w, nil
}

func (w *Worker) runsDir() string { return filepath.Join(w.Dir, "runs") }

// Serve claims and performs runs until ctx ends; runs that are on their way then are
// stopped and given back. It ends with an error when the server won't have the worker:
// [fairlead.Unauthenticated] for a token that was revoked, [fairlead.Denied] for one
// that isn't a worker's.
func (w *Worker) Serve(ctx context.Context) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	refused := make(chan error, w.Slots)
	var slots sync.WaitGroup
	for range w.Slots {
		slots.Go(func() {
			if err := w.slot(ctx); err != nil {
				refused <- err
				end()
			}
		})
	}
	slots.Wait()
	select {
	case err := <-refused:
		return err
	default:
		return nil
	}
}

// slot performs one run after the other.
func (w *Worker) slot(ctx context.Context) error {
	backoff := claimBackoff
	for ctx.Err() == nil {
		asked, a, err := w.claim(ctx)
		kind := fairlead.KindOf(err)
		switch {
		case ctx.Err() != nil:
		case kind == fairlead.Unauthenticated, kind == fairlead.Denied:
			return err
		case err != nil:
			w.Log.WarnContext(ctx, "claiming", "error", err.Error(), "again_in", backoff.String())
			w.Wait(ctx, backoff)
			backoff = min(2*backoff, mostBackoff)
		case a.Lookout != nil:
			backoff = claimBackoff
			w.look(ctx, *a.Lookout)
		case a.Run == nil:
			backoff = claimBackoff
		default:
			backoff = claimBackoff
			w.perform(ctx, a, asked)
		}
	}
	return nil
}

// claim asks for a run, and tells what the boot clock showed then.
func (w *Worker) claim(ctx context.Context) (asked time.Duration, a wire.Assignment, err error) {
	if asked, err = leash.Boottime(); err != nil {
		return 0, a, err
	}
	a, err = client.Do(ctx, w.Client, wire.Claim, wire.ClaimRequest{
		Engine: w.Engine.Name(), Platform: w.Engine.Platform(), Version: w.Version, Queues: w.Queues, Wait: claimWait,
	})
	return asked, a, err
}

// pause waits, or ends early with ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func failed(what string, err error) error {
	return &fairlead.Error{Kind: fairlead.Unavailable, Code: fairlead.CodeEngine, What: what, Why: err.Error(), Remedy: "mend it on the worker's machine"}
}
