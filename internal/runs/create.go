package runs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/stepfile"
	"fairlead.dev/fairlead/ref"
)

// Draft is a run that is to be.
type Draft struct {
	File, FileName string // the step file's text, and what messages call it
	Step           string
	Archive        fairlead.Digest // "" is none
	Image          string          // instead of the step's, unless empty
	Parameters     map[string][]string
	Inputs         map[string][]string
	Environment    map[string]string
	Strict         bool
	Retries        *int // nil is 2
	// NoPreflight queues the run without looking at its image before.
	NoPreflight bool
}

// defaultRetries is how often a run is tried again when its worker is lost.
const defaultRetries = 2

// ProblemsError says which places of a step file are wrong. It is a
// [fairlead.Invalid].
type ProblemsError struct {
	Err      *fairlead.Error
	Problems []stepfile.Problem
}

// Error is the error's text, without the places.
func (p *ProblemsError) Error() string { return p.Err.Error() }

// Unwrap gives the [fairlead.Error].
func (p *ProblemsError) Unwrap() error { return p.Err }

// Create queues a run of a step.
func (r *Runs) Create(ctx context.Context, who fairlead.Caller, owner, project fairlead.Name, d Draft) (fairlead.Run, error) {
	p, err := r.projects.Project(ctx, who, owner, project, fairlead.RunCreate)
	if err != nil {
		return fairlead.Run{}, err
	}
	spec, err := d.spec()
	if err != nil {
		return fairlead.Run{}, err
	}
	if d.Archive != "" {
		if err := r.archiveOf(ctx, p.ID, d.Archive); err != nil {
			return fairlead.Run{}, err
		}
	}
	if err := r.place(ctx, p, &spec); err != nil {
		return fairlead.Run{}, err
	}
	id, err := newID()
	if err != nil {
		return fairlead.Run{}, err
	}
	run := fairlead.Run{
		ID: fairlead.RunID(id), Project: p.ID, Organization: p.Organization, State: fairlead.Queued, Spec: spec, Archive: d.Archive,
		Creator: who.Subject, Created: r.opts.Now(),
	}
	if r.opts.Doctor != nil && r.opts.Preflight && !d.NoPreflight {
		if run.Diagnosis, err = r.opts.Doctor.Preflight(ctx, p, run.ID, spec.Image); err != nil {
			return fairlead.Run{}, err
		}
	}
	err = r.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		var err error
		run, err = w.AddRun(ctx, run)
		return r.event(who, fairlead.RunCreate, run, "queue").With("image", spec.Image).With("number", fmt.Sprint(run.Number)), err
	})
	if err == nil {
		r.bell.queued()
	}
	return run, err
}

// spec makes the step ready to be performed.
func (d Draft) spec() (fairlead.RunSpec, error) {
	name := d.FileName
	if name == "" {
		name = "valohai.yaml"
	}
	file, problems := stepfile.Parse(name, []byte(d.File), stepfile.Options{CheckImage: checkImage})
	if n := stepfile.Errors(problems); n > 0 {
		return fairlead.RunSpec{}, &ProblemsError{
			Err: &fairlead.Error{
				Kind: fairlead.Invalid, Field: "file", What: "reading " + name, Why: fmt.Sprintf("it has %d mistakes", n),
				Remedy: "correct it; `fairlead lint` shows the places",
			},
			Problems: problems,
		}
	}
	step, err := file.Find(d.Step)
	if err != nil {
		return fairlead.RunSpec{}, valueError("choosing step", err)
	}
	values := stepfile.Values{
		Parameters: d.parameters(step), FlagDefaults: true, Inputs: d.Inputs, Variables: d.Environment, Image: d.Image,
	}
	if d.Strict {
		values.Strict = &d.Strict
	}
	resolved, err := stepfile.Resolve(step, values)
	if err != nil {
		return fairlead.RunSpec{}, valueError("preparing step "+step.Name, err)
	}
	if err := checkImage(resolved.Image); err != nil {
		return fairlead.RunSpec{}, fairlead.Misread("image", err)
	}
	return runSpec(resolved, d.Retries)
}

// parameters gives the values in the form that each parameter takes.
func (d Draft) parameters(step *stepfile.Step) map[string]any {
	multiple := map[string]bool{}
	for _, p := range step.Parameters {
		multiple[p.Name] = p.Multiple != ""
	}
	all := map[string]any{}
	for name, values := range d.Parameters {
		if len(values) == 1 && !multiple[name] {
			all[name] = values[0]
		} else {
			all[name] = values
		}
	}
	return all
}

func checkImage(name string) error {
	_, err := ref.Parse(name)
	return err
}

// valueError tells the first of what a step can't take, and how many more there are.
func valueError(what string, err error) error {
	e := &fairlead.Error{Kind: fairlead.Invalid, What: what, Why: err.Error()}
	list := stepfile.ValueErrors(err)
	if v, ok := errors.AsType[*stepfile.ValueError](err); ok && len(list) == 0 {
		list = []*stepfile.ValueError{v}
	}
	if len(list) > 0 {
		e.Field, e.Why, e.Remedy = list[0].Field, list[0].Why, list[0].Remedy
	}
	for _, more := range list[min(1, len(list)):] {
		e.Why += "; " + more.Why
	}
	if e.Remedy == "" {
		e.Remedy = "give what the step file allows"
	}
	return e
}

// runSpec is a resolved step as it is stored and sent to a worker.
func runSpec(s stepfile.Resolved, retries *int) (fairlead.RunSpec, error) {
	spec := fairlead.RunSpec{
		Step: s.Step, Image: s.Image, Interpreter: s.Interpreter, Script: s.Script, Environment: s.Variables,
		TimeLimit: seconds(s.TimeLimit), NoOutput: seconds(s.NoOutputTimeout), Retries: defaultRetries,
	}
	if retries != nil {
		spec.Retries = *retries
	}
	for name, value := range s.Parameters {
		b, err := json.Marshal(value)
		if err != nil {
			return spec, fairlead.AsError("writing parameter "+name, err)
		}
		if spec.Parameters == nil {
			spec.Parameters = map[string]json.RawMessage{}
		}
		spec.Parameters[name] = b
	}
	for _, in := range s.Inputs {
		files := make([]fairlead.InputFile, 0, len(in.Sources))
		for _, source := range in.Sources {
			files = append(files, fairlead.InputFile{URL: source.URL, Name: in.Filename, Checksums: source.Checksums})
		}
		spec.Inputs = append(spec.Inputs, fairlead.Input{Name: in.Name, Directories: in.KeepDirectories, Files: files})
	}
	for _, f := range s.Features {
		spec.Features = append(spec.Features, fairlead.Feature{Name: f.Name, Ignorable: f.Ignorable})
	}
	return spec, nil
}

// seconds rounds a limit up: one of half a second is a limit still.
func seconds(s float64) fairlead.Seconds { return fairlead.Seconds(math.Ceil(s)) }
