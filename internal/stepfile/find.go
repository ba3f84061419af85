package stepfile

import (
	"slices"
	"strings"
)

// Find gives a step by its name, as Valohai's command line does: the exact name, else the
// only one that begins with it, in upper or lower case. Its error is a [ValueError] that
// lists what there is.
func (f *File) Find(name string) (*Step, error) {
	var names, matching []string
	var found *Step
	for _, s := range f.Steps {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
		if hasPrefixFold(s.Name, name) {
			matching, found = append(matching, s.Name), s
		}
	}
	slices.Sort(names)
	slices.Sort(matching)
	switch {
	case len(names) == 0:
		return nil, &ValueError{Field: "step", Why: "the step file has no step", Remedy: "add one: - step: ..."}
	case name == "":
		return nil, &ValueError{Field: "step", Why: "no step is named", Remedy: "name one of " + listing(names)}
	case len(matching) == 1:
		return found, nil
	case len(matching) > 1:
		return nil, &ValueError{Field: "step", Why: show(name) + " is ambiguous", Remedy: "name one of " + listing(matching)}
	}
	why := "there is no step " + show(name)
	if n := nearest(name, names); n != "" {
		return nil, &ValueError{Field: "step", Why: why, Remedy: "did you mean " + show(n) + "? The steps are " + listing(names)}
	}
	return nil, &ValueError{Field: "step", Why: why, Remedy: suggest(name, names, "step")}
}

func hasPrefixFold(s, prefix string) bool {
	return strings.HasPrefix(strings.ToLower(s), strings.ToLower(prefix))
}
