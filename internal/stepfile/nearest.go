package stepfile

import (
	"strings"

	near "fairlead.dev/fairlead/internal/nearest"
)

// Bounds that keep a suggestion cheap however large the file is.
const (
	maxNearestCandidates = 256
	maxListed            = 25
)

// nearest gives the candidate that name was likely meant to be, or "".
func nearest(name string, candidates []string) string { return near.Name(name, candidates) }

// suggest is the remedy for a name that isn't there: the nearest one, or all of them.
func suggest(name string, candidates []string, noun string) string {
	if n := nearest(name, candidates); n != "" {
		return "did you mean " + show(n) + "?"
	}
	switch {
	case len(candidates) == 0:
		return "there is no " + noun
	case len(candidates) == 1:
		return "the only " + noun + " is " + show(candidates[0])
	default:
		return "the " + noun + "s are " + listing(candidates)
	}
}

// maxSuggestions is for how many names of one file a nearest one is looked for.
const maxSuggestions = 100

// nearest is the function, for as many names as one file may have looked up.
func (r *reader) nearest(name string, candidates []string) string {
	if r.suggested++; r.suggested > maxSuggestions {
		return ""
	}
	return nearest(name, candidates)
}

// suggest is the function, within the same bound.
func (r *reader) suggest(name string, candidates []string, noun string) string {
	if r.suggested++; r.suggested > maxSuggestions {
		name = ""
	}
	return suggest(name, candidates, noun)
}

// listing is the candidates in their order, cut when there are many.
func listing(candidates []string) string {
	var b strings.Builder
	for i, c := range candidates {
		if i == maxListed {
			b.WriteString(", …")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(show(c))
	}
	return b.String()
}
