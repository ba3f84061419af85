// Package engine says what starts a run's container: it pulls an image with a login
// that it is lent, and runs one container of it. Each engine is a package below this
// one; none of them writes a login anywhere.
package engine

import (
	"context"
	"io"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// Engine starts containers. It is safe for concurrent use.
type Engine interface {
	// Name is docker or runc.
	Name() string
	// Platform is what its containers run on, as os/arch[/variant].
	Platform() string
	// Unsupported gives those of the features that the engine can't do.
	Unsupported(features []fairlead.Feature) []fairlead.Feature
	// Pull makes an image ready, by its digest. It asks the registry with the keychain
	// each time, whatever is there already: that bytes are here is no right to them.
	// Errors have a code of package fairlead's that says what stopped it; when ctx ends,
	// the error is its cause.
	Pull(ctx context.Context, p PullRequest) (Pulled, error)
	// Run runs a container to its end and removes it. When ctx ends, the container is
	// asked to end (SIGTERM), and after Grace is killed; the error is then ctx's cause.
	// Other errors are about the engine ([fairlead.Unavailable], CodeEngine); an exit
	// code that isn't 0 is no error.
	Run(ctx context.Context, c Container) (exitCode int, err error)
	// Sweep removes the containers, and whatever else lasts, that a worker of the same
	// owner left behind when it was killed.
	Sweep(ctx context.Context, owner string) error
	Close() error
}

// PullRequest is an image to make ready.
type PullRequest struct {
	// Through is the repository that the image is pulled from, where that isn't its own:
	// that of its name behind a gateway. The keychain's logins are for it. What is told of
	// the image, and how the engine names it, is its own name all the same.
	Through ref.Resource
	// Image has the Digest that the registry served for its name, and the Tag if it was
	// named by one.
	Image    ref.Image
	Keychain fairlead.Keychain
	// Report is told of the layers' progress, by one goroutine at a time and not more
	// often than a person can see. It may be nil.
	Report func([]fairlead.LayerProgress)
}

// From is the image as it is pulled.
func (p PullRequest) From() ref.Image {
	i := p.Image
	if p.Through.Host != "" {
		i.Resource = p.Through
	}
	return i
}

// Pulled is an image that is ready. It stays so until Release is called, once.
type Pulled struct {
	Image ref.Image
	// Ref is how the engine itself knows the image.
	Ref string
	// Platform is the platform that was taken, as os/arch[/variant].
	Platform string
	// Bytes were fetched; layers that were there aren't counted.
	Bytes   int64
	Release func()
}

// Container is one container to run.
type Container struct {
	// ID is unique on the machine and fit for a container's name.
	ID string
	// Owner says whose it is, for [Engine.Sweep].
	Owner string
	Image Pulled
	// Args are the whole command: the image's entry point isn't used.
	Args []string
	// Env is added to the image's environment, as NAME=value.
	Env []string
	Dir string
	// Mounts are bind mounts.
	Mounts []Mount
	// CPUs limits the processors: a number of them ("2", "0.5") or a list of cores
	// ("0,2,4"); "" is no limit.
	CPUs           string
	Stdout, Stderr io.Writer
	Grace          time.Duration
}

// Mount binds a directory or file of the machine into a container.
type Mount struct {
	Source, Target string
	ReadOnly       bool
}
