package ref

import (
	"strings"
	"unicode"
)

// Parse reads an image name as Docker does, and then strictly: see the package comment.
//
//	ubuntu                          docker.io/library/ubuntu:latest
//	me/app:v1                       docker.io/me/app:v1
//	registry-1.docker.io/nginx      docker.io/library/nginx:latest
//	REG.io:5000/team/app@sha256:…   reg.io:5000/team/app@sha256:…
//
// A name without tag and digest gets the tag latest. The error is an [*Error].
func Parse(s string) (Image, error) {
	i, e := parseImage(s)
	if e == nil {
		return i, nil
	}
	if better := repair(s); better != "" {
		if _, bad := parseImage(better); bad == nil {
			e.Remedy = "write " + better
		}
	}
	return Image{}, e.as("parsing image name", s)
}

// ParseResource reads a repository as it stands in an image name ("ubuntu" is
// docker.io/library/ubuntu), or a host alone for the whole host ("reg.io",
// "localhost:5000"). It takes neither tag nor digest. The error is an [*Error].
func ParseResource(s string) (Resource, error) {
	r, e := parseResource(s)
	if e == nil {
		return r, nil
	}
	if better := repair(s); better != "" {
		if _, bad := parseResource(better); bad == nil {
			e.Remedy = "write " + better
		} else if i, bad := parseImage(better); bad == nil {
			e.Remedy = "write " + i.Resource.String()
		}
	}
	return Resource{}, e.as("parsing repository name", s)
}

// Unpaste takes off what people copy along with a name: blanks and other invisible
// characters, quotation marks, a command such as "docker pull --quiet", FROM, a scheme
// such as https:// or docker://, a login, a query. The error, an [*Error], says what it was; it is nil for
// a name that stands alone.
func Unpaste(s string) (clean string, err error) {
	clean, e := unpaste(s)
	return clean, e.as("reading", s)
}

func unpaste(s string) (clean string, e *Error) {
	if s == "" {
		return "", refuse("it is empty", "write a name, as in reg.io/team/app")
	}
	clean = strings.TrimFunc(s, isInvisible)
	if clean != s {
		e = refuse("there is a blank or an invisible character before or after it", "write the name alone")
	}
	if bare := strings.Trim(clean, "\"'`"); bare != clean {
		e, clean = refuse("there are quotation marks around it", "write the name alone"), bare
	}
	if name, ok := FromCommand(clean); ok {
		e, clean = refuse("it is a command", "write the name alone"), name
	}
	if scheme := strings.Index(clean, "://"); scheme >= 0 {
		e, clean = refuse("it begins with a scheme, such as https:// or docker://", "begin with the host, as in reg.io/team/app"), clean[scheme+3:]
		clean = clean[loginEnd(clean):]
		if end := strings.IndexAny(clean, "?#"); end >= 0 {
			clean = clean[:end]
		}
	}
	switch {
	case strings.ContainsAny(clean, "<>"):
		e = refuse("it still holds a placeholder, such as <account>", "put your own value in its place")
	case strings.ContainsFunc(clean, isInvisible):
		e = refuse("there is a blank or an invisible character in it", "write one name alone")
	}
	return clean, e
}

// FromCommand takes the name out of a line of a terminal, or of a Dockerfile: the first
// word after a command such as docker pull, or after FROM, that isn't a flag.
func FromCommand(s string) (name string, ok bool) {
	words := strings.FieldsFunc(s, isInvisible)
	switch {
	case len(words) >= 2 && words[0] == "FROM":
		words = words[1:]
	case len(words) >= 3 && isCommand(words[0], words[1]):
		words = words[2:]
	default:
		return "", false
	}
	for _, w := range words {
		if !strings.HasPrefix(w, "-") {
			return w, true
		}
	}
	return "", false
}

// isCommand knows the commands of clients of registries that have a name behind them.
func isCommand(program, verb string) bool {
	switch program {
	case "docker", "podman", "nerdctl", "crane", "skopeo", "oras", "ctr":
	default:
		return false
	}
	switch verb {
	case "pull", "push", "run", "login", "copy", "inspect":
		return true
	default:
		return false
	}
}

