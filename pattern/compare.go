package pattern

import (
	"cmp"
	"strings"
)

// Compare orders patterns, the most specific first: it is negative if a comes before
// b, positive if b comes before a, and 0 only if they are equal. Of the patterns that
// cover an image the first one wins. In order, as far as needed:
//
//  1. an exact host before a host with *,
//  2. of two hosts with *, the one with more literal characters,
//  3. the path with more literal characters (those that aren't *; the slash of a /* at
//     the end doesn't count, so team and team/* are equally long),
//  4. a pattern with a tag before one without,
//  5. the tag with more literal characters,
//  6. the pattern with fewer *,
//  7. the text, byte by byte, a * coming after anything else: so of two patterns the
//     one that stays literal longer.
//
// A pattern that covers strictly less than another comes before it: nothing that it
// names can be missing from the other's literal characters.
func Compare(a, b Pattern) int {
	order, _ := decide(a, b)
	return order
}

// decide gives the order of two patterns and, as a clause, the rule behind it.
func decide(a, b Pattern) (int, string) {
	if c := cmp.Compare(stars(a.host), stars(b.host)); c != 0 && (a.HostIsLiteral() || b.HostIsLiteral()) {
		return c, "an exact host comes before a host with *"
	}
	if c := longer(literals(a.host), literals(b.host)); c != 0 && !a.HostIsLiteral() {
		return c, "of two hosts with *, the one with more literal characters comes first"
	}
	if c := longer(a.literalPath(), b.literalPath()); c != 0 {
		return c, "the longer literal path comes first"
	}
	if c := longer(min(len(a.tag), 1), min(len(b.tag), 1)); c != 0 {
		return c, "a pattern with a tag comes before one without"
	}
	if c := longer(literals(a.tag), literals(b.tag)); c != 0 {
		return c, "the longer literal tag comes first"
	}
	at, bt := a.String(), b.String()
	if c := cmp.Compare(stars(at), stars(bt)); c != 0 {
		return c, "fewer * come first"
	}
	return compareText(at, bt), "of two that are alike, the one that stays literal longer comes first, then the alphabet decides"
}

// longer puts the greater number first.
func longer(a, b int) int { return cmp.Compare(b, a) }

func stars(s string) int { return strings.Count(s, "*") }

// literals counts the characters that aren't *.
func literals(s string) int { return len(s) - stars(s) }

func (p Pattern) literalPath() int { return literals(strings.TrimSuffix(p.path, "/*")) }

// compareText compares byte by byte, a * coming after anything else.
func compareText(a, b string) int {
	for i := range min(len(a), len(b)) {
		switch {
		case a[i] == b[i]:
		case a[i] == '*':
			return 1
		case b[i] == '*':
			return -1
		default:
			return cmp.Compare(a[i], b[i])
		}
	}
	return cmp.Compare(len(a), len(b))
}
