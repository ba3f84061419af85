package pattern

import (
	"fmt"
	"strings"

	"fairlead.dev/fairlead/ref"
)

// missed says why p doesn't cover i.
func missed(p Pattern, i ref.Image) verdict {
	v := verdict{far: unrelated, Finding: Finding{Reason: HostDiffers, Why: "is empty and covers nothing"}}
	switch {
	case p.IsZero():
	case !p.coversHost(i.Host):
		v = missedHost(p, i.Host)
		if rest := coversPath(p.path, i.Repository) && p.coversTag(i.Tag); v.far == nearHost && !rest {
			v.far = nearHostOnly
		}
	case coversPath(p.path, i.Repository):
		v = verdict{far: otherTag, Finding: Finding{Reason: TagDiffers, Why: missedTag(p, i)}}
		v.Instead = instead(p, p.path, i)
	default:
		var path string
		v.far, v.Reason = otherPath, PathDiffers
		if v.Why, path = missedPath(p, i.Repository); path != "" {
			v.far, v.Reason = nearPath, NearMiss
			v.Instead = instead(p, path, i)
		}
	}
	return v
}

func missedTag(p Pattern, i ref.Image) string {
	if i.Tag == "" {
		return fmt.Sprintf("covers tags like %s only, and the image is named without a tag", ref.Quote(p.tag))
	}
	return fmt.Sprintf("covers tags like %s only, and the image's is %s", ref.Quote(p.tag), ref.Quote(i.Tag))
}

// instead is p with another path, and without its tag part if that stands in the way.
// It is zero unless it covers i.
func instead(p Pattern, path string, i ref.Image) Pattern {
	q := Pattern{host: p.host, path: path}
	if p.coversTag(i.Tag) {
		q.tag = p.tag
	}
	if q, err := Parse(q.String()); err == nil && q.Match(i) {
		return q
	}
	return Pattern{}
}

// missedPath also gives the nearest path that would cover the repository; it is empty
// if none is near.
func missedPath(p Pattern, repository string) (why, path string) {
	base, _ := strings.CutSuffix(p.path, "/*")
	official, isOfficial := strings.CutPrefix(repository, "library/")
	covered, asked := ref.Quote(p.path), ref.Quote(repository)
	switch {
	case repository == "":
		return fmt.Sprintf("covers %s only, and the whole host is asked for", covered), ""
	case isOfficial && p.host == "docker.io" && coversPath(p.path, official):
		return fmt.Sprintf("covers %s only, and the image is one of Docker Hub's official ones, %s", covered, asked), "library/" + base
	case hasStar(base):
		return fmt.Sprintf("covers paths like %s only, and the image's is %s", covered, asked), ""
	case strings.HasPrefix(repository, base+"/"):
		return fmt.Sprintf("covers the repository %s alone, and the image is below it", covered), base + "/*"
	case strings.HasPrefix(base, repository+"/"):
		return fmt.Sprintf("covers %s only, and the image is above it", covered), repository + "/*"
	}
	return missedSegment(p.path, repository)
}

// missedSegment says where two paths part of which neither is above the other.
func missedSegment(path, repository string) (why, better string) {
	n := sharedSegments(path, repository)
	want, _, _ := strings.Cut(path[n:], "/")
	have, below, _ := strings.Cut(repository[n:], "/")
	better = repository[:n] + have
	if below != "" || strings.HasSuffix(path, "/*") {
		better += "/*"
	}
	switch {
	case strings.HasPrefix(have, want) || strings.HasPrefix(want, have):
		return fmt.Sprintf("covers %s, and %s isn't %s: what stands between slashes is taken whole", ref.Quote(path), ref.Quote(have), ref.Quote(want)), better
	case isSlip(want, have):
		return fmt.Sprintf("has %s in its path where the image has %s", ref.Quote(want), ref.Quote(have)), better
	case n > 0:
		return fmt.Sprintf("covers %s only, and the image is elsewhere in %s", ref.Quote(path), ref.Quote(path[:n])), path[:n] + "*"
	}
	return fmt.Sprintf("covers %s only, and the image's path is %s", ref.Quote(path), ref.Quote(repository)), ""
}

func missedHost(p Pattern, host string) verdict {
	v := verdict{far: nearHost, Finding: Finding{Reason: HostDiffers}}
	v.Why = fmt.Sprintf("is for %s, and the image is on %s", ref.Quote(p.host), ref.Quote(host))
	want, wantPort := cutPort(p.host)
	have, havePort := cutPort(host)
	wants, haves := strings.Split(want, "."), strings.Split(have, ".")
	alike := ending(p.host) == ending(host)
	n, only := onlyDifference(wants, haves)
	switch {
	case Pattern{host: want}.coversHost(have):
		v.Reason = PortDiffers
		v.Why = fmt.Sprintf("is for %s, and the image is on %s: the port is part of the host", portName(wantPort), portName(havePort))
	case alike && hasStar(want) && len(wants) != len(haves):
		v.Why = fmt.Sprintf("is for hosts of %d parts, and the image's has %d: a * never crosses a dot", len(wants), len(haves))
	case alike && only:
		v.Why = fmt.Sprintf("has %s in its host where the image has %s", ref.Quote(wants[n]), ref.Quote(haves[n]))
	case !alike && !isSlip(p.host, host):
		v.far = unrelated
	}
	return v
}

// onlyDifference gives the one label in which two hosts of as many labels differ.
func onlyDifference(wants, haves []string) (at int, only bool) {
	at = none
	if len(wants) != len(haves) {
		return at, false
	}
	for n := range wants {
		if coversLabel(wants[n], haves[n]) {
			continue
		}
		if at != none {
			return none, false
		}
		at = n
	}
	return at, at != none
}

func portName(port string) string {
	if port == "" {
		return "the host without a port"
	}
	return "port " + ref.Quote(port)
}

func cutPort(host string) (name, port string) {
	if colon := strings.LastIndexByte(host, ':'); colon > strings.LastIndexByte(host, ']') {
		return host[:colon], host[colon+1:]
	}
	return host, ""
}

// common counts the characters that a and b begin with.
func common(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// sharedSegments is how much of two paths is made of the same segments, with the last
// slash.
func sharedSegments(a, b string) int { return strings.LastIndexByte(a[:common(a, b)], '/') + 1 }

// isSlip reports whether two names differ as by a slip of the finger: in one place, by
// at most two characters, and have more than that in common.
func isSlip(a, b string) bool {
	head := common(a, b)
	a, b = a[head:], b[head:]
	tail := 0
	for tail < min(len(a), len(b)) && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	return max(len(a), len(b))-tail <= 2 && head+tail > 2
}
