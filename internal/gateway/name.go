package gateway

import (
	"net/url"
	"strings"

	"fairlead.dev/fairlead/ref"
	"fairlead.dev/fairlead/wire"
)

// kind is what a path asks for.
type kind int

const (
	nothing kind = iota
	root
	manifests
	blobs
	tags
	referrers
	uploads
	kinds // how many there are
)

// String is the kind's name in the metrics.
func (k kind) String() string {
	return [...]string{"unknown", "root", "manifest", "blob", "tags", "referrers", "upload"}[k]
}

// target is a path, taken apart.
type target struct {
	kind kind
	// name is the repository as the client has it: with a host or an entry's name in
	// front, or alone if space is set.
	name string
	// reference is a tag or a digest.
	reference string
	// space is the registry that the name is of (containerd's "ns"), in its one spelling.
	space string
}

func (t target) isDigest() bool { return strings.IndexByte(t.reference, ':') >= 0 }

// parse takes the path of a request apart. A path has one spelling: nothing in it is
// encoded but the colon of a digest, which some clients write as %3A.
func parse(u *url.URL) (target, *refusal) {
	path, ok := plain(u)
	if !ok {
		return target{}, badName("a name is written without percent signs")
	}
	rest, ok := strings.CutPrefix(path, wire.GatewayPrefix)
	if !ok || rest == "" {
		if path == wire.GatewayPrefix || path+"/" == wire.GatewayPrefix {
			return target{kind: root}, nil
		}
		return target{}, noRoute()
	}
	t, ok := split(rest)
	if !ok {
		return target{}, noRoute()
	}
	if no := t.checkReference(); no != nil {
		return t, no
	}
	if u.RawQuery != "" {
		if no := t.takeSpace(u.RawQuery); no != nil {
			return t, no
		}
	}
	return t, nil
}

// plain gives the path if it is spelled as it should be.
func plain(u *url.URL) (string, bool) {
	if u.RawPath == "" {
		return u.Path, !strings.Contains(u.Path, "%")
	}
	at := strings.LastIndexByte(u.RawPath, '/')
	head, last := u.RawPath[:at+1], u.RawPath[at+1:]
	last = strings.ReplaceAll(strings.ReplaceAll(last, "%3A", ":"), "%3a", ":")
	if strings.Contains(head, "%") || strings.Contains(last, "%") {
		return "", false
	}
	return head + last, true
}

// split takes <name>/<kind>/<reference> apart, from behind: a repository may have a part
// that is called blobs.
func split(path string) (target, bool) {
	last := strings.LastIndexByte(path, '/')
	if last < 0 {
		return target{}, false
	}
	head, reference := path[:last], path[last+1:]
	if name, ok := strings.CutSuffix(head, "/blobs/uploads"); ok && name != "" {
		return target{kind: uploads, name: name}, true
	}
	middle := strings.LastIndexByte(head, '/')
	if middle <= 0 {
		return target{}, false
	}
	t := target{name: head[:middle], reference: reference}
	switch head[middle+1:] {
	case "manifests":
		t.kind = manifests
	case "blobs":
		t.kind = blobs
		if reference == "uploads" {
			t.kind = uploads
		}
	case "referrers":
		t.kind = referrers
	case "tags":
		t.kind, t.reference = tags, ""
		return t, reference == "list"
	default:
		return target{}, false
	}
	return t, true
}

func (t target) checkReference() *refusal {
	switch t.kind {
	case manifests:
		if !t.isDigest() {
			if ref.CheckTag(t.reference) != nil {
				return unknown(t.kind) // as the conformance tests have it
			}
			return nil
		}
	case blobs, referrers:
	default:
		return nil
	}
	if ref.CheckDigest(t.reference) != nil {
		return &refusal{code: wire.DigestInvalid, message: "that is no digest that the gateway knows", remedy: "use a sha256 or sha512 digest, in lower case"}
	}
	return nil
}

// takeSpace reads containerd's ns=.
func (t *target) takeSpace(raw string) *refusal {
	if !strings.Contains(raw, "ns") && !strings.Contains(raw, "%") {
		return nil
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return badName("the query can't be read")
	}
	list := query["ns"]
	if len(list) == 0 {
		return nil
	}
	host, err := ref.CanonicalHost(list[0])
	if err != nil || len(list) > 1 {
		return badName("ns= names no registry's host")
	}
	t.space = host
	return nil
}

// hostOf reads the first part of a name as a host: it has a dot, is localhost, or has a
// port, which stands behind two underscores since a colon can't stand in a name:
// registry.local__5000. ok is false for what is no host.
func hostOf(first string) (host string, ok bool, no *refusal) {
	name, port, hasPort := strings.Cut(first, "__")
	if hasPort && port != "" && strings.Trim(port, "0123456789") == "" {
		host, err := ref.CanonicalHost(name + ":" + port)
		if err != nil || host != name+":"+port {
			return "", true, badName("the host at its beginning is none")
		}
		return host, true, nil
	}
	if !strings.ContainsAny(first, ".:[") && first != "localhost" {
		return "", false, nil
	}
	if strings.ContainsAny(first, ":[") {
		return "", true, badName("a port stands behind two underscores: registry.local__5000 for registry.local:5000")
	}
	host, err := ref.CanonicalHost(first)
	if err != nil || host != first && !isHubAlias(first) {
		return "", true, badName("the host at its beginning is none, or isn't written in lower case")
	}
	return host, true, nil
}

func isHubAlias(host string) bool { return host == "index.docker.io" || host == "registry-1.docker.io" }

// Spell gives the name under which a repository is pulled through the gateway, without
// the gateway's own host; false for a host that can't be part of a name (IPv6).
func Spell(r ref.Resource) (string, bool) {
	if strings.ContainsAny(r.Host, "[]") {
		return "", false
	}
	return strings.Replace(r.Host, ":", "__", 1) + "/" + r.Repository, true
}

// hub is Docker Hub.
const hub = "docker.io"

// inHub gives a repository of Docker Hub in full.
func inHub(repository string) string {
	if strings.IndexByte(repository, '/') < 0 {
		return "library/" + repository
	}
	return repository
}

func resourceOf(host, repository string) (ref.Resource, *refusal) {
	if host == hub {
		repository = inHub(repository)
	}
	if err := ref.CheckRepository(repository); err != nil {
		return ref.Resource{}, badName("a repository's name is lower case, in parts of letters and digits with . _ or - between them")
	}
	return ref.Resource{Host: host, Repository: repository}, nil
}
