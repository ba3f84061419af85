package docker

import (
	"context"
	"errors"
	"math"
	"regexp"
	"strconv"
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
	made, err := e.create(ctx, c)
	if err != nil {
		return 0, orCause(ctx, err)
	}
	clean := context.WithoutCancel(ctx)
	defer func() {
		clean, cancel := context.WithTimeout(clean, cleanTime)
		defer cancel()
		_ = e.remove(clean, made) // Sweep finds what stays
	}()
	attached, err := e.api.ContainerAttach(ctx, made, client.ContainerAttachOptions{Stream: true, Stdout: true, Stderr: true})
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
	if _, err := e.api.ContainerStart(ctx, made, client.ContainerStartOptions{}); err != nil {
		return 0, orCause(ctx, engineError("starting the container", err))
	}
	return e.wait(ctx, c, made, ended, copied)
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
		case r := <-ended.Result:
			<-copied
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

func (e *Engine) create(ctx context.Context, c engine.Container) (string, error) {
	host := &container.HostConfig{
		ShmSize:     shmSize,
		SecurityOpt: []string{"no-new-privileges"},
		LogConfig:   container.LogConfig{Type: "none"}, // the run's log is elsewhere
	}
	if err := limitCPUs(&host.Resources, c.CPUs); err != nil {
		return "", err
	}
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
	if err != nil {
		return "", engineError("creating the container", err)
	}
	return made.ID, nil
}

// limitCPUs reads a number of processors, or a list of cores.
func limitCPUs(r *container.Resources, cpus string) error {
	if cpus == "" {
		return nil
	}
	if n, err := strconv.ParseFloat(cpus, 64); err == nil && n > 0 && n < 1e6 {
		r.NanoCPUs = int64(n * 1e9)
		return nil
	}
	if regexp.MustCompile(`^\d+([,-]\d+)*$`).MatchString(cpus) {
		r.CpusetCpus = cpus
		return nil
	}
	return &fairlead.Error{
		Kind: fairlead.Invalid, Field: "VH_CPU_LIMIT", What: "limiting processors", Why: "VH_CPU_LIMIT is neither a number nor a list of cores", Remedy: "write it like 2 or 0,2,4",
	}
}

// orCause gives why ctx ended, if it did, and err otherwise.
func orCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func isNotFound(err error) bool { return errdefs.IsNotFound(err) }
