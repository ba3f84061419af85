package stepfile

import (
	"strings"
)

// Bounds that keep a suggestion cheap however large the file is.
const (
	maxNearestLength     = 64
	maxNearestCandidates = 256
	maxListed            = 25
)

// nearest gives the candidate that name was likely meant to be, or "".
func nearest(name string, candidates []string) string {
	if name == "" || len(name) > maxNearestLength {
		return ""
	}
	plain := folded(name)
	best, bestDistance := "", max(1, len(plain)/3)+1
	for i, c := range candidates {
		if i == maxNearestCandidates {
			break
		}
		if len(c) > maxNearestLength {
			continue
		}
		if d := distance(plain, folded(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// folded folds what people mix up without noticing: case, and _ for -.
func folded(s string) string {
	return strings.ReplaceAll(strings.ToLower(s), "_", "-")
}

// distance is the optimal string alignment distance of two short texts: insertions,
// deletions, substitutions, and swaps of neighbours, each counted as one.
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(row[j-1]+1, last[j]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

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
