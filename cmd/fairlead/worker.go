package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/internal/engine"
	"fairlead.dev/fairlead/internal/engine/docker"
	"fairlead.dev/fairlead/internal/engine/runc"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/server"
	"fairlead.dev/fairlead/internal/worker"
	"fairlead.dev/fairlead/wire"
)

// workFlags are how a worker works, inside of a server or by itself.
type workFlags struct {
	engine, dockerHost, ociRuntime string
	pull                           string
	queues                         []string
	slots, tries                   int
	cache                          int64
	registryTimeout                time.Duration
}

// check finds what can be found wrong before anything is started.
func (f *workFlags) check() error {
	switch {
	case f.engine != "docker" && f.engine != "runc" && f.engine != "auto":
		return usage("there is no engine %q: use docker, runc or auto", f.engine)
	case f.slots < 1:
		return usage("--slots %d: a worker performs one run at least", f.slots)
	}
	if !slices.Contains(worker.Routes(), worker.Route(f.pull)) {
		return usage("--pull %s is no way to pull: use auto, gateway or direct", f.pull)
	}
	for _, q := range f.queues {
		if _, err := fairlead.ParseName("queue", q); err != nil {
			return usageError{err}
		}
	}
	return nil
}

func (f *workFlags) add(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&f.engine, "engine", "auto", "what starts containers: docker, runc, or auto (docker if it answers, else runc)")
	fl.StringVar(&f.dockerHost, "docker-host", "", "Docker engine (default: DOCKER_HOST, or unix:///var/run/docker.sock)")
	fl.StringVar(&f.ociRuntime, "oci-runtime", "", "program of engine runc: crun or runc, or a path (default: whichever is installed)")
	fl.StringSliceVar(&f.queues, "queue", nil, "queue to take runs from, as stacks name it (may be given often; default: the queue called default)")
	fl.IntVar(&f.slots, "slots", 1, "runs to perform at once")
	fl.StringVar(&f.pull, "pull", string(worker.Auto), "where images are pulled from: gateway (the server's), direct (the registry, with a leased login), or auto (the gateway if it is offered over TLS or at a loopback address, else direct)")
	fl.IntVar(&f.tries, "pull-tries", 5, "how often a pull that may yet succeed is tried")
	fl.DurationVar(&f.registryTimeout, "registry-timeout", time.Minute, "how long a registry may be silent before it counts as not answering")
	fl.Int64Var(&f.cache, "layer-cache", 20<<30, "bytes of unpacked layers that engine runc keeps")
}

func (a *app) workerCommand() *cobra.Command {
	var f workFlags
	var logs logFlags
	var dir string
	var allowHosts []string
	c := &cobra.Command{
		Use: "worker", Short: "Perform runs on this machine", Args: cobra.NoArgs,
		Long: `Perform runs on this machine for a server. A worker is a token (made with
` + "`fairlead worker add`" + `), an engine and a directory; it needs no database and holds no
registry secret.`,
		Example: `  fairlead worker --server https://fairlead.example.com --token-file worker.token`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			log, err := logs.logger(a.err)
			if err != nil {
				return err
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			w, closeEngine, err := a.newWorker(cmd.Context(), c, dir, f, allowHosts, log)
			if err != nil {
				return err
			}
			defer closeEngine()
			a.hint("Worker %s performs runs of %s on engine %s%s.", version(), c.Server(), w.Engine.Name(), ofQueues(f.queues))
			return w.Serve(cmd.Context())
		},
	}
	f.add(c)
	logs.add(c)
	c.Flags().StringVar(&a.tokenFile, "token-file", "", "file with the worker's token, - for standard input (FAIRLEAD_TOKEN)")
	c.Flags().StringVar(&dir, "dir", "fairlead-worker", "the worker's own directory")
	c.Flags().StringSliceVar(&allowHosts, "allow-host", nil, "host, host:port or CIDR that a registry may have although it is loopback or link-local (may be given often)")
	c.AddCommand(a.workerAdd(), a.workerList(), a.workerRemove())
	return c
}

