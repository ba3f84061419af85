// Package nearest finds which of some names a mistyped one was likely meant to be.
package nearest

import "strings"

// Bounds that keep a suggestion cheap however large the file is.
const (
	maxLength     = 64
	maxCandidates = 256
)

// Name gives the candidate that name was likely meant to be, or "".
func Name(name string, candidates []string) string {
	if name == "" || len(name) > maxLength {
		return ""
	}
	plain := folded(name)
	best, bestDistance := "", max(1, len(plain)/3)+1
	for i, c := range candidates {
		if i == maxCandidates {
			break
		}
		if len(c) > maxLength {
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
