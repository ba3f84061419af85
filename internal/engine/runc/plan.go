package runc

import (
	"encoding/json"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"

	"fairlead.dev/fairlead"
)

// plan is what the helper is to do.
type plan struct {
	ID string
	// Layers are the image's, highest first.
	Layers []planLayer
	Spec   *specs.Spec
	// User is the image's: a name or number, or two with a colon between them.
	User string
	// Command becomes the helper's program.
	Command []string
	// Runtime is the name of what has the container, for whoever sweeps up.
	Runtime string
	// HideUnified has the second version of cgroups hidden from the runtime.
	HideUnified bool
	// NoDevices has device nodes not work.
	NoDevices bool
}

type planLayer struct {
	Dir     string
	Implied []string `json:",omitempty"`
}

// newPlan begins the plan of a container.
func (r *run) newPlan(i *image) *plan {
	e := r.e
	p := &plan{
		ID: r.id, User: i.config.User, Runtime: e.runtime.name, HideUnified: e.cgroups.mixed && e.runtime.crun, NoDevices: e.cgroups.mode == noCgroups,
		Command: e.runtime.command(e.statePath(e.runtime), r.file("log"), e.cgroups, "run", "--bundle", r.dir, "--pid-file", r.file("pid"), r.id),
	}
	seen := map[fairlead.Digest]bool{}
	for _, l := range slices.Backward(i.layers) {

		// overlayfs takes no directory twice, and a layer that comes again above hides
		// all of itself below.
		if !seen[l.Digest] {
			p.Layers = append(p.Layers, planLayer{l.Dir, l.Implied})
		}
		seen[l.Digest] = true
		if l.OpaqueRoot {
			break
		}
	}
	return p
}

// encodeFailure and decodeFailure carry an error from the helper to the engine.
func encodeFailure(err error) []byte {
	b, _ := json.Marshal(fairlead.AsError("preparing the container", err)) //nolint:errchkjson // It holds strings.
	return b
}

func decodeFailure(b []byte) error {
	var e fairlead.Error
	if err := json.Unmarshal(b, &e); err != nil {
		return failed("preparing the container", err)
	}
	return &e
}
