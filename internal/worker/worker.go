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
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/ref"
	"fairlead.dev/fairlead/wire"
)

// Resolver finds out what a name stands for at its registry: the OCI client.
type Resolver interface {
	Resolve(ctx context.Context, kc fairlead.Keychain, image ref.Image) (oci.Descriptor, error)
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
	Slots   int
	Version string
	Now     func() time.Time
	Log     *slog.Logger
	// Tries is how often a pull that may yet succeed is tried.
	Tries int
	// Fetch downloads inputs.
	Fetch Fetcher
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
// stopped and given back by letting their hold end.
func (w *Worker) Serve(ctx context.Context) error {
	var slots sync.WaitGroup
	for range w.Slots {
		slots.Go(func() { w.slot(ctx) })
	}
	slots.Wait()
	return nil
}

// slot performs one run after the other.
func (w *Worker) slot(ctx context.Context) {
	backoff := claimBackoff
	for ctx.Err() == nil {
		asked := w.Now()
		a, err := client.Do(ctx, w.Client, wire.Claim, wire.ClaimRequest{
			Engine: w.Engine.Name(), Platform: w.Engine.Platform(), Version: w.Version, Wait: claimWait,
		})
		switch {
		case ctx.Err() != nil:
		case err != nil:
			w.Log.WarnContext(ctx, "claiming", "error", err.Error(), "again_in", backoff.String())
			pause(ctx, backoff)
			backoff = min(2*backoff, mostBackoff)
		case a.Run == nil:
			backoff = claimBackoff
		default:
			backoff = claimBackoff
			w.perform(ctx, a, asked)
		}
	}
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
