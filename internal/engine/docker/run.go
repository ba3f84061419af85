package docker

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/engine"
)

// shmSize is the size of /dev/shm, in bytes: programs that train hand data between
// their processes through it, and the engine's own 64 MiB are too few. It takes memory
// only as it is filled.
const shmSize = 2 << 30

// cleanTime is how long the engine may take to remove a container.
const cleanTime = time.Minute

// Run runs a container to its end.
func (e *Engine) Run(ctx context.Context, c engine.Container) (int, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	// What is asked of the engine isn't given up in the middle: nobody would know
	// whether there is a container, and one that has begun has a right to its grace.
	asking, cancel := lingering(ctx, cleanTime)
	defer cancel()
	made, err := e.create(asking, c)
	if err != nil {
		return 0, orCause(ctx, err)
	}
	clean := context.WithoutCancel(ctx)
	defer func() {
		clean, cancel := context.WithTimeout(clean, cleanTime)
		defer cancel()
		_ = e.remove(clean, made) // Sweep finds what stays
	}()
	// The output of a container that is asked to end is taken, too.
	attached, err := e.api.ContainerAttach(clean, made, client.ContainerAttachOptions{Stream: true, Stdout: true, Stderr: true})
	if err != nil {
		return 0, orCause(ctx, engineError("attaching to the container", err))
	}
	defer attached.Close()
	copied := make(chan error, 1)
	go func() {
		_, err := stdcopy.StdCopy(c.Stdout, c.Stderr, attached.Reader)
		copied <- err
	}()
	// The wait outlives ctx: a container that is asked to end is waited for.
	ended := e.api.ContainerWait(clean, made, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	if _, err := e.api.ContainerStart(asking, made, client.ContainerStartOptions{}); err != nil {
		return 0, orCause(ctx, engineError("starting the container", err))
	}
	return e.wait(ctx, c, made, ended, copied)
}

// lingering gives a context that ends some time after ctx.
func lingering(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			cancel()
		case <-longer.Done():
		}
	})
	return longer, func() { stop(); cancel() }
}

// wait waits for the container and its last output; when ctx ends, it has the engine
// end the container.
func (e *Engine) wait(ctx context.Context, c engine.Container, id string, ended client.ContainerWaitResult, copied <-chan error) (int, error) {
	done := ctx.Done()
	for {
		select {
		case <-done:
			done = nil
			seconds := int(math.Ceil(c.Grace.Seconds()))
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Grace+cleanTime)
			_, err := e.api.ContainerStop(stop, id, client.ContainerStopOptions{Timeout: &seconds})
			cancel()
			if err != nil {
				return 0, errors.Join(context.Cause(ctx), engineError("stopping the container", err))
			}
		case err := <-copied:
			if err != nil { // nobody takes the output, and the container would wait for that
				return 0, orCause(ctx, lostOutput(err))
			}
			copied = nil
		case r := <-ended.Result:
			if copied != nil {
				if err := <-copied; err != nil {
					return 0, orCause(ctx, lostOutput(err))
				}
			}
			if ctx.Err() != nil {
				return int(r.StatusCode), context.Cause(ctx)
			}
			if r.Error != nil {
				return 0, &fairlead.Error{Kind: fairlead.Unavailable, Code: fairlead.CodeEngine, What: "running the container", Why: firstLine(r.Error.Message)}
			}
			return int(r.StatusCode), nil
		case err := <-ended.Error:
			return 0, orCause(ctx, engineError("waiting for the container", err))
		}
	}
}

func lostOutput(err error) error {
	return &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeEngine, What: "running the container", Why: "handing on its output: " + firstLine(err.Error()),
		Remedy: "look at the worker's machine",
	}
}

func (e *Engine) create(ctx context.Context, c engine.Container) (string, error) {
	host := &container.HostConfig{
		ShmSize:     shmSize,
		SecurityOpt: []string{"no-new-privileges"},
		LogConfig:   container.LogConfig{Type: "none"}, // the run's log is elsewhere
	}
	limit, err := engine.ParseCPUs(c.CPUs, e.cores)
	if err != nil {
		return "", err
	}
	host.NanoCPUs, host.CpusetCpus = int64(math.Round(limit.Number*1e9)), limit.List()
	for _, m := range c.Mounts {
		host.Mounts = append(host.Mounts, mount.Mount{Type: mount.TypeBind, Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly})
	}
	made, err := e.api.ContainerCreate(ctx, client.ContainerCreateOptions{
		Name: c.ID,
		Config: &container.Config{
			Image: c.Image.Ref, Entrypoint: c.Args[:1], Cmd: c.Args[1:], Env: c.Env, WorkingDir: c.Dir,
			Labels: map[string]string{ownerLabel: c.Owner}, AttachStdout: true, AttachStderr: true,
			Healthcheck: &container.HealthConfig{Test: []string{"NONE"}}, StopSignal: "SIGTERM",
		},
		HostConfig: host,
	})
	if errdefs.IsConflict(err) {
		return "", &fairlead.Error{Kind: fairlead.Conflict, Code: fairlead.CodeEngine, What: "creating the container", Why: "there is one named " + c.ID}
	}
	if err != nil {
		return "", engineError("creating the container", err)
	}
	return made.ID, nil
}

// orCause gives why ctx ended, if it did, and err otherwise.
func orCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func isNotFound(err error) bool { return errdefs.IsNotFound(err) }
