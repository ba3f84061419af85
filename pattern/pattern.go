// Package pattern says which images a registry entry covers, and which of several
// entries an image belongs to.
//
// A pattern is <host>[:port]/<path>[:<tag>], held against the full name of an image
// ([ref.Parse]: "ubuntu" is docker.io/library/ubuntu:latest). The only wildcard is *.
//
//	reg.io/*                         everything on reg.io
//	reg.io/team                      the repository team alone
//	reg.io/team/*                    team and everything below it, not team-evil
//	reg.io/team*                     whatever begins with team, team-evil too
//	reg.io/*/models                  whatever ends with /models
//	reg.io/team/app:v1*              the tags of one repository that begin with v1
//	*.dkr.ecr.*.amazonaws.com/*      every repository of every account and region
//	docker.io/ubuntu                 the official image: docker.io/library/ubuntu
//	docker.io/me/*                   everything in the namespace me of Docker Hub
//
// # Host
//
// A host without * covers itself alone, with its port: reg.io isn't reg.io:443. Docker
// Hub's other names are read as docker.io. A * stands for one or more letters, digits
// and dashes of one label; it never crosses a dot, a slash or a port. A port has no *,
// and neither have the last two labels: *.io would send a login to whoever registers a
// name there. That is a floor, not a fence, since anybody can have a name below
// azurecr.io too; it is for the provider to check whom it sends its login to.
//
// The host is always written. A pattern without one is refused rather than completed
// as an image name would be, since "team/*" may as well be a host that lost its dot.
// A host alone is refused too: reg.io/* says that everything is meant.
//
// # Path
//
// A path without * is one repository, and is read as in an image name: docker.io/ubuntu
// is the official image. With a *, library/ isn't filled in: docker.io/me/* and
// docker.io/me* are about namespaces, and the official images are docker.io/library/*.
//
// A path that ends in /* covers what stands before that as well as everything below it:
// Valohai's …amazonaws.com/my-repo/* is meant for my-repo:v1. Anywhere else a * stands
// for any run of characters, slashes included, even for none; so team* covers team-evil,
// as whoever leaves out the slash must want. A /* behind another * adds nothing and
// isn't kept: team-*/* is team-*.
//
// # Tag
//
// A login opens a repository, not a tag; so a pattern without a tag covers every tag
// and digest, and :* says the same (gcr.io/my-project/my-registry:* covers
// my-registry@sha256:… too) and isn't kept. Any other tag part is held against the tag,
// * standing for any run of characters, even for none. It doesn't cover a name that has
// only a digest, nor a bare resource, whose tag nobody knows.
//
// # Which pattern wins
//
// An exact host before a host with *, then the longer literal path, then a pattern with
// a tag before one without: see [Compare]. A pattern that covers strictly less than
// another always comes before it.
package pattern

import (
	"strings"

	"fairlead.dev/fairlead/ref"
)

// Pattern says which images it covers. It is made by [Parse]; the zero pattern covers
// nothing. Patterns are equal (==) exactly if their text is: two entries that hold equal
// patterns can't be told apart by any image.
type Pattern struct {
	host string // as in an image, or with * in all labels but the last two
	path string // "team/app", "team/*", "*"; never ends in "*/*"
	tag  string // "", "v1", "v1*"; never "*" alone, so that no tag is no match
}

// String is the pattern in the one form that [Parse] gives back unchanged. It is empty
// for the zero pattern.
func (p Pattern) String() string {
	if p.IsZero() {
		return ""
	}
	s := p.host + "/" + p.path
	if p.tag != "" {
		s += ":" + p.tag
	}
	return s
}

// IsZero reports whether p is the zero pattern.
func (p Pattern) IsZero() bool { return p == Pattern{} }

// Equal is ==, for go-cmp.
func (p Pattern) Equal(q Pattern) bool { return p == q }

// Host gives the host, with its port if it has one, and with its *.
func (p Pattern) Host() string { return p.host }

// HostIsLiteral reports whether the host has no *, so that a login goes to one host only.
func (p Pattern) HostIsLiteral() bool { return !hasStar(p.host) }

// MarshalText gives [Pattern.String].
func (p Pattern) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what [Parse] reads; empty text is the zero pattern, as with
// netip.Addr. The error is a [*ref.Error].
func (p *Pattern) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*p = Pattern{}
		return nil
	}
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}

// Match reports whether p covers i. Of a bare resource, ref.Image{Resource: r}, it says
// whether p covers it whatever the tag; of a whole host, whether p covers all of it.
func (p Pattern) Match(i ref.Image) bool {
	return !p.IsZero() && p.coversHost(i.Host) && coversPath(p.path, i.Repository) && p.coversTag(i.Tag)
}

// coversHost goes label by label: a literal dot covers a dot only, and a * no dot, so
// the labels of both sides pair off.
func (p Pattern) coversHost(host string) bool {
	if p.HostIsLiteral() {
		return p.host == host
	}
	want, have, more := p.host, host, true
	for more {
		var w, h string
		var moreHave bool
		w, want, more = strings.Cut(want, ".")
		h, have, moreHave = strings.Cut(have, ".")
		if more != moreHave || !coversLabel(w, h) {
			return false
		}
	}
	return true
}

// coversLabel also refuses a label that couldn't have come from ref.Parse: a * must not
// hide a slash or a port, whoever made the image.
func coversLabel(want, have string) bool {
	if !hasStar(want) {
		return want == have
	}
	for _, r := range have {
		if r != '-' && (r < '0' || '9' < r) && (r < 'a' || 'z' < r) {
			return false
		}
	}
	return glob(want, have, 1)
}

// coversPath also holds the rest of a path against the rest of a repository, if what
// was cut off both is the same and has no *.
func coversPath(path, repository string) bool {
	if base, below := strings.CutSuffix(path, "/*"); below && glob(base, repository, 0) {
		return true
	}
	return glob(path, repository, 0)
}

func (p Pattern) coversTag(tag string) bool {
	return p.tag == "" || glob(p.tag, tag, 0)
}

// glob reports whether s is want with each * replaced by at least that many characters.
// Taking the first place where the text after a * fits is enough: whatever a later
// place leaves over, the next * can take up.
func glob(want, s string, atLeast int) bool {
	head, want, star := strings.Cut(want, "*")
	if !star {
		return s == head
	}
	s, ok := strings.CutPrefix(s, head)
	for ok && len(s) >= atLeast {
		var text string
		text, want, star = strings.Cut(want, "*")
		if !star {
			return strings.HasSuffix(s[atLeast:], text)
		}
		_, s, ok = strings.Cut(s[atLeast:], text)
	}
	return false
}

func hasStar(s string) bool { return strings.IndexByte(s, '*') >= 0 }
