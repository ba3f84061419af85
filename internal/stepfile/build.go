package stepfile

import (
	"fmt"
	"strings"
)

// Values are what a caller gives to one run of a step.
type Values struct {
	// Parameters are nil, a bool, a string, a number (int, int64, float64, json.Number),
	// or a list ([]string, []any) for a parameter that is multiple. A nil takes a default away.
	Parameters map[string]any
	// FlagDefaults lets the default of a flag count. Valohai's library ignores it;
	// its command line (vh execution run) sends it along like a value that was given.
	FlagDefaults bool
	// Inputs are URLs that replace the default ones; an empty list takes them away.
	Inputs map[string][]string
	// Variables are set beside those of the step, and win.
	Variables map[string]string
	// Image replaces the step's, when it isn't empty. It isn't checked here.
	Image string
	// SourcePath fills {source-path}; when it is empty the step's source-path does.
	SourcePath string
	// Strict sets strict on or off; nil leaves it to the step ([StrictVariable]).
	Strict *bool
}

// ValueError is something that a caller gave, or didn't give, and that the step can't
// take. Build and Resolve join as many as there are with [errors.Join]. It never holds
// the value of an environment variable.
type ValueError struct {
	Field  string // "parameters.epochs", "inputs.model", "environment_variables.TOKEN", "step", "command"
	Why    string // a clause
	Remedy string // an imperative
}

// Error is "why: remedy".
func (e *ValueError) Error() string {
	if e.Remedy == "" {
		return e.Why
	}
	return e.Why + ": " + e.Remedy
}

// ValueErrors gives the [ValueError]s that an error of Build or Resolve consists of.
func ValueErrors(err error) []*ValueError {
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself.
	case *ValueError:
		return []*ValueError{e}
	case interface{ Unwrap() []error }:
		var all []*ValueError
		for _, one := range e.Unwrap() {
			all = append(all, ValueErrors(one)...)
		}
		return all
	}
	return nil
}

// Build gives the command of a step for the values of one run. Its errors are
// [ValueError]s.
func Build(s *Step, v Values) (Command, error) {
	if err := s.sound(); err != nil {
		return Command{}, err
	}
	parameters, err := s.parameters(v)
	if err != nil {
		return Command{}, err
	}
	variables, err := s.variables(v)
	if err != nil {
		return Command{}, err
	}
	return s.build(v, parameters, variables)
}

// sound refuses a step that has an error.
func (s *Step) sound() error {
	if s.broken == 0 {
		return nil
	}
	return &ValueError{
		Field: "step", Why: fmt.Sprintf("step %s (line %d) has errors in the step file: %d", show(s.Name), s.Line, s.broken),
		Remedy: "lint the file, and correct them",
	}
}

func (s *Step) build(v Values, parameters map[string]Value, variables map[string]string) (Command, error) {
	f := &filler{step: s, values: parameters, sourcePath: v.SourcePath}
	if f.sourcePath == "" {
		f.sourcePath = s.SourcePath
	}
	items := make([]string, len(s.Command))
	for i, item := range s.Command {
		items[i] = expand(item, f.replace)
	}
	if f.err != nil {
		return Command{}, f.err
	}
	script := join(items)
	if script == "" {
		return Command{}, &ValueError{Field: "command", Why: "the command is empty with these values", Remedy: "give the parameters that it consists of"}
	}
	if strings.ContainsRune(script, 0) {
		return Command{}, &ValueError{Field: "command", Why: "the command holds a NUL character", Remedy: "remove it from the parameters"}
	}
	strict := truthy(variables[StrictVariable])
	if v.Strict != nil {
		strict = *v.Strict
	}
	return newCommand(script, strict)
}

func truthy(s string) bool {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "1", "yes", "true":
		return true
	}
	return false
}
