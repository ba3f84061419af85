// Package runc runs containers without a Docker engine: it unpacks images by itself, and
// has an OCI runtime (crun or runc) run them.
//
// # Mounts
//
// A container's root is an overlayfs of its image's layers and a directory of its own.
// It is mounted by a helper, which is this binary called by another name ([HelperMain]),
// in a mount namespace that only the helper and the container have; the helper then
// becomes the runtime (execve(2)). The machine itself never has the mount, so that
// nothing, not even kill -9 of everything, leaves one behind.
//
// # Network
//
// A container uses the machine's network namespace, as with docker run --network host:
// there is no bridge, no address translation and no CNI plugin to install, and a
// registry, a storage or another worker is reached as from the machine. It also means
// that a step can listen on the machine's ports, and reaches what listens on its
// loopback address and on its abstract sockets (unix(7)). So a service of the machine
// that trusts whoever reaches it must not run beside the worker. CAP_NET_RAW is taken
// out of the capabilities that Docker gives, since in this namespace it would let a
// step read the machine's traffic. Who wants networks apart uses engine docker.
//
// # Isolation
//
// Otherwise a container is as Docker's (github.com/moby/moby, package oci): its default
// capabilities, its seccomp profile, its masked and read-only paths, its devices, and
// no_new_privs; process, IPC, host name, mount and cgroup namespaces of its own. Without
// writable cgroups (crun only) it can't be limited, and device nodes don't work.
package runc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"sync"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/engine"
	"fairlead.dev/fairlead/internal/engine/runc/layers"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/ref"
)

// Registries is where images come from: an [oci.Client].
type Registries interface {
	Image(ctx context.Context, kc fairlead.Keychain, i ref.Image, on oci.Platform) (oci.Image, error)
	Blob(ctx context.Context, kc fairlead.Keychain, r ref.Resource, d oci.Descriptor) (io.ReadCloser, error)
}

// Options are what an [Engine] is made with.
type Options struct {
	// Dir holds layers and containers. It is on a file system that overlayfs takes, and
	// belongs to one process at a time.
	Dir string
	// Runtime is crun, runc, or the path of one; "" or "auto" is crun if it is
	// installed, else runc.
	Runtime string
	// Self is this program's file. Its main function calls [HelperMain] where the base
	// name of argv[0] is [HelperName].
	Self string
	OCI  Registries
	// CacheBytes bounds the unpacked layers that are kept, in bytes. What runs use is
	// kept in any case.
	CacheBytes int64
	Now        func() time.Time
}

// Engine runs containers.
type Engine struct {
	dir      string
	self     string
	runtime  runtime
	cgroups  cgroups
	oci      Registries
	platform oci.Platform
	igzip    string
	layers   *layers.Store
	slots    chan struct{} // one for each layer that is fetched at a time

	mu      sync.Mutex
	images  map[string]*image
	pulls   int // numbers what is in images
	meters  map[fairlead.Digest]*meter
	running map[string]bool // containers of this process
}

// atOnce is how many layers are fetched at a time. One connection seldom fills the
// line, and one layer doesn't fill many cores; each takes about 3 MiB of memory.
const atOnce = 4

// New makes an engine. Errors are [fairlead.Unavailable] (CodeEngine), and say what this
// machine lacks; [fairlead.Conflict] if another process uses the directory.
func New(o Options) (*Engine, error) {
	if os.Geteuid() != 0 {
		return nil, cannot("the worker isn't root, and only root may mount", "run the worker as root, or use engine docker")
	}
	r, err := findRuntime(o.Runtime)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(o.Dir)
	if err == nil {
		err = errors.Join(os.MkdirAll(filepath.Join(dir, "runs"), 0o700), os.MkdirAll(filepath.Join(dir, "state"), 0o700))
	}
	if err != nil {
		return nil, cannot(reason(err), "give the worker a directory that it can write to")
	}
	c := findCgroups(cgroupRoot, dir)
	if c.mode == noCgroups && !r.crun {
		return nil, cannot("there is no cgroup file system that can be written, and "+r.name+" needs one",
			"mount one at /sys/fs/cgroup, or install crun, which does without (apt-get install crun)")
	}
	e := &Engine{
		dir: dir, self: o.Self, runtime: r, cgroups: c, oci: o.OCI, slots: make(chan struct{}, atOnce),
		platform: oci.Platform{OS: "linux", Architecture: goruntime.GOARCH},
		images:   map[string]*image{}, meters: map[fairlead.Digest]*meter{}, running: map[string]bool{},
	}
	if e.layers, err = layers.Open(layers.Options{Dir: dir, CacheBytes: o.CacheBytes, Now: o.Now}); err != nil {
		return nil, failed("opening engine runc", err)
	}
	if err := e.probe(); err != nil {
		return nil, errors.Join(err, e.layers.Close())
	}
	e.igzip, _ = exec.LookPath("igzip") // without it, it takes longer
	return e, nil
}

// cannot says why there is no engine.
func cannot(why, remedy string) error {
	return &fairlead.Error{Kind: fairlead.Unavailable, Code: fairlead.CodeEngine, What: "opening engine runc", Why: fairlead.Clip(why), Remedy: remedy}
}

// failed gives err as one of package fairlead's.
func failed(what string, err error) error {
	if _, ok := errors.AsType[*fairlead.Error](err); ok {
		return err
	}
	return engineError(what, reason(err), "look at the worker's machine")
}

func engineError(what, why, remedy string) error {
	return &fairlead.Error{Kind: fairlead.Unavailable, Code: fairlead.CodeEngine, What: what, Why: fairlead.Clip(why), Remedy: remedy}
}

// reason is an error without the path that the system was asked with, where that is
// ours to choose.
func reason(err error) string { return fmt.Sprint(err) }

// Name is runc.
func (e *Engine) Name() string { return "runc" }

// Platform is what the machine is.
func (e *Engine) Platform() string { return e.platform.String() }

// Unsupported gives every feature: what a step can ask for beyond the plain job belongs
// to a cluster, or lets it reach into this machine.
func (e *Engine) Unsupported(features []fairlead.Feature) []fairlead.Feature { return features }

// Close lets go of the directory. Containers must have ended.
func (e *Engine) Close() error {
	e.cgroups.close()
	return e.layers.Close()
}

// path is a path below the engine's directory.
func (e *Engine) path(parts ...string) string {
	return filepath.Join(append([]string{e.dir}, parts...)...)
}

var _ engine.Engine = (*Engine)(nil)
