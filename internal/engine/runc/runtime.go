package runc

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// runtime is an OCI runtime (OCI Runtime Command Line Interface), as crun(1) and runc(8)
// have it.
type runtime struct {
	path string
	name string // as it calls itself: crun or runc
	crun bool
}

// searchPath is where programs are looked for by whatever the engine starts. Nothing
// else of the worker's environment reaches it.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func environment() []string { return []string{"PATH=" + searchPath} }

// findRuntime finds the runtime and asks it for its name.
func findRuntime(wanted string) (runtime, error) {
	names := []string{wanted}
	if wanted == "" || wanted == "auto" {
		names = []string{"crun", "runc"}
	}
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if path, err = filepath.Abs(path); err != nil {
			continue
		}
		cmd := exec.Command(path, "--version") //nolint:gosec,noctx // The operator's program; it answers at once.
		cmd.Env = environment()
		out, err := cmd.Output()
		if err != nil {
			return runtime{}, cannot("asking "+path+" for its version: "+reason(err), "reinstall it, or name another one with --oci-runtime")
		}
		called, _, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
		return runtime{path: path, name: called, crun: called == "crun"}, nil
	}
	if len(names) == 1 {
		return runtime{}, cannot("there is no program "+wanted, "install it (apt-get install crun), or name another one with --oci-runtime")
	}
	return runtime{}, cannot("neither crun nor runc is installed", "install one (apt-get install crun), or use engine docker")
}

// command is how the runtime is called. state is where it keeps what it knows, log is
// where its errors go, "" for stderr.
func (r runtime) command(state, log string, c cgroups, args ...string) []string {
	argv := []string{r.path, "--root", state}
	if r.crun {
		manager := "cgroupfs"
		if c.mode == noCgroups {
			manager = "disabled"
		}
		argv = append(argv, "--cgroup-manager="+manager)
	}
	if log != "" {
		to := log
		if r.crun {
			to = "file:" + log
		}
		argv = append(argv, "--log", to, "--log-format", "json")
	}
	return append(argv, args...)
}

// do has the runtime do something to a container. That the container is gone meanwhile
// is no error.
func (e *Engine) do(ctx context.Context, r runtime, id string, args ...string) error {
	argv := r.command(e.statePath(r), "", e.cgroups, args...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // As above.
	cmd.Env = environment()
	out, err := cmd.CombinedOutput()
	if err == nil || !e.known(r, id) {
		return nil
	}
	said, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return engineError("having "+r.name+" "+args[0]+" container "+id, said+" ("+reason(err)+")", "look at the worker's machine")
}

// kill kills a container's first process, and the kernel all others of its process
// namespace (pid_namespaces(7)).
func (e *Engine) kill(ctx context.Context, id string) error {
	return e.do(ctx, e.runtime, id, "kill", id, "KILL")
}

// remove kills a container and has the runtime forget it.
func (e *Engine) remove(ctx context.Context, r runtime, id string) error {
	if !e.known(r, id) {
		return nil
	}
	return e.do(ctx, r, id, "delete", "--force", id)
}

func (e *Engine) statePath(r runtime) string { return e.path("state", r.name) }

// known reports whether the runtime has a container of that name.
func (e *Engine) known(r runtime, id string) bool {
	_, err := os.Stat(filepath.Join(e.statePath(r), id))
	return !errors.Is(err, os.ErrNotExist)
}
