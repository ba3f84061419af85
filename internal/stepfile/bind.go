package stepfile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// parameters gives the value of each parameter that has one: what was given, cast to
// its type and checked, else the default as it is written. A null that was given is there.
func (s *Step) parameters(v Values) (map[string]Value, error) {
	values := map[string]Value{}
	var problems []error
	for i := range s.Parameters {
		p := &s.Parameters[i]
		raw, given := v.Parameters[p.Name]
		switch {
		case given:
			value, err := p.take(raw)
			if err != nil {
				problems = append(problems, err)
			}
			values[p.Name] = value
		case !p.Default.IsNull() && (p.Type != "flag" || v.FlagDefaults):
			values[p.Name] = p.byDefault()
		case !p.Optional:
			problems = append(problems, p.missing())
		}
	}
	declared := parameterNames(s.Parameters)
	for _, name := range slices.Sorted(maps.Keys(v.Parameters)) {
		if declared[name] {
			continue
		}
		if len(problems) > maxSuggestions {
			break
		}
		value, err := s.undeclared(name, v.Parameters[name])
		if err != nil {
			problems = append(problems, err)
		}
		values[name] = value
	}
	return values, errors.Join(problems...)
}

// byDefault is the default as it is written; that of a flag as true or false.
func (p *Parameter) byDefault() Value {
	if p.Type == "flag" {
		if v, why := p.cast(p.Default); why == "" {
			return v
		}
	}
	return p.Default
}

func (p *Parameter) missing() error {
	return &ValueError{Field: "parameters." + p.Name, Why: "parameter " + show(p.Name) + " has no value", Remedy: "give one, since it is not optional"}
}

// take casts and checks a value that was given.
func (p *Parameter) take(raw any) (Value, error) {
	bad := func(why string) error {
		return &ValueError{Field: "parameters." + p.Name, Why: "parameter " + show(p.Name) + ": " + why}
	}
	number := p.Type == "integer" || p.Type == "float"
	v, err := toValue(raw)
	switch {
	case err != nil:
		return v, bad(err.Error())
	case v.IsNull() && !p.Optional:
		return v, p.missing()
	case v.IsNull():
		return v, nil
	case v.kind == kindList && p.Multiple == "":
		return v, bad(fmt.Sprintf("it takes one value, and %d are given", len(v.items)))
	}
	taken := make([]Value, 0, 1)
	for _, one := range atoms(v) {
		if number && one.kind == kindText && one.text == "" {
			return v, &ValueError{Field: "parameters." + p.Name, Why: "parameter " + show(p.Name) + " has no value", Remedy: "give a number"}
		}
		cast, why := p.cast(one)
		if why == "" {
			why = p.refuses(cast, one)
		}
		if why != "" {
			return v, bad(why)
		}
		taken = append(taken, cast)
	}
	if p.Multiple != "" {
		return listValue(taken), nil
	}
	return taken[0], nil
}

// undeclared takes a value for a name that the step doesn't declare, when its command
// says {parameter-value:name}: only then the name can't be a slip.
func (s *Step) undeclared(name string, raw any) (Value, error) {
	field := "parameters." + name
	for _, item := range s.Command {
		if strings.Contains(item, "{parameter-value:"+name+"}") {
			v, err := toValue(raw)
			if err != nil {
				return v, &ValueError{Field: field, Why: "parameter " + show(name) + ": " + err.Error()}
			}
			return v, nil
		}
	}
	return Value{}, &ValueError{
		Field: field, Why: fmt.Sprintf("step %s has no parameter %s", show(s.Name), show(name)),
		Remedy: suggest(name, listNames(s.Parameters), "parameter"),
	}
}

// variables gives the environment of a run.
func (s *Step) variables(v Values) (map[string]string, error) {
	all := map[string]string{}
	var problems []error
	for _, x := range s.Variables {
		if x.Default != nil {
			all[x.Name] = *x.Default
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.Variables)) {
		field := "environment_variables." + name
		if why := variableName(name); why != "" {
			problems = append(problems, &ValueError{Field: field, Why: why, Remedy: "use letters, digits and _"})
		}
		if strings.ContainsRune(v.Variables[name], 0) {
			problems = append(problems, &ValueError{Field: field, Why: "environment variable " + show(name) + " holds a NUL character", Remedy: "remove it"})
		}
		all[name] = v.Variables[name]
	}
	for _, x := range s.Variables {
		if _, ok := all[x.Name]; !ok && !x.Optional {
			problems = append(problems, &ValueError{
				Field: "environment_variables." + x.Name, Why: "environment variable " + show(x.Name) + " has no value",
				Remedy: "give one, since it is not optional",
			})
		}
	}
	return all, errors.Join(problems...)
}
