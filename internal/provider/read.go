package provider

import (
	"strings"

	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/ref"
)

// Read gives the match pattern that somebody means: what is one already, or an address
// as people paste it, which the families are asked for in their order. Notes are for
// whoever gave it, and begin with how it was read if that is another text.
// [fairlead.Invalid] says what is wrong, and shows the right form.
func (s Set) Read(given string) (string, []string, error) {
	trimmed := strings.TrimSpace(given)
	if name, ok := ref.FromCommand(trimmed); ok {
		given = name // families know addresses, and no terminals
	}
	host, _, _ := strings.Cut(trimmed, "/")
	// No page and no resource has a * in its host, or a placeholder of a manual: it is a
	// pattern, and its grammar says what is wrong with it.
	if strings.Contains(host, "*") || strings.ContainsAny(given, "<>") {
		return trimmed, nil, nil
	}
	for _, p := range s {
		r, ok := p.(Reader)
		if !ok {
			continue
		}
		read, notes, mine, err := r.Read(given)
		switch {
		case err != nil:
			return "", nil, err
		case !mine:
			continue
		}
		if plain, err := pattern.Parse(trimmed); err == nil && plain.String() == read || read == trimmed {
			return read, notes, nil
		}
		return read, append([]string{"It was read as " + read + "."}, notes...), nil
	}
	return trimmed, nil, nil // the pattern's own grammar says what is wrong
}
