package pattern

import (
	"errors"
	"strings"

	"fairlead.dev/fairlead/ref"
)

// Parse reads a pattern: see the package comment. The error is a [*ref.Error].
func Parse(s string) (Pattern, error) {
	p, why := parse(s)
	if why == nil {
		return p, nil
	}
	e := &ref.Error{What: "parsing match pattern " + ref.Quote(s), Why: "it can't be read", Remedy: "write it as in reg.io/team/*"}
	if r, ok := errors.AsType[*ref.Error](why); ok {
		e.Why, e.Remedy = r.Why, r.Remedy
	}
	if better := repair(s); !better.IsZero() {
		e.Remedy = "write " + better.String()
	}
	return Pattern{}, e
}

// refuse is an error that lacks only what was being done.
func refuse(why, remedy string) error { return &ref.Error{Why: why, Remedy: remedy} }

func parse(s string) (Pattern, error) {
	if _, err := ref.Unpaste(s); err != nil {
		return Pattern{}, err
	}
	if strings.Contains(s, "@") {
		return Pattern{}, refuse("a pattern has no digest", "leave out the @ and what follows it")
	}
	if strings.ContainsAny(s, "?{}!\\^$") {
		return Pattern{}, refuse("the only wildcard is *", "write one pattern for each name, or use *")
	}
	if strings.Contains(s, "**") {
		return Pattern{}, refuse("two * stand side by side, and one already stands for any number of characters", "write one *")
	}
	host, rest, ok := strings.Cut(s, "/")
	host, err := parseHost(host)
	switch {
	case err != nil:
		return Pattern{}, err
	case !ok:
		return Pattern{}, refuse("it has a host and no path", "add /* for everything on the host")
	}
	path, tag, tagged := strings.Cut(rest, ":")
	if path, err = parsePath(host, path); err != nil {
		return Pattern{}, err
	}
	if tagged {
		if tag, err = parseTag(tag); err != nil {
			return Pattern{}, err
		}
	}
	return Pattern{host: host, path: path, tag: tag}, nil
}

// filled puts a character that is allowed everywhere in the place of each *. What is
// wrong with the result is wrong whatever the * stand for, and nothing else is.
func filled(s string) string { return strings.ReplaceAll(s, "*", "x") }

func parseHost(s string) (string, error) {
	if !hasStar(s) {
		return ref.CanonicalHost(s)
	}
	name, port, _ := strings.Cut(s, ":")
	labels := strings.Split(name, ".")
	switch last := labels[max(0, len(labels)-2):]; {
	case s == "*":
		return "", refuse("a pattern for every host would send a login to every host", "write the host, as in reg.io/*")
	case s[0] == '[':
		return "", refuse("an IP address has no *", "write the address in full")
	case !strings.ContainsAny(s, ".:"):
		return "", refuse("what stands before the first slash isn't a host", "begin with the host, as in reg.io/team-*/*")
	case hasStar(port):
		return "", refuse("the port has a *", "write the port, and one pattern for each port")
	case hasStar(strings.Join(last, ".")):
		return "", refuse("the last two parts of the host have a *, so a login could go to anybody's host",
			"write at least the last two parts in full, as in *.reg.io/*")
	}
	if _, err := ref.CanonicalHost(filled(s)); err != nil {
		return "", err
	}
	return strings.ToLower(s), nil
}

func parsePath(host, s string) (string, error) {
	switch {
	case s == "":
		return "", refuse("it has no path", "write /* after the host for everything on it")
	case strings.HasSuffix(s, "/"):
		return "", refuse("it ends with a slash", "write /* for everything below, or take off the slash for one repository")
	}
	if err := ref.CheckRepository(filled(s)); err != nil {
		return "", err
	}
	if !hasStar(host + s) { // as in an image name, where Docker Hub's library/ may be left out
		r, err := ref.ParseResource(host + "/" + s)
		return r.Repository, err
	}
	// What ends in a * covers everything below it already.
	for strings.HasSuffix(s, "*/*") {
		s = strings.TrimSuffix(s, "/*")
	}
	return s, nil
}

func parseTag(s string) (string, error) {
	if s == "*" {
		return "", nil
	}
	return s, ref.CheckTag(filled(s))
}

// maxGuess is how long a guess may be that is shown.
const maxGuess = 96

// repair is a guess at what was meant, to be proposed; it is zero if there is none.
func repair(s string) Pattern {
	s, _ = ref.Unpaste(s)
	if name, digest, _ := strings.Cut(s, "@"); ref.CheckDigest(digest) == nil { // else it may be a login
		s = name
	}
	for strings.Contains(s, "**") {
		s = strings.ReplaceAll(s, "**", "*")
	}
	end := len(s) // of what is in lower case
	if colon := strings.LastIndexByte(s, ':'); colon > strings.LastIndexByte(s, '/') {
		end = colon
	}
	s = strings.ToLower(s[:end]) + s[end:]
	guesses := []string{s, strings.TrimRight(s, "/") + "/*"}
	if isShort(s) {
		guesses = append(guesses, "docker.io/"+s)
	}
	for _, guess := range guesses {
		if p, err := parse(guess); err == nil && len(guess) <= maxGuess {
			return p
		}
	}
	return Pattern{}
}

// isShort reports whether s may be meant as a name without a host.
func isShort(s string) bool {
	first, _, several := strings.Cut(s, "/")
	name, _, tagged := strings.Cut(first, ":")
	return name != "*" && !strings.ContainsAny(name, ".[") && (!several || !tagged)
}
