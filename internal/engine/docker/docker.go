// Package docker runs containers on a Docker engine, over its API (Docker Engine API
// 1.40 and later). A login goes with the one pull that needs it, and into no file.
package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/moby/moby/client"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/engine"
)

// Options say which engine.
type Options struct {
	// Host is the engine's address, such as unix:///var/run/docker.sock, which "" is.
	Host string
	Now  func() time.Time
}

// Engine is a Docker engine.
type Engine struct {
	api      *client.Client
	platform string
	cores    int
	now      func() time.Time
}

// helloTime is how long an engine may take to answer that it is there.
const helloTime = 5 * time.Second

// New reaches an engine: [fairlead.Unavailable] (CodeEngine) if it doesn't answer.
func New(ctx context.Context, o Options) (*Engine, error) {
	if o.Host == "" {
		o.Host = client.DefaultDockerHost
	}
	api, err := client.New(client.WithHost(o.Host))
	if err != nil {
		return nil, unreachable(o.Host, err)
	}
	ctx, cancel := context.WithTimeout(ctx, helloTime)
	defer cancel()
	info, err := api.Info(ctx, client.InfoOptions{})
	if err != nil {
		return nil, errors.Join(unreachable(o.Host, err), api.Close())
	}
	return &Engine{api: api, platform: info.Info.OSType + "/" + architecture(info.Info.Architecture), cores: info.Info.NCPU, now: o.Now}, nil
}

func unreachable(host string, err error) error {
	return &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeEngine, What: "reaching the Docker engine at " + host, Why: firstLine(err.Error()),
		Remedy: "start it, or name it with --docker-host",
	}
}

// architecture gives uname's word as the OCI image specification has it.
func architecture(machine string) string {
	switch machine {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	case "armv7l":
		return "arm/v7"
	case "armv6l":
		return "arm/v6"
	case "i386", "i686":
		return "386"
	default:
		return machine
	}
}

// Name is docker.
func (e *Engine) Name() string { return "docker" }

// Platform is what the engine runs on.
func (e *Engine) Platform() string { return e.platform }

// Unsupported gives every feature: what a step can ask for beyond the plain job belongs
// to a cluster, or lets it reach into this machine.
func (e *Engine) Unsupported(features []fairlead.Feature) []fairlead.Feature { return features }

// Close lets go of the engine.
func (e *Engine) Close() error { return e.api.Close() }

// ownerLabel says whose a container is.
const ownerLabel = "dev.fairlead.owner"

// Sweep removes the owner's containers.
func (e *Engine) Sweep(ctx context.Context, owner string) error {
	list, err := e.api.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", ownerLabel+"="+owner),
	})
	if err != nil {
		return engineError("listing containers", err)
	}
	for _, c := range list.Items {
		if err := e.remove(ctx, c.ID); err != nil {
			return err
		}
	}
	return nil
}

// remove kills and removes a container; one that is gone already is no error.
func (e *Engine) remove(ctx context.Context, id string) error {
	_, err := e.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !isNotFound(err) && !strings.Contains(err.Error(), "already in progress") {
		return engineError("removing container", err)
	}
	return nil
}

func engineError(what string, err error) *fairlead.Error {
	return &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeEngine, What: what, Why: firstLine(err.Error()), Remedy: "look at the Docker engine's own log",
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return fairlead.Clip(fmt.Sprint(line))
}

var _ engine.Engine = (*Engine)(nil)
