package runc

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"fairlead.dev/fairlead"
)

// Sweep kills and removes all containers that an earlier process left in the directory.
// The directory had one user at a time, so that all of them are the owner's.
func (e *Engine) Sweep(ctx context.Context, _ string) error {
	list, err := os.ReadDir(e.path("runs"))
	if err != nil {
		return failed("looking for containers", err)
	}
	var errs []error
	for _, entry := range list {
		id := entry.Name()
		e.mu.Lock()
		mine := e.running[id]
		e.mu.Unlock()
		if !mine {
			errs = append(errs, e.sweep(ctx, e.runtimeOf(id), id))
		}
	}
	return errors.Join(errs...)
}

// runtimeOf is what runs a container, which may be another than what this process uses.
func (e *Engine) runtimeOf(id string) runtime {
	var p plan
	b, err := os.ReadFile(e.path("runs", id, "plan.json"))
	if err != nil || json.Unmarshal(b, &p) != nil || p.Runtime == "" || p.Runtime == e.runtime.name {
		return e.runtime
	}
	if r, err := findRuntime(p.Command[0]); err == nil {
		return r
	}
	return e.runtime
}

// sweepEvery is how often it is looked whether a container is gone.
const sweepEvery = 20 * time.Millisecond

// sweep ends a container, waits until whoever ran it is gone, and with it the mount, and
// removes what is left.
func (e *Engine) sweep(ctx context.Context, r runtime, id string) error {
	dir := e.path("runs", id)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		err := e.remove(ctx, r, id)
		if err == nil && released(e.path("runs", id, "alive")) && !e.known(r, id) {
			return failedRemoving(removeTree(dir))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(err, &fairlead.Error{
				Kind: fairlead.Unavailable, Code: fairlead.CodeEngine, What: "removing container " + id, Why: "it doesn't end", Remedy: "look at the worker's machine",
			})
		}
	}
}

func failedRemoving(err error) error {
	if err == nil {
		return nil
	}
	return failed("removing a container's files", err)
}

// released reports whether nobody holds a lock.
func released(name string) bool {
	f, err := os.Open(name) //nolint:gosec // The engine's own.
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	defer f.Close() //nolint:errcheck // It was only read.
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}
