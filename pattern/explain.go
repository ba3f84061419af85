package pattern

import (
	"cmp"
	"slices"

	"fairlead.dev/fairlead/ref"
)

// Reason says, for programs, why a pattern does or doesn't decide about an image.
type Reason string

// The reasons. The first two are those of the patterns that cover the image.
const (
	Wins         Reason = "wins"          // it comes first of those that cover the image
	LessSpecific Reason = "less_specific" // another one that covers the image comes before it
	TagDiffers   Reason = "tag_differs"   // it covers the repository, but not the tag
	NearMiss     Reason = "near_miss"     // the host is right, and the path is near
	PathDiffers  Reason = "path_differs"  // the host is right, and the path is another
	PortDiffers  Reason = "port_differs"  // the host is right but for the port
	HostDiffers  Reason = "host_differs"  // the host is another
)

// Finding is what [Explain] says of one pattern.
type Finding struct {
	// At is the pattern's position in the list that was given.
	At      int
	Pattern Pattern
	Reason  Reason
	// Why is a clause of which the pattern is the subject: `covers the repository
	// "team" alone, and the image is below it`. Foreign text in it is quoted.
	Why string
	// Instead is the nearest pattern that would cover the image, if the reason is
	// [TagDiffers] or [NearMiss], and else zero: another host is never proposed, since
	// that is where a login would go. Whether the image should be covered is for the
	// reader to say.
	Instead Pattern
}

// Explain says of each pattern what it has to do with i: the winner first, if there is
// one, then the others that cover i, in the order of [Compare], then the rest, the
// nearest first. Of equal patterns the one that stands first wins.
func Explain(i ref.Image, patterns []Pattern) []Finding {
	return findings(judge(i, patterns))
}

// Nearest gives at most n of the patterns that don't cover i, the nearest first, and
// leaves out those that have nothing to do with it. It is for an error that says that
// no entry matches.
func Nearest(i ref.Image, patterns []Pattern, n int) []Finding {
	all := judge(i, patterns)
	all = slices.DeleteFunc(all, func(v verdict) bool { return v.far <= covers || v.far >= unrelated })
	return findings(all[:max(0, min(n, len(all)))])
}

// distance says how far a pattern is from deciding about an image.
type distance int

const (
	first distance = iota
	covers
	otherTag
	nearPath
	nearHost // the rest covers the image
	otherPath
	nearHostOnly
	unrelated
)

// verdict is a finding and where it stands among the others.
type verdict struct {
	Finding

	far    distance
	shared int // how many characters a path that misses has in common with the image's
}

func findings(verdicts []verdict) []Finding {
	out := make([]Finding, len(verdicts))
	for n, v := range verdicts {
		out[n] = v.Finding
	}
	return out
}

// judge gives the verdicts in the order of Explain.
func judge(i ref.Image, patterns []Pattern) []verdict {
	winner := none
	for at, p := range patterns {
		if p.Match(i) && (winner == none || Compare(p, patterns[winner]) < 0) {
			winner = at
		}
	}
	verdicts := make([]verdict, len(patterns))
	for at, p := range patterns {
		v := &verdicts[at]
		switch {
		case at == winner:
			*v = verdict{far: first, Finding: Finding{Reason: Wins, Why: "covers the image, and comes first of those that do"}}
		case p.Match(i):
			*v = verdict{far: covers, Finding: Finding{Reason: LessSpecific, Why: lost(p, patterns[winner])}}
		default:
			*v = missed(p, i)
			v.shared = common(beginning(p.path), i.Repository)
		}
		v.At, v.Pattern = at, p
	}
	slices.SortStableFunc(verdicts, func(a, b verdict) int {
		return cmp.Or(cmp.Compare(a.far, b.far), longer(a.shared, b.shared), Compare(a.Pattern, b.Pattern))
	})
	return verdicts
}

// lost says why p, which covers the image too, doesn't win.
func lost(p, winner Pattern) string {
	_, rule := decide(winner, p)
	if p == winner {
		rule = "the same pattern stands earlier"
	}
	return "covers the image too, but " + ref.Quote(winner.String()) + " wins: " + rule
}
