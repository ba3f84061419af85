package stepfile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Resolved is a step with all its values: what the control plane stores and a worker
// performs. It goes through JSON and back unchanged.
type Resolved struct {
	Step  string `json:"step"`
	Image string `json:"image"`
	Command
	// Variables are the environment, without what the worker itself sets (VH_...).
	Variables map[string]string `json:"environment_variables"`
	// Parameters are for parameters.json: those that have a value, of their declared type
	// where the value is of it.
	Parameters map[string]Value `json:"parameters"`
	Inputs     []ResolvedInput  `json:"inputs"`
	Outputs    []Output         `json:"outputs"`
	// The limits are seconds; 0 = none.
	TimeLimit       float64 `json:"time_limit"`
	NoOutputTimeout float64 `json:"no_output_timeout"`
	StopCondition   string  `json:"stop_condition,omitempty"`
	Placement
	Features []Feature `json:"features"`
}

// ResolvedInput is one input with its files. Inputs without any are left out.
type ResolvedInput struct {
	Name            string   `json:"name"`
	Sources         []Source `json:"sources"`
	Filename        string   `json:"filename,omitempty"` // for an input of one file
	KeepDirectories string   `json:"keep_directories"`   // none, suffix or full
	Download        string   `json:"download"`           // always or on-demand
}

// Resolve gives a step with the values of one run. Its errors are [ValueError]s, all of
// them joined.
func Resolve(s *Step, v Values) (Resolved, error) {
	if err := s.sound(); err != nil {
		return Resolved{}, err
	}
	parameters, parameterErr := s.parameters(v)
	variables, variableErr := s.variables(v)
	inputs, inputErr := s.inputs(v)
	if err := errors.Join(parameterErr, variableErr, inputErr); err != nil {
		return Resolved{}, err
	}
	command, err := s.build(v, parameters, variables)
	if err != nil {
		return Resolved{}, err
	}
	r := Resolved{
		Step: s.Name, Image: s.Image, Command: command, Variables: variables, Parameters: s.typed(parameters),
		Inputs: inputs, Outputs: append([]Output{}, s.Outputs...),
		TimeLimit: s.TimeLimit.Seconds(), NoOutputTimeout: s.NoOutputTimeout.Seconds(),
		StopCondition: s.StopCondition, Placement: s.Placement, Features: Features(s),
	}
	if v.Image != "" {
		r.Image = v.Image
	}
	return r, nil
}

// typed casts the defaults too, so that a float that YAML 1.1 reads as a text (1e-5) is a
// number in parameters.json. On the command line it stays as it is written.
func (s *Step) typed(values map[string]Value) map[string]Value {
	out := make(map[string]Value, len(values))
	maps.Copy(out, values)
	for i := range s.Parameters {
		p := &s.Parameters[i]
		v, ok := values[p.Name]
		switch {
		case !ok || v.IsNull() || v.kind == kindList && p.Multiple == "":
		case v.kind == kindList:
			items := make([]Value, len(v.items))
			for j, item := range v.items {
				items[j], _ = p.cast(item)
			}
			out[p.Name] = listValue(items)
		case v.kind != kindTable:
			out[p.Name], _ = p.cast(v)
		}
	}
	return out
}

// inputs gives the files of each input: those that were given, else the default ones.
func (s *Step) inputs(v Values) ([]ResolvedInput, error) {
	out := []ResolvedInput{}
	var problems []error
	names := make([]string, len(s.Inputs))
	for i, in := range s.Inputs {
		names[i] = in.Name
		urls, given := v.Inputs[in.Name]
		if !given {
			urls = in.Default
		}
		if !in.Optional && (given && len(urls) == 0 || urls == nil) {
			problems = append(problems, &ValueError{
				Field: "inputs." + in.Name, Why: "input " + show(in.Name) + " has no URL", Remedy: "give one, since it is not optional",
			})
			continue
		}
		sources, err := parseSources(in.Name, urls)
		if err != nil {
			problems = append(problems, err)
		}
		if len(sources) > 0 {
			out = append(out, ResolvedInput{
				Name: in.Name, Sources: sources, Filename: in.Filename, KeepDirectories: in.KeepDirectories, Download: in.Download,
			})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.Inputs)) {
		if len(problems) > maxSuggestions {
			break
		}
		if !slices.Contains(names, name) {
			problems = append(problems, &ValueError{
				Field: "inputs." + name, Why: fmt.Sprintf("step %s has no input %s", show(s.Name), show(name)), Remedy: suggest(name, names, "input"),
			})
		}
	}
	return out, errors.Join(problems...)
}

func parseSources(input string, urls []string) ([]Source, error) {
	var out []Source
	for _, url := range urls {
		bad := func(why, remedy string) error {
			return &ValueError{Field: "inputs." + input, Why: "input " + show(input) + ": " + why, Remedy: remedy}
		}
		if strings.TrimSpace(url) == "" {
			return nil, bad("a URL is empty", "give one, or leave it out")
		}
		source, err := parseSource(strings.TrimSpace(url))
		if err != nil {
			return nil, bad(err.Error(), checksumRemedy)
		}
		out = append(out, source)
	}
	return out, nil
}