// isInvisible finds blanks and what copying leaves behind unseen: a byte order mark,
// zero-width spaces.
func isInvisible(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }

// repair is a guess at what was meant, to be proposed if it can be read; it is empty if
// there is none that is short enough to be shown.
func repair(s string) string {
	clean, _ := unpaste(s)
	clean = strings.TrimRight(clean, "/")
	for _, page := range []string{"hub.docker.com/r/", "hub.docker.com/_/"} { // Docker Hub's web site
		if name, ok := strings.CutPrefix(clean, page); ok {
			clean = dockerHub + "/" + strings.TrimSuffix(name, "/tags")
		}
	}
	end := strings.IndexByte(clean, '@')
	if end < 0 {
		end = len(clean)
	}
	if colon := strings.LastIndexByte(clean[:end], ':'); colon > strings.LastIndexByte(clean[:end], '/') {
		end = colon
	}
	clean = strings.ToLower(clean[:end]) + clean[end:]
	if len(clean) > shown {
		return ""
	}
	return clean
}

func parseImage(s string) (Image, *Error) {
	if _, e := unpaste(s); e != nil {
		return Image{}, e
	}
	if e := checkBareHex(s); e != nil {
		return Image{}, e
	}
	name, digest, hasDigest := strings.Cut(s, "@")
	if hasDigest {
		if e := checkDigest(digest); e != nil {
			return Image{}, e
		}
	}
	resource, tag, e := parseName(name)
	if e != nil {
		return Image{}, e
	}
	if tag == "" && !hasDigest {
		tag = "latest"
	}
	return Image{Resource: resource, Tag: tag, Digest: digest}, nil
}

// checkBareHex refuses what names bytes but no repository.
func checkBareHex(s string) *Error {
	switch {
	case len(s) == 64 && all(s, isHex):
		return refuse("it is an image ID, which no registry knows", "write a name, as in reg.io/team/app:v1")
	case checkDigest(s) == nil:
		return refuse("it is a digest without a name", "write the repository before it, as in reg.io/team/app@sha256:…")
	}
	return nil
}

func parseResource(s string) (Resource, *Error) {
	if _, e := unpaste(s); e != nil {
		return Resource{}, e
	}
	if strings.Contains(s, "@") {
		return Resource{}, refuse("a repository has no digest", "leave out the @ and what follows it")
	}
	if !strings.Contains(s, "/") && isHost(s) {
		host, e := canonicalHost(s)
		return Resource{Host: host}, e
	}
	resource, tag, e := parseName(s)
	if e == nil && tag != "" {
		return Resource{}, refuse("a repository has no tag", "leave out the colon and what follows it")
	}
	return resource, e
}

// parseName reads [host "/"] repository [":" tag]; the tag is empty if there is none.
func parseName(s string) (Resource, string, *Error) {
	host, rest := dockerHub, s
	first, after, several := strings.Cut(s, "/")
	if several && isHost(first) {
		var e *Error
		if host, e = canonicalHost(first); e != nil {
			return Resource{}, "", e
		}
		rest = after
	}
	repository, tag, tagged := strings.Cut(rest, ":")
	switch {
	case repository == "":
		return Resource{}, "", refuse("it has no repository", "write one, as in reg.io/team/app")
	case strings.HasSuffix(repository, "/"):
		return Resource{}, "", refuse("it ends with a slash", "take off the slash")
	case !several && isHost(repository):
		return Resource{}, "", refuse("it names a host and no repository", "write the repository after the host, as in reg.io/team/app")
	}
	repository = inFull(host, repository)
	if e := checkRepository(repository); e != nil {
		return Resource{}, "", e
	}
	if tagged {
		if e := checkTag(tag); e != nil {
			return Resource{}, "", e
		}
	}
	return Resource{Host: host, Repository: repository}, tag, nil
}
