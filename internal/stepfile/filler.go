package stepfile

import (
	"fmt"
	"strings"
)

// filler fills in the placeholders of one command.
type filler struct {
	step       *Step
	values     map[string]Value
	sourcePath string
	index      map[string]*Parameter
	all        *string // {parameters}, when it has been asked for
	size       int
	err        error
}

// replace gives the text of one placeholder.
func (f *filler) replace(inner string) (string, bool) {
	if f.err != nil {
		return "", false
	}
	s, ok := f.look(inner)
	if f.size += len(s); f.size > maxScript {
		f.err = &ValueError{
			Field: "parameters", Why: fmt.Sprintf("the command has more than %d bytes with these values", maxScript),
			Remedy: "pass large values in an input",
		}
		return "", false
	}
	return s, ok
}

func (f *filler) look(inner string) (string, bool) {
	what, name, named := strings.Cut(inner, ":")
	switch {
	case inner == "source-path" && f.sourcePath != "":
		return quote(f.sourcePath), true
	case inner == "parameters" || inner == "params":
		return f.parameters(), true
	case what == "parameter" && named:
		p := f.parameter(name)
		if p == nil {
			return "", false
		}
		return f.words(p), true
	case what == "parameter-value" && named:
		if v, given := f.values[name]; given {
			return quote(v.String()), true
		}
	}
	return "", false
}

func (f *filler) parameter(name string) *Parameter {
	if f.index == nil {
		f.index = make(map[string]*Parameter, len(f.step.Parameters))
		for i := range f.step.Parameters {
			f.index[f.step.Parameters[i].Name] = &f.step.Parameters[i]
		}
	}
	return f.index[name]
}

// parameters is {parameters}: all that have a value, in the order of the step.
func (f *filler) parameters() string {
	if f.all == nil {
		var words []string
		for i := range f.step.Parameters {
			if w := f.words(&f.step.Parameters[i]); w != "" {
				words = append(words, w)
			}
		}
		s := strings.Join(words, " ")
		f.all = &s
	}
	return *f.all
}

func (f *filler) words(p *Parameter) string {
	words, err := p.words(f.values[p.Name])
	if err != nil && f.err == nil {
		f.err = &ValueError{Field: "parameters." + p.Name, Why: err.Error()}
	}
	return quoteAll(words)
}