// ownName names the worker inside a server after the machine and the data directory,
// which one server at a time uses: whoever has the name was there before and is gone.
func ownName(data string) (fairlead.Name, error) {
	dir, err := filepath.Abs(data)
	if err != nil {
		return "", &fairlead.Error{Kind: fairlead.Internal, What: "naming the worker inside", Why: reason(err)}
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	mark := fmt.Sprintf("%x", sha256.Sum256([]byte(host+"\x00"+dir)))[:6]
	name, err := fairlead.ParseName("name", strings.ToLower("server-"+host+"-"+mark))
	if err != nil {
		name = fairlead.Name("server-" + mark) // the machine's name is none of ours
	}
	return name, nil
}

// workInside performs runs in the server's own process until ctx ends.
func (a *app) workInside(ctx context.Context, s *server.Server, pipe *server.Pipe, f serveFlags, log *slog.Logger) error {
	name, err := ownName(f.store.data)
	if err != nil {
		return err
	}
	me, token, err := s.Control.AddOwnWorker(ctx, name)
	if err != nil {
		return err
	}
	defer func() {
		if err := s.Control.RemoveOwnWorker(context.WithoutCancel(ctx), me); err != nil {
			log.WarnContext(ctx, "removing the worker inside", "error", err.Error())
		}
	}()
	c, err := client.New(server.PipeURL, client.WithToken(token), client.WithTransport(pipe.Transport()))
	if err != nil {
		return err
	}
	w, closeEngine, err := a.newWorker(ctx, c, filepath.Join(f.store.data, "worker"), f.worker, f.allowHosts, log)
	if err != nil {
		return err
	}
	defer closeEngine()
	a.hint("The worker inside performs runs on engine %s.", w.Engine.Name())
	return w.Serve(ctx)
}

func (a *app) newWorker(
	ctx context.Context, c *client.Client, dir string, f workFlags, allowHosts []string, log *slog.Logger,
) (*worker.Worker, func(), error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, &fairlead.Error{Kind: fairlead.Internal, What: "finding this program's file", Why: reason(err)}
	}
	registries, err := oci.New(oci.Options{
		Egress: oci.Egress{Allow: allowHosts}, Proxy: http.ProxyFromEnvironment, Now: a.now, UserAgent: server.UserAgent(version()),
		Timeouts: oci.Within(f.registryTimeout),
	})
	if err != nil {
		return nil, nil, err
	}
	e, err := a.chooseEngine(ctx, f, dir, self, registries)
	if err != nil {
		return nil, nil, err
	}
	w, err := worker.New(ctx, worker.Options{
		Client: c, Engine: e, OCI: registries, Dir: dir, Self: self, Slots: f.slots, Queues: f.queues, Tries: f.tries, Route: worker.Route(f.pull), Version: version(), Now: a.now, Log: log,
		Fetch: &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: time.Minute}},
	})
	if err != nil {
		return nil, nil, errors.Join(err, e.Close())
	}
	return w, func() { _ = e.Close() }, nil
}

// chooseEngine takes the engine that was asked for, or the first that there is.
func (a *app) chooseEngine(ctx context.Context, f workFlags, dir, self string, registries *oci.Client) (engine.Engine, error) {
	host := f.dockerHost
	if host == "" {
		host = a.env("DOCKER_HOST")
	}
	newRunc := func() (engine.Engine, error) {
		return runc.New(runc.Options{Dir: filepath.Join(dir, "runc"), Runtime: f.ociRuntime, Self: self, OCI: registries, CacheBytes: f.cache, Now: a.now})
	}
	switch f.engine {
	case "docker":
		return docker.New(ctx, docker.Options{Host: host, Now: a.now})
	case "runc":
		return newRunc()
	case "auto":
	default:
		return nil, usage("there is no engine %q: use docker, runc or auto", f.engine)
	}
	d, dockerErr := docker.New(ctx, docker.Options{Host: host, Now: a.now})
	if dockerErr == nil {
		return d, nil
	}
	r, runcErr := newRunc()
	if runcErr == nil {
		return r, nil
	}
	if fairlead.KindOf(runcErr) == fairlead.Conflict { // the engine is there; another worker uses the directory
		return nil, runcErr
	}
	return nil, &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeEngine, What: "choosing engine", Why: fmt.Sprintf("%v; %v", dockerErr, runcErr),
		Remedy: "start the Docker engine, or install crun (apt-get install crun) and run as root",
	}
}

// ofQueues says from which queues a worker takes runs, if they were named.
func ofQueues(queues []string) string {
	if len(queues) == 0 {
		return ""
	}
	return ", from " + strings.Join(queues, ", ")
}

// queueText is the queues of a worker, empty if it was never heard of.
func queueText(k fairlead.Worker) string {
	switch {
	case k.LastSeen.IsZero():
		return ""
	case len(k.Queues) == 0:
		return fairlead.DefaultQueue
	}
	var list []string
	for _, q := range k.Queues {
		list = append(list, string(q))
	}
	return strings.Join(list, ", ")
}

func (a *app) workerAdd() *cobra.Command {
	return &cobra.Command{
		Use: "add NAME", Short: "Create a worker and show its token, this once", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			w, err := client.Do(cmd.Context(), c, wire.AddWorker, wire.WorkerRequest{OrganizationPath: at, Name: args[0]})
			if err != nil {
				return err
			}
			return a.show(w, func(out io.Writer) {
				_, _ = fmt.Fprintf(out, "%s\n", w.Token.Reveal())
				a.hint("This is the token of worker %s; it isn't shown again. On the worker's machine:\n  fairlead worker --server %s --token-file FILE", w.Worker.Name, c.Server())
			})
		},
	}
}

func (a *app) workerList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List workers", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			list, err := client.Do(cmd.Context(), c, wire.ListWorkers, at)
			if err != nil {
				return err
			}
			return a.show(list, func(w io.Writer) {
				var lines [][]string
				for _, k := range list.Workers {
					lines = append(lines, []string{string(k.Name), k.Engine, queueText(k), k.Platform, k.Version, a.ago(k.LastSeen)})
				}
				rows(w, "There are no workers but the one inside the server. Add one: fairlead worker add NAME", []string{"NAME", "ENGINE", "QUEUES", "PLATFORM", "VERSION", "LAST SEEN"}, lines)
			})
		},
	}
}

func (a *app) workerRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Short: "Remove a worker and revoke its token", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, at, err := a.inOrg(cmd.Context())
			if err != nil {
				return err
			}
			if _, err := client.Do(cmd.Context(), c, wire.RemoveWorker, wire.WorkerPath{OrganizationPath: at, Worker: fairlead.Name(args[0])}); err != nil {
				return err
			}
			a.done("Removed worker %s. Its token ends within a second.", args[0])
			return nil
		},
	}
}
